"""`seqtasks export`: what TF Serving would load answers as `predict` does, for every task."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import c_api
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from seqtasks.config import TASKS


@pytest.fixture(scope="module")
def exported(cases, succeeds, tmp_path_factory):
    """Each task exported once, when first asked for: the folder of version 1."""
    base, made = tmp_path_factory.mktemp("saved"), {}

    def export(task):
        if task not in made:
            _, run, _, _ = cases(task)
            succeeds("export", run, "--to", base / task)
            made[task] = base / task / "1"
        return made[task]

    return export


def ask(folder, signature, **inputs):
    """Run a SavedModel as TF Serving does: a session, and tensors by their names."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(folder))
        wanted = loaded.signature_def[signature]
        assert set(inputs) == set(wanted.inputs)
        feeds = {wanted.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: t.name for name, t in wanted.outputs.items()}, feeds)


def predicted(succeeds, run, texts, *more):
    lines = succeeds("predict", run, "--json", *more, *texts).stdout.splitlines()
    return [json.loads(line) for line in lines]


TEXTS = ["red cat sees", "", "BIG dogs! 강아지", "cat " * 30]
ANSWERS = {
    "sentiment": ("label", "label"),
    "documents": ("label", "label"),
    "recall": ("label", "label"),
    "translation": ("translation", "translation"),
}


@pytest.mark.parametrize("task", ANSWERS)
def test_texts_get_the_answers_of_predict(task, cases, exported, succeeds):
    _, run, _, _ = cases(task)
    output, key = ANSWERS[task]
    found = ask(exported(task), "serving_default", text=TEXTS)
    right = predicted(succeeds, run, TEXTS)
    assert [answer.decode() for answer in found[output]] == [one[key] for one in right]
    scores = [one["score" if task == "translation" else "probability"] for one in right]
    assert found["score"] == pytest.approx(scores, abs=1e-5)


def test_tags_are_those_of_predict(cases, exported, succeeds):
    _, run, _, _ = cases("tagging")
    found = ask(exported("tagging"), "serving_default", text=TEXTS)
    for row, right in enumerate(predicted(succeeds, run, TEXTS)):
        length = found["lengths"][row]
        assert length == len(right["tags"])
        assert [tag.decode() for tag in found["tags"][row][:length]] == right["tags"]
        assert [word.decode() for word in found["tokens"][row][:length]] == right["tokens"]
        assert not any(found["tags"][row][length:])


def test_tokens_are_tagged_as_they_are(exported):
    folder = exported("tagging")
    of_text = ask(folder, "serving_default", text=["red cats see", "dogs"])
    tokens = np.array([["red", "cats", "see", ""], ["dogs", "", "", ""]], object)
    found = ask(folder, "tokens", tokens=tokens)
    assert found["lengths"].tolist() == [3, 1]
    assert found["tags"][:, :3].tolist() == of_text["tags"].tolist()


def test_the_best_translations_come_with_scores_tokens_and_attention(cases, exported, succeeds):
    _, run, _, _ = cases("translation")
    found = ask(exported("translation"), "nbest", text=TEXTS[:1], k=2)
    (right,) = predicted(succeeds, run, TEXTS[:1])
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


def test_image_files_are_captioned_as_predict_does(cases, exported, succeeds):
    _, run, (file,), _ = cases("captioning")
    (right,) = predicted(succeeds, run, [file])
    found = ask(exported("captioning"), "encoded", image_bytes=[Path(file).read_bytes()])
    assert found["caption"][0].decode() == right["caption"]
    assert found["score"][0] == pytest.approx(right["score"], abs=1e-4)


def test_texts_are_gone_on_with_as_predict_does(cases, exported, succeeds):
    _, run, _, _ = cases("language_model")
    settings = ("--set", "decoding.temperature=0.5", "--set", "decoding.seed=3")
    right = [predicted(succeeds, run, [text], *settings)[0] for text in TEXTS]
    for text, one in zip(TEXTS, right, strict=True):
        how = {"length": 7, "temperature": 0.5, "top_k": 0, "seed": 3}
        found = ask(exported("language_model"), "continue", text=[text], **how)
        assert found["continuation"][0].decode() == one["continuation"]


@pytest.fixture(scope="module")
def servers():
    """Serve the models of a folder for the length of a `with`: their URLs."""
    pytest.importorskip("grpc")
    pytest.importorskip("uvicorn")
    from seqtasks.serving.embedded import make_loader
    from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
    from seqtasks.serving.http_app import make_app
    from seqtasks.serving.http_server import HttpOptions, HttpServer
    from seqtasks.serving.models.manager import ModelManager
    from seqtasks.serving.models.model_config import ModelSettings

    @contextlib.contextmanager
    def serve(folder):
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

    return serve


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
def test_a_server_s_predictions_are_the_run_s_own(task, cases, exported, succeeds, servers):
    _, run, texts, _ = cases(task)
    if task != "captioning":
        texts = [*texts, *TEXTS, "One. two red!\n\nThree", "\0"]
    folder = exported(task).parent
    plain = succeeds("predict", run, "--", *texts).stdout
    complete = predicted(succeeds, run, texts)
    with servers(folder) as urls:
        for url in urls:
            asked = ("predict", run, "--server", url, "--model", folder.name)
            assert succeeds(*asked, "--", *texts).stdout == plain
            lines = succeeds(*asked, "--json", "--", *texts).stdout.splitlines()
            assert nearly(complete, [json.loads(one) for one in lines])


def states_of(folder, rows):
    described = json.loads((folder / "signatures.json").read_text("utf-8"))["step"]["inputs"]
    sizes = {name: spec["shape"][1] for name, spec in described.items() if name[:5] == "state"}
    return {name: np.full((rows, size), 9.0, np.float32) for name, size in sizes.items()}


def test_a_text_read_in_pieces_has_the_answer_of_the_whole(exported):
    folder = exported("recall")  # its arch goes one way
    whole = ask(folder, "serving_default", text=["Anna is here . door rain", "Ben"])
    state = states_of(folder, 2)
    first = ask(folder, "step", text=["Anna is", "Ben"], begins=[True, True], **state)
    state = {name: value for name, value in first.items() if name in state}
    last = ask(folder, "step", text=["here . door rain", ""], begins=[False, False], **state)
    assert last["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)


def test_a_language_model_reads_on_from_its_state(exported):
    folder = exported("language_model")
    state = states_of(folder, 1)
    whole = ask(folder, "step", text=["red cat"], begins=[True], **state)
    first = ask(folder, "step", text=["red"], begins=[True], **state)
    state = {name: value for name, value in first.items() if name in state}
    last = ask(folder, "step", text=[" cat"], begins=[False], **state)
    assert last["next"].tolist() == whole["next"].tolist()
    assert last["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-5)
    assert not np.allclose(first["probabilities"], whole["probabilities"])


def test_classify_and_regress_read_examples(cases, exported, succeeds):
    _, run, _, _ = cases("sentiment")
    right = predicted(succeeds, run, TEXTS)
    features = [
        tf.train.Features(
            feature={"text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[t.encode()]))}
        )
        for t in TEXTS
    ]
    examples = [tf.train.Example(features=f).SerializeToString() for f in features]
    found = ask(exported("sentiment"), "classify", inputs=examples)
    for row, one in enumerate(right):
        names = [name.decode() for name in found["classes"][row]]
        scores = dict(zip(names, found["scores"][row], strict=True))
        assert scores == pytest.approx(one["probabilities"], abs=1e-5)
    regressed = ask(exported("sentiment"), "regress", inputs=examples)["outputs"]
    assert regressed == pytest.approx([one["probabilities"]["b"] for one in right], abs=1e-5)


def test_words_and_sentences_are_weighed_as_predict_does(cases, exported, succeeds):
    _, run, _, _ = cases("documents")
    text = "Red cat. Big dogs see!"
    (right,) = predicted(succeeds, run, [text])
    found = ask(exported("documents"), "attention", text=[text])
    for at, sentence in enumerate(right["attention"]):
        assert found["sentence_weights"][0, at] == pytest.approx(sentence["weight"], abs=1e-5)
        words = [[w.decode(), pytest.approx(float(x), abs=1e-3)] for w, x in zip(
            found["words"][0, at], found["word_weights"][0, at], strict=True) if w]  # fmt: skip
        assert sentence["words"] == words


@pytest.mark.parametrize("task", TASKS)
def test_no_rows_broken_bytes_and_endless_texts_are_safe(task, exported):
    folder = exported(task)
    if task == "captioning":
        found = ask(folder, "serving_default", image=np.zeros((0, 8, 6, 1), np.float32))
        assert len(found["caption"]) == 0
        return
    for texts in ([], [b"\xff\xfe\x00", b""], [b"cat " * 10_000]):
        array = np.array(texts, object)
        assert all(len(out) == len(texts) for out in ask(
            folder, "serving_default", text=array).values())  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
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


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_an_export_runs_without_python_s_tensorflow(task, exported):
    """The C library alone, as any other server would use it; needs neither Python nor Keras."""
    signature, folder = "serving_default", exported(task)
    if task == "captioning":
        shape, values = [1, 8, 6, 1], np.linspace(0, 1, 48, dtype=np.float32)
        found = ask(folder, signature, image=values.reshape(shape))
    else:
        shape, values = [2], np.array(["red cat sees", "강아지"], object)
        found = ask(folder, signature, text=values)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    definition = saved.meta_graphs[0].signature_def[signature]
    request = {
        "feeds": {tensor.name: values.tolist() for tensor in definition.inputs.values()},
        "shape": shape,
        "fetches": {name: tensor.name for name, tensor in definition.outputs.items()},
    }
    library = tf.sysconfig.get_lib()
    program = [sys.executable, c_api.__file__, library, str(folder), json.dumps(request)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    for output, array in found.items():
        if array.dtype == object:
            assert answers[output] == [text.decode() for text in array.ravel()]
        else:
            assert np.array(answers[output]) == pytest.approx(array.ravel(), abs=1e-5)


def test_versions_count_up_and_a_taken_one_is_refused(cases, succeeds, refused, tmp_path):
    _, run, _, _ = cases("recall")
    place = ("export", run, "--to", tmp_path / "names")
    assert json.loads(succeeds(*place, "--json", "--version", 7).stdout)["path"].endswith("/7")
    assert str(tmp_path / "names" / "8") in succeeds(*place).stdout
    assert "exists" in refused(*place, "--version", 7)
    assert sorted(path.name for path in (tmp_path / "names").iterdir()) == ["7", "8"]
    assert "8: " in succeeds("export", run, "--check-only", tmp_path / "names" / "8").stdout


def test_an_export_of_other_weights_is_found_out(
    cases, succeeds, refused, exported, tiny, tmp_path
):
    source, _, _, _ = cases("sentiment")
    place = ("--name", "other", "--runs-dir", tmp_path)
    succeeds("train", "--data", source, *tiny, *place, "--epochs", 1, "--seed", 9)
    message = refused("export", tmp_path / "other", "--check-only", exported("sentiment"))
    assert "otherwise" in message


def test_what_answers_otherwise_leaves_nothing_behind(cases, refused, monkeypatch, tmp_path):
    from seqtasks.export import export

    _, run, _, _ = cases("sentiment")
    real = export._answers

    def worse(*arguments):
        for name, feeds, outputs in real(*arguments):
            for array in outputs.values():
                if array.dtype == np.float32:
                    array += 0.01
            yield name, feeds, outputs

    monkeypatch.setattr(export, "_answers", worse)
    assert "otherwise" in refused("export", run, "--to", tmp_path / "saved" / "films")
    assert not list((tmp_path / "saved" / "films").iterdir())


def test_what_a_killed_export_left_is_removed_by_the_next(cases, succeeds, tmp_path):
    _, run, _, _ = cases("recall")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / "names" / f".unfinished.{dead.pid}"
    left.mkdir(parents=True)
    succeeds("export", run, "--to", tmp_path / "names")
    assert [path.name for path in (tmp_path / "names").iterdir()] == ["1"]


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
    assert message in refused("export", cases("recall")[1], *words)
