"""Every task at every other policy of Keras: trained, validated, evaluated, asked, exported.

float32 is what `tests/cli` trains, evaluates, asks and exports every task with. bfloat16_products
is float32 but for recurrent layers in training: `tests/layers/test_products.py`.
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
OTHERS = [each for each in PRECISIONS if each not in (TrainingConfig().precision, PRODUCTS)]

pytestmark = pytest.mark.slow


class Silent:
    def progressed(self, progress):
        pass

    def epoch_ended(self, result):
        assert 0 < result.train_loss < 100
        assert 0 < result.validation_loss < 100


@pytest.mark.parametrize("precision", OTHERS)
@pytest.mark.parametrize("task", TASKS)
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
