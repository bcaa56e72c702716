"""Which runs another may begin from, and which settings it then has: known without TensorFlow."""

import shutil
from pathlib import Path

import pytest

from seqtasks.config import load_config
from seqtasks.errors import ConfigError, RunError
from seqtasks.runs import create_run
from seqtasks.tasks.source_run import begun_from, check_apart, check_labels

OLD = Path(__file__).parents[1] / "saved_before" / "recall"


@pytest.fixture
def run_of(tmp_path):
    """Make a run as far as it is looked at: settings, a vocabulary, weights of no meaning."""

    def run_of(name="before", **options):
        config = load_config(options={key.replace("__", "."): v for key, v in options.items()})
        path = tmp_path / name

        def vocabulary(folder):
            folder.mkdir(exist_ok=True)
            (folder / "words.txt").write_text("[PAD]\n[UNK]\nword\n")
            (folder / "labels.txt").write_text("a\nb\n")

        run = create_run(path, config, vocabulary)
        run.best_weights.write_bytes(f"weights of {name}".encode())
        return run

    return run_of


def begun(run, *assignments, **options):
    options = {key.replace("__", "."): value for key, value in options.items()}
    return begun_from(load_config((), assignments, {**options, "from_run": str(run.path)}))


def refused(run, *assignments, **options):
    with pytest.raises(ConfigError) as error:
        begun(run, *assignments, **options)
    message = str(error.value)
    assert message.startswith(f"--from {run.path}: ")
    assert "\n" not in message
    return message


LINES = {"task": "language_model", "data__lines": True}


def test_nothing_is_changed_where_no_run_is_named():
    config = load_config()
    assert begun_from(config) is config


def test_of_the_same_task_all_settings_of_text_and_network_are_the_sources(run_of):
    run = run_of(
        text__unit="word+char", text__max_words=77, model__arch="gru", model__units=5,
        model__pooling="mean", model__dropout=0.4, training__epochs=3, seed=9,
    )  # fmt: skip
    config = begun(run)
    assert (config.text, config.model) == (run.config.text, run.config.model)
    assert (config.training.epochs, config.seed) == (20, 1)
    assert config.from_run == str(run.path)
    assert len(config.from_digest) == 64
    assert begun_from(config) == config


def test_what_decides_no_weight_may_be_another(run_of):
    run = run_of(model__dropout=0.4, text__max_length=50)
    config = begun(run, model__dropout=0.1, text__max_length=70, text__min_count=3)
    assert config.model.dropout == 0.1
    assert (config.text.max_length, config.text.min_count) == (70, 3)


def test_what_is_set_otherwise_is_named_with_both_values_and_what_fits(run_of):
    run = run_of(model__arch="gru", model__units=5)
    message = refused(run, model__units=6, model__arch="gru", text__unit="char")
    assert "model.units is 5 there and 6 here" in message
    assert "text.unit is 'word' there and 'char' here" in message
    assert "the same: model.arch" in message
    assert message.endswith("Leave out what was set here, or begin from another run")


def test_another_task_does_not_fit(run_of):
    message = refused(run_of(task="translation"), task="sentiment")
    assert "of the task 'translation', this one of 'sentiment'" in message
    assert "language_model" in message
    message = refused(run_of("other"), task="captioning")
    assert "of the task 'sentiment', this one of 'captioning'" in message
    assert "language_model" not in message


def test_a_reader_takes_unit_network_and_width_of_a_language_model(run_of):
    run = run_of(
        **LINES, text__unit="char", model__arch="bilstm", model__units=9, model__embedding_units=7
    )
    config = begun(run)
    assert (config.task, config.text.unit) == ("sentiment", "char")
    assert (config.model.arch, config.model.units, config.model.embedding_units) == ("bilstm", 9, 7)
    assert config.model.dropout == load_config().model.dropout
    set_of_model = config.model.model_fields_set
    assert "pooling" not in set_of_model  # so that the data may choose it


def test_directions_and_layers_may_be_others_but_not_the_cell(run_of):
    run = run_of(**LINES, text__unit="word", model__arch="gru")
    assert begun(run, model__arch="bigru").model.arch == "bigru"
    config = begun(run, model__arch="stacked-bigru", model__layers=3)
    assert config.model.depth == 3
    assert "model.arch is 'gru' there and 'bilstm' here" in refused(run, model__arch="bilstm")


def test_words_may_have_their_spelling_beside_them_and_a_tagger_has_it(run_of):
    run = run_of(**LINES, text__unit="word", model__arch="bilstm")
    assert begun(run, text__unit="word+char").text.unit == "word+char"
    assert begun(run, task="tagging").text.unit == "word+char"
    assert "text.unit is 'word' there and 'char' here" in refused(run, text__unit="char")


def test_characters_and_subwords_have_no_tags(run_of):
    run = run_of(**LINES, text__unit="char", model__arch="bilstm")
    assert "text.unit" in refused(run, task="tagging")


def test_running_text_has_other_tokens(run_of):
    run = run_of(task="language_model")
    assert "train a language_model with --set data.lines=true" in refused(run)
    assert "data.lines is False there and True here" in refused(run, **LINES)
    assert begun(run, task="language_model").data.lines is False


def test_vectors_come_from_the_run_or_from_a_file(run_of):
    lines = run_of(**LINES, text__unit="word", model__arch="bilstm")
    assert "text.vectors" in refused(lines, text__vectors="some.vec")
    run = run_of("with", text__vectors="gone.vec", model__embedding_units=5)
    assert begun(run).text.vectors is None
    assert "text.vectors are taken over" in refused(run, text__vectors="gone.vec")
    plain = run_of("without", model__embedding_units=5)
    assert "text.vectors are taken over" in refused(plain, text__vectors="gone.vec")


def test_a_run_without_weights_or_with_damaged_ones_is_none_to_begin_from(run_of):
    run = run_of()
    before = begun(run)
    run.best_weights.write_bytes(b"others")
    with pytest.raises(RunError, match="not the weights that this run was begun from"):
        begun_from(before)
    (run.vocabulary / "words.txt").write_text("[PAD]\n")
    with pytest.raises(RunError, match=r"words\.txt: damaged"):
        begun(run)
    run.best_weights.unlink()
    with pytest.raises(RunError, match="no weights yet"):
        begun(run)
    shutil.rmtree(run.path)
    with pytest.raises(RunError, match="no such run"):
        begun(run)


def test_a_run_is_not_overwritten_by_one_that_begins_from_it(run_of):
    run = run_of()
    with pytest.raises(ConfigError, match="it would be overwritten; choose another --name"):
        check_apart(begun(run), run.path)
    check_apart(begun(run), run.path.with_name("after"))


def test_unfreezing_needs_a_run_to_begin_from(run_of):
    with pytest.raises(ConfigError, match=r"training\.unfreeze_every keeps the layers of another"):
        load_config(assignments=("training.unfreeze_every=1",))
    assert begun(run_of(), "training.unfreeze_every=1").training.unfreeze_every == 1


def test_a_run_of_an_earlier_version_may_be_begun_from():
    config = load_config(options={"task": "recall", "from_run": str(OLD)})
    assert begun_from(config).model.units == 4


def test_numbers_do_not_fit_classes(run_of, tmp_path):
    from seqtasks.tasks.sources import read_files

    file = tmp_path / "numbers.csv"
    file.write_text("text,label\n" + "".join(f"film {n},{n / 7:.3f}\n" for n in range(40)))
    config = begun(run_of(), data__source=str(file))
    with pytest.raises(ConfigError, match=r"its texts have one label each, those of .* numbers"):
        check_labels(config, read_files(config))
