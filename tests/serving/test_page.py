"""The page, as it is served, and as a person sees and uses it in a browser."""

import base64
import contextlib
import hashlib
import html.parser
import json
import re
import shlex
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from browser import CHROMIUM, CONTROL, browser

from seqtasks.serving.embedded import make_loader
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import find_models

REPOSITORY = Path(__file__).parents[2]
MARKUP = '<img src=x onerror="document.title=1"> & <b>bold</b>'
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome here")


def export(path, functions):
    """Write a SavedModel: for each signature a function and its inputs' specs."""
    import tensorflow as tf

    module = tf.Module()
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in functions.items()
    }
    tf.saved_model.save(module, str(path), signatures=signatures)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model of each kind, each with answers that are easily known."""
    import tensorflow as tf

    base = tmp_path_factory.mktemp("models")
    text, number = tf.TensorSpec([None], tf.string, "text"), tf.TensorSpec([], tf.int32, "k")
    names = tf.constant(["bad", "so so", MARKUP])

    def probabilities(texts):
        length = tf.cast(tf.strings.length(texts), tf.float32)
        rows = tf.stack([length, tf.ones_like(length) * 2, tf.ones_like(length) * 5], 1)
        tf.debugging.assert_less(length, 100.0, "so long a text")
        return rows / tf.reduce_sum(rows, 1, keepdims=True)

    def label(text):
        rows = probabilities(text)
        best = tf.gather(names, tf.argmax(rows, 1))
        return {"label": best, "score": tf.reduce_max(rows, 1), "probabilities": rows}

    def classify(inputs):
        found = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})
        rows = probabilities(found["text"])
        return {"classes": tf.broadcast_to(names, tf.shape(rows)), "scores": rows}

    def attention(text):
        return {
            "words": tf.constant([[["one", "two", ""], ["three", "", ""]]]),
            "word_weights": tf.constant([[[0.2, 0.8, 0.0], [1.0, 0.0, 0.0]]]),
            "sentence_weights": tf.constant([[0.37, 0.63]]),
        }

    examples = tf.TensorSpec([None], tf.string, "inputs")
    export(
        base / "films/4",
        {
            "serving_default": (label, [text]),
            "classify": (classify, [examples]),
            "attention": (attention, [text]),
        },
    )
    (base / "films/4/README.md").write_text(f"# films\n\n{MARKUP}\n", "utf-8")
    export(base / "bare/1", {"serving_default": (label, [text])})

    def translate(text):
        return {"translation": text, "score": tf.zeros(tf.shape(text))}

    def nbest(text, k):
        words = tf.strings.split(text[0])
        S = tf.size(words)
        written = tf.concat([words[::-1], ["."]], 0)
        weights = 1 + 3 * tf.range(S + 1)[:, tf.newaxis] ** 2 + 2 * tf.range(S)
        weights = (
            tf.cast(weights, tf.float32)
            / tf.reduce_sum(tf.cast(weights, tf.float32), 1)[:, tf.newaxis]
        )
        best = tf.strings.reduce_join(written, separator=" ")
        return {
            "translations": tf.stack([best, text[0], ""])[tf.newaxis],
            "scores": tf.constant([[-0.25, -1.5, -float("inf")]]),
            "tokens": tf.stack([written, written[::-1], written])[tf.newaxis],
            "attention": tf.stack([weights, weights[::-1], weights])[tf.newaxis],
            "source_tokens": words[tf.newaxis] + tf.where(k == 3, "", "!"),
        }

    export(
        base / "german/1",
        {"serving_default": (translate, [text]), "nbest": (nbest, [text, number])},
    )

    def tag(text):
        tokens = tf.strings.split(text).to_tensor()
        lengths = tf.fill([tf.shape(text)[0]], tf.shape(tokens)[1])
        shape = tf.shape(tokens)
        places = tf.broadcast_to(tf.range(shape[1]), shape)
        tags = tf.strings.join(["T", tf.strings.as_string(places)])
        scores = tf.cast(places + 1, tf.float32) / 8
        pad = [[0, 0], [0, 1]]
        return {
            "tokens": tf.pad(tokens, pad),
            "tags": tf.pad(tags, pad),
            "scores": tf.pad(scores, pad),
            "lengths": lengths,
        }

    def gates(text):
        tokens = tf.pad(tf.strings.split(text).to_tensor(), [[0, 0], [0, 1]])
        T = tf.shape(tokens)[1]
        names = tf.constant(["lstm_1/f", "lstm_1/o", "lstm_1_backward/f", MARKUP])
        rows = tf.cast(tf.range(4)[:, tf.newaxis] + 2 * tf.range(T), tf.float32) / 400
        return {"tokens": tokens, "gates": names[tf.newaxis], "open": rows[tf.newaxis]}

    export(base / "parts/1", {"serving_default": (tag, [text]), "gates": (gates, [text])})

    def go_on(text, length, temperature, top_k, seed):
        numbers = [tf.strings.as_string(one) for one in (length, top_k, seed)]
        told = tf.strings.join([*numbers, tf.strings.as_string(temperature, precision=2)], "|")
        return {"continuation": tf.strings.join([" and on ", told, text])}

    whole = [tf.TensorSpec([], tf.int32, name) for name in ("length", "top_k", "seed")]
    export(
        base / "novel/1",
        {
            "serving_default": (lambda text: {"continuation": text}, [text]),
            "continue": (
                go_on,
                [text, whole[0], tf.TensorSpec([], tf.float32, "temperature"), *whole[1:]],
            ),
        },
    )

    def caption(image_bytes):
        sizes = tf.strings.as_string(tf.strings.length(image_bytes))
        return {
            "caption": tf.strings.join([sizes, " bytes"]),
            "score": tf.fill(tf.shape(sizes), -0.5),
        }

    image = tf.TensorSpec([None, 2, 2, 1], tf.float32, "image")
    export(
        base / "pictures/1",
        {
            "serving_default": (lambda image: {"score": image[:, 0, 0, 0]}, [image]),
            "encoded": (caption, [tf.TensorSpec([None], tf.string, "image_bytes")]),
        },
    )
    export(base / "sums/1", {"serving_default": (lambda image: {"sum": image + 1}, [image])})
    export(base / "echo/1", {"serving_default": (lambda text: {"again": text}, [text])})
    (base / "broken/1").mkdir(parents=True)
    return base


@contextlib.contextmanager
def serving(base):
    manager = ModelManager(find_models(base), make_loader())
    manager.start()
    server = HttpServer(make_app(manager, RestOptions()), HttpOptions(port=0))
    server.start()
    try:
        yield server
    finally:
        server.stop()
        manager.close()


@pytest.fixture(scope="module")
def port(base):
    with serving(base) as server:
        yield server.port


@pytest.fixture(scope="module")
def page():
    with browser() as page:
        yield page


class Elements(html.parser.HTMLParser):
    """The tags of a document with their attributes, and what is within scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.within, self._raw = [], {"script": [], "style": []}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._raw = tag if tag in self.within else None

    def handle_data(self, data):
        if self._raw:
            self.within[self._raw].append(data)

    def handle_endtag(self, tag):
        self._raw = None


def test_the_page_is_one_file_that_needs_nothing_from_elsewhere(port, client_at):
    status, headers, body = client_at(port).ask("GET", "/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    text = body.decode()
    found = Elements(text)
    links = [
        value
        for _, attributes in found.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster")
    ]
    assert links == ["data:,"]
    shown = text.replace("import urllib.request;", "")  # a line of Python that it shows
    assert not re.search(r"https?://|@import|url\(|\bimport\b", shown)
    assert [len(found.within[tag]) for tag in ("script", "style")] == [1, 1]
    assert ("html", {"lang": "en"}) in found.tags


def test_only_the_pages_own_script_and_style_may_run(port, client_at):
    _, headers, body = client_at(port).ask("GET", "/")
    found = Elements(body.decode())
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    for tag in ("script", "style"):
        digest = hashlib.sha256("".join(found.within[tag]).encode()).digest()
        assert policy[f"{tag}-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_the_names_of_models_are_json_those_that_failed_too(port, client_at):
    status, value = client_at(port).get("/models")
    names = ["bare", "broken", "echo", "films", "german", "novel", "parts", "pictures", "sums"]
    assert (status, value) == (200, {"models": names})


def test_a_models_card_and_labels_are_told(port, client_at, served):
    assert client_at(port).get("/models/films/about") == (
        200,
        {"labels": {}, "card": f"# films\n\n{MARKUP}\n"},
    )
    labels = {"stable": 1, "lost": 2}
    assert served.get("/models/zoo/about") == (200, {"labels": labels, "card": None})
    assert client_at(port).get("/models/none/about")[0] == 404


ANSWERED = "document.querySelector('#result').children.length"
TROUBLE = "document.querySelector('#problem').textContent"


def show(page, port, model, width=1200, **options):
    page.open(f"http://127.0.0.1:{port}/#{model}", width, **options)
    page.wait(f"document.querySelector('h2')?.textContent === 'Ask {model}'")


def ask(page, text):
    page.evaluate("document.querySelector('#text').focus()")
    page.type(text)
    page.press("Enter", CONTROL)
    page.wait(f"{ANSWERED} || {TROUBLE}")
    assert page.evaluate(TROUBLE) == ""


def texts(page, selector):
    script = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"
    return page.evaluate(script)


def weights(page, selector):
    return page.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})]"
        ".map((one) => Number(one.style.getPropertyValue('--w')))"
    )


def within(page, selector, frame):
    """Whether an element's top edge is seen in a frame that scrolls."""
    script = f"""(() => {{
        const top = document.querySelector({json.dumps(selector)}).getBoundingClientRect().top;
        const frame = {frame}, start = frame === document.documentElement
            ? 0 : frame.getBoundingClientRect().top;
        return start <= top && top < start + frame.clientHeight;
    }})()"""
    return page.evaluate(script)


@needs_browser
@pytest.mark.slow
class TestInABrowser:
    def test_models_are_listed_with_what_they_do(self, page, port):
        show(page, port, "films")
        rows = texts(page, "#models label")
        assert [row for row in rows if row.startswith("films")] == [
            "filmsclassifies texts · version 4"
        ]
        does = {row.split(" · ")[0] for row in rows}
        assert {"germantranslates", "partstags words", "novelgoes on with a text"} <= does
        assert {"picturesdescribes images", "echoreads texts", "sumstakes tensors"} <= does
        broken = next(row for row in rows if row.startswith("broken"))
        assert broken.startswith("brokennot available: ")
        assert len(broken) > len("brokennot available: ")
        assert page.evaluate("document.querySelector('[value=broken]').disabled") is True
        assert page.evaluate("document.querySelector('[value=films]').checked") is True

    def test_a_class_is_shown_with_bars_and_where_the_model_looked(self, page, port):
        show(page, port, "films")
        ask(page, "abc")
        rows = [[MARKUP, 0.5], ["bad", 0.3], ["so so", 0.2]]
        assert texts(page, "#result .answer") == [MARKUP]
        assert texts(page, ".bars th") == [label for label, _ in rows]
        assert texts(page, ".bars td:last-child") == ["50%", "30%", "20%"]
        assert weights(page, ".bar") == pytest.approx([share for _, share in rows])
        widths = page.evaluate(
            "[...document.querySelectorAll('.bar')].map((one) => one.getBoundingClientRect().width)"
        )
        assert widths[1] == pytest.approx(widths[0] * 0.6, rel=0.02)
        assert weights(page, ".sentence > .heat") == pytest.approx([0.37, 0.63])
        assert texts(page, ".sentence > .heat") == ["37%", "63%"]
        assert texts(page, ".word") == ["one 20%,", "two 80%,", "three 100%,"]
        assert weights(page, ".word") == pytest.approx([0.25, 1, 1])
        assert page.evaluate("document.title") != "1"
        assert page.evaluate("document.querySelectorAll('#result img, #result b').length") == 0

    def test_without_a_signature_that_names_classes_the_best_one_is_shown(self, page, port):
        show(page, port, "bare")
        ask(page, "a" * 13)
        assert texts(page, "#result .answer") == ["bad"]
        assert texts(page, ".bars td:last-child") == ["65%"]

    def test_a_translation_is_shown_with_its_attention_and_the_runners_up(self, page, port):
        show(page, port, "german")
        ask(page, "we see it")
        assert texts(page, "#result .answer") == ["it see we ."]
        assert texts(page, ".map thead th") == ["we", "see", "it"]
        assert texts(page, ".map tbody th") == ["it", "see", "we", "."]
        rows = [[1 + 3 * row**2 + 2 * column for column in range(3)] for row in range(4)]
        expected = [value / sum(row) for row in rows for value in row]
        assert weights(page, ".map td.heat") == pytest.approx(expected, abs=1e-6)
        assert texts(page, ".map td.heat") == [str(round(100 * value)) for value in expected]
        assert texts(page, "#result ol li") == ["we see it score -1.50"]
        colours = page.evaluate(
            "[...document.querySelectorAll('.map td.heat')]"
            ".map((one) => getComputedStyle(one).backgroundColor)"
        )
        assert len(set(colours)) == len(set(expected))

    def test_tags_stand_with_their_words(self, page, port):
        show(page, port, "parts")
        ask(page, "dogs bark loudly")
        assert texts(page, ".tags li") == ["dogs T0 12.5%", "bark T1 25%", "loudly T2 37.5%"]

    def test_gates_are_shown_by_layer_and_token_with_plain_words(self, page, port):
        show(page, port, "parts")
        ask(page, "dogs bark loudly")
        assert texts(page, ".map thead th") == ["dogs", "bark", "loudly"]
        assert texts(page, ".map th[scope=rowgroup]") == [
            "lstm_1",
            "lstm_1, reading backwards",
            MARKUP[: MARKUP.rindex("/")],
        ]
        assert texts(page, ".map th[scope=row]") == ["f", "o", "f", MARKUP.rsplit("/", 1)[1]]
        expected = [(row + 2 * column) / 400 for row in range(4) for column in range(3)]
        assert weights(page, ".map td.heat") == pytest.approx(expected, abs=1e-6)
        (told,) = texts(page, "#opened-text")
        assert "f, the forget gate: where it is open, the memory stays" in told
        assert "o, the output gate: open" in told
        assert page.evaluate("document.querySelectorAll('#result b:not(.tags b)').length") == 0

    def test_of_a_long_text_the_first_gates_are_shown(self, page, port):
        show(page, port, "parts")
        ask(page, " ".join(f"w{number}" for number in range(80)))
        assert len(texts(page, ".map thead th")) == 60
        assert "Shown are the first 60 of 80 tokens." in texts(page, "#result p")

    def test_a_continuation_is_marked_and_takes_the_settings(self, page, port):
        show(page, port, "novel")
        page.evaluate("document.querySelector('#length').value = 7")
        page.evaluate("document.querySelector('#top_k').value = 5")
        page.evaluate("document.querySelector('#seed').value = 3")
        page.evaluate("document.querySelector('#temperature').value = '0.25'")
        ask(page, "On")
        assert texts(page, "#result .text") == ["On and on 7|5|3|0.25On"]
        assert texts(page, "#result mark") == [" and on 7|5|3|0.25On"]
        page.evaluate("document.querySelector('#length').value = '1.5'")
        page.press("Enter", CONTROL)
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE) == "length: type a number without a fraction."
        assert page.evaluate("document.activeElement.id") == "length"

    def test_an_image_file_is_sent_as_it_is(self, page, port, tmp_path):
        show(page, port, "pictures")
        page.evaluate("document.querySelector('#ask').click()")
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE) == "Choose an image first."
        path = tmp_path / "grey.png"
        path.write_bytes(png(3, 2))
        page.choose_file("#file", path)
        page.evaluate("document.querySelector('#ask').click()")
        page.wait(ANSWERED)
        assert page.evaluate(TROUBLE) == ""
        assert texts(page, "#result .answer") == [f"{len(png(3, 2))} bytes"]
        page.wait("document.querySelector('#result img').naturalWidth === 3")
        assert "grey.png" in page.evaluate("document.querySelector('#result img').alt")

    def test_other_models_show_what_they_answer_as_text(self, page, port):
        show(page, port, "echo")
        ask(page, MARKUP)
        assert json.loads(texts(page, "#result pre")[0]) == {"outputs": [MARKUP]}
        assert page.evaluate("document.querySelectorAll('#result img').length") == 0

    def test_tensors_are_asked_for_with_a_request_of_the_right_form(self, page, port):
        show(page, port, "sums")
        page.evaluate("document.querySelector('#text').focus()")
        page.press("Enter", CONTROL)
        page.wait(f"{ANSWERED} || {TROUBLE}")
        assert page.evaluate(TROUBLE) == ""
        zeros_and_one = [[[[1.0], [1.0]], [[1.0], [1.0]]]]
        assert json.loads(texts(page, "#result pre")[0]) == {"outputs": zeros_and_one}
        page.evaluate("document.querySelector('#text').value = '{'")
        page.press("Enter", CONTROL)
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE).startswith("The request isn't JSON: ")

    def test_examples_two_texts_and_a_cut_are_asked_as_they_are_seen(self, page, port):
        show(page, port, "echo")
        page.evaluate("document.querySelector('.examples button').click()")
        page.wait(ANSWERED)
        example = texts(page, ".examples button")[0]
        assert json.loads(texts(page, "#result pre")[0]) == {"outputs": [example]}
        page.evaluate("document.querySelector('#more').click()")
        page.evaluate(
            "document.querySelector('#text').value = ' one  two three';"
            "document.querySelector('#text2').value = 'four five';"
            "document.querySelector('#words').value = '2';"
            "document.querySelector('#ask').click()"
        )
        page.wait("document.querySelector('.two')")
        assert texts(page, ".two h3") == ["First text", "Second text"]
        found = texts(page, ".two > div > pre")
        assert [json.loads(one) for one in found] == [
            {"outputs": [" one  two"]},
            {"outputs": ["four five"]},
        ]
        page.evaluate("document.querySelector('#words').value = '1.5'")
        page.evaluate("document.querySelector('#ask').click()")
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE).startswith("Cut after so many words: type a number")

    def test_the_lines_to_copy_ask_what_was_asked(self, page, port):
        show(page, port, "echo")
        text = 'it\'s "so" \\ $HOME `x` \uac00'
        ask(page, text)
        curl, python = texts(page, ".line pre")
        words = shlex.split(curl)
        assert words[::2] == ["curl", "-d"]
        assert words[1] == f"http://127.0.0.1:{port}/v1/models/echo:predict"
        assert json.loads(words[3]) == {"inputs": [text]}
        said = subprocess.run([sys.executable, "-c", python], capture_output=True, check=True)
        assert json.loads(said.stdout) == {"outputs": [text]}

    def test_a_version_is_asked_by_its_number_and_the_card_is_text(self, page, port):
        show(page, port, "films")
        assert texts(page, "#which option") == ["the latest", "version 4"]
        assert texts(page, "#card pre") == [f"# films\n\n{MARKUP}\n"]
        page.evaluate("document.querySelector('#which').value = '/versions/4'")
        ask(page, "abc")
        assert texts(page, "#result .answer") == [MARKUP]
        line = texts(page, ".line pre")[0]
        assert f"http://127.0.0.1:{port}/v1/models/films/versions/4:classify" in line
        assert page.evaluate("document.querySelectorAll('#fields img, #fields b').length") == 0

    def test_the_keyboard_is_enough(self, page, port):
        show(page, port, "echo")
        page.press("Tab")
        assert page.evaluate("document.activeElement.id") == "again"
        page.press("Tab")
        assert page.evaluate("document.activeElement.value") == "echo"
        page.press("ArrowDown")
        page.wait("document.querySelector('h2').textContent === 'Ask films'")
        page.press("Tab")
        assert page.evaluate("document.activeElement.id") == "text"
        page.type("abc")
        page.press("Tab")
        assert page.evaluate("document.activeElement.id") == "ask"
        page.press("Enter")
        page.wait(ANSWERED)
        assert texts(page, "#result .answer") == [MARKUP]
        assert page.evaluate("document.activeElement.id") == "ask"
        assert page.evaluate("document.querySelector('[role=status]').textContent") == (
            f"Answer: {MARKUP}"
        )

    def test_a_screen_reader_finds_a_name_on_everything_that_takes_the_focus(self, page, port):
        for model in ("films", "german", "novel", "pictures", "sums"):
            show(page, port, model)
            if model == "german":
                ask(page, "we see it")
            nodes = page.send("Accessibility.getFullAXTree")["nodes"]
            focusable = [
                node
                for node in nodes
                if any(
                    one["name"] == "focusable" and one["value"]["value"]
                    for one in node.get("properties", ())
                )
                and node["role"]["value"] != "RootWebArea"
            ]
            assert len(focusable) > 5
            nameless = [node["role"] for node in focusable if not node["name"]["value"]]
            assert not nameless, model
            roles = {node["role"]["value"] for node in nodes}
            assert {"main", "radio", "heading", "alert", "status"} <= roles

    def test_errors_are_said_in_words(self, page, port):
        show(page, port, "films")
        page.press("Tab")
        page.evaluate("document.querySelector('#ask').click()")
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE) == "Type a text first."
        assert page.evaluate("document.activeElement.id") == "text"
        page.type("a" * 101)
        page.press("Enter", CONTROL)
        page.wait(f"{TROUBLE} !== 'Type a text first.' && {TROUBLE}")
        said = page.evaluate(TROUBLE)
        assert said.startswith("The model can't take this. The server says: ")
        assert "so long a text" in said
        assert page.evaluate(ANSWERED) == 0

    def test_a_server_that_is_gone_is_said_so(self, page, base):
        with serving(base) as server:
            show(page, server.port, "echo")
        page.evaluate("document.querySelector('#text').focus()")
        page.type("hello")
        page.press("Enter", CONTROL)
        page.wait(TROUBLE)
        assert page.evaluate(TROUBLE) == "The server doesn't answer. Is it still running?"

    def test_it_fits_a_narrow_window_and_follows_the_colour_scheme(self, page, port):
        colours = set()
        for dark in (True, False):
            show(page, port, "german", width=360, dark=dark)
            ask(page, " ".join(["word"] * 20))
            assert page.evaluate("document.documentElement.scrollWidth") == 360
            assert page.evaluate(
                "document.querySelector('.scroll').scrollWidth"
                " > document.querySelector('.scroll').clientWidth"
            )
            red, green, blue = map(
                int,
                re.findall(
                    r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")
                ),
            )
            assert (red + green + blue < 3 * 64) is dark
            colours.add(page.evaluate("getComputedStyle(document.body).color"))
        assert len(colours) == 2

    def test_on_a_phone_what_was_chosen_and_what_is_answered_come_into_view(self, page, port):
        show(page, port, "sums", width=390, height=600)
        assert page.evaluate("document.querySelector('#models').scrollTop") > 0
        assert within(page, "[value=sums]", "document.querySelector('#models')")
        show(page, port, "films", width=390, height=600)
        assert not within(page, "#result", "document.documentElement")
        ask(page, "abc")
        assert within(page, "#result .answer", "document.documentElement")
        page.evaluate("scrollTo(0, 0)")
        page.type("a" * 101)
        page.press("Enter", CONTROL)
        page.wait(TROUBLE)
        assert within(page, "#problem", "document.documentElement")

    def test_nothing_was_asked_of_others_and_nothing_failed_unseen(self, page, port):
        for model in ("films", "german", "parts", "novel", "echo"):
            show(page, port, model)
            ask(page, "we see it")
        asked = {url.rpartition("/")[2] for url in page.requests}
        assert {"films:classify", "films:predict", "german:predict", "echo:predict"} <= asked
        assert all(re.match(r"http://127\.0\.0\.1:\d+/|data:", url) for url in page.requests)
        seen = ("400 (Bad Request)", "404 (Not Found)", "ERR_CONNECTION_REFUSED")
        assert [one for one in page.complaints if not any(known in one for known in seen)] == []


def png(width, height):
    """A grey picture as a PNG file."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes(range(row, row + width)) for row in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
