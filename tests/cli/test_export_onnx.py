"""`seqtasks export --format onnx`: the folder answers as the run does, without TensorFlow."""

import contextlib
import http.client
import json
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_house import imports, read_sources

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from seqtasks.errors import RunError  # noqa: E402
from seqtasks.onnx_export import export as export_module  # noqa: E402
from seqtasks.onnx_export import int8, networks, pack  # noqa: E402
from seqtasks.onnx_export.graph import Graph  # noqa: E402
from seqtasks.onnx_export.places import current_export  # noqa: E402
from seqtasks.runner import app, folder, server  # noqa: E402
from seqtasks.runner.api import Api  # noqa: E402
from seqtasks.runner.check import check, read_answers  # noqa: E402
from seqtasks.runner.folder import OnnxExport  # noqa: E402
from seqtasks.runner.network import Network  # noqa: E402
from seqtasks.runs import Run  # noqa: E402
from seqtasks.tasks import sentiment  # noqa: E402

TEXTS = ["a lovely story", "영화 정말 awful!", "", "zzzq don't…", "dull " * 40]
NOTED = r"(note: .*\n)*"
REFUSING = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "onnx", "click", "pydantic"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
sys.argv[:] = sys.argv[1:]
sys.path[0] = sys.argv[0]
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def in_this_process():
    """Compare the exports of other tests in this process, which takes less time."""

    def here(folder, samples):
        return check(OnnxExport(folder), read_answers(samples))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "check_apart", here)
        yield


@pytest.fixture
def copy(exported, tmp_path):
    """A copy of the export that a test may damage."""
    return Path(shutil.copytree(exported, tmp_path / "films"))


def close(found, right):
    """Whether two answers are the same, numbers nearly so."""
    if isinstance(right, float):
        return math.isclose(found, right, abs_tol=2e-4)
    if isinstance(right, dict):
        return found.keys() == right.keys() and all(close(found[k], right[k]) for k in right)
    if isinstance(right, list):
        return len(found) == len(right) and all(map(close, found, right))
    return found == right


def test_it_answers_as_predict_does_where_no_tensorflow_can_be_imported(
    exported, trained, succeeds, tmp_path
):
    texts = "\n".join(TEXTS)
    shown = succeeds("predict", trained.run, "--json", input=texts.encode(), noted=NOTED)
    command = [sys.executable, "-c", REFUSING, str(exported / "run.pyz"), "--json"]
    path = {"PYTHONPATH": str(Path(onnxruntime.__file__).parents[1])}
    done = subprocess.run(
        command,
        input=texts.encode(),
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, **path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, right = (out.decode().splitlines() for out in (done.stdout, shown.stdout_bytes))
    assert len(found) == len(right) > 0
    for one, other in zip(found, right, strict=True):
        assert close(json.loads(one), json.loads(other)), (one, other)


def test_people_are_shown_what_predict_shows(exported, trained, succeeds, capsys, tmp_path):
    shown = succeeds("predict", trained.run, *TEXTS[:2]).stdout
    assert app.main(exported, TEXTS[:2]) == 0
    assert capsys.readouterr().out == shown
    (tmp_path / "texts.txt").write_text("\r\n".join(TEXTS[:2]) + "\r\n", "utf-8")
    assert app.main(exported, ["--file", str(tmp_path / "texts.txt")]) == 0
    assert capsys.readouterr().out == shown
    assert app.main(exported, ["check"]) == 0
    assert json.loads(capsys.readouterr().out)["different"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", ["documents", "tagging", "language_model", "translation", "captioning"]
)
def test_each_task_answers_as_its_run(task, cases, succeeds, capsys, tmp_path, in_this_process):
    _, run, texts, _ = cases(task)
    done = succeeds("export", run, "--format", "onnx", "--to", tmp_path / task, "--json")
    told = json.loads(done.stdout)
    assert told["largest_difference"] < 1e-5
    assert told["answers"] > 5
    assert_bounds_are_kept(tmp_path / task, NUMBERS.get(task))
    drawing = {"serving_default", "continue"} if task == "language_model" else set()
    assert OnnxExport(tmp_path / task).draws == drawing
    if task == "captioning":
        np.savez(tmp_path / "some.npz", np.random.default_rng(2).random((2, 11, 3, 3)))
        texts = [*texts, str(tmp_path / "some.npz"), " "]
    else:
        texts = [*texts, "Red dogs, don't see 2 cats. BIG red cat!", "참 좋다"]
    right = succeeds("predict", run, *texts, "--json", noted=NOTED).stdout.splitlines()
    assert app.main(tmp_path / task, [*texts, "--json"]) == 0
    for one, other in zip(capsys.readouterr().out.splitlines(), right, strict=True):
        assert close(json.loads(one), json.loads(other)), (one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "labels"),
    [
        (
            ("--arch", "lstm", "--set", "model.pooling=last", "--set", "text.unit=char"),
            ("a", "b|c", "a|c", "c"),
        ),
        (
            (
                *("--arch", "bigru", "--set", "text.unit=word"),
                *("--set", "text.features=[shape, suffix]"),
            ),
            ("1.5", "-2", "7", "0.25"),
        ),
    ],
    ids=["sets", "numbers"],
)
def test_sets_numbers_steps_and_features_are_exported(
    how, labels, succeeds, tiny, tmp_path, in_this_process
):
    rows = [f"red {n} Cat {'sees'[: n % 5]}\t{labels[n % 4]}\n" for n in range(40)]
    (tmp_path / "texts.tsv").write_text("".join(rows), "utf-8")
    place = ("--name", "r", "--runs-dir", tmp_path, "--epochs", 1)
    command = ("train", "--data", tmp_path / "texts.tsv", *place, *tiny, *how)
    succeeds(*command, noted=r"(Note: .*\n)*")
    command = ("export", tmp_path / "r", "--format", "onnx", "--to", tmp_path / "o", "--json")
    told = json.loads(succeeds(*command).stdout)
    assert ("step" in told["signatures"]) == ("lstm" in how)
    assert told["largest_difference"] < 1e-4


@pytest.mark.slow
def test_a_language_model_of_lines_ends_them_as_its_run_does(
    succeeds, tiny, tmp_path, capsys, in_this_process
):
    lines = "".join(f"red {('cat', 'dog')[n % 2]} {n % 3}\n" for n in range(40))
    (tmp_path / "lines.txt").write_text(lines, "utf-8")
    how = ("data.lines=true", "text.unit=word", "decoding.temperature=1", "decoding.max_length=9")
    settings = [word for key in how for word in ("--set", key)]
    place = ("--name", "r", "--runs-dir", tmp_path, "--epochs", 1, "--arch", "bigru")
    command = ("train", "--task", "language_model", "--data", tmp_path / "lines.txt", *place)
    succeeds(*command, *tiny, *settings, noted=NOTED)
    succeeds("export", tmp_path / "r", "--format", "onnx", "--to", tmp_path / "o")
    texts = ["Red", "", "red cat", "dog 참"]
    right = succeeds("predict", tmp_path / "r", *texts).stdout
    assert app.main(tmp_path / "o", texts) == 0
    assert capsys.readouterr().out == right
    ends = [len(line.split()) < 9 for line in right.splitlines()]
    assert any(ends)  # where the model wrote the end of a line


# A signature, numbers beyond its bounds, and those that they are taken for.
NUMBERS = {
    "language_model": (
        "continue",
        {"length": 10**6, "temperature": math.nan, "top_k": -3, "seed": 5},
        {"length": 20, "temperature": 0, "top_k": 0, "seed": 5},
    ),
    "translation": ("nbest", {"k": 10**6}, {"k": 4}),
}


def assert_bounds_are_kept(path, numbers):
    if numbers is None:
        return
    export, (name, beyond, bounds) = OnnxExport(path), numbers
    signature = export.signature(name)
    found, right = (
        export.run(
            signature,
            {
                "text": np.array([b"red cat", b""], object),
                **{
                    key: np.array(number, signature.inputs[key].dtype.as_numpy_dtype)
                    for key, number in given.items()
                },
            },
        )
        for given in (beyond, bounds)
    )
    assert {key: array.tolist() for key, array in found.items()} == {
        key: array.tolist() for key, array in right.items()
    }


@contextlib.contextmanager
def serving(path):
    """Serve an export in a thread; gives a function from a request to status and answer."""
    api = Api(OnnxExport(path), path.name, server.LIMITS)
    with server.Server(api, "127.0.0.1", 0) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", running.server_address[1], 20)

        def ask(method, where, body=None):
            sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(method, where, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        try:
            yield ask
        finally:
            connection.close()
            running.shutdown()
            thread.join()


def test_it_serves_the_rest_protocol(exported):
    model = "/v1/models/films"
    with serving(exported) as ask:
        status, found = ask("POST", f"{model}:predict", {"instances": TEXTS[:2]})
        assert status == 200
        assert [row["label"] in ("pos", "neg") for row in found["predictions"]] == [True, True]
        columns = {"signature_name": "serving_default", "inputs": {"text": TEXTS[:2]}}
        status, same = ask("POST", f"{model}/versions/1:predict", columns)
        assert same["outputs"]["label"] == [row["label"] for row in found["predictions"]]
        examples = {"signature_name": "classify", "examples": [{"text": text} for text in TEXTS]}
        status, classes = ask("POST", f"{model}:classify", examples)
        assert [label for label, _ in classes["results"][0]] == ["neg", "pos"]
        examples = {**examples, "signature_name": "regress"}
        status, numbers = ask("POST", f"{model}:regress", examples)
        assert numbers["results"] == [row[1][1] for row in classes["results"]]
        status, found = ask("GET", model)
        assert found["model_version_status"][0]["state"] == "AVAILABLE"
        status, found = ask("GET", f"{model}/metadata")
        inputs = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
        assert inputs["text"]["dtype"] == "DT_STRING"
        assert ask("GET", "/healthz")[0] == 200
        for method, where, body, expected in (
            ("POST", "/v1/models/other:predict", {"instances": ["a"]}, 404),
            ("POST", f"{model}/versions/7:predict", {"instances": ["a"]}, 404),
            ("POST", f"{model}:predict", b"{", 400),
            ("POST", f"{model}:predict", {"instances": [3]}, 400),
            ("POST", f"{model}:predict", {"signature_name": "x", "instances": ["a"]}, 400),
            ("POST", f"{model}:classify", {"examples": [{"text": "a"}]}, 400),
            ("GET", "/v1/foo", None, 400),
            ("GET", "/other", None, 404),
        ):
            status, answer = ask(method, where, body)
            assert (status, [*answer]) == (expected, ["error"]), where


def test_the_metadata_are_those_of_the_export_for_tf_serving(exported, trained):
    from seqtasks.export.export import endpoints_of, traced
    from seqtasks.runs import Run

    facts = json.loads((exported / folder.FILE).read_text("utf-8"))["signatures"]
    functions = traced(endpoints_of([Run(trained.run)])[1])
    assert facts.keys() == functions.keys()
    for name, function in functions.items():
        outputs = function.get_concrete_function().structured_outputs
        shapes = {key: [value.dtype.name, value.shape.as_list()] for key, value in outputs.items()}
        told = facts[name]["outputs"]
        assert {key: [one["dtype"], one["shape"]] for key, one in told.items()} == shapes


def tell(path, facts):
    """Have an export say something else of itself."""
    (path / folder.FILE).write_text(json.dumps(folder.sealed(facts)), "utf-8")


def retold(path, old, new):
    text = (path / folder.FILE).read_text("utf-8")
    assert old in text
    tell(path, json.loads(text.replace(old, new)))


def damage(path, how):
    """Damage an export's file, and say so in its export.json where `how` ends with "known"."""
    file, _, what = how.partition(":")
    target = path / file
    if what == "gone":
        target.unlink()
    elif what == "byte":
        content = bytearray(target.read_bytes())
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
    elif what in ("foreign", "other"):
        g = Graph("other")
        g.output("y", g("Neg", g.input("x", "float32", ["N"])), "float32", ["N"])
        other = g.model().SerializeToString()
        target.write_bytes(other if what == "other" else b"no graph at all")
        facts = json.loads((path / folder.FILE).read_text("utf-8"))
        facts["files"][file] = export_module.checksum(target)
        tell(path, facts)
    else:
        facts = json.loads(target.read_text("utf-8"))
        target.write_text(json.dumps({**facts, "format": 2}), "utf-8")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("model.onnx:gone", "model.onnx: missing"),
        ("model.onnx:byte", "model.onnx: damaged"),
        ("model.onnx:foreign", "damaged, or no ONNX file"),
        ("model.onnx:other", "can't be run; copy the export anew"),
        ("vocabulary/words.txt:gone", "words.txt: missing"),
        ("vocabulary/words.txt:byte", "words.txt: damaged"),
        ("export.json:gone", "no ONNX export"),
        ("export.json:byte", "export.json: damaged"),
        ("export.json:later", "of format 2"),
        ("answers.json:gone", "answers.json: can't read"),
    ],
)
def test_damage_is_told_in_one_line(how, told, copy, capsys):
    damage(copy, how)
    assert app.main(copy, ["check"] if "answers" in how else ["a text"]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert error.startswith("Error: ")
    assert told in error


def test_any_byte_of_what_an_export_says_of_itself_counts(copy):
    file = copy / folder.FILE
    content = file.read_bytes()
    for place in np.random.default_rng(6).integers(0, len(content) - 1, 60):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        name = json.dumps("checksum").encode()
        if name not in changed or json.loads(content) == _read(changed):
            continue  # without its checksum it is an earlier version's; spaces say nothing
        with pytest.raises(RunError, match=r"damaged|of format"):
            folder.read_facts(copy)


def _read(content):
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_a_runtime_that_is_too_old_or_missing_is_told_in_one_line(exported, monkeypatch):
    def too_old(*_, **__):
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : opset 17 is under development")

    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", too_old)
        with pytest.raises(RunError, match=r"too old for opset 17: pip install .* --upgrade"):
            Network(exported / "model.onnx", 17)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RunError, match="needs onnxruntime"):
        Network(exported / "model.onnx", 17)


def test_what_answers_otherwise_leaves_nothing_and_the_export_before_stays(
    trained, refused, copy, monkeypatch
):
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    different = {"answers": 1, "largest_difference": 0.1, "different": "it differs"}
    monkeypatch.setattr(export_module, "check_apart", lambda *_: different)
    told = refused("export", trained.run, "--format", "onnx", "--to", copy)
    assert "answers otherwise than the run: it differs" in told
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    assert [*copy.parent.iterdir()] == [copy]


def test_eight_bits_say_what_they_cost_and_too_much_is_refused(
    trained, succeeds, refused, in_this_process, monkeypatch, tmp_path, exported
):
    command = ("export", trained.run, "--format", "onnx", "--int8", "--to", tmp_path / "small")
    done = json.loads(succeeds(*command, "--json").stdout)["int8"]
    assert done["answers"] > 10
    assert done["changed"] <= 0.05 * done["answers"]
    assert 0 < done["largest_difference"] < 0.1
    assert done["in_floats"] == []  # of an LSTM nothing stays as it is
    sizes = [(place / "model.onnx").stat().st_size for place in (tmp_path / "small", exported)]
    assert sizes[0] < sizes[1]
    assert done["size"] == pytest.approx(sizes[0] / sizes[1], abs=0.02)
    assert app.main(tmp_path / "small", ["check"]) == 0
    monkeypatch.setattr(int8, "MOST_CHANGED", -1)
    assert "leave --int8 out" in refused(*command)


def test_what_cant_be_written_is_refused_by_name_and_before_anything_is_made(
    trained, refused, tmp_path, monkeypatch
):
    class Crf:
        name = "crf"

    with pytest.raises(export_module.ExportError, match=r"the layer Crf \(crf\) can't be written"):
        networks._stack([Crf()])
    predictor = sentiment.Predictor.__new__(sentiment.Predictor)
    predictor.codec = SimpleNamespace(head=Crf())
    config = SimpleNamespace(task="sentiment", model=SimpleNamespace(arch="bilstm", zoneout=0.0))
    with pytest.raises(export_module.ExportError, match="the head Crf can't be written"):
        networks.networks_of([config], predictor)
    with pytest.raises(export_module.ExportError, match="the task dancing can't be written"):
        networks.networks_of([SimpleNamespace(task="dancing")], object())
    command = ("export", trained.run, "--format", "onnx")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    assert "holds something else" in refused(*command, "--to", tmp_path / "mine")
    assert "no versions" in refused(*command, "--version", 3)
    assert "add --format onnx" in refused("export", trained.run, "--int8")
    monkeypatch.setattr("seqtasks.onnx_export.places.find_spec", lambda name: None)
    assert "pip install 'seqtasks[onnx]'" in refused(*command, "--to", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_packed_imports_nothing_that_isnt():
    root = Path(pack.__file__).parents[1]
    packed = {
        ".".join(file.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
        for file in pack.packed_files(root)
        if file.suffix == ".py"
    }
    graph = imports(read_sources(root), types=False, strings=False)
    lazily = {"seqtasks.loaded"}  # by `seqtasks.load_run`, which an export has no use for
    for module in packed:
        assert graph[module] <= packed | lazily, module


def test_rows_of_nothing_have_the_shapes_of_rows(exported):
    export = OnnxExport(exported)
    signature = export.signature("")
    some, none = (
        export.run(signature, {"text": np.array(texts, object)}) for texts in ([b"a"], [])
    )
    assert {k: (v.dtype, v.shape[1:]) for k, v in none.items()} == {
        k: (v.dtype, v.shape[1:]) for k, v in some.items()
    }
    assert {len(value) for value in none.values()} == {0}


def test_predict_runs_the_export_and_notices_another_run(
    trained, succeeds, refused, copied, exported, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = ("predict", trained.run, *TEXTS[:2])
    by_onnx = (*asked, "--runtime", "onnx")
    assert "seqtasks export" in refused(*by_onnx)
    shown = succeeds(*asked).stdout  # by TensorFlow, since there is no export
    place = tmp_path / "onnx_models" / trained.run.name
    shutil.copytree(exported, place)
    assert succeeds(*by_onnx).stdout == shown
    noted = r"note: onnx_models.tiny films answers; --runtime tensorflow takes the run itself\n"
    assert succeeds(*asked, noted=noted).stdout == shown
    assert succeeds(*asked, "--runtime", "tensorflow").stdout == shown
    assert succeeds(*asked, "--set", "text.max_length=9").stdout
    assert "leave --set out" in refused(*by_onnx, "--set", "seed=2")
    assert "not for tokens" in refused(*by_onnx, "--tokens")
    shutil.copytree(exported, tmp_path / "onnx_models" / copied.name)
    (copied / "calibration.json").write_text('{"temperature": 3.0}')
    assert "not of this run as it is now" in refused("predict", copied, "a", "--runtime", "onnx")


def change(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


CHANGES = {
    "weights": lambda run, _: run.best_weights.write_bytes(b"others"),
    "temperature": lambda run, _: run.calibration.write_text('{"temperature": 3.0}'),
    "settings": lambda run, _: change(run.config_file, b"max_length: ", b"max_length: 1"),
    "vocabulary": lambda run, _: change(run.vocabulary / "words.txt", b"film", b"filn"),
    "a vocabulary more": lambda run, _: (run.vocabulary / "case.json").write_text("{}"),
    "8 bits": lambda _, export: retold(export, '"int8": false', '"int8": true'),
    "an earlier version": lambda _, export: retold(export, '"settings"', '"s"'),
    "damage": lambda _, export: change(export / "model.onnx", b"many_to_one", b"many_to_on3"),
    "no facts": lambda _, export: (export / folder.FILE).write_text("[]"),
    "no export": lambda _, export: shutil.rmtree(export),
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_export_of_anything_but_the_run_as_it_is_doesnt_answer_unasked(
    what, exported, copied, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copytree(exported, tmp_path / "onnx_models" / copied.name))
    run = Run(copied)
    assert current_export(copied.name, [run]) == Path("onnx_models") / copied.name
    CHANGES[what](run, path)
    assert current_export(copied.name, [run]) is None


def test_where_onnxruntime_is_missing_the_run_answers(exported, copied, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported, tmp_path / "onnx_models" / copied.name)
    monkeypatch.setattr("seqtasks.onnx_export.places.find_spec", lambda name: None)
    assert current_export(copied.name, [Run(copied)]) is None
