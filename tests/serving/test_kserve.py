"""KServe's protocol, version 2, of the server that speaks TF Serving's."""

import json

import numpy as np
import pytest

ZOO = "/v2/models/zoo"


def tensor(name, datatype, shape, data):
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def infer(client, signature, *inputs, path=f"{ZOO}/infer", **more):
    document = {"parameters": {"signature_name": signature}, "inputs": list(inputs), **more}
    return client.post(path, document)


def outputs(answer):
    return {found["name"]: found for found in answer["outputs"]}


def test_the_server_and_its_models_say_that_they_are_ready(served):
    assert served.get("/v2/health/live") == (200, {"live": True})
    assert served.get("/v2/health/ready") == (200, {"ready": True})
    assert served.get(f"{ZOO}/ready") == (200, {"name": "zoo", "ready": True})
    assert served.get(f"{ZOO}/versions/1/ready")[0] == 200
    assert served.get(f"{ZOO}/versions/2/ready") == (
        503,
        {"error": "Model with name zoo and version 2 is not ready."},
    )
    assert served.get("/v2/models/other/ready") == (
        404,
        {"error": "Model with name other does not exist."},
    )
    status, server = served.get("/v2")
    assert (status, server["name"], server["extensions"]) == (200, "seqtasks", [])


def test_a_model_describes_its_default_signature(served):
    assert served.get(ZOO) == (
        200,
        {
            "name": "zoo",
            "versions": ["3", "1"],
            "platform": "tensorflow_savedmodel",
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [{"name": "score", "datatype": "FP32", "shape": [-1]}],
        },
    )


def test_texts_are_answered_by_the_version_that_is_asked(served):
    text = tensor("text", "BYTES", [2], ["abc", "\uac00"])
    status, answer = infer(served, "", text, id="x7")
    assert (status, answer["model_version"], answer["id"]) == (200, "3", "x7")
    assert outputs(answer) == {"score": tensor("score", "FP32", [2], [9.0, 3.0])}
    status, answer = infer(served, "", text, path=f"{ZOO}/versions/1/infer")
    assert (status, answer["model_version"]) == (200, "1")
    assert outputs(answer)["score"]["data"] == [3.0, 1.0]


def test_numbers_of_each_type_keep_their_shapes_flat_or_nested(served):
    a = np.array([[0.5, -2.0], [3.25, 4.0], [0.0, 7.0]], np.float32)
    for data in (a.tolist(), a.reshape(-1).tolist()):
        status, answer = infer(
            served,
            "pair",
            tensor("a", "FP32", [3, 2], data),
            tensor("b", "INT64", [3], [5, -6, 2**40]),
        )
        assert status == 200
        found = outputs(answer)
        np.testing.assert_allclose(found["sum"]["data"], a[:, 0] + 9 * a[:, 1], rtol=1e-6)
        assert found["product"] == tensor("product", "INT64", [3], [-10, -24, 7 * 2**40])
    flags = tensor("on", "BOOL", [2], [True, False]), tensor("n", "INT32", [2], [3, 4])
    found = outputs(infer(served, "flags", *flags, outputs=[{"name": "off"}])[1])
    assert found == {"off": tensor("off", "BOOL", [2], [False, True])}


X = tensor("x", "FP32", [1], [2.0])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{", "JSON Parse error"),
        ({}, "inputs: expected a list of tensors"),
        ({"inputs": {}}, "inputs: expected a list"),
        ({"inputs": [3]}, "unexpected inference input null"),
        ({"inputs": [X]}, "unexpected inference input \"x\" for signature 'serving_default'"),
        ({"inputs": [X], "parameters": 3}, "parameters: expected an object"),
        ({"inputs": [X], "parameters": {"signature_name": "none"}}, '"none" not found'),
        ({"inputs": [{**X, "datatype": "FP64"}]}, 'unexpected datatype "FP64"'),
        ({"inputs": [{**X, "datatype": 3}]}, "unexpected datatype 3"),
        ({"inputs": [{**X, "shape": [2]}]}, "unexpected number of elements 1"),
        ({"inputs": [{**X, "shape": [-1]}]}, "shape: expected a list of sizes"),
        ({"inputs": [{**X, "shape": [1] * 40}]}, "more than this server takes"),
        ({"inputs": [{**X, "shape": [10**30]}]}, "more than this server takes"),
        ({"inputs": [{**X, "data": ["a"]}]}, "not of expected type: float32"),
        ({"inputs": [{k: v for k, v in X.items() if k != "data"}]}, "has no data"),
        ({"inputs": [X, X]}, "input 'x' is given twice"),
        ({"inputs": [X], "outputs": [{"name": "z"}]}, 'unexpected inference output "z"'),
        ({"inputs": [X], "outputs": 3}, "unexpected inference output 3"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(served, document, said):
    if isinstance(document, dict) and '"x"' not in said:
        document = {"parameters": {"signature_name": "numbers"}, **document}
    status, answer = served.post(f"{ZOO}/infer", document)
    assert status in (400, 413)
    assert said in answer["error"]
    assert "\n" not in answer["error"]


def test_inputs_that_lack_and_paths_that_are_none_are_refused(served):
    status, answer = infer(served, "pair", tensor("b", "INT64", [1], [1]))
    assert (status, answer["error"]) == (400, "expected the inputs a, b; missing: a")
    for method, path in (
        ("GET", f"{ZOO}/infer"),
        ("POST", ZOO),
        ("GET", "/v2/models"),
        ("GET", "/v2/health"),
        ("POST", f"{ZOO}/versions/x/infer"),
    ):
        status, headers, body = served.ask(method, path, b"{}" if method == "POST" else None)
        assert (status, headers["content-type"]) == (404, "application/json")
        assert list(json.loads(body)) == ["error"]
