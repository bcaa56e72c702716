"""The configuration: merged in order, checked whole, and errors that say whose fault it was."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from seqtasks.config import CONFIGS, TASKS, SentimentConfig, load_config
from seqtasks.config.arch import ARCHS, STACKED_LAYERS
from seqtasks.config.schema import json_schema, tasks_of
from seqtasks.config.sweep import Range, parse_space
from seqtasks.config.sweep import json_schema as sweep_schema
from seqtasks.errors import ConfigError

FILES = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))
OLD = Path(__file__).parent / "saved_before" / "configs"  # written by version 0.1.0 of 2026-11-22


@pytest.fixture
def write(tmp_path):
    def write(text, name="run.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(files=(), assignments=(), options=None):
    """The message of the error, which must be one line."""
    with pytest.raises(ConfigError) as error:
        load_config(tuple(files), tuple(assignments), options)
    message = str(error.value)
    assert "\n" not in message
    return message


def keys_of(config):
    """All keys of a task's configuration, dotted."""
    for name, field in config.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (f"{name}.{key}" for key in inner.model_fields)
        else:
            yield name


def task_with(key):
    """A task that has a key: the default one, if it does."""
    return next(task for task, config in CONFIGS.items() if key in keys_of(config))


# --- Defaults and the order of merging ----------------------------------------------------------


def test_nothing_given_is_the_default_run():
    config = load_config()
    assert config == SentimentConfig()
    assert (config.task, config.name, config.seed) == ("sentiment", None, 1)
    assert config.data.source == "toy_sentiment"
    assert (config.text.unit, config.model.arch, config.model.pooling) == ("word", "bilstm", "last")
    assert config.model.depth == 1


def test_files_then_assignments_then_options_and_the_last_one_wins(write):
    first = write("seed: 2\nmodel: {arch: gru, units: 5, dropout: 0.1}\ntext: {unit: char}", "a")
    second = write("model: {units: 6, dropout: 0.3}\nname: second", "b")
    config = load_config(
        (first, second),
        ("model.units=7", "training.epochs=3", "training.epochs=4"),
        {"model.units": 8, "seed": 9},
    )
    assert (config.model.arch, config.text.unit) == ("gru", "char")
    assert (config.model.dropout, config.name) == (0.3, "second")
    assert (config.model.units, config.training.epochs, config.seed) == (8, 4, 9)
    assert load_config((second, first)).model.units == 5
    assert load_config((first, second), ("model.units=7",)).model.units == 7


def test_options_that_are_none_count_as_not_given(write):
    path = write("model: {units: 5}")
    assert load_config((path,), (), {"model.units": None, "seed": None}).model.units == 5


def test_an_option_that_is_false_or_0_counts_as_given(write):
    path = write("data: {header: true}\nseed: 5")
    config = load_config((path,), (), {"data.header": False, "seed": 0})
    assert (config.data.header, config.seed) == (False, 0)


def test_assigned_values_are_read_as_yaml():
    config = load_config(
        assignments=(
            "training.learning_rate=1e-3",
            "data.header=true",
            "data.text_column=2",
            "data.label_column=grade",
            "training.target=null",
            "name=a=b",
        )
    )
    assert config.training.learning_rate == 0.001
    assert (config.data.header, config.data.text_column) == (True, 2)
    assert (config.data.label_column, config.name) == ("grade", "a=b")
    assert config.training.target is None


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("tab", "tab"), ("'|'", "pipe")])
def test_a_delimiter_may_be_given_as_itself(sign, name):
    assert load_config(assignments=(f"data.delimiter={sign}",)).data.delimiter == name


def test_a_sign_of_comments_is_no_comment_itself():
    for sign in ("#", "##", "# "):
        assert load_config(assignments=(f"data.comment={sign}",)).data.comment == sign


def test_an_assignment_may_set_a_whole_part():
    config = load_config(assignments=("model={units: 5, arch: gru}", "model.units=6"))
    assert (config.model.units, config.model.arch) == (6, "gru")


def test_a_configuration_can_not_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_config().model.units = 3


# --- Unknown keys -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("modle: {units: 3}", "'modle'", "did you mean 'model'?"),
        ("model: {unit: 3}", "'unit'", "did you mean 'units'?"),
        ("training: {lerning_rate: 3}", "'lerning_rate'", "did you mean 'learning_rate'?"),
        ("data: {test_fracton: 0.1}", "'test_fracton'", "did you mean 'test_fraction'?"),
        ("zzz: 3", "'zzz'", None),
    ],
)
def test_an_unknown_key_names_its_file_and_the_nearest_known_key(write, text, key, hint):
    path = write(text)
    message = refused([path])
    assert message.startswith(f"{path}: ")
    assert f"unknown key {key}" in message
    assert ("did you mean" in message) == (hint is not None)
    assert hint is None or hint in message


def test_an_unknown_key_of_an_assignment_names_the_assignment():
    message = refused(assignments=["model.unit=3"])
    assert message.startswith("--set model.unit: unknown key 'unit' (did you mean 'units'?)")


def test_an_unknown_key_of_one_of_two_files_names_that_file(write):
    good, bad = write("model: {units: 3}", "good.yaml"), write("model: {unitz: 3}", "bad.yaml")
    for order in ([good, bad], [bad, good]):
        message = refused(order)
        assert str(bad) in message
        assert str(good) not in message


def test_all_errors_are_told_at_once(write):
    message = refused([write("modle: 3\nmodel: {unit: 3, dropout: 2}")])
    assert "'modle'" in message
    assert "'unit'" in message
    assert "model.dropout" in message


def test_an_error_of_an_option_names_the_option(write):
    path = write("model: {units: 5}")
    message = refused([path], [], {"model.units": 0})
    assert message.startswith("--units: ")
    assert "received 0" in message
    assert str(path) not in message


def test_an_error_of_a_file_is_not_blamed_on_an_option_beside_it(write):
    path = write("model: {arch: bilsmt}")
    message = refused([path], [], {"model.units": 5})
    assert message.startswith(str(path))
    assert "--units" not in message


def test_the_least_length_is_less_than_the_most_which_counts_the_end():
    setting = ("task=captioning", "decoding.max_length=9")
    assert load_config(assignments=(*setting, "decoding.min_length=8")).decoding.min_length == 8
    message = refused(assignments=[*setting, "decoding.min_length=9"])
    assert "min_length is 9, but max_length is 9" in message


def test_coverage_is_of_what_attention_looks_at():
    setting = ("task=translation", "decoding.coverage_penalty=0.2")
    assert load_config(assignments=setting).decoding.coverage_penalty == 0.2
    message = refused(assignments=[*setting, "model.attention=none"])
    assert "coverage_penalty" in message
    assert "'none'; use attention additive or multiplicative" in message


# --- Impossible values --------------------------------------------------------------------------

IMPOSSIBLE = {
    "task": ["sentimnt"],
    "seed": [-1, 2**31, 1.5],
    "data.validation_fraction": [0, 1, -0.1],
    "data.test_fraction": [-0.1, 1, 1.1],
    "data.source": ["''", "' '"],
    "data.validation": ["''"],
    "data.test": ["''"],
    "data.delimiter": ["colon"],
    "data.on_error": ["ignore"],
    "data.image_size": [0, 2.5],
    "text.unit": ["words"],
    "text.max_words": [2],
    "text.max_characters": [2],
    "text.max_subwords": [0, 299, 2.5],
    "text.min_count": [0],
    "text.unknown_weight": [-1, ".nan", ".inf", "1e+39"],
    "text.max_length": [0],
    "text.max_word_length": [0],
    "text.max_vectors": [-1],
    "text.tune_vectors": ["later", 0],
    "text.features": ["case"],
    "model.feature_units": [0],
    "text.target_unit": ["word+char"],
    "text.case": ["upper"],
    "text.max_sentences": [0],
    "data.distance": [0, 1.5],
    "data.examples": [0, 1.5],
    "data.language": ["de", "KO"],
    "model.topology": ["deep"],
    "model.attention": ["self"],
    "training.window": [0],
    "training.clip_value": [0, -1, ".inf"],
    "training.scheduled_sampling": [1, -0.1],
    "training.sampled_tokens": [-1, 0.5],
    "training.precision": ["bfloat16", "float16"],
    "decoding.beam": [0, -1],
    "decoding.n_best": [0],
    "decoding.max_n_best": [0, -1, 1.5],
    "decoding.max_continuation": [0, -1],
    "decoding.max_prompt": [0, -1],
    "decoding.length_penalty": [-1, ".nan"],
    "decoding.max_length": [0, -5],
    "decoding.min_length": [-1, 1.5],
    "decoding.no_repeat": [-1, 1.5],
    "decoding.coverage_penalty": [-1, ".nan"],
    "decoding.temperature": [-0.1, ".inf"],
    "decoding.top_k": [-1],
    "decoding.seed": [-1, 2**31],
    "decoding.constrain": ["perhaps", 3],
    "model.head": ["CRF", "none"],
    "model.arch": ["bilsmt", "stacked", "", "BiLSTM"],
    "model.layers": [0],
    "model.units": [0, -3, 2.5],
    "model.embedding_units": [0],
    "model.character_units": [0],
    "model.character_encoder": ["gru"],
    "model.character_buckets": [0, 1.5],
    "model.pooling": ["first"],
    "model.beside": ["words", "Ngrams"],
    "model.beside_buckets": [0, 1.5],
    "model.token_dropout": [1, -0.1],
    "model.dropout": [1, -0.1],
    "model.weight_drop": [1, -0.1],
    "model.zoneout": [1, -0.1],
    "model.output_dropout": [1, -0.1],
    "training.epochs": [0],
    "training.batch_size": [0],
    "training.batch_tokens": [0],
    "training.learning_rate": [0, -1, ".nan", ".inf", "1e+39", "1e-39"],
    "training.memory": ["large"],
    "training.embedding_update": ["sparse", "row"],
    "training.clip_norm": [0, -1, ".nan"],
    "training.label_smoothing": [1, -0.1],
    "training.average_decay": [1, -0.1],
    "training.average_last": [-1, 0.5, 101],
    "training.unfreeze_every": [-1, 1.5],
    "training.layer_decay": [0, 1.1, ".nan"],
    "training.patience": [0],
    "training.plateau_patience": [0],
    "training.plateau_factor": [0, 1],
    "training.save_minutes": [-1, ".inf"],
    "training.target": [0, 1.1],
    "training.select_by": ["f1", "chrf", 1],
    "training.class_weight": ["equal", 3],
    "data.labels": ["regression"],
    "data.threshold": [0, 1],
}
FREE = {  # any text, number or column may stand there; data readers judge it
    "name",
    "from_run",
    "from_digest",
    "data.lines",
    "data.text_column",
    "data.label_column",
    "data.header",
    "data.comment",
    "data.tag_column",
    "data.token_column",
    "data.sentence_column",
    "data.image_key",
    "text.vectors",
    "model.residual",
    "model.tied",
    "training.calibrate",
    "decoding.copy_unknown",
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in IMPOSSIBLE.items() for value in values]
)
def test_an_impossible_value_is_refused_with_its_key_and_the_value(write, key, value):
    task = [] if key == "task" else [f"task={task_with(key)}"]
    message = refused(assignments=[*task, f"{key}={value}"])
    assert f"--set {key.split('.')[0]}" in message
    assert str(value).removeprefix(".") in message
    part, _, field = key.rpartition(".")
    path = write(f"{part}: {{{field}: {value!s}}}" if part else f"{field}: {value}")
    assert str(path) in refused([path], task)


def test_every_field_is_in_one_of_the_two_lists():
    fields = {key for config in CONFIGS.values() for key in keys_of(config)}
    assert fields == set(IMPOSSIBLE) | FREE


def test_one_unit_is_too_few_for_characters_read_in_both_directions():
    message = refused(assignments=["text.unit=word+char", "model.character_units=1"])
    assert "character_units" in message
    summed = ("text.unit=word+char", "model.character_encoder=sum")
    assert load_config(assignments=(*summed, "model.character_units=1"))


@pytest.mark.parametrize("given", ["text.vectors=a.vec", "text.features=[shape]"])
def test_what_words_have_is_refused_where_characters_are_read(given):
    message = refused(assignments=[given, "text.unit=char"])
    assert given.partition("=")[0] in message
    assert "use unit word or word+char" in message
    assert load_config(assignments=(given, "text.unit=word+char"))


def test_a_feature_is_given_once():
    assert "each feature once" in refused(assignments=["text.features=[shape, shape]"])
    found = load_config(assignments=("text.features=[suffix, shape]",)).text.features
    assert found == ("suffix", "shape")


WEIGHTS = ["{}", "{spam: 0}", "{spam: .inf}", "{spam: true}", "{spam: a}", "[1, 2]"]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_of_classes_are_positive_numbers(weights):
    message = refused(assignments=[f"training.class_weight={weights}"])
    assert message.startswith(
        "--set training.class_weight: expected balanced, or a positive number"
    )


def test_labels_that_yaml_takes_for_numbers_or_truths_have_weights_by_their_text():
    given = "training.class_weight={0: 2, true: 3, 나쁨: 0.5, 2.5: 1}"
    found = load_config(assignments=(given,)).training.class_weight
    assert found == {"0": 2.0, "true": 3.0, "나쁨": 0.5, "2.5": 1.0}


CHOSEN_BY = {
    "sentiment": {"accuracy", "macro_f1", "micro_f1", "exact", "r2", "spearman", "mae", "rmse"},
    "tagging": {"accuracy", "macro_f1", "entity_f1"},
    "translation": {"bleu", "chrf", "exact"},
    "captioning": {"bleu", "chrf", "exact"},
    "language_model": set(),
}
CHOSEN_BY["documents"] = CHOSEN_BY["recall"] = CHOSEN_BY["sentiment"]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_its_own_scores_and_another_s_is_refused_with_all_that_there_are(task):
    for by in {"loss", *(name for names in CHOSEN_BY.values() for name in names)}:
        setting = [f"task={task}", f"training.select_by={by}"]
        if by in {"loss", *CHOSEN_BY[task]}:
            assert load_config(assignments=tuple(setting)).training.select_by == by
        else:
            message = refused(assignments=setting)
            assert all(f"'{name}'" in message for name in {"loss", *CHOSEN_BY[task]})


@pytest.mark.parametrize("by", ["mae", "rmse", "loss"])
def test_a_target_is_at_most_1_but_for_an_error_which_may_be_any_and_must_be_below(by):
    target = "training.target=3.5"
    assert (
        load_config(assignments=(target, f"training.select_by={by}")).training.target_score == -3.5
    )
    assert "less than or equal to 1" in refused(assignments=[target, "training.select_by=r2"])
    assert load_config(assignments=("training.target=0.5",)).training.target_score == 0.5


WRONG_TYPES = [
    ("model.units", "many"),
    ("model.units", "[3]"),
    ("model.units", "{a: 3}"),
    ("model.units", "null"),
    ("model.units", "true"),
    ("training.epochs", "yes"),
    ("seed", "yes"),
    ("seed", "'3'"),
    ("training.learning_rate", "yes"),
    ("training.save_minutes", "no"),
    ("model.dropout", "no"),
    ("data.threshold", "true"),
    ("text.max_words", "yes"),
    ("training.learning_rate", "fast"),
    ("data.header", "perhaps"),
    ("data.text_column", "[1]"),
    ("data.source", "3"),
    ("data.source", "[a.tsv]"),
    ("name", "[a]"),
    ("model", "bilstm"),
    ("model", "[a]"),
    ("training", "null"),
    ("model.units.deep", "3"),
]


@pytest.mark.parametrize(("key", "value"), WRONG_TYPES)
def test_a_value_of_the_wrong_type_is_refused(key, value):
    assert refused(assignments=[f"{key}={value}"]).startswith("--set ")


@pytest.mark.parametrize("assignment", ["", "=3", "model.units", "model.units 3"])
def test_an_assignment_without_key_or_value_is_refused(assignment):
    assert "expected key=value" in refused(assignments=[assignment])


def test_an_assignment_that_is_not_yaml_is_refused():
    assert "isn't YAML" in refused(assignments=["model.units=[3"])


OVERRIDDEN = [
    ("model: {units: many}", "model.units=5", "model.units"),
    ("model: {units: {a: 3}}", "model.units=5", "model.units"),
    ("model: {units: null}", "model.units=5", "model.units"),
    ("training: {class_weight: 3}", "training.class_weight.spam=5", "training.class_weight"),
    ("training: {learning_rate: yes}", "training.learning_rate=0.1", "training.learning_rate"),
    ("data: {source: [a]}", "data.source=a.tsv", "data.source"),
    ("seed: yes", "seed=3", "seed"),
    ("name: [a]", "name=b", "name"),
]


@pytest.mark.parametrize(("text", "setting", "key"), OVERRIDDEN)
def test_a_bad_value_is_told_though_another_takes_its_place(write, text, setting, key):
    path = write(text)
    assert refused([path], [setting]).startswith(f"{path}: {key}: input should be ")


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("model: {layers: 3, arch: stacked-lstm}", "model.layers=1"),
        ("model: {units: 3}", "model.units=4"),
        ("training: {class_weight: balanced}", "training.class_weight.spam=5"),
        ("training: {learning_rate: 1e-3}", "training.learning_rate=0.1"),
        ("model:", "model.units=5"),
        ("name: null", "name=b"),
    ],
)
def test_a_good_value_may_be_replaced(write, text, setting):
    assert load_config((write(text),), (setting,))


# --- Files that can't be read -------------------------------------------------------------------

BROKEN = {
    "a list": ("- model\n- data\n", "expected keys and values, received list"),
    "a word": ("bilstm", "expected keys and values, received str"),
    "empty": ("", "the file is empty"),
    "comments only": ("# nothing\n", "the file is empty"),
    "an open bracket": ("model: {units: 3\n", "not YAML"),
    "a tab": ("model:\n\tunits: 3\n", "not YAML"),
    "a Python object": ("!!python/object/apply:os.getcwd []", "not YAML"),
    "not UTF-8": ("name: 좋다".encode("cp949"), "not UTF-8"),
    "a control character": ("name: \x00", "not YAML"),
    "a number for a key": ("3: 4", "keys should be strings"),
}


@pytest.mark.parametrize(("content", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused_with_its_name_and_the_problem(write, content, problem):
    path = write(content)
    message = refused([path])
    assert message.startswith(f"{path}: ")
    assert problem in message


def test_a_yaml_error_tells_the_line(write):
    assert "line 3" in refused([write("model:\n  units: 3\n\tarch: gru\n")])


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        message = refused([path])
        assert message.startswith(f"{path}: can't read the configuration")


# --- Rules between fields -----------------------------------------------------------------------


@pytest.mark.parametrize("arch", ARCHS)
def test_only_stacked_archs_have_more_than_one_layer(arch):
    stacked = arch.startswith("stacked-")
    assert load_config(options={"model.arch": arch}).model.depth == (
        STACKED_LAYERS if stacked else 1
    )
    assert load_config(options={"model.arch": arch, "model.layers": 1}).model.depth == 1
    options = {"model.arch": arch, "model.layers": 3}
    if stacked:
        assert load_config(options=options).model.depth == 3
    else:
        assert f"use arch stacked-{arch}" in refused(options=options)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_residual_needs_a_pooling_over_all_steps(pooling):
    options = {"model.arch": "stacked-gru", "model.residual": True, "model.pooling": pooling}
    if pooling == "last":
        assert "residual needs the outputs of all steps" in refused(options=options)
    else:
        assert load_config(options=options).model.residual


def test_an_unknown_arch_gets_the_nearest_one_and_the_list():
    message = refused(options={"model.arch": "bilsmt"})
    assert "did you mean 'bilstm'?" in message
    assert all(arch in message for arch in ARCHS)


# --- The files of this project, and YAML there and back -----------------------------------------


def test_there_are_configurations_to_check():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_configuration_of_ours_loads_and_survives_being_written(write, path):
    config = load_config((path,))
    assert load_config((write(config.to_yaml()),)) == config
    assert set(yaml.safe_load(path.read_text("utf-8"))) <= set(type(config).model_fields)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_configuration_of_ours_says_how_it_is_run(path):
    assert f"seqtasks train --config configs/{path.name}" in path.read_text("utf-8")


def test_the_resolved_configuration_spells_out_every_default(write):
    config = load_config(
        options={
            "name": "이름: a #1",
            "data.source": "b: c.tsv",
            "data.text_column": 2,
            "data.label_column": "2",
            "training.learning_rate": 1e-7,
        }
    )
    text = config.to_yaml()
    assert "이름" in text
    written = yaml.safe_load(text)
    dotted = {
        f"{name}.{key}" if isinstance(value, dict) else name
        for name, value in written.items()
        for key in (value if isinstance(value, dict) else [""])
    }
    assert dotted == set(keys_of(SentimentConfig))
    assert load_config((write(text),)) == config


NOT_FOR = [
    ("sentiment", "model.attention", "additive"),
    ("sentiment", "decoding.beam", 3),
    ("translation", "model.pooling", "max"),
    ("captioning", "model.token_dropout", 0.1),
    ("tagging", "data.distance", 5),
    ("language_model", "training.scheduled_sampling", 0.1),
]


@pytest.mark.parametrize(("task", "key", "value"), NOT_FOR)
def test_an_option_that_the_task_never_looks_at_is_refused(task, key, value):
    message = refused(assignments=[f"task={task}", f"{key}={value}"])
    assert message.startswith(f"--set {key}: no option of the task {task!r}; it is for ")


@pytest.mark.parametrize("task", TASKS)
def test_each_task_has_defaults_that_are_good_and_come_back_from_their_own_file(task, write):
    config = load_config(assignments=[f"task={task}"])
    assert config.task == task
    assert load_config((write(config.to_yaml()),)) == config


DISAGREEING = [
    ("task=language_model", "model.arch=bilstm", "use arch lstm"),
    ("task=captioning", "model.arch=stacked-bigru", "use arch stacked-gru"),
    ("task=captioning", "text.unit=word+char", "use unit word or char"),
    ("task=tagging", "text.unit=char", "word or word+char"),
    ("task=documents", "model.pooling=last", "mean, max or attention"),
    ("task=translation", "decoding.n_best=6", "widen the beam"),
    ("data.test_fraction=0.5", "data.validation_fraction=0.5", "less than 1 together"),
    ("task=translation", "decoding.beam=20000", "wider than the vocabulary"),
    ("training.average_last=3", "training.average_decay=0.5", "set one of them to 0"),
]


@pytest.mark.parametrize(("task", "setting", "advice"), DISAGREEING)
def test_settings_that_disagree_are_refused_with_what_to_do(task, setting, advice):
    assert advice in refused(assignments=[task, setting])


@pytest.mark.parametrize("task", TASKS)
def test_the_schema_names_every_key_of_every_task_and_refuses_others(task):
    schema = json_schema()
    assert schema["discriminator"]["propertyName"] == "task"

    def resolved(part):
        return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    whole = resolved({"$ref": schema["discriminator"]["mapping"][task]})
    found = set()
    properties = dict(whole["properties"])
    assert properties.pop("sweep")["type"] == "object"  # which belongs to a file, and to no run
    for name, part in properties.items():
        section = resolved(part)
        assert section.get("additionalProperties", False) is False
        keys = [f"{name}.{key}" for key in section.get("properties", ())]
        found |= set(keys or [name])
    assert found == set(keys_of(CONFIGS[task]))
    units = resolved(whole["properties"]["model"])["properties"]["units"]
    assert (units["type"], units["minimum"]) == ("integer", 1)


def test_the_schema_knows_the_forms_that_a_search_may_give():
    one_of, between = sweep_schema()["additionalProperties"]["anyOf"]
    assert one_of["type"] == "array"
    whole = {"from": 1, "to": 9, "log": False, "step": 2}
    assert parse_space({"model.units": whole}, "a")["model.units"] == Range(1, 9, step=2)
    assert set(between["properties"]) == set(whole)
    for key in whole:
        rest = {name: value for name, value in whole.items() if name != key}
        if key in between["required"]:
            with pytest.raises(ConfigError, match="expected"):
                parse_space({"model.units": rest}, "a")
        else:
            parse_space({"model.units": rest}, "a")
    with pytest.raises(ConfigError, match="received 'by'"):
        parse_space({"model.units": {**whole, "by": 1}}, "a")
    assert between["additionalProperties"] is False


def test_an_old_file_of_every_task_still_loads_and_says_the_same():
    files = sorted(OLD.glob("*.yaml"))
    assert [path.stem for path in files] == sorted(TASKS)
    for path in files:
        old, config = yaml.safe_load(path.read_text("utf-8")), load_config((path,))
        assert config.task == path.stem
        assert _within(old, config.to_dict())


def _within(old, new):
    """Whether all keys that there were have the values that they had; later ones are new."""
    if isinstance(old, dict):
        return all(key in new and _within(value, new[key]) for key, value in old.items())
    return old == new


def test_the_tasks_of_a_key_are_those_whose_class_has_it():
    assert tasks_of("model", "attention") == ["translation"]
    assert set(tasks_of("model", "units")) == set(TASKS)
    assert tasks_of("model", "nothing") == tasks_of("nothing", "units") == []


def test_a_hierarchy_pools_by_attention_unless_told_otherwise():
    topology = "model.topology=hierarchical"
    assert load_config(assignments=(topology,)).model.pooling == "attention"
    assert load_config(assignments=(topology, "model.pooling=mean")).model.pooling == "mean"
    assert "pooling" in refused(assignments=[topology, "model.pooling=last"])
