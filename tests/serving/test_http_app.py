"""The REST protocol over real sockets, row by row of the contract."""

import base64
import gzip
import json
import logging
import math
import random
import socket
import threading
import zlib

import pytest

from seqtasks.serving.http_app import METRICS_PATH, RestOptions
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.model_config import ModelSettings

PREDICT = "/v1/models/zoo:predict"


def refusal(answer):
    """Check the form of an error, and give its message."""
    assert list(answer) == ["error"]
    assert isinstance(answer["error"], str)
    assert answer["error"]
    return answer["error"]


# --- URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("GET", "/v1/"),
        ("GET", PREDICT),
        ("PUT", PREDICT),
        ("DELETE", "/v1/models/zoo"),
        ("OPTIONS", "/v1/models/zoo"),
        ("POST", "/v1/models/zoo"),
        ("POST", "/v1/models/zoo:explain"),
        ("POST", "/v1/models/zoo/versions/one:predict"),
        ("POST", "/v1/models/zoo/versions/-1:predict"),
        ("POST", "/v1/models/zoo/versions/1/labels/stable:predict"),
        ("POST", "/v1/models/a/b:predict"),
        ("GET", "/v1/models/zoo/metadata/"),
        ("GET", "/v1/models/../zoo"),
        ("POST", "/v1/models/../../zoo:predict"),
    ],
)
def test_what_the_protocol_does_not_have_is_malformed(served, method, path):
    status, headers, body = served.ask(method, path)
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"error": f"Malformed request: {method} {path}"}


def test_a_head_request_is_malformed_too(served):
    status, headers, _ = served.ask("HEAD", "/v1/models/zoo")
    assert (status, headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize("path", ["/v1", "/v3/models/zoo", "/models/zoo", "/v1models/zoo"])
def test_paths_outside_v1_are_not_found_without_json(served, path):
    status, headers, body = served.ask("GET", path)
    assert (status, body) == (404, b"")
    assert "json" not in headers.get("content-type", "")


def test_a_request_without_a_model_says_so(served):
    assert served.get("/v1/models") == (400, {"error": "Missing model name in request."})
    assert served.get("/v1/models/metadata")[0] == 404  # a model of that name


def test_verbs_and_prefix_may_have_any_case_and_a_query(served):
    for path in ("/V1/Models/zoo:PREDICT", f"{PREDICT}?debug=1"):
        assert served.post(path, {"instances": ["four"]}) == (200, {"predictions": [12.0]})
    assert served.get("/v1/MODELS/zoo/METADATA")[0] == 200


def test_names_are_decoded_after_the_path_is_taken_apart(served):
    assert served.post("/v1/models/%7Aoo:predict", {"instances": ["a"]})[0] == 200
    status, answer = served.get("/v1/models/..%2F..%2Fzoo")
    assert (status, refusal(answer)) == (404, "Could not find any versions of model ../../zoo")


def test_a_version_larger_than_64_bits_is_refused(served):
    for number in (2**63, 10**40):
        status, answer = served.get(f"/v1/models/zoo/versions/{number}")
        assert (status, refusal(answer)) == (
            400,
            f"Failed to convert version: {number} to numeric.",
        )


# --- Which model --------------------------------------------------------------------------------


def test_versions_and_labels_choose_the_model(served):
    body = {"instances": ["abcde"]}
    for where, scale in (("", 3), ("/versions/1", 1), ("/versions/3", 3), ("/labels/stable", 1)):
        answer = served.post(f"/v1/models/zoo{where}:predict", body)
        assert answer == (200, {"predictions": [5.0 * scale]})


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        ("other", 404, "Servable not found for request: Latest(other)"),
        ("zoo/versions/7", 404, "Servable not found for request: Specific(zoo, 7)"),
        ("zoo/versions/0", 404, "Servable not found for request: Specific(zoo, 0)"),
        ("zoo/labels/lost", 404, "Servable not found for request: Specific(zoo, 2)"),
        ("zoo/labels/x", 400, "Unrecognized servable version label: x"),
        ("other/labels/x", 400, "Unrecognized servable version label: x"),
    ],
)
@pytest.mark.parametrize("verb", ["predict", "classify", "regress"])
def test_a_model_that_is_not_served_is_named(served, where, status, message, verb):
    body = {"instances": ["a"], "examples": [{}]}
    assert served.post(f"/v1/models/{where}:{verb}", body) == (status, {"error": message})


def test_an_unknown_signature_is_refused(served):
    for verb in ("predict", "classify", "regress"):
        answer = served.post(f"/v1/models/zoo:{verb}", {"signature_name": "x", "instances": [1]})
        message = 'Serving signature name: "x" not found in signature def'
        assert answer == (400, {"error": message})


def test_what_is_wrong_is_told_in_the_contract_s_order(served):
    """URL, JSON, type of signature_name, model, signature, tensors."""
    document: dict = {"signature_name": 3}
    url = "/v1/models/other:predic"
    seen = [refusal(served.post(url, b"{")[1])]
    url += "t"
    seen.append(refusal(served.post(url, b"{")[1]))
    seen.append(refusal(served.post(url, document)[1]))
    document["signature_name"] = "x"
    seen.append(refusal(served.post(url, document)[1]))
    url = PREDICT
    seen.append(refusal(served.post(url, document)[1]))
    document["signature_name"] = "pair"
    seen.append(refusal(served.post(url, document)[1]))
    beginnings = [
        "Malformed request",
        "JSON Parse error: ",
        "'signature_name' key must be a string",
        "Servable not found",
        "Serving signature name",
        "Missing 'inputs' or 'instances' key",
    ]
    assert len(seen) == len(beginnings)
    for message, beginning in zip(seen, beginnings, strict=True):
        assert message.startswith(beginning)


def test_both_keys_at_once_are_refused(served):
    status, answer = served.post(PREDICT, {"instances": ["a"], "inputs": ["a"]})
    assert status == 400
    assert "both" in refusal(answer)


# --- Predict ------------------------------------------------------------------------------------


def test_rows_of_one_input_are_bare_or_named(served):
    for rows in (["ab", "한국어"], [{"text": "ab"}, {"text": "한국어"}]):
        assert served.post(PREDICT, {"instances": rows}) == (200, {"predictions": [6.0, 9.0]})


def test_rows_of_several_inputs_and_outputs_are_objects(served):
    rng = random.Random(3)
    rows = [
        {"a": [rng.randint(-9, 9), rng.randint(1, 9)], "b": rng.randint(-99, 99)} for _ in range(4)
    ]
    expected = [
        {"sum": row["a"][0] + 3 * row["a"][1] * 3.0, "product": row["b"] * row["a"][1]}
        for row in rows
    ]
    assert served.predict(rows, signature="pair") == expected


def test_columns_are_answered_with_columns(served):
    body = {"signature_name": "pair", "inputs": {"a": [[1, 2], [0.5, 4]], "b": [7, -1]}}
    expected = {"outputs": {"sum": [19.0, 36.5], "product": [14, -4]}}
    assert served.post(PREDICT, body) == (200, expected)
    for inputs in (["ab"], {"text": ["ab"]}):
        assert served.post(PREDICT, {"inputs": inputs}) == (200, {"outputs": [6.0]})


def test_base64_goes_in_as_bytes_and_comes_out_under_names_in_bytes(served):
    data = bytes(range(256))
    coded = {"b64": base64.b64encode(data).decode()}
    rows = served.predict([coded, "나"], signature="echo")
    assert rows[0]["raw_bytes"] == coded
    assert rows[1] == {"raw_bytes": {"b64": base64.b64encode("나".encode()).decode()}, "text": "나"}
    assert served.predict([{"text": coded}], signature="echo")[0]["raw_bytes"] == coded


def test_nan_and_infinity_are_read_and_written(served):
    body = b'{"signature_name": "numbers", "instances": [NaN, -Infinity, Infinity, 0.5, 1]}'
    status, _, answer = served.ask("POST", PREDICT, body)
    assert status == 200
    assert b"NaN" in answer
    assert b"-Infinity" in answer
    values = json.loads(answer)["predictions"]
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, math.inf, 1.5, 3.0]


def test_a_float_is_written_with_the_digits_that_tell_it_from_others(served):
    body = {"signature_name": "numbers", "instances": [0.1, 1 / 3]}
    _, _, answer = served.ask("POST", "/v1/models/zoo/versions/1:predict", json.dumps(body))
    assert json.dumps(json.loads(answer)["predictions"]) == "[0.1, 0.33333334]"


def test_bool_and_integers_keep_their_types(served):
    rows = [{"on": True, "n": 5}, {"on": False, "n": 2147483647}]
    expected = [{"signed": 5, "off": False}, {"signed": -2147483647, "off": True}]
    assert served.predict(rows, signature="flags") == expected


@pytest.mark.parametrize(
    ("signature", "body", "expected"),
    [
        ("serving_default", {"instances": [["a"], ["bc"]]}, {"predictions": [[3.0], [6.0]]}),
        ("serving_default", {"inputs": "ab"}, {"outputs": 6.0}),
        (
            "pair",
            {"instances": [{"a": [1, 2, 9], "b": 3}]},
            {"predictions": [{"product": 6, "sum": 19.0}]},
        ),
    ],
)
def test_shapes_are_the_model_s_own_matter(served, signature, body, expected):
    assert served.post(PREDICT, {"signature_name": signature, **body}) == (200, expected)


def test_bytes_that_are_no_text_are_the_client_s_mistake(served):
    body = {"signature_name": "classify", "inputs": [{"b64": "//4="}]}
    status, answer = served.post(PREDICT, body)
    assert status == 400
    refusal(answer)


@pytest.mark.parametrize(
    ("signature", "body"),
    [
        ("serving_default", {"instances": []}),
        ("serving_default", {"instances": "a"}),
        ("serving_default", {"instances": {}}),
        ("serving_default", {"instances": None}),
        ("serving_default", {"instances": [1]}),
        ("serving_default", {"instances": [None]}),
        ("serving_default", {"instances": ["a", ["b"]]}),
        ("serving_default", {"instances": ["a", {"text": "b"}]}),
        ("serving_default", {"instances": [{"text": "b"}, "a"]}),
        ("serving_default", {"instances": [{"other": "a"}]}),
        ("serving_default", {"instances": [{"text": "a", "more": "b"}]}),
        ("serving_default", {"instances": [{"b64": "!!!!"}]}),
        ("serving_default", {"instances": [{"b64": "abcde"}]}),
        ("serving_default", {"instances": [{"b64": "é"}]}),
        ("serving_default", {"inputs": {"other": ["a"]}}),
        ("serving_default", {"instances": ["\ud800"]}),
        ("pair", {"instances": [1, 2]}),
        ("pair", {"instances": [{"a": [1, 2]}]}),
        ("pair", {"instances": [{"a": [1, 2], "b": 3}, {"a": [1], "b": 3}]}),
        ("pair", {"instances": [{"a": [1, 2], "b": 1.0}]}),
        ("pair", {"instances": [{"a": [1, 2], "b": True}]}),
        ("pair", {"instances": [{"a": [1, "2"], "b": 1}]}),
        ("pair", {"instances": [{"a": [1, 2], "b": 2**63}]}),
        ("pair", {"inputs": [1, 2]}),
        ("pair", {"inputs": {"a": [[1, 2]]}}),
        ("flags", {"inputs": {"on": [1], "n": [1]}}),
        ("flags", {"inputs": {"on": [True], "n": [2**31]}}),
        ("numbers", {"instances": [1e39]}),
        ("numbers", {"instances": [10**400]}),
        ("numbers", {"instances": [False]}),
        ("mean", {"instances": [1.0, 2.0]}),  # an answer without rows
        ("uneven", {"instances": [1.0, 2.0]}),  # outputs of different lengths
    ],
)
def test_tensors_that_do_not_fit_are_refused(served, signature, body):
    status, answer = served.post(PREDICT, {"signature_name": signature, **body})
    assert status == 400, answer
    refusal(answer)


def test_what_has_no_rows_can_be_asked_for_in_columns(served):
    answer = served.post(PREDICT, {"signature_name": "mean", "inputs": [1, 3]})
    assert answer == (200, {"outputs": 2.0})
    answer = served.post(PREDICT, {"signature_name": "uneven", "inputs": [1, 3]})
    assert answer == (200, {"outputs": {"x": [1.0, 3.0], "twice": [1.0, 3.0, 2.0, 6.0]}})


def test_an_error_in_the_graph_keeps_its_code_and_its_words(served):
    status, answer = served.post(PREDICT, {"signature_name": "root", "instances": [4, -1]})
    assert status == 400
    assert "negative number" in refusal(answer)
    assert "Traceback" not in answer["error"]
    assert ".py" not in answer["error"]


# --- Classify and regress -----------------------------------------------------------------------


def test_classify_answers_labels_with_scores(served):
    body = {
        "signature_name": "classify",
        "context": {"word": "shared", "n": 4},
        "examples": [{"x": [0.5, 2.0]}, {"x": [1.5, -1.0], "word": {"b64": "b3du"}, "n": [True]}],
    }
    expected = [[["shared", 0.5], ["4", 6.0]], [["own", 1.5], ["1", -3.0]]]
    assert served.post("/v1/models/zoo:classify", body) == (200, {"results": expected})


def test_regress_answers_a_number_for_each_example(served):
    body = {"signature_name": "regress", "examples": [{"x": [2.0, 1.0]}, {"x": [0.0, 4.5]}]}
    assert served.post("/v1/models/zoo:regress", body) == (200, {"results": [5.0, -4.5]})
    answer = served.post("/v1/models/zoo/versions/1:regress", body)
    assert answer == (200, {"results": [1.0, -4.5]})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"examples": []},
        {"examples": {}},
        {"examples": [3]},
        {"examples": [{"x": [1.0, 2]}]},  # decimals and whole numbers in one list
        {"examples": [{"x": [[1.0, 2.0]]}]},
        {"examples": [{"x": None}]},
        {"examples": [{"x": {"b64": "?"}}]},
        {"examples": [{"x": [1.0]}]},  # the graph wants two
        {"examples": [{}]},
        {"examples": [{"x": [1.0, 1e300]}]},
        {"examples": [{"x": [1.0, 2.0], "n": 2**63}]},
        {"examples": [{"x": [1.0, 2.0]}], "context": 5},
    ],
)
def test_malformed_examples_are_refused(served, body):
    status, answer = served.post("/v1/models/zoo:regress", {"signature_name": "regress", **body})
    assert status == 400, answer
    refusal(answer)


def test_signatures_of_another_kind_are_refused(served):
    for verb, signature in (("classify", "regress"), ("regress", "classify"), ("regress", "echo")):
        body = {"signature_name": signature, "examples": [{"x": [1.0, 2.0]}]}
        status, answer = served.post(f"/v1/models/zoo:{verb}", body)
        assert status == 400
        refusal(answer)


# --- Status and metadata ------------------------------------------------------------------------


def test_status_lists_the_versions_with_the_latest_first(served):
    def row(version):
        state = {"error_code": "OK", "error_message": ""}
        return {"version": version, "state": "AVAILABLE", "status": state}

    assert served.get("/v1/models/zoo") == (200, {"model_version_status": [row("3"), row("1")]})
    for where in ("versions/1", "labels/stable"):
        assert served.get(f"/v1/models/zoo/{where}") == (200, {"model_version_status": [row("1")]})


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        ("other", 404, "Could not find any versions of model other"),
        ("zoo/versions/7", 404, "Could not find version 7 of model zoo"),
        ("zoo/labels/x", 400, "Unrecognized servable version label: x"),
        ("other/metadata", 404, "Servable not found for request: Latest(other)"),
    ],
)
def test_the_status_of_what_is_not_there_is_an_error(served, where, status, message):
    assert served.get(f"/v1/models/{where}") == (status, {"error": message})


def test_metadata_describes_the_signatures(served):
    status, answer = served.get("/v1/models/zoo/versions/1/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "zoo", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    pair = signatures["pair"]
    assert pair["method_name"] == "tensorflow/serving/predict"
    assert pair["inputs"]["a"]["dtype"] == "DT_FLOAT"
    assert pair["inputs"]["a"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}],
        "unknown_rank": False,
    }
    assert set(pair["outputs"]) == {"sum", "product"}
    assert served.get("/v1/models/zoo/metadata")[1]["model_spec"]["version"] == "3"


# --- Health, metrics, log, CORS -----------------------------------------------------------------


def test_health_and_readiness(served, run_server, tmp_path):
    assert served.get("/healthz")[0] == served.get("/readyz")[0] == 200
    (tmp_path / "empty").mkdir()
    with run_server([ModelSettings("empty", tmp_path / "empty")]) as (client, _):
        assert client.get("/healthz")[0] == 200
        status, answer = client.get("/readyz")
        assert (status, answer["not_available"]) == (503, ["empty"])


def test_metrics_count_requests_by_model_and_status(run_server, load_once, install, tmp_path):
    install(tmp_path / "zoo", 1)
    with run_server([ModelSettings("zoo", tmp_path / "zoo")], load_once) as (client, _):
        for _ in range(3):
            client.predict(["a"])
        client.post(PREDICT, b"{")
        client.post("/v1/models/unknown:predict", {"instances": ["a"]})
        status, headers, body = client.ask("GET", METRICS_PATH)
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    lines = body.decode().splitlines()
    count = ":tensorflow:serving:request_count"
    assert f'{count}{{model_name="zoo",status="OK"}} 3' in lines
    assert f'{count}{{model_name="zoo",status="INVALID_ARGUMENT"}} 1' in lines
    assert "unknown" not in body.decode()
    labels = 'model_name="zoo",API="predict",entrypoint="REST"'
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 4" in lines
    assert f':tensorflow:serving:request_latency_bucket{{{labels},le="+Inf"}} 4' in lines


def test_the_access_log_has_a_line_of_json_for_each_request_and_no_texts(served, caplog):
    with caplog.at_level(logging.INFO, "seqtasks.serving.access"):
        served.post("/v1/models/zoo/versions/1:predict", {"instances": ["a secret"]})
        served.post("/v1/models/other:predict", {"instances": ["a secret"]})
    lines = [json.loads(r.message) for r in caplog.records if r.name == "seqtasks.serving.access"]
    good, bad = lines
    assert (good["method"], good["status"], good["code"]) == ("POST", 200, "OK")
    assert (good["model"], good["version"], good["path"]) == (
        "zoo",
        1,
        "/v1/models/zoo/versions/1:predict",
    )
    assert good["milliseconds"] > 0
    assert good["bytes_in"] == len(json.dumps({"instances": ["a secret"]}))
    assert (bad["status"], bad["error"]) == (404, "Servable not found for request: Latest(other)")
    assert "secret" not in caplog.text


def test_web_pages_may_call_only_where_cors_is_on(served, run_server, load_once, install, tmp_path):
    asked = {"Origin": "http://page.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in served.ask("GET", "/v1/models/zoo", None, asked)[1]
    install(tmp_path / "zoo", 3)
    options = RestOptions(cors_origins=("*",))
    settings = [ModelSettings("zoo", tmp_path / "zoo")]
    with run_server(settings, load_once, options) as (client, _):
        status, headers, _ = client.ask("OPTIONS", PREDICT, None, asked)
        assert (status, headers["access-control-allow-origin"]) == (200, "*")
        assert "POST" in headers["access-control-allow-methods"]
        status, headers, _ = client.ask("GET", "/v1/models/zoo", None, asked)
        assert (status, headers["access-control-allow-origin"]) == (200, "*")
        assert client.ask("OPTIONS", PREDICT)[0] == 400
        # Without CORS a request takes a shorter way, whose answers are no others.
        texts, capitals = b'{"instances": ["abc"]}', "/V1/MODELS/zoo:PREDICT"
        for method, path, body in [
            ("POST", PREDICT, texts),
            ("POST", capitals, texts),
            ("POST", PREDICT, b"["),
            ("POST", "/v1/nothing", b""),
            ("PUT", PREDICT, texts),
            ("HEAD", "/v1/models/zoo", None),
            ("GET", "/v1/models/none", None),
            ("GET", "/%761/models/zoo", None),
            ("GET", "/v3/models/zoo", None),
            ("GET", "/v1", None),
        ]:
            short, long = (each.ask(method, path, body) for each in (served, client))
            assert (short[0], short[2]) == (long[0], long[2])
            names = ("content-type", "content-length", "connection")
            assert [short[1][name] for name in names] == [long[1][name] for name in names]


# --- Limits -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(run_server, load_once, install, tmp_path_factory):
    """A server with narrow limits."""
    base = tmp_path_factory.mktemp("small") / "zoo"
    install(base, 1)
    limits = Limits(body_bytes=2000, rows=3, text_bytes=12)
    settings = [ModelSettings("zoo", base)]
    with run_server(settings, load_once, RestOptions(limits)) as (client, _):
        yield client


@pytest.mark.parametrize("size", [2001, 10_000, 15_000, 17_000])
def test_a_body_over_the_limit_is_refused_even_to_a_client_that_still_sends(small, size):
    body = json.dumps({"instances": ["a"]}).ljust(size).encode()
    status, answer = small.post(PREDICT, body)
    assert status == 413
    assert "2000 bytes" in refusal(answer)


def test_a_body_at_the_limit_is_answered(small):
    body = json.dumps({"instances": ["a"]}).ljust(2000).encode()
    assert small.post(PREDICT, body) == (200, {"predictions": [1.0]})


def zipped(client, body, encoding="gzip"):
    """POST a body with a Content-Encoding: (status, value)."""
    status, headers, answer = client.ask("POST", PREDICT, body, {"Content-Encoding": encoding})
    assert headers["content-type"] == "application/json"
    return status, json.loads(answer)


def test_a_body_may_come_by_gzip(served):
    body = json.dumps({"instances": ["abcd", "나무"]}).encode()
    answer = (200, {"predictions": [12.0, 6.0]})
    parts = gzip.compress(body[:9]) + gzip.compress(body[9:])  # as RFC 1952 lets members follow
    for sent, encoding in [(gzip.compress(body), "gzip"), (parts, " GZIP"), (body, "identity")]:
        assert zipped(served, sent, encoding) == answer


def test_a_body_that_is_not_what_its_encoding_says_is_refused(served):
    body = json.dumps({"instances": ["abcd"]}).encode()
    good = gzip.compress(body)
    damaged = good[:-6] + bytes([good[-6] ^ 1]) + good[-5:]  # in the checksum
    for sent in (body, good[:-1], good[:12], damaged, b"\x1f\x8b\x08", good + b"more"):
        status, answer = zipped(served, sent)
        assert status == 400
        assert refusal(answer).startswith("The request's body can't be decompressed: ")
    status, answer = zipped(served, zlib.compress(body), "deflate")
    assert status == 400
    assert "deflate is not supported; expected gzip" in refusal(answer)
    assert zipped(served, b"")[0] == 400


def test_the_limit_of_a_body_is_of_what_it_becomes(small):
    body = json.dumps({"instances": ["a"]}).encode()
    assert zipped(small, gzip.compress(body.ljust(2000))) == (200, {"predictions": [1.0]})
    for size in (2001, 10**6):
        status, answer = zipped(small, gzip.compress(body.ljust(size)))
        assert (status, "2000 bytes" in refusal(answer)) == (413, True)


def test_rows_and_texts_over_the_limit_are_refused(small):
    assert small.predict(["나" * 4, "a" * 12, ""]) == [4.0, 12.0, 0.0]
    for body in ({"instances": ["a"] * 4}, {"inputs": ["a"] * 4}, {"instances": ["나" * 4 + "a"]}):
        status, answer = small.post(PREDICT, body)
        assert (status, bool(refusal(answer))) == (413, True)
    body = {"signature_name": "regress", "examples": [{"x": [1.0, 2.0]}] * 4}
    assert small.post("/v1/models/zoo:regress", body)[0] == 413
    body["examples"] = [{"x": [1.0, 2.0], "word": "a" * 13}]
    assert small.post("/v1/models/zoo:regress", body)[0] == 413


def test_more_requests_than_the_limit_are_turned_away_until_one_is_done(
    run_server, install, tmp_path, gates
):
    load, found = gates
    install(tmp_path / "zoo", 1)
    settings = [ModelSettings("zoo", tmp_path / "zoo")]
    answers = []
    options = RestOptions(Limits(concurrent=2), threads=1)
    with run_server(settings, load, options) as (client, _):
        waiting = [
            threading.Thread(target=lambda: answers.append(_ask_until_accepted(client)))
            for _ in range(2)
        ]
        for thread in waiting:
            thread.start()
        found[1].entered.acquire()
        status, answer = 200, None
        while status == 200 and len(answers) == 0:
            # The second is accepted a little after it was sent.
            status, answer = _try_briefly(client)
        assert status == 429
        refusal(answer)
        assert client.get("/v1/models/zoo")[0] == client.get("/healthz")[0] == 200
        found[1].opened.set()
        for thread in waiting:
            thread.join()
        assert client.predict(["ab"]) == [2.0]
    assert answers == [[3.0], [3.0]]


def _ask_until_accepted(client):
    """Predict; what asks below may have been accepted first."""
    status, answer = 429, None
    while status == 429:
        status, answer = client.post(PREDICT, {"instances": ["abc"]})
    assert status == 200
    return answer["predictions"]


def _try_briefly(client):
    """Post, but wait for an answer only so long as a refusal takes."""
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.settimeout(1)
        body = b'{"instances": ["abc"]}'
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        data = b""
        try:
            while b"}" not in data:
                data += connection.recv(65536)
        except TimeoutError:
            return 200, None
    return int(data.split()[1]), json.loads(data.partition(b"\r\n\r\n")[2])


def test_a_request_that_takes_too_long_is_given_up(run_server, install, tmp_path, gates):
    load, found = gates
    install(tmp_path / "zoo", 1)
    options = RestOptions(Limits(request_seconds=0.2, concurrent=1), threads=1)
    with run_server([ModelSettings("zoo", tmp_path / "zoo")], load, options) as (client, _):
        status, answer = client.post(PREDICT, {"instances": ["a"]})
        assert status == 504
        refusal(answer)
        # It still runs, so its place isn't free yet.
        assert client.post(PREDICT, {"instances": ["a"]})[0] == 429
        found[1].opened.set()
        while (answer := client.post(PREDICT, {"instances": ["abc"]}))[0] == 429:
            pass
        assert answer == (200, {"predictions": [3.0]})


# --- Difficult clients --------------------------------------------------------------------------


def head(length):
    return f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def test_slow_clients_and_those_who_leave_hold_up_nobody(served):
    connections = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(40)]
    for number, connection in enumerate(connections):
        connection.sendall(head(50)[: 10 + 3 * number])  # cut in the head, or just after it
    body = b'{"instances": ["abc"]}'
    slow = socket.create_connection(("127.0.0.1", served.port))
    slow.sendall(head(len(body)))
    for byte in body:
        assert served.predict(["ab"]) == [6.0]
        slow.sendall(bytes([byte]))
    answer = b""
    while not answer.endswith(b"}"):
        answer += slow.recv(65536)
    assert answer.endswith(b'{"predictions": [9.0]}')
    for connection in [*connections, slow]:
        connection.close()
    assert served.predict(["ab"]) == [6.0]


def test_a_body_that_never_comes_is_given_up(run_server, load_once, install, tmp_path):
    install(tmp_path / "zoo", 1)
    options = RestOptions(Limits(read_seconds=0.2))
    settings = [ModelSettings("zoo", tmp_path / "zoo")]
    with (
        run_server(settings, load_once, options) as (client, _),
        socket.create_connection(("127.0.0.1", client.port)) as slow,
    ):
        slow.sendall(head(50) + b"{")
        answer = b""
        while data := slow.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 408")
        refusal(json.loads(answer.partition(b"\r\n\r\n")[2]))


def test_a_connection_serves_many_requests(served):
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        for length in (1, 7, 3):
            body = json.dumps({"instances": ["a" * length]}).encode()
            connection.sendall(head(len(body)) + body)
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"predictions": [3.0 * length]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"nul",
        b"[]",
        b'"instances"',
        b"3",
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": ' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"instances": [' + b"9" * 10_000 + b"]}",
        b'{"instances": ["a"]} trailing',
        b'{"instances": ["' + b"\x00" * 9 + b'"]}',
        b'{"instances": ["\xed\xa0\x80"]}',
    ],
)
def test_bodies_that_are_no_request_are_refused(served, body):
    status, answer = served.post(PREDICT, body)
    assert status == 400
    refusal(answer)
