"""`seqtasks client`: a server's model on arguments, a file or a pipe."""

import http.server
import json
import socket
import subprocess
import sys
import threading

import pytest
from json_handler import JsonHandler


def tensor(dtype, *sizes):
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": "x:0"}


STRINGS, FLOATS, INT = tensor("DT_STRING", -1), tensor("DT_FLOAT", -1), tensor("DT_INT32")
TABLE = tensor("DT_STRING", -1, -1)


def signature(inputs, outputs, method="predict"):
    return {"inputs": inputs, "outputs": outputs, "method_name": f"tensorflow/serving/{method}"}


TEXT, EXAMPLES = {"text": STRINGS}, {"inputs": STRINGS}
CLASSES = {"label": STRINGS, "score": FLOATS, "probabilities": tensor("DT_FLOAT", -1, 2)}
MODELS = {
    "films": {
        "serving_default": signature(TEXT, CLASSES),
        "classify": signature(EXAMPLES, {"classes": TABLE, "scores": TABLE}, "classify"),
        "regress": signature(EXAMPLES, {"outputs": FLOATS}, "regress"),
        "__saved_model_init_op": signature({}, {"__saved_model_init_op": INT}),
    },
    "translator": {
        "serving_default": signature(TEXT, {"translation": STRINGS, "score": FLOATS}),
        "nbest": signature({**TEXT, "k": INT}, {"translations": TABLE, "scores": TABLE}),
        "total": signature({**TEXT, "k": INT}, {"letters": INT}),
    },
    "tagger": {
        "serving_default": signature(
            TEXT, {"tokens": TABLE, "tags": TABLE, "scores": TABLE, "lengths": STRINGS}
        ),
    },
    "writer": {"serving_default": signature(TEXT, {"continuation": STRINGS})},
    "captions": {
        "serving_default": signature(
            {"image": tensor("DT_FLOAT", -1, 2, 2, 1)}, {"caption": STRINGS, "score": FLOATS}
        ),
    },
    "other": {"serving_default": signature(TEXT, {"raw_bytes": STRINGS, "size": INT})},
}


def film(text):
    score = 0.5 + len(text) / 1000
    return {"label": "pos" if "good" in text else "neg", "score": score, "probabilities": [score]}


def answer(model, name, document):
    """Answer as the models of this package do, by rows or by columns."""
    if "examples" in document:
        texts = [example["text"] + example.get("more", "") for example in document["examples"]]
        if name == "classify":
            rows = [[["neg", 0.25], [f"pos {text}", 0.5], ["mid", 0.25]] for text in texts]
        else:
            rows = [float(len(text)) for text in texts]
        return {"results": rows}
    if "inputs" in document:
        inputs = document["inputs"]
        if name == "total":
            return {"outputs": sum(map(len, inputs["text"])) * inputs["k"]}
        if name == "nbest":
            k = inputs["k"]
            made = [[f"{text}-{n}" if n < 2 else "" for n in range(k)] for text in inputs["text"]]
            scores = [[-float(n) if n < 2 else -float("inf") for n in range(k)] for _ in made]
            return {"outputs": {"translations": made, "scores": scores}}
        captions = [f"an image of {sum(map(sum, image))}" for image in inputs["image"]]
        return {"outputs": {"caption": captions, "score": [-1.5] * len(captions)}}
    texts = [row["text"] for row in document["instances"]]
    make = {
        "films": film,
        "translator": lambda text: {"translation": text.upper(), "score": -1.25},
        "tagger": lambda text: {
            "tokens": [*text.split(), "", ""],
            "tags": [*(f"T{len(word)}" for word in text.split()), "", ""],
            "scores": [0.5] * (len(text.split()) + 2),
            "lengths": len(text.split()),
        },
        "writer": lambda text: f" after {len(text)}",
        "other": lambda text: {"raw_bytes": {"b64": "AP8="}, "size": len(text)},
    }[model]
    return {"predictions": [make(text) for text in texts]}


class Handler(JsonHandler):
    """Speaks the part of the protocol that a client of these models needs."""

    protocol_version = "HTTP/1.1"
    asked: list

    def do_GET(self):
        model = self.path.split("/")[3]
        if model not in MODELS:
            self.reply(404, {"error": f"Servable not found for request: Latest({model})"})
        elif self.path.endswith("/metadata"):
            spec = {"name": model, "signature_name": "", "version": "3"}
            known = {"signature_def": {"signature_def": MODELS[model]}}
            self.reply(200, {"model_spec": spec, "metadata": known})
        else:
            good = {"error_code": "OK", "error_message": ""}
            lost = {"error_code": "NOT_FOUND", "error_message": "no such file"}
            rows = [("4", "END", lost), ("3", "AVAILABLE", good)]
            listed = [{"version": v, "state": s, "status": e} for v, s, e in rows]
            self.reply(200, {"model_version_status": listed})

    def do_POST(self):
        model, verb = self.path.split("/")[3].split(":")
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((verb, document))
        if "refuse me" in json.dumps(document):
            self.reply(400, {"error": "I won't.\nReally."})
        else:
            self.reply(200, answer(model, document["signature_name"], document))


@pytest.fixture
def asked():
    """What the server was asked, in order: (verb, document)."""
    return []


@pytest.fixture
def server(asked):
    """The URL of a server."""
    handler = type("Asked", (Handler,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def ask(succeeds, server):
    """Ask the server, and give the lines that were printed."""

    def lines(model, *words, input=b""):
        result = succeeds("client", model, "--server", server, *words, input=input)
        assert result.stdout == "" or result.stdout.endswith("\n")
        return result.stdout.split("\n")[:-1]

    return lines


def test_classes_come_with_their_score_and_the_text(ask):
    assert ask("films", "a good film", "두 줄\n로") == [
        "pos\t0.5110\ta good film",
        "neg\t0.5050\t두 줄 로",
    ]


def test_arguments_a_file_and_a_pipe_give_the_same(ask, tmp_path):
    texts = ["good", "", "정말 좋다", "dull"]
    expected = ask("films", *texts)
    assert len(expected) == 4
    data = "".join(text + "\r\n" for text in texts).encode()
    (tmp_path / "new.txt").write_bytes(data)
    assert ask("films", "--file", tmp_path / "new.txt") == expected
    assert ask("films", input=data) == expected
    assert ask("films", "--file", "-", input=data.rstrip()) == expected
    assert ask("films", input=b"") == []


def test_many_lines_go_in_batches_and_keep_their_order(ask, asked):
    texts = [f"{'film ' * (n * 7 % 23)}{n}" for n in range(150)]
    found = ask("films", input="".join(f"{text}\n" for text in texts).encode())
    assert [row.split("\t")[2] for row in found] == texts
    sent = [document["instances"] for _, document in asked]
    assert [row["text"] for batch in sent for row in batch] == texts
    assert max(map(len, sent)) <= 64 < sum(map(len, sent)) / 2


def test_an_answer_is_written_as_soon_as_its_line_is_read(server):
    command = [sys.executable, "-c", "from seqtasks.cli.client import client; client()"]
    with subprocess.Popen(
        [*command, "films", "--server", server], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        for text in (b"good", b"dull"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith(b"\t" + text + b"\n")
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_each_task_has_its_form(ask):
    assert ask("translator", "good day", "x") == ["GOOD DAY", "X"]
    assert ask("tagger", "I go home", "") == ["I/T1 go/T2 home/T4", ""]
    assert ask("writer", "once", "") == ["once after 4", " after 0"]
    assert ask("other", "abc") == ['{"text": "abc", "raw_bytes": {"b64": "AP8="}, "size": 3}']


def test_json_has_everything(ask):
    found = [json.loads(line) for line in ask("films", "--json", "a good film", "나쁘다")]
    assert found == [{"text": text, **film(text)} for text in ("a good film", "나쁘다")]
    assert json.loads(*ask("writer", "--json", "once")) == {
        "text": "once",
        "continuation": " after 4",
    }
    assert "나쁘다" in ask("films", "--json", "나쁘다")[0]


def test_other_inputs_go_with_the_texts(ask, asked):
    found = ask("translator", "--signature", "nbest", "--input", "k=3", "a", "b")
    assert found == ["a-0\ta-1", "b-0\tb-1"]  # what has no score is none
    assert asked[-1] == (
        "predict",
        {"signature_name": "nbest", "inputs": {"text": ["a", "b"], "k": 3}},
    )
    piped = ask("translator", "--signature", "nbest", "--input", "k=3", input=b"a\nb\n")
    assert piped == found
    as_json = ask("translator", "--signature", "nbest", "--input", "k=1", "--json", "a")
    assert json.loads(*as_json) == {"text": "a", "translations": ["a-0"], "scores": [0.0]}


def test_an_answer_to_all_texts_together_is_one_line(ask):
    assert ask("translator", "--signature", "total", "--input", "k=2", "ab", "c") == [
        '{"letters": 6}'
    ]


def test_inputs_may_be_all_there_is(ask, asked):
    images = [[[1, 2], [3, 4]], [[0, 1], [0, 1]]]
    found = ask("captions", "--input", f"image={json.dumps(images)}", input=b"not read")
    assert found == ["an image of 10", "an image of 2"]
    assert asked == [
        ("predict", {"signature_name": "serving_default", "inputs": {"image": images}})
    ]
    # Texts too may be given so, and the texts are then not asked for.
    words = ("--signature", "nbest", "--input", 'text=["a"]', "--input", "k=2")
    assert ask("translator", *words, input=b"b\n") == ["a-0\ta-1"]


def test_signatures_of_examples_take_texts_as_a_feature(ask, asked):
    found = ask("films", "--signature", "classify", "a", "b  c")
    assert found == ["pos a\t0.5000\ta", "pos b  c\t0.5000\tb c"]
    assert asked[-1][0] == "classify"
    assert ask("films", "--signature", "regress", "--input", 'more="!!"', "abc") == ["5.0000\tabc"]
    assert asked[-1] == (
        "regress",
        {"signature_name": "regress", "examples": [{"text": "abc", "more": "!!"}]},
    )
    found = ask("films", "--signature", "classify", "--json", "a")
    assert json.loads(*found) == {
        "text": "a",
        "classes": ["neg", "pos a", "mid"],
        "scores": [0.25, 0.5, 0.25],
    }


def test_status_lists_versions(ask, asked):
    assert ask("films", "--status") == ["4\tEND\tno such file", "3\tAVAILABLE"]
    found = [json.loads(line) for line in ask("films", "--status", "--json")]
    assert [one["version"] for one in found] == ["4", "3"]
    assert found[0]["status"]["error_code"] == "NOT_FOUND"
    assert asked == []


def test_metadata_tells_what_goes_in_and_out(ask):
    assert "\n".join(ask("captions", "--metadata")) == (
        "captions, version 3\n\nserving_default (predict)\n"
        "  <- image: float [N, 2, 2, 1]\n  -> caption: string [N]\n  -> score: float [N]"
    )
    found = ask("films", "--metadata")
    assert "classify (classify)" in found
    assert not any("init_op" in line for line in found)
    (line,) = ask("films", "--metadata", "--json")
    assert json.loads(line)["metadata"]["signature_def"]["signature_def"] == MODELS["films"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("unknown", "a"), "Latest(unknown); check the name"),
        (
            ("films", "--signature", "clasify", "a"),
            "no signature 'clasify' (did you mean 'classify'?); it has classify, regress, "
            "serving_default",
        ),
        (("captions", "a"), "takes image; give each by --input NAME=JSON, and no TEXT"),
        (("captions",), "takes image; give each by --input"),
        (("captions", "--file", "-", "--input", "image=[]"), "takes image"),
        (("films", "a", "--file", "-"), "not both"),
        (("films", "--input", "k", "a"), "--input k: expected NAME=JSON"),
        (("films", "--input", "k=x", "a"), "--input k=x: the value is not JSON"),
        (("films", "refuse me"), "the server said 400: I won't. Really; see what it takes"),
    ],
)
def test_a_mistake_is_one_line(refused, server, words, part):
    assert part in refused("client", *words, "--server", server, input=b"")


def test_an_address_that_is_none_is_one_line(refused):
    message = refused("client", "m", "a", "--server", "localhost:8501")
    assert message.startswith("localhost:8501: not the address of a server; expected http://")


def test_nothing_listening_is_one_line(refused):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    message = refused("client", "m", "a", "--server", f"http://127.0.0.1:{port}")
    assert message == (
        f"nothing listens at http://127.0.0.1:{port}; start a server there by `seqtasks serve`"
    )


def test_a_line_that_is_not_utf_8_is_named_after_the_answers_before_it(seqtasks, server):
    result = seqtasks("client", "films", "--server", server, input=b"good\n\xff\n")
    assert result.exit_code == 2
    assert result.stdout == "pos\t0.5040\tgood\n"
    assert "standard input, line 2: not UTF-8" in result.stderr


def test_tensorflow_is_not_needed(server):
    program = """
import sys
from seqtasks.cli.client import client
try:
    client()
finally:
    print(sorted({"tensorflow", "keras", "grpc", "google.protobuf"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", program, "films", "good", "--server", server]
    found = subprocess.run(command, capture_output=True, check=True, text=True)
    assert found.stdout == "pos\t0.5040\tgood\n[]\n"
