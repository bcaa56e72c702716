"""Tasks at other precisions: trained, validated, evaluated, asked, exported.

float32 is what `tests/cli` trains, evaluates, asks and exports every task with. bfloat16_products
concerns recurrent layers in training alone (`tests/layers/test_products.py`): two networks do.
"""

from typing import get_args

import pytest
import tensorflow as tf

from seqtasks.config import TASKS, TrainingConfig
from seqtasks.export.samples import raw_inputs, requests
from seqtasks.tasks.finished_run import evaluate_run, load_predictor
from seqtasks.training.precision import PRODUCTS
from seqtasks.training.train import train

PRECISIONS = get_args(TrainingConfig.model_fields["precision"].annotation)
OTHERS = [precision for precision in PRECISIONS if precision != TrainingConfig().precision]
BY_FEW = {PRODUCTS: ["tagging", "translation"]}

pytestmark = pytest.mark.slow


class Silent:
    def progressed(self, progress):
        pass

    def epoch_ended(self, result):
        assert 0 < result.train_loss < 100
        assert 0 < result.validation_loss < 100


@pytest.mark.parametrize(
    ("task", "precision"),
    [(task, other) for other in OTHERS for task in BY_FEW.get(other, TASKS)],
)
def test_a_task_is_trained_evaluated_asked_and_served_at_a_precision(
    task, precision, make, tmp_path
):
    made = make(task, {"training.precision": precision, "training.epochs": 1, "name": "run"})
    small = made.splits
    if task == "recall":  # which makes thousands of examples, where a few do
        small = type(small)(*(part.select(range(40)) for part in vars(small).values()))
    outcome = train(made.config, tmp_path, False, Silent(), small)
    found = evaluate_run(outcome.run, made.config, splits=small)
    assert found.source == small.test.source
    predictor = load_predictor(outcome.run, made.config)
    if task != "captioning":
        assert len(list(predictor.predict(small.test.asked(3)))) >= 1
    endpoint, *_ = made.task.endpoints(predictor)
    function = tf.function(endpoint.function, input_signature=endpoint.specs, autograph=False)
    feeds = next(requests(endpoint, raw_inputs(small.test.asked(5))))
    assert function(*feeds.values()).keys() == endpoint.outputs.keys()
