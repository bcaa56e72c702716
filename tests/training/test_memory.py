"""The estimate of memory: less than any training takes, and nothing said where nothing is known."""

import errno
import os
import random

import cases
import pytest

from seqtasks.config import load_config
from seqtasks.config.arch import ARCHS
from seqtasks.errors import TrainingError
from seqtasks.layers.recurrent import Recurrent
from seqtasks.tasks.registry import get_task
from seqtasks.tasks.sources import load_splits
from seqtasks.training import memory
from seqtasks.training.train import _build


@pytest.mark.parametrize("arch", ["rnn", "bigru", "stacked-bilstm"])
def test_no_network_needs_less_than_the_estimate(arch):
    options = {"model.arch": arch, "model.units": 7, "model.embedding_units": 5}
    config = load_config(options={**options, "data.source": "toy_sentiment"})
    task = get_task("sentiment")
    codec = task.make_codec(config, load_splits(config))
    model = task.build(config, codec)
    vocabulary = len(codec.encoder.words.tokens)
    recurrent = model.count_params() - vocabulary * 5
    estimate = memory.least_memory(config, vocabulary)
    assert 0.8 * 4 * (4 * recurrent) < estimate - 4 * 3 * vocabulary * 5 <= 4 * 4 * recurrent


def test_it_grows_with_each_dimension():
    for arch in ARCHS:
        sizes = {
            key: memory.least_memory(load_config(options={"model.arch": arch, **more}), 1_000)
            for key, more in (
                ("as it is", {}),
                ("units", {"model.units": 65}),
                ("embedding_units", {"model.embedding_units": 65}),
            )
        }
        assert (
            min(sizes.values()) == sizes["as it is"] < min(sizes["units"], sizes["embedding_units"])
        )


def test_too_large_a_network_is_refused_with_what_it_needs_and_what_there_is(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000_000)
    memory.check_memory(load_config(), 20_000)
    with pytest.raises(TrainingError) as error:
        memory.check_memory(load_config(options={"model.units": 20_000}))
    for part in ("20,000 units", "GB at least", "2.0 GB are free", "--units"):
        assert part in str(error.value)
    with pytest.raises(TrainingError, match="vectors of 3,000,000 tokens"):
        memory.check_memory(load_config(options={"model.embedding_units": 300}), 3_000_000)
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    memory.check_memory(load_config(options={"model.units": 10**9}))


def test_little_is_kept_where_a_batch_would_take_much_of_what_is_free(monkeypatch):
    def saves(free, **options):
        monkeypatch.setattr(memory, "available_memory", lambda: free)
        chosen = {f"training.{key}": value for key, value in options.items()}
        return memory.saves_memory(load_config(options=chosen))

    kept = memory.kept_memory(load_config())
    assert [saves(free) for free in (None, 4 * kept, 4 * kept - 1)] == [False, False, True]
    assert saves(4 * kept, batch_tokens=8_193)
    assert [saves(0, memory=how) for how in ("auto", "fast", "small")] == [True, False, True]
    assert saves(None, memory="small")


def test_every_recurrent_layer_of_a_network_is_told(tmp_path):
    options = {"model.arch": "stacked-lstm", "text.unit": "word", "training.memory": "small"}
    for task in ("sentiment", "documents", "translation", "language_model"):
        source, _ = getattr(cases, f"make_{task}")(tmp_path, random.Random(1))
        given = {"task": task, "data.source": str(source), "model.units": 4}
        config = load_config(options={**options, **given})
        codec = get_task(task).make_codec(config, load_splits(config))
        for how, precision in (("small", "bfloat16_products"), ("fast", "float32")):
            training = config.training.model_copy(update={"memory": how, "precision": precision})
            model = _build(config.model_copy(update={"training": training}), codec)
            layers = [part for part in model._flatten_layers() if isinstance(part, Recurrent)]
            assert layers
            assert {layer.saves_memory for layer in layers} == {how == "small"}, task
            products = "bfloat16" if how == "small" else None
            assert {layer.products for layer in layers} == {products}, task
            assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32"}


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("MemTotal: 9 kB\nMemAvailable:  3 kB\nSwapFree: 2 kB\n", [5 * 1024]),
        ("MemAvailable: 3 kB\n", [3 * 1024]),
        ("MemTotal: 9 kB\n", []),
        ("MemAvailable:\n", []),
        ("MemAvailable: many kB\n", []),
        ("", []),
    ],
)
def test_what_linux_says_of_the_machine(tmp_path, text, known):
    (tmp_path / "meminfo").write_text(text)
    assert list(memory._of_the_machine(tmp_path / "meminfo")) == known
    assert list(memory._of_the_machine(tmp_path / "nowhere")) == []


def test_what_is_left_of_a_container_s_limit(tmp_path):
    assert list(memory._of_the_container(tmp_path)) == []
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    for limit, left in (("max", []), ("1000", [400]), ("500", [0]), (str(2**62), [])):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        assert list(memory._of_the_container(tmp_path)) == left


def test_elsewhere_nothing_is_known(monkeypatch, tmp_path):
    def missing(*_, **__):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(memory.Path, "read_text", missing)
    assert memory.available_memory() is None
