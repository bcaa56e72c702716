"""The captioning task: images of any size and kind, what is said of them, and scores."""

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
import reference
import sacrebleu
import tensorflow as tf

from seqtasks.answers import line
from seqtasks.config import parse_config
from seqtasks.data.images import CaptionedImages
from seqtasks.data.splits import Splits
from seqtasks.errors import DataError, RunError
from seqtasks.tasks import captioning
from seqtasks.tasks.captioning import Captioning
from seqtasks.tasks.sources import load_splits, read_part
from seqtasks.tasks.task import planned_batches
from seqtasks.text.vocabulary import END_ID, UNKNOWN_ID

SHAPE = (5, 7, 1)


@pytest.fixture(scope="module")
def random(make):
    """A network that writes by random weights, sure of itself, what it makes of what it sees."""
    made = make("captioning", {"decoding.max_length": 8})
    for seed, layer in enumerate([made.model.decoder, *made.model.bridges]):
        reference.randomise(layer, seed)
    made.model.decoder.b_E.assign_sub(tf.one_hot(3, len(made.codec.captions), 2.0))
    return made


@pytest.fixture(scope="module")
def predictor(random):
    return random.predictor()


def write_png(path, image):
    """An image of floats from 0 to 1 as the nearest that a file can hold."""
    pixels = np.round(np.asarray(image) * 255).astype(np.uint8)
    tf.io.write_file(str(path), tf.io.encode_png(pixels))
    return str(path)


def drawn(*shape, seed=3):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


# --- The codec and the data ---------------------------------------------------------------------


def test_the_size_of_images_is_read_back(random, tmp_path):
    assert random.codec.image_shape == SHAPE
    random.codec.save(tmp_path)
    loaded = Captioning().load_codec(random.config, tmp_path)
    assert loaded.image_shape == SHAPE
    assert loaded.captions.vocabulary.tokens == random.codec.captions.vocabulary.tokens


@pytest.mark.parametrize("damage", [None, b"[5, 7]", b"{", b"null", b"\xff"])
def test_a_size_that_can_not_be_read_is_an_error_that_names_the_file(random, tmp_path, damage):
    random.codec.save(tmp_path)
    (tmp_path / "image_shape.json").unlink()
    if damage is not None:
        (tmp_path / "image_shape.json").write_bytes(damage)
    with pytest.raises(RunError, match=r"image_shape\.json: damaged or missing"):
        Captioning().load_codec(random.config, tmp_path)


def test_each_image_of_an_epoch_comes_once_with_its_own_caption(random):
    train = random.splits.train
    data = captioning.examples(random.codec, train)
    batches, _ = planned_batches(
        random.config, data.lengths, partial(captioning._load, random.codec, data)
    )(0, 0)
    found = []
    for inputs, ids in batches.as_numpy_iterator():
        assert (inputs["target_ids"][:, 0] == 2).all()
        assert np.array_equal(
            inputs["target_ids"][:, 1:] * (ids[:, 1:] != 0), ids[:, :-1] * (ids[:, 1:] != 0)
        )
        captions = random.codec.captions.strings(tf.constant(ids)).numpy()
        found += [
            (image.tobytes(), text.decode())
            for image, text in zip(inputs["images"], captions, strict=True)
        ]
    expected = [
        (image.tobytes(), text) for image, text in zip(train.images, train.captions, strict=True)
    ]
    assert sorted(found) == sorted(expected)
    assert data.lengths.tolist() == [len(text) + 1 for text in train.captions]


def test_images_of_another_size_than_in_training_are_refused(random, make, tmp_path):
    other = CaptionedImages(drawn(2, 7, 5, 1), ["a", "b"], "other.npz", [0, 1])
    with pytest.raises(DataError) as caught:
        captioning.examples(random.codec, other)
    assert str(caught.value) == "other.npz: images of 7 x 5 x 1; expected 5 x 7 x 1, as in training"
    np.savez(tmp_path / "a.npz", images=drawn(4, 5, 7, 3), captions=np.array(list("abcd")))
    with pytest.raises(DataError, match="images of 5 x 7 x 3; expected 5 x 7 x 1"):
        make("captioning", {"data.test": str(tmp_path / "a.npz")})


# --- What is said -------------------------------------------------------------------------------


def test_an_image_s_file_has_the_caption_of_its_pixels(taught, tmp_path):
    made, predictor, *_ = taught("captioning")
    images = np.round(made.splits.test.images[:6] * 255).astype(np.float32) / 255
    part = CaptionedImages(images, ["x"] * 6, "some", list(range(6)))
    expected = predictor.texts(captioning.examples(made.codec, part), beam=3)
    files = [write_png(tmp_path / f"{n}.png", image) for n, image in enumerate(images)]
    found = list(predictor.predict(files))
    assert [one.image for one in found] == files
    assert [one.caption for one in found] == expected
    assert len(set(expected)) > 1


def test_no_file_has_no_caption_and_one_that_is_cut_says_so(random, tmp_path):
    file = write_png(tmp_path / "a.png", random.splits.test.images[0])
    b_E = random.model.decoder.b_E
    kept = b_E.numpy()
    b_E.assign(tf.one_hot(END_ID, len(random.codec.captions), -90.0, 0.0))
    predictor = random.predictor(max_length=2)
    empty, cut, blank = predictor.predict(["", file, "  "])
    default = random.task.endpoints(predictor)[0]
    assert default.function(random.splits.test.images[:3])["cut"].numpy().tolist() == [True] * 3
    b_E.assign(tf.one_hot(UNKNOWN_ID, len(random.codec.captions), 90.0, 0.0))
    [unknown] = predictor.predict([file])
    b_E.assign(kept)
    for one in (empty, blank):
        assert (one.caption, one.alternatives, one.cut) == ("", [], None)
    assert cut.cut
    assert len(cut.caption) == 2
    assert "[UNK]" not in unknown.caption


def test_how_images_are_batched_changes_no_caption(taught, monkeypatch):
    made, predictor, *_ = taught("captioning")
    data = captioning.examples(made.codec, made.splits.train)
    together = predictor.texts(data, 2)
    assert len(together) == len(made.splits.train)
    monkeypatch.setattr(captioning, "_BATCH_ROWS", 5)
    assert predictor.texts(data, 2) == together
    assert len(set(together)) > 1


def test_several_captions_come_the_best_first(random, predictor, tmp_path, monkeypatch):
    file = write_png(tmp_path / "a.png", random.splits.test.images[0])
    [best] = predictor.predict([file])
    decoding = predictor.decoding.model_copy(update={"n_best": 3})
    monkeypatch.setattr(predictor, "decoding", decoding)
    [found] = predictor.predict([file])
    scores = [found.score, *(score for _, score in found.alternatives)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert len({found.caption, *(text for text, _ in found.alternatives)}) == 3
    assert (found.caption, found.score) == (best.caption, pytest.approx(best.score, abs=1e-5))
    assert line(asdict(found)).split("\t") == [
        file,
        found.caption,
        *(t for t, _ in found.alternatives),
    ]
    assert best.alternatives == []


def test_a_file_that_is_no_image_is_named(predictor, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"GIF89a, but no more")
    for name in (str(path), str(tmp_path / "none.png")):
        with pytest.raises(DataError, match=name):
            list(predictor.predict([name]))


# --- Images of another size or kind -------------------------------------------------------------


def test_a_grey_image_is_the_same_in_any_kind_of_file(random, predictor, tmp_path):
    grey = np.round(drawn(5, 7, 1) * 255) / 255
    opaque, clear = np.ones((5, 7, 1)), drawn(5, 7, 1, seed=4)
    kinds = {
        "grey": grey,
        "grey and opaque": np.concatenate([grey, clear], axis=2),
        "colours": np.repeat(grey, 3, axis=2),
        "colours and opaque": np.concatenate([grey, grey, grey, opaque], axis=2),
    }
    files = [write_png(tmp_path / f"{name}.png", image) for name, image in kinds.items()]
    first, *others = predictor.predict(files)
    for other in others:
        assert other.caption == first.caption
        assert other.score == pytest.approx(first.score, abs=1e-5)


CHANNELS = {
    (1, 1): lambda g: [g],
    (1, 2): lambda g: [g, 1],
    (1, 3): lambda g: [g, g, g],
    (1, 4): lambda g: [g, g, g, 1],
    (2, 1): lambda g, a: [g],
    (2, 2): lambda g, a: [g, a],
    (2, 3): lambda g, a: [g, g, g],
    (2, 4): lambda g, a: [g, g, g, a],
    (3, 1): lambda r, g, b: [(r + g + b) / 3],
    (3, 2): lambda r, g, b: [(r + g + b) / 3, 1],
    (3, 3): lambda r, g, b: [r, g, b],
    (3, 4): lambda r, g, b: [r, g, b, 1],
    (4, 1): lambda r, g, b, a: [(r + g + b) / 3],
    (4, 2): lambda r, g, b, a: [(r + g + b) / 3, a],
    (4, 3): lambda r, g, b, a: [r, g, b],
    (4, 4): lambda r, g, b, a: [r, g, b, a],
}


@pytest.mark.parametrize(("given", "wanted"), CHANNELS)
def test_colours_are_averaged_and_grey_is_repeated(given, wanted):
    image = drawn(4, 6, given)
    found = captioning.as_trained(image, (4, 6, wanted))
    assert found.shape == (4, 6, wanted)
    assert found.dtype == np.float32
    for at in np.ndindex(4, 6):
        expected = CHANNELS[given, wanted](*image[at])
        np.testing.assert_allclose(found[at], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(10, 21), (3, 4), (5, 28), (40, 7), (1, 1)])
def test_another_size_shows_the_same_brightness_in_the_same_places(size):
    """A slope stays one: resizing neither turns an image nor moves it nor makes it darker."""
    height, width = size

    def slope(height, width):
        down = (np.arange(height) + 0.5) / height
        right = (np.arange(width) + 0.5) / width
        return (0.2 + 0.5 * down[:, np.newaxis] + 0.1 * right)[..., np.newaxis].astype(np.float32)

    found = captioning.as_trained(slope(height, width), SHAPE)
    assert found.shape == SHAPE
    if min(size) > 4:
        # At the edges the filter has less to average.
        np.testing.assert_allclose(found[1:-1, 1:-1], slope(5, 7)[1:-1, 1:-1], rtol=0, atol=0.02)
    even = np.full((height, width, 3), 0.3, np.float32)
    np.testing.assert_allclose(captioning.as_trained(even, SHAPE), 0.3, rtol=0, atol=1e-6)


def test_fine_stripes_are_averaged_away_and_not_picked_from():
    # Nine columns for one, so that the middle of each nine is a column of its own.
    stripes = np.zeros((45, 63, 1), np.float32)
    stripes[:, ::2] = 1
    np.testing.assert_allclose(captioning.as_trained(stripes, SHAPE), 0.5, rtol=0, atol=0.05)


# --- Evaluation and sources ---------------------------------------------------------------------


def test_the_scores_are_sacrebleu_s_of_what_is_said(taught):
    made, predictor, *_ = taught("captioning")
    part = made.splits.test
    found = made.task.evaluate(made.config, predictor, part, None)
    written = predictor.texts(captioning.examples(made.codec, part), made.config.decoding.beam)
    assert found.scores["chrF"] == pytest.approx(
        min(sacrebleu.corpus_chrf(written, [part.captions]).score, 100)
    )
    same = [a == b for a, b in zip(written, part.captions, strict=True)]
    assert found.scores["exact"] == pytest.approx(np.mean(same))
    assert found.all_references is None
    assert (found.examples, found.texts) == (len(part), len(part))
    wrong = [f"image {n}" for n, right in zip(part.lines, same, strict=True) if not right]
    assert [mistake.text for mistake in found.mistakes] == wrong


def test_the_bundled_digits_are_read_by_language_and_seed():
    both = load_splits(parse_config({"task": "captioning", "data": {"source": "digits-both"}}))
    assert "seven 칠" in both.train.captions
    korean = parse_config({"task": "captioning", "data": {"source": "digits-ko"}, "seed": 5})
    splits = load_splits(korean)
    assert set(splits.train.captions) == set("영일이삼사오육칠팔구")
    assert splits.train.lines != both.train.lines
    assert isinstance(splits, Splits)
    codec = Captioning().make_codec(korean, splits)
    assert codec.image_shape == (8, 8, 1)
    assert json.loads(json.dumps(Captioning().facts(codec))) == {
        "images": "8 x 8 x 1",
        "vocabulary": "14 chars",
    }


def test_the_array_of_images_is_the_one_of_the_configuration(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, small=drawn(2, 3, 4), large=drawn(2, 6, 8), captions=np.array(["a", "b"]))
    for key, size in (("small", (3, 4, 1)), ("large", (6, 8, 1))):
        data = {"source": str(path), "image_key": key}
        config = parse_config({"task": "captioning", "data": data})
        assert read_part(config, str(path)).images.shape[1:] == size
