"""What version 0.1.0 of 2026-11-22 saved, before modules had other names, still works.

`saved_before/` holds a run of `recall` (units 4, one epoch, seed 3), its export, a `.keras` file of
layers of every kind, and the `config.yaml` of a run of each task (read in `test_config.py`).
"""

import json
import shutil
import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from seqtasks.cli import main
from seqtasks.export.recorded_answers import read_answers
from seqtasks.runs import find_run
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.warmup import WARMUP_FILE
from seqtasks.tasks.finished_run import load_predictor

SAVED = Path(__file__).parent / "saved_before"
STORY = "noor met yuki . grey rain fell . who met"
PROBABILITIES = {  # as that version answered
    "Anna": 0.22330491244792938,
    "Ben": 0.08084170520305634,
    "Clara": 0.14472359418869019,
    "David": 0.08399276435375214,
    "Emma": 0.07604195922613144,
    "Felix": 0.13777142763137817,
    "Grace": 0.1537635177373886,
    "Tom": 0.09956009685993195,
}


def test_a_keras_file_with_layers_of_every_kind_loads_and_answers_the_same():
    # Importing a layer makes its name known to Keras.
    from seqtasks import GRU, LSTM, RNN, Bidirectional, Stacked  # noqa: F401
    from seqtasks.layers.pooling import MaskedPooling  # noqa: F401

    model = keras.models.load_model(SAVED / "layers.keras")
    ids = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 1, 2], [3, 0, 0, 0, 0]])
    expected = [[-0.00973605, 0.0274283], [0.00598936, 0.03062237], [-0.0085302, 0.00318904]]
    np.testing.assert_allclose(model(ids), expected, rtol=1e-5, atol=1e-7)


def test_a_run_predicts_what_it_predicted():
    run = find_run(SAVED / "recall", Path("runs"))
    (answer,) = load_predictor(run, run.config).predict([STORY])
    assert answer.probabilities == pytest.approx(PROBABILITIES, abs=1e-6)


@pytest.mark.slow
def test_a_run_goes_on(tmp_path):
    run = shutil.copytree(SAVED / "recall", tmp_path / "recall")
    command = ["train", "--resume", str(run), "--epochs", "2", "--json"]
    done = CliRunner().invoke(main, command, prog_name="seqtasks")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["epochs"] == 2


def test_an_export_answers_what_it_answered(tmp_path):
    with tarfile.open(SAVED / "recall-export.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    servable = Servable(tmp_path / "1", "recall", 1)
    answers = list(read_answers(tmp_path / "1" / WARMUP_FILE))
    assert len(answers) > 10
    for name, feeds, expected in answers:
        found = servable.run(servable.signature(name), feeds)
        assert found.keys() == expected.keys()
        for output, value in found.items():
            if value.dtype == object:
                assert value.tolist() == expected[output].tolist()
            else:
                np.testing.assert_allclose(value, expected[output], atol=1e-5)
    servable.close()
