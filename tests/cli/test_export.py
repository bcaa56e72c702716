"""`seqtasks export`: what TF Serving would load answers as `predict` does, for every task."""

import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import c_api
import h5py
import numpy as np
import pytest
import tensorflow as tf
from graphs import as_traced
from tensorflow.core.protobuf import saved_model_pb2

from seqtasks.config import TASKS
from seqtasks.export import export as export_module
from seqtasks.export.check import check
from seqtasks.export.recorded_answers import read_answers
from seqtasks.runs.locks import Lock
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings
from seqtasks.serving.warmup import WARMUP_FILE

# Training and exporting a task takes seconds, so only one of them is fast.
NOTED = r"(note: .*\n)*"  # what predict tells of texts and answers that were cut
FAST = "sentiment"
EACH_TASK = [pytest.param(task, marks=() if task == FAST else pytest.mark.slow) for task in TASKS]
VERSION = "3"


@pytest.fixture(scope="module", autouse=True)
def compared_here():
    """Compare exports in this process, but for the first one, which starts another as always."""
    apart, calls = export_module._check_apart, itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            export_module,
            "_check_apart",
            lambda folder, samples: (check if next(calls) else apart)(folder, samples),
        )
        yield


@pytest.fixture(scope="module", autouse=True)
def graphs_as_traced():
    """Rewrite no graph in this process; the C library rewrites each task's."""
    with as_traced():
        yield


@pytest.fixture(scope="module")
def exported(cases, succeeds, tmp_path_factory):
    """Each task exported once, when first asked for: the folder of the version."""
    base, made = tmp_path_factory.mktemp("saved"), {}

    def export(task):
        if task not in made:
            _, run, _, _ = cases(task)
            done = succeeds("export", run, "--to", base / task, "--version", VERSION, "--json")
            made[task] = Path(json.loads(done.stdout)["path"])
            assert made[task] == base / task / VERSION
        return made[task]

    return export


@pytest.fixture(scope="module")
def ask():
    """Run a SavedModel as TF Serving does: a session, and tensors by their names."""
    loaded = {}

    def load(folder):
        settings = tf.compat.v1.ConfigProto()
        session = tf.compat.v1.Session(graph=tf.Graph(), config=settings)
        with session.graph.as_default():
            return session, tf.compat.v1.saved_model.load(session, ["serve"], str(folder))

    def run(folder, signature, **inputs):
        if folder not in loaded:
            loaded[folder] = load(folder)
        session, meta_graph = loaded[folder]
        wanted = meta_graph.signature_def[signature]
        assert set(inputs) == set(wanted.inputs)
        feeds = {wanted.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: t.name for name, t in wanted.outputs.items()}, feeds)

    yield run
    for session, _ in loaded.values():
        session.close()


@pytest.fixture(scope="module")
def texts_of(cases):
    """The texts that a task is asked about, its own and odd ones; captioning has files."""

    def texts(task):
        own = cases(task)[2]
        return own if task == "captioning" else [*own, *TEXTS]

    return texts


@pytest.fixture(scope="module")
def predicted(cases, succeeds):
    """What `predict --json` says, asked once for the same texts: a dict for each."""
    known = {}

    def predict(task, texts, *more):
        key = (task, *texts, *more)
        if key not in known:
            command = ("predict", cases(task)[1], "--json", *more, "--", *texts)
            lines = succeeds(*command, noted=NOTED).stdout
            known[key] = [json.loads(line) for line in lines.splitlines()]
        return known[key]

    return predict


TEXTS = ["red cat sees", "", "BIG dogs! 강아지", "cat " * 30, "One. two red!\n\nThree", "\0"]
ANSWERS = {
    "sentiment": ("label", "label"),
    "documents": ("label", "label"),
    "recall": ("label", "label"),
    "translation": ("translation", "translation"),
}


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in EACH_TASK if task.values[0] in ANSWERS])
def test_texts_get_the_answers_of_predict(task, exported, ask, predicted, texts_of):
    output, key = ANSWERS[task]
    found = ask(exported(task), "serving_default", text=texts_of(task))
    right = predicted(task, texts_of(task))
    assert [answer.decode() for answer in found[output]] == [one[key] for one in right]
    scores = [one["score" if task == "translation" else "probability"] for one in right]
    assert found["score"] == pytest.approx(scores, abs=1e-5)


@pytest.mark.slow
def test_tags_are_those_of_predict(exported, ask, predicted, texts_of):
    texts = texts_of("tagging")
    found = ask(exported("tagging"), "serving_default", text=texts)
    for row, right in enumerate(predicted("tagging", texts)):
        length = found["lengths"][row]
        assert length == len(right["tags"])
        assert [tag.decode() for tag in found["tags"][row][:length]] == right["tags"]
        assert [word.decode() for word in found["tokens"][row][:length]] == right["tokens"]
        assert not any(found["tags"][row][length:])


@pytest.mark.slow
def test_tokens_are_tagged_as_they_are(exported, ask):
    folder = exported("tagging")
    of_text = ask(folder, "serving_default", text=["red cats see", "dogs"])
    tokens = np.array([["red", "cats", "see", ""], ["dogs", "", "", ""]], object)
    found = ask(folder, "tokens", tokens=tokens)
    assert found["lengths"].tolist() == [3, 1]
    assert found["tags"][:, :3].tolist() == of_text["tags"].tolist()


@pytest.mark.slow
def test_the_best_translations_come_with_scores_tokens_and_attention(
    exported, ask, predicted, texts_of
):
    texts = texts_of("translation")
    found = ask(exported("translation"), "nbest", text=texts[1:2], k=2)
    right = predicted("translation", texts)[1]
    first, second = found["translations"][0]
    assert first.decode() == right["translation"]
    assert [[second.decode(), pytest.approx(found["scores"][0, 1], abs=1e-5)]] == right[
        "alternatives"
    ]
    length = len(right["target_tokens"])
    assert [token.decode() for token in found["tokens"][0, 0, :length]] == right["target_tokens"]
    assert found["attention"][0, 0, :length] == pytest.approx(
        np.array(right["attention"]), abs=1e-3
    )


@pytest.mark.slow
def test_image_files_are_captioned_as_predict_does(exported, ask, predicted, texts_of):
    (file,) = texts_of("captioning")
    (right,) = predicted("captioning", [file])
    found = ask(exported("captioning"), "encoded", image_bytes=[Path(file).read_bytes()])
    assert found["caption"][0].decode() == right["caption"]
    assert found["score"][0] == pytest.approx(right["score"], abs=1e-4)


@pytest.mark.slow
def test_texts_are_gone_on_with_as_predict_does(exported, ask, predicted):
    settings = ("--set", "decoding.temperature=0.5", "--set", "decoding.seed=3")
    # One by one, since the place of a text among others matters to what is drawn.
    texts = TEXTS[:2]
    right = [predicted("language_model", [text], *settings)[0] for text in texts]
    for text, one in zip(texts, right, strict=True):
        how = {"length": 7, "temperature": 0.5, "top_k": 0, "seed": 3}
        found = ask(exported("language_model"), "continue", text=[text], **how)
        assert found["continuation"][0].decode() == one["continuation"]


HUGE = 2**31 - 1
# What a request may ask for, far beyond any bound, and what the run's configuration allows.
UNBOUNDED = [
    pytest.param("translation", "nbest", {"k": 1_000_000}, "translations", 4, id="translation"),
    pytest.param("captioning", "nbest", {"k": 1_000_000}, "captions", 6, id="captioning"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "signature", "asked", "output", "most"), UNBOUNDED)
def test_no_request_gets_more_answers_than_the_run_allows(
    task, signature, asked, output, most, exported, ask
):
    folder = exported(task)
    rows = {"text": ["a"]} if task == "translation" else {"image": np.ones((1, 8, 6, 1), "f")}
    (bounded,) = asked
    for given in (asked[bounded], HUGE, most + 1, most):
        assert ask(folder, signature, **rows, k=given)[output].shape == (1, most)
    for given in (0, -1, -HUGE - 1):
        assert ask(folder, signature, **rows, k=given)[output].shape == (1, 1)
    described = json.loads((folder / "signatures.json").read_text("utf-8"))[signature]["inputs"]
    assert (described["k"]["least"], described["k"]["most"]) == (1, most)
    assert f"taken for at least 1 and at most {most}" in (folder / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_a_language_model_writes_and_reads_no_more_than_the_run_allows(exported, ask, predicted):
    folder, how = exported("language_model"), {"temperature": 0.0, "top_k": 0, "seed": 1}

    def go_on(text, **other):
        return ask(folder, "continue", text=[text], **{"length": 3, **how, **other})

    longest = go_on("red", length=20)["continuation"][0]
    assert len(longest) == 20
    for length in (HUGE, 21):
        assert go_on("red", length=length)["continuation"][0] == longest
    for length in (0, -5):
        assert go_on("red", length=length)["continuation"][0] == b""
    greedy = go_on("red")["continuation"][0]
    for number in (float("nan"), -1.0, -float("inf")):
        assert go_on("red", temperature=number)["continuation"][0] == greedy
    described = json.loads((folder / "signatures.json").read_text("utf-8"))["continue"]["inputs"]
    for beyond, bound in ((HUGE, described["top_k"]["most"]), (-1, 0)):
        drawn = [go_on("red", temperature=2.0, top_k=k)["continuation"][0] for k in (beyond, bound)]
        assert drawn[0] == drawn[1]
    assert len(go_on("red", temperature=float("inf"))["continuation"][0]) == 3
    last = "sees big red cat dogs red cat "  # 30 characters
    one, other = go_on(last), go_on("x" * 500 + last)
    assert one["continuation"][0] == other["continuation"][0]
    assert (one["unread"][0], other["unread"][0]) == (0, 500)
    state = states_of(folder, 1)
    one, other = (ask(folder, "step", text=[t], begins=[True], **state) for t in (last, "y" + last))
    assert other["unread"].tolist() == [1]
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
    found = predicted("language_model", ["x" * 500 + last])[0]
    assert found["unread"] == 500


@contextlib.contextmanager
def serving(folder):
    """Serve the model of a folder for the length of a `with`: its URLs."""
    manager = ModelManager([ModelSettings(folder.name, folder)], make_loader())
    rest = HttpServer(make_app(manager), HttpOptions(port=0))
    rpc = GrpcServer(manager, GrpcOptions(port=0))
    try:
        manager.start()
        rest.start()
        rpc.start()
        yield f"http://127.0.0.1:{rest.port}", f"grpc://127.0.0.1:{rpc.port}"
    finally:
        rest.stop()
        rpc.stop()
        manager.close()


@pytest.mark.slow
def test_after_requests_without_bounds_all_others_are_answered(exported):
    """Three such requests took the server away from everybody, for half a minute and for ever."""
    folder = exported("translation").parent
    body = {"signature_name": "nbest", "inputs": {"text": ["a"], "k": 1_000_000}}
    with serving(folder) as (url, _):

        def post(value):
            address = f"{url}/v1/models/translation:predict"
            with urllib.request.urlopen(address, json.dumps(value).encode(), 60) as answer:
                return json.loads(answer.read())

        for _ in range(3):
            assert len(post(body)["outputs"]["translations"][0]) == 4
        with ThreadPoolExecutor(16) as clients:
            answers = list(clients.map(post, [{"instances": ["red cat"]}] * 300))
        assert len({json.dumps(answer) for answer in answers}) == 1
    folder = exported("language_model").parent
    asked = {"text": ["a"], "length": HUGE, "temperature": 1.0, "top_k": HUGE, "seed": 1}
    with serving(folder) as (url, _):
        address = f"{url}/v1/models/language_model:predict"
        body = json.dumps({"signature_name": "continue", "inputs": asked}).encode()
        with urllib.request.urlopen(address, body, 60) as answer:
            assert len(json.loads(answer.read())["outputs"]["continuation"][0]) == 20


def nearly(one, other):
    """Whether two JSON values are the same, but for the last digits of numbers."""
    if isinstance(one, float) and isinstance(other, float):
        return other == pytest.approx(one, abs=1e-4)
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(nearly(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(nearly, one, other))
    return one == other


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_server_s_predictions_are_the_run_s_own(
    task, cases, exported, succeeds, predicted, texts_of
):
    run, texts, folder = cases(task)[1], texts_of(task), exported(task).parent
    plain = succeeds("predict", run, "--", *texts, noted=NOTED).stdout
    complete = predicted(task, texts)
    with serving(folder) as urls:
        for url in urls:
            if task == FAST:
                check_client(succeeds, folder.name, url, texts, plain)
            asked = ("predict", run, "--server", url, "--model", folder.name)
            assert succeeds(*asked, "--", *texts, noted=NOTED).stdout == plain
            command = (*asked, "--json", "--", *texts)
            lines = succeeds(*command, noted=NOTED).stdout.splitlines()
            assert nearly(complete, [json.loads(one) for one in lines])


def check_client(succeeds, name, url, texts, plain):
    """`seqtasks client` says what `predict` says, by either signature."""
    asked = ("client", name, "--server", url)
    assert succeeds(*asked, "--", *texts).stdout == plain
    assert succeeds(*asked, "--signature", "classify", "--", *texts).stdout == plain
    assert "text: string [N]" in succeeds(*asked, "--metadata").stdout


def states_of(folder, rows):
    described = json.loads((folder / "signatures.json").read_text("utf-8"))["step"]["inputs"]
    sizes = {name: spec["shape"][1] for name, spec in described.items() if name[:5] == "state"}
    return {name: np.full((rows, size), 9.0, np.float32) for name, size in sizes.items()}


@pytest.mark.slow
def test_a_text_read_in_pieces_has_the_answer_of_the_whole(exported, ask):
    folder = exported("recall")  # its arch goes one way
    whole = ask(folder, "serving_default", text=["Anna is here . door rain", "Ben"])
    state = states_of(folder, 2)
    first = ask(folder, "step", text=["Anna is", "Ben"], begins=[True, True], **state)
    state = {name: value for name, value in first.items() if name in state}
    last = ask(folder, "step", text=["here . door rain", ""], begins=[False, False], **state)
    assert last["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)


@pytest.mark.slow
def test_a_language_model_reads_on_from_its_state(exported, ask):
    folder = exported("language_model")
    state = states_of(folder, 1)
    whole = ask(folder, "step", text=["red cat"], begins=[True], **state)
    first = ask(folder, "step", text=["red"], begins=[True], **state)
    state = {name: value for name, value in first.items() if name in state}
    last = ask(folder, "step", text=[" cat"], begins=[False], **state)
    assert last["next"].tolist() == whole["next"].tolist()
    assert last["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)
    assert not np.allclose(first["probabilities"], whole["probabilities"])


def test_classify_and_regress_read_examples(exported, ask, predicted, texts_of):
    texts = texts_of("sentiment")
    right = predicted("sentiment", texts)
    features = [
        tf.train.Features(
            feature={"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[t.encode()]))}
        )
        for t in texts
    ]
    examples = [tf.train.Example(features=f).SerializeToString() for f in features]
    found = ask(exported("sentiment"), "classify", inputs=examples)
    for row, one in enumerate(right):
        names = [name.decode() for name in found["classes"][row]]
        scores = dict(zip(names, found["scores"][row], strict=True))
        assert scores == pytest.approx(one["probabilities"], abs=1e-5)
    regressed = ask(exported("sentiment"), "regress", inputs=examples)["outputs"]
    assert regressed == pytest.approx([one["probabilities"]["b"] for one in right], abs=1e-5)


KINDS = {  # besides categories, which the tasks have
    "set": lambda n: ("a", "b", "a|b", "b|c", "a|c")[n % 5],
    "number": lambda n: f"{n % 7 + n / 100:.2f}",
}
ODD = [*TEXTS, "red cat", "한국어 red"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_each_kind_are_answered_as_predict_does(
    kind, seqtasks, succeeds, tiny, ask, tmp_path
):
    rows = [f"{('red', 'cat', 'dogs')[n % 3]} sees {n}\t{KINDS[kind](n)}\n" for n in range(60)]
    (tmp_path / "texts.tsv").write_text("".join(rows), encoding="utf-8")
    place = ("--runs-dir", tmp_path, "--name", kind, "--arch", "gru", "--epochs", 1)
    plain = ("--set", "text.unit=word", "--set", "model.pooling=last")  # has `step`, then
    trained = seqtasks("train", "--data", tmp_path / "texts.tsv", *place, *tiny, *plain)
    assert trained.exit_code == 0, trained.stderr
    run = tmp_path / kind
    done = succeeds("export", run, "--to", tmp_path / "saved" / kind, "--json")
    folder = Path(json.loads(done.stdout)["path"])
    answers = succeeds("predict", run, "--json", "--", *ODD).stdout.splitlines()
    right = [json.loads(one) for one in answers]
    found = ask(folder, "serving_default", text=ODD)
    examples = [example(text) for text in ODD]
    if kind == "number":
        values = pytest.approx([one["value"] for one in right], abs=1e-4)
        assert found["value"] == values
        assert ask(folder, "regress", inputs=examples)["outputs"] == values
    else:
        chances = np.array([list(one["probabilities"].values()) for one in right])
        assert found["probabilities"] == pytest.approx(chances, abs=1e-5)
        classified = ask(folder, "classify", inputs=examples)
        assert classified["scores"] == pytest.approx(chances, abs=1e-5)
        assert [name.decode() for name in classified["classes"][0]] == ["a", "b", "c"]
    if kind == "set":
        given = [[name.decode() for name in row if name] for row in found["labels"]]
        assert given == [one["labels"] for one in right]
        assert found["labels"].shape == (len(ODD), 3)
        assert found["classes"].tolist() == [[b"a", b"b", b"c"]] * len(ODD)
    check_pieces(folder, ask)
    plain = succeeds("predict", run, "--", *ODD).stdout
    with serving(folder.parent) as urls:
        for url in urls:
            asked = ("predict", run, "--server", url, "--model", kind)
            assert succeeds(*asked, "--", *ODD).stdout == plain
            lines = succeeds(*asked, "--json", "--", *ODD).stdout.splitlines()
            assert nearly(right, [json.loads(one) for one in lines])
            assert succeeds("client", kind, "--server", url, "--", *ODD).stdout == plain


def example(text):
    value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
    features = tf.train.Features(feature={"text": value})
    return tf.train.Example(features=features).SerializeToString()


def check_pieces(folder, ask):
    """A text read in pieces has the answer of the whole."""
    whole = ask(folder, "serving_default", text=["red cat sees dogs"])
    state = states_of(folder, 1)
    first = ask(folder, "step", text=["red cat"], begins=[True], **state)
    state = {name: value for name, value in first.items() if name in state}
    last = ask(folder, "step", text=["sees dogs"], begins=[False], **state)
    for name in ("unread", "empty"):  # of texts, which pieces are not
        whole.pop(name)
    for name, value in whole.items():
        if value.dtype == object:
            assert last[name].tolist() == value.tolist()
        else:
            assert last[name] == pytest.approx(value, abs=1e-5)


@pytest.mark.slow
def test_words_and_sentences_are_weighed_as_predict_does(exported, ask, predicted, texts_of):
    texts = texts_of("documents")
    several = texts.index("One. two red!\n\nThree")
    right = predicted("documents", texts)[several]
    assert len(right["attention"]) > 1
    found = ask(exported("documents"), "attention", text=[texts[several]])
    for at, sentence in enumerate(right["attention"]):
        assert found["sentence_weights"][0, at] == pytest.approx(sentence["weight"], abs=1e-5)
        words = [[w.decode(), pytest.approx(float(x), abs=1e-3)] for w, x in zip(
            found["words"][0, at], found["word_weights"][0, at], strict=True) if w]  # fmt: skip
        assert sentence["words"] == words


@pytest.mark.parametrize("task", EACH_TASK)
def test_no_rows_broken_bytes_and_endless_texts_are_safe(task, exported, ask):
    folder = exported(task)
    if task == "captioning":
        found = ask(folder, "serving_default", image=np.zeros((0, 8, 6, 1), np.float32))
        assert len(found["caption"]) == 0
        return
    for texts in ([], [b"\xff\xfe\x00", b""], [b"cat " * 2_000]):
        array = np.array(texts, object)
        assert all(len(out) == len(texts) for out in ask(
            folder, "serving_default", text=array).values())  # fmt: skip


@pytest.mark.parametrize("task", EACH_TASK)
def test_an_export_has_stock_operations_only_and_says_what_it_is_for(task, exported):
    folder = exported(task)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    ops = {n.op for n in graph.node} | {n.op for f in graph.library.function for n in f.node_def}
    assert not [op for op in ops if any(w in op for w in ("Cudnn", "Xla", "PyFunc", "Numpy"))]
    described = json.loads((folder / "signatures.json").read_text("utf-8"))
    definitions = saved.meta_graphs[0].signature_def
    assert set(described) == set(definitions) - {"__saved_model_init_op"}
    readme = (folder / "README.md").read_text("utf-8")
    for name, about in described.items():
        assert set(about["inputs"]) == set(definitions[name].inputs)
        assert set(about["outputs"]) == set(definitions[name].outputs)
        assert definitions[name].method_name == f"tensorflow/serving/{about['method']}"
        assert f"## `{name}`" in readme
    assert (folder / "assets.extra" / "tf_serving_warmup_requests").stat().st_size > 0


C_PROGRAM = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from c_api import Model
for line in sys.stdin:
    folder, request = json.loads(line)
    print(json.dumps(Model(Path(sys.argv[2]), Path(folder)).run(**request)))
assert not {"tensorflow", "keras"} & set(sys.modules)
"""


@pytest.mark.slow
def test_exports_run_without_python_s_tensorflow(exported, ask):
    """The C library alone, as any other server would use it; needs neither Python nor Keras."""
    found, requests = [], []
    for task in TASKS:
        signature, folder = "serving_default", exported(task)
        if task == "captioning":
            shape, values = [1, 8, 6, 1], np.linspace(0, 1, 48, dtype=np.float32)
            found.append(ask(folder, signature, image=values.reshape(shape)))
        else:
            shape, values = [2], np.array(["red cat sees", "강아지"], object)
            found.append(ask(folder, signature, text=values))
        saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        definition = saved.meta_graphs[0].signature_def[signature]
        request = {
            "feeds": {tensor.name: values.tolist() for tensor in definition.inputs.values()},
            "shape": shape,
            "fetches": {name: tensor.name for name, tensor in definition.outputs.items()},
        }
        requests.append(json.dumps([str(folder), request]))
    where = (str(Path(c_api.__file__).parent), tf.sysconfig.get_lib())
    program = [sys.executable, "-c", C_PROGRAM, *where]
    given = "\n".join(requests)
    done = subprocess.run(program, input=given, capture_output=True, text=True, check=True)
    for task, outputs, line in zip(TASKS, found, done.stdout.splitlines(), strict=True):
        answers = json.loads(line)
        for output, array in outputs.items():
            if array.dtype == object:
                assert answers[output] == [text.decode() for text in array.ravel()], task
            else:
                assert np.array(answers[output]) == pytest.approx(array.ravel(), abs=1e-5), task


@pytest.mark.slow
def test_openvino_refuses_texts_in_words(exported):
    """As README's table "Runs on" says; for ONNX and for networks of vectors it runs them."""
    core = pytest.importorskip("openvino").Core()
    with pytest.raises(RuntimeError, match=r"(?s)No conversion rule.*UnicodeTranscode"):
        core.read_model(str(exported(FAST)))


def test_a_version_that_is_taken_is_refused(cases, refused, exported):
    folder = exported(FAST)
    assert "exists" in refused(
        "export", cases(FAST)[1], "--to", folder.parent, "--version", folder.name
    )
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_next_version_is_the_one_after_the_largest(tmp_path):
    assert export_module._next_version(tmp_path) == 1
    for name in ("9", "10", "7.old", ".unfinished.3", "x"):
        (tmp_path / name).mkdir()
    assert export_module._next_version(tmp_path) == 11


@pytest.mark.slow
def test_versions_count_up_and_what_a_killed_export_left_is_removed(cases, succeeds, tmp_path):
    base = tmp_path / "names"
    for name in ("7", ".unfinished.0a.version", ".unfinished.0b.version", ".unfinished.1"):
        (base / name).mkdir(parents=True)
    (base / ".unfinished.0a.version" / "saved_model.pb").write_bytes(b"half")
    (base / ".unfinished.0a.version.lock").write_text('{"pid": 1, "host": "gone"}')
    with Lock(base / ".unfinished.0b.version.lock"):  # of an export that is at work
        assert str(base / "8") in succeeds("export", cases("recall")[1], "--to", base).stdout
    left = {".unfinished.0b.version", ".unfinished.1"}  # the last one is of an earlier version
    assert {path.name for path in base.iterdir()} == {"7", "8", *left}


@pytest.mark.slow
def test_an_export_needs_no_training_data_and_compares_with_more_where_it_is_told(
    cases, succeeds, refused, exported, tmp_path
):
    source, run = cases(FAST)[:2]
    folder, moved = exported(FAST), Path(shutil.copytree(run, tmp_path / "moved"))
    config = (moved / "config.yaml").read_text("utf-8")
    (moved / "config.yaml").write_text(config.replace(str(source), "nowhere.tsv"), "utf-8")
    check = ("export", moved, "--check-only", folder, "--json")
    alone = len(list(read_answers(folder / WARMUP_FILE)))  # as many as there were of the samples
    assert json.loads(succeeds(*check, "--data", source).stdout)["answers"] > alone > 0
    (moved / "samples.json").write_text('["red cat"]', "utf-8")
    assert 0 < json.loads(succeeds(*check).stdout)["answers"] <= alone
    assert "nosuch.tsv" in refused(*check, "--data", tmp_path / "nosuch.tsv")
    (moved / "samples.json").write_text("[", "utf-8")
    assert "samples.json: damaged" in refused(*check)
    (moved / "samples.json").unlink()  # as in a run of an earlier version
    assert "nowhere.tsv" in refused(*check)


@pytest.mark.slow
def test_a_run_and_its_export_agree_and_one_of_other_weights_is_found_out(
    cases, succeeds, refused, exported, tmp_path
):
    folder, run = exported(FAST), cases(FAST)[1]
    assert f"{folder}: " in succeeds("export", run, "--check-only", folder).stdout
    other = shutil.copytree(run, tmp_path / "other")
    with h5py.File(other / "checkpoints" / "best.weights.h5", "r+") as weights:
        weights.visititems(lambda _, item: add_to(item, 0.5))
    assert "best.weights.h5: damaged" in refused("export", other, "--check-only", folder)
    (other / "checksums.json").unlink()
    assert "otherwise" in refused("export", other, "--check-only", folder)


def add_to(item, value):
    """Add to all numbers of a data set of weights."""
    if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
        item[...] = item[...] + value


@pytest.mark.slow
def test_what_answers_otherwise_leaves_nothing_behind(cases, refused, monkeypatch, tmp_path):
    real = export_module.own_answers

    def worse(*arguments):
        for name, feeds, outputs in real(*arguments):
            for array in outputs.values():
                if array.dtype == np.float32:
                    array += 0.01
            yield name, feeds, outputs

    monkeypatch.setattr(export_module, "own_answers", worse)
    run, base = cases("recall")[1], tmp_path / "saved" / "names"
    assert "otherwise" in refused("export", run, "--to", base)
    assert not list(base.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--check-only", "nosuch/1"), "saved_model.pb"),
        (("--check-only", "x/1", "--version", "2"), "writes nothing"),
        (("--to", "saved/3"), "name"),
        (("--version", "0"), "--version"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message, cases, refused):
    assert message in refused("export", cases(FAST)[1], *words)
