"""An exported tagger answers as its run: features, windows, a scheme, a CRF, and no sentence."""

import json

import numpy as np
import pytest
import tensorflow as tf

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from seqtasks.config import TaggingConfig  # noqa: E402
from seqtasks.entities import recognise  # noqa: E402
from seqtasks.onnx_export.networks import networks_of  # noqa: E402
from seqtasks.runner.network import Network  # noqa: E402
from seqtasks.runner.tagger import Tagger  # noqa: E402
from seqtasks.tasks import tagger  # noqa: E402
from seqtasks.tasks.tagging import Tagging  # noqa: E402
from seqtasks.text.tokens import TokenEncoder  # noqa: E402

TAGS = ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"]
WORDS = ["Ann", "sees", "Old", "Rome", "Lee", "Is", "in", "2026", "!"]
TEXTS = ["Ann Lee sees Old Rome in 2026! " * 3, "", "zzz", "Ann\u3000Old Is 참 Rome in Rome, Ann"]
KINDS = [
    ({"features": ["left_bigram", "shape", "right_bigram"]}, "softmax", True),
    ({"unit": "word"}, "softmax", False),
    ({}, "crf", True),
    ({"unit": "subword", "max_subwords": 300}, "crf", False),
]


@pytest.mark.parametrize(("text", "head", "constrain"), KINDS)
def test_tags_scores_and_entities_are_those_of_the_run(text, head, constrain, tmp_path):
    draw = np.random.default_rng(9)
    model = {"arch": "bigru", "units": 3, "embedding_units": 4, "head": head}
    config = TaggingConfig.model_validate(
        {
            "text": {**text, "max_length": 7},
            "model": model,
            "decoding": {"constrain": constrain},
        }
    )
    sentences = [draw.choice(WORDS, 6).tolist() for _ in range(30)]
    encoder = TokenEncoder.from_sentences(sentences, config.text)
    codec = tagger.Codec(encoder, TAGS, recognise([[tag] for tag in TAGS]))
    network = Tagging().build(config, codec)
    for weight in network.trainable_variables:
        weight.assign(draw.normal(0, 0.9, weight.shape))
    predictor = tagger.Predictor(network, codec, 1.6, constrain)
    written = networks_of([config], predictor)
    codec.save(tmp_path)
    onnx.save(written.models["model"], str(tmp_path / "model.onnx"))
    told = json.loads(json.dumps(written.told, allow_nan=False))
    ours = Tagger(tmp_path, told, {"model": Network(tmp_path / "model.onnx", 17)}).endpoints
    rows = [[*WORDS, ""], [*WORDS[3:], *[""] * 4], [""] * 10]
    tokens = np.array([[word.encode() for word in row] for row in rows], object)
    texts, entities = np.array([text.encode() for text in TEXTS], object), 0
    for endpoint in Tagging().endpoints(predictor):
        given = texts if endpoint.name == "serving_default" else tokens
        (name,) = (one.spec.name for one in endpoint.inputs)
        for rows in (given, given[:0], given[1:2]):
            found = ours[endpoint.name]({name: rows})
            right = endpoint.answer(tf.constant(rows, tf.string))
            assert found.keys() == right.keys() == endpoint.outputs.keys()
            for output, one in right.items():
                assert found[output].shape == one.shape, output
                if one.dtype.name == "string":
                    assert found[output].tolist() == one.numpy().tolist(), output
                else:
                    assert found[output].dtype == one.numpy().dtype
                    np.testing.assert_allclose(found[output], one.numpy(), atol=1e-5)
            entities += (found["entity_scores"] > 0).sum()
    assert entities > 3
