"""`seqtasks predict`: as many lines out as in, in order, whatever the text."""

import contextlib
import http.server
import json
import re
import socket
import subprocess
import sys
import threading

import pytest
from json_handler import JsonHandler

HARD = {
    "empty": "",
    "spaces": "   \t ",
    "ten thousand words": "film " * 9_999 + "great",
    "one word of 100,000 letters": "a" * 100_000,
    "emoji": "👍🏽 👨‍👩‍👧 🇰🇷 ❤️",
    "control characters": "film\x01\x07\x08\x1b[31m\x7f\x85 was\x0b\x0c great\x00",
    "right to left": "‏فيلم جميل \u202eabc\u202c שלום",
    "combining": "e\u0301\u0302\u0303 Ｇｒｅａｔ 각",
    "line separators": "one\u2028two\u2029three",
    "a lone surrogate's neighbours": "\ud7ff\ue000\uffff\U0010ffff",
    "markup": "[red]:smile:[/red] {} %s",
}


def noted_of(answers):
    """What is said of `HARD`, one text of which has more than a thousand words."""
    return re.escape(
        "note: texts longer than is read (text.max_length, text.max_sentences): "
        f"1 of {answers}; tokens not read: 9,000\n"
    )


def lines_of(result):
    # Not splitlines, which also breaks at the separators that texts may contain.
    assert result.stdout == "" or result.stdout.endswith("\n")
    return result.stdout.split("\n")[:-1]


def test_each_argument_gets_a_line_of_label_probability_and_text(succeeds, trained):
    texts = ["great film", "나쁘다 영화", "great film"]
    rows = [line.split("\t") for line in lines_of(succeeds("predict", trained.run, *texts))]
    assert [row[2] for row in rows] == texts
    assert rows[0] == rows[2] != rows[1]
    for label, probability, _ in rows:
        assert label in ("neg", "pos")
        assert re.fullmatch(r"[01]\.\d{4}", probability)
        assert 0.5 <= float(probability) <= 1


def test_arguments_a_file_and_a_pipe_give_the_same(succeeds, trained, tmp_path):
    texts = ["great film", "dull", "", "정말 좋다"]
    expected = succeeds("predict", trained.run, *texts).stdout
    windows, unended = ("".join(text + "\r\n" for text in texts), "\n".join(texts))
    (tmp_path / "new.txt").write_bytes(windows.encode())
    assert succeeds("predict", trained.run, "--file", tmp_path / "new.txt").stdout == expected
    assert succeeds("predict", trained.run, input=unended.encode()).stdout == expected
    dash = succeeds("predict", trained.run, "--file", "-", input=windows.encode())
    assert dash.stdout == expected


def test_json_gives_an_object_a_line(succeeds, trained):
    texts = ["great film", "나쁘다", "", 'a "quoted"\ttext']
    objects = [json.loads(x) for x in lines_of(succeeds("predict", trained.run, "--json", *texts))]
    plain = lines_of(succeeds("predict", trained.run, *texts))
    for text, found, line in zip(texts, objects, plain, strict=True):
        marks = set() if text else {"empty"}
        assert set(found) == {"text", "label", "probability", "probabilities", *marks}
        assert found["text"] == text
        assert set(found["probabilities"]) == {"neg", "pos"}
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert found["probability"] == max(found["probabilities"].values())
        assert found["probabilities"][found["label"]] == found["probability"]
        assert line.startswith(f"{found['label']}\t{found['probability']:.4f}\t")


def test_no_text_is_too_hard(succeeds, trained):
    data = "".join(f"great film\n{text}\n" for text in HARD.values()).encode()
    answered = succeeds("predict", trained.run, input=data, noted=noted_of(22))
    plain = [line.split("\t") for line in lines_of(answered)]
    command = ("predict", trained.run, "--json")
    found = lines_of(succeeds(*command, input=data, noted=noted_of(22)))
    marks = [set(json.loads(line)) & {"unread", "empty", "cut"} for line in found[1::2]]
    assert marks[:3] == [{"empty"}, {"empty"}, {"unread"}]
    assert marks[3:] == [set()] * 8
    assert json.loads(found[5])["unread"] == 9_000
    assert len(plain) == len(found) == 2 * len(HARD)
    known = lines_of(succeeds("predict", trained.run, "great film"))[0].split("\t")
    # Between any two texts, of any length, the easy one has the answer that it has alone.
    assert plain[::2] == [known] * len(HARD)
    for (name, text), line, json_line in zip(HARD.items(), plain[1::2], found[1::2], strict=True):
        assert len(line) == 3, name
        assert line[0] in ("neg", "pos"), name
        assert json.loads(json_line)["text"] == text, name
        assert json.loads(json_line)["label"] == line[0], name


def test_a_hard_text_can_be_an_argument(succeeds, trained):
    texts = [*(text.replace("\0", "") for text in HARD.values()), "two\nlines"]
    command = ("predict", trained.run, "--json", *texts)
    found = lines_of(succeeds(*command, noted=noted_of(12)))
    assert [json.loads(line)["text"] for line in found] == texts
    assert len(lines_of(succeeds("predict", trained.run, *texts[-2:]))) == 2


def test_order_is_kept_over_many_lines_of_all_lengths(succeeds, trained):
    texts = [f"{'film ' * (n * 7 % 23)}{n}" for n in range(300)]
    data = "".join(f"{text}\n" for text in texts).encode()
    found = [
        json.loads(x) for x in lines_of(succeeds("predict", trained.run, "--json", input=data))
    ]
    assert [one["text"] for one in found] == texts
    # The same as alone, in spite of the padding that the neighbours make.
    for n in (0, 63, 299):
        alone = json.loads(succeeds("predict", trained.run, "--json", texts[n]).stdout)
        assert alone["probability"] == pytest.approx(found[n]["probability"], abs=1e-5)


def test_nothing_in_nothing_out(succeeds, trained):
    assert succeeds("predict", trained.run, input=b"").stdout == ""
    assert len(lines_of(succeeds("predict", trained.run, input=b"\n\n"))) == 2


def test_a_run_is_found_by_its_name_and_a_text_like_an_option_follows_two_dashes(succeeds, trained):
    place = ("--runs-dir", trained.run.parent)
    (line,) = lines_of(succeeds("predict", *place, "tiny films", "--", "--json"))
    assert line.endswith("\t--json")


def test_prediction_needs_nothing_but_the_run(succeeds, copied):
    path = copied / "config.yaml"
    text = path.read_text(encoding="utf-8")
    source = next(line for line in text.splitlines() if line.strip().startswith("source: "))
    path.write_text(text.replace(source, "  source: /nowhere/films.tsv"), encoding="utf-8")
    for needless in ("metrics.jsonl", "environment.json", "model_card.md", "checkpoints/last.npz"):
        (copied / needless).unlink()
    assert len(lines_of(succeeds("predict", copied, "great film"))) == 1


# --- Of a server --------------------------------------------------------------------------------

INPUT, OTHER = {"text": {}}, {"text": {}, "k": {}}
SIGNATURES = {
    "films": {
        "serving_default": {"inputs": INPUT, "outputs": {"label": {}, "score": {}}},
        "classify": {"inputs": {"inputs": {}}, "outputs": {"classes": {}, "scores": {}}},
    },
    "german": {
        "serving_default": {"inputs": INPUT, "outputs": {"translation": {}, "score": {}}},
        "nbest": {"inputs": OTHER, "outputs": {"translations": {}}},
    },
}


class Handler(JsonHandler):
    """Answers for two models as a server does, once it has been busy so often."""

    busy: list

    def do_GET(self):
        self.answer({}, self.path.split("/")[3])

    def do_POST(self):
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(document, self.path.split("/")[3].split(":")[0])

    def answer(self, document, model):
        if self.busy:
            self.reply(self.busy.pop(), {"error": "not now"})
        elif model not in SIGNATURES:
            self.reply(404, {"error": f"Servable not found for request: Latest({model})"})
        elif not document:
            known = {"signature_def": {"signature_def": SIGNATURES[model]}}
            self.reply(200, {"model_spec": {}, "metadata": known})
        elif "examples" in document:
            texts = [example["text"] for example in document["examples"]]
            rows = [[["neg", 0.25 + len(t) / 64], ["pos", 0.5]] for t in texts]
            self.reply(200, {"results": rows})
        elif "instances" in document:
            rows = [{"translation": t[::-1], "score": -1.5} for t in document["instances"]]
            self.reply(200, {"predictions": rows})
        else:
            texts, k = document["inputs"]["text"], document["inputs"]["k"]
            columns = {
                "translations": [[f"{text}{n}" for n in range(k)] for text in texts],
                "scores": [[-0.5 - n for n in range(k)] for _ in texts],
                "tokens": [[["x", ""]] * k for _ in texts],
                "attention": [[[[0.75, 0.25], [0.0, 0.0]]] * k for _ in texts],
                "source_tokens": [["y", "z"] for _ in texts],
            }
            self.reply(200, {"outputs": columns})


@contextlib.contextmanager
def serving(busy=()):
    handler = type("Busy", (Handler,), {"busy": list(busy)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server():
    with serving() as url:
        yield url


def test_a_server_is_asked_by_the_run_s_name_and_no_run_is_needed(succeeds, server):
    texts = ["abc", "a text that is\tlong enough"]
    assert lines_of(succeeds("predict", "films", "--server", server, *texts)) == [
        "pos\t0.5000\tabc",
        "neg\t0.6562\ta text that is long enough",
    ]
    piped = succeeds("predict", "nowhere/films/", "--server", server, input=b"abc\n\n")
    assert lines_of(piped) == ["pos\t0.5000\tabc", "pos\t0.5000\t"]
    named = ("predict", "mine", "--model", "films", "--server", server)
    assert json.loads(succeeds(*named, "--json", "나쁘다").stdout) == {
        "text": "나쁘다",
        "label": "pos",
        "probability": 0.5,
        "probabilities": {"neg": 0.296875, "pos": 0.5},
    }


def test_a_run_that_is_at_hand_says_how_many_translations_are_shown(succeeds, server, tmp_path):
    asked = ("predict", "--server", server, "--runs-dir", tmp_path, "german", "abc")
    assert lines_of(succeeds(*asked)) == ["cba"]
    (tmp_path / "german").mkdir()
    config = "task: translation\ndecoding: {beam: 4, n_best: 3}\n"
    (tmp_path / "german" / "config.yaml").write_text(config)
    assert lines_of(succeeds(*asked)) == ["abc0\tabc1\tabc2"]
    found = json.loads(succeeds(*asked, "--json").stdout)
    assert found["alternatives"] == [["abc1", -1.5], ["abc2", -2.5]]
    assert (found["target_tokens"], found["attention"]) == (["x"], [[0.75, 0.25]])


def test_a_busy_server_is_asked_again(succeeds):
    with serving(busy=[429, 503]) as url:
        assert lines_of(succeeds("predict", "films", "--server", url, "a")) == ["pos\t0.5000\ta"]


def test_what_cannot_be_asked_of_a_server_is_one_line(refused, server, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    to_server = ("predict", "films", "--server", server)
    assert "--set" in refused(*to_server, "--set", "decoding.beam=1", "a")
    assert "it needs --server" in refused("predict", "films", "--model", "x", "a")
    assert "Latest(filmz)" in refused("predict", "filmz", "--server", server, "a")
    assert "not the address of a server" in refused("predict", "films", "--server", "nowhere", "a")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    said = refused("predict", "films", "--server", url, "a")
    assert said == f"nothing listens at {url}; start a server there by `seqtasks serve`"
    with serving(busy=[503] * 9) as busy:
        assert "the server said 503: not now" in refused("predict", "films", "--server", busy, "a")


def test_a_server_is_asked_without_tensorflow(server):
    program = """
import sys
from seqtasks.cli import main
try:
    main()
finally:
    print(sorted({"tensorflow", "keras", "grpc", "numpy", "google.protobuf"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", program, "predict", "films", "a", "--server", server]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert done.stdout == "pos\t0.5000\ta\n[]\n"
