"""`seqtasks inspect` on a trained run of every task, and what it refuses."""

import json
import re

import browser
import numpy as np
import pytest
import reference

from seqtasks import load_run
from seqtasks.cells.lstm import LSTMCell
from seqtasks.inspection.recurrent_weights import recurrent_layers
from seqtasks.inspection.run_gradients import reach_of_run
from seqtasks.inspection.steps import step_lines
from seqtasks.inspection.trace import START, trace
from seqtasks.runs import Run
from seqtasks.tasks.sources import load_splits

ALL = ["sentiment", "documents", "recall", "tagging", "translation", "captioning", "language_model"]


@pytest.fixture(scope="module")
def opened(cases):
    """Each task's run, opened, and a text."""
    made = {}

    def of(task):
        if task not in made:
            _, run, texts, _ = cases(task)
            made[task] = load_run(run), texts[0]
        return made[task]

    return of


@pytest.mark.parametrize("task", ALL)
def test_every_layer_of_every_task_is_traced_by_the_equations(opened, task):
    run, text = opened(task)
    found = run.inspect(text)
    assert found.layers
    assert found.gradient.shape == found.certainty.shape == (len(found.tokens),)
    assert np.isfinite(found.gradient).all()
    assert found.gradient.max() > 0
    for layer in found.layers:
        own = layer.run
        weights = [w.numpy() for w in (own.layer.cell.W_x, own.layer.cell.W_h, own.layer.cell.b)]
        states = [state.numpy() for state in own.steps[0][0]]
        outputs, _ = reference.run(layer.kind, own.x.numpy(), weights, states, own.lengths)
        judged = own.in_time(outputs.swapaxes(0, 1))
        np.testing.assert_allclose(layer.arrays["h"], judged, rtol=0, atol=2e-6)
        assert {len(values) for values in layer.arrays.values()} == {len(layer.tokens)}
        assert layer.left.sum() == pytest.approx(1)
    arrays, axes = found.arrays(), found.axes()
    assert arrays.keys() == axes.keys()
    assert {name: values.ndim for name, values in arrays.items()} == {
        name: len(named) for name, named in axes.items()
    }


@pytest.mark.parametrize("task", ["sentiment", "documents", "tagging", "translation"])
def test_running_answers_are_what_is_predicted_of_the_beginnings(opened, task):
    run, text = opened(task)
    found = run.inspect(text)
    assert len(found.tokens) >= 2
    for end in range(1, len(found.tokens) + 1):
        said = run.predict(" ".join(found.tokens[:end]))[0]
        expected = getattr(said, "label", getattr(said, "translation", None))
        if task == "tagging":
            expected = said.tags[-1]
        assert found.running[end - 1] == expected
        if task in ("sentiment", "documents"):
            assert found.certainty[end - 1] == pytest.approx(said.probability, abs=1e-5)


def test_a_language_models_next_token_is_the_same_in_a_longer_text(opened):
    run, text = opened("language_model")
    long, short = run.inspect(f"{text}cat"), run.inspect(text)
    assert short.tokens[0] == START
    assert long.running[: len(short.tokens)] == short.running
    np.testing.assert_allclose(long.certainty[: len(short.tokens)], short.certainty, atol=1e-5)


def test_the_gradient_is_a_finite_difference_of_the_answer(opened):
    run, text = opened("sentiment")
    found = run.inspect(text)
    vectors = run.model.get_layer("text").token_vectors.embeddings
    ids = run._predictor.codec.encoder([text])["ids"].numpy()[0]
    assert len(set(ids.tolist())) == len(ids)
    whole = vectors.numpy()
    best = int(run.model({"ids": ids[np.newaxis]}).numpy()[0].argmax())
    step = 0.02
    try:
        for place, number in enumerate(ids):
            slopes = []
            for column in range(whole.shape[1]):
                sides = []
                for side in (step, -step):
                    moved = whole.copy()
                    moved[number, column] += side
                    vectors.assign(moved)
                    sides.append(float(run.model({"ids": ids[np.newaxis]})[0, best]))
                slopes.append((sides[0] - sides[1]) / (2 * step))
            assert found.gradient[place] == pytest.approx(np.linalg.norm(slopes), rel=0.01)
    finally:
        vectors.assign(whole)


def test_attention_is_that_of_the_prediction(opened):
    run, text = opened("translation")
    (said,), found = run.predict(text), run.inspect(text)
    assert found.written == said.target_tokens
    np.testing.assert_allclose(found.attention["written"], said.attention, atol=1e-4)
    run, text = opened("documents")
    (said,), found = run.predict(text), run.inspect(text)
    words = [weight for sentence in said.attention for _, weight in sentence.words]
    np.testing.assert_allclose(found.attention["words"], words, atol=1e-4)
    sentences = [sentence.weight for sentence in said.attention]
    np.testing.assert_allclose(found.attention["sentences"], sentences, atol=1e-5)


@pytest.mark.parametrize("task", ["sentiment", "tagging", "documents"])
def test_a_step_is_computed_to_the_layers_own_numbers(opened, task):
    run, text = opened(task)
    found = run.inspect(text)
    for layer in found.layers:
        for t in range(len(layer.tokens)):
            lines = {line.name: line for line in step_lines(layer, t, 2)}
            assert lines["h_t"].value == float(layer.arrays["h"][t, 2])
            if isinstance(layer.run.layer.cell, LSTMCell):
                names = {"f_t": "f", "i_t": "i", "c̃_t": "g", "o_t": "o", "c_t": "c"}
                Z = "Z_f"
            else:
                names, Z = {"z_t": "z", "r_t": "r", "h̃_t": "h_tilde"}, "Z_z"
            for shown, name in names.items():
                assert lines[shown].value == float(layer.arrays[name][t, 2]), shown
            gate = layer.arrays[names[{"Z_f": "f_t", "Z_z": "z_t"}[Z]]][t, 2]
            assert reference.sigmoid(lines[Z].value) == pytest.approx(gate, abs=1e-6)
            for line in lines.values():
                if "×" in line.equation and len(line.terms) == 2:
                    assert line.value == pytest.approx(line.terms[0] * line.terms[1], abs=1e-6)


def test_a_text_that_is_too_long_is_shown_to_a_limit_that_is_told(opened, succeeds, cases):
    _, run, _, _ = cases("sentiment")
    text = "red cat " * 5_000
    noted = r"note: the text has 10,000 tokens; shown are the first 7, .*\n"
    result = succeeds("inspect", run, text, "--json", "--tokens", 7, noted=noted)
    shown = json.loads(result.stdout)
    assert shown["arrays"]["tokens"] == ["red", "cat", "red", "cat", "red", "cat", "red"]
    assert len(shown["arrays"]["gradient"]) == 7


def test_the_screen_the_arrays_and_the_page_show_the_same_tokens(succeeds, cases, tmp_path):
    _, run, texts, _ = cases("documents")
    arrays, page = tmp_path / "a.npz", tmp_path / "a.html"
    screen = succeeds("inspect", run, texts[0], "--units", "1,3").stdout
    assert "words/gru_1" in screen or "words/lstm_1" in screen
    assert "attention" in screen
    succeeds("inspect", run, texts[0], "--npz", arrays, "--html", page, "--lang", "ko")
    with np.load(arrays) as saved:
        assert saved["tokens"].tolist() == ["red", "cat", ".", "big", "dogs", "!"]
        assert json.loads(str(saved["axes"]))["gradient"] == ["token"]
    html = page.read_text("utf-8")
    assert '<html lang="ko">' in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in html


def test_step_and_find_answer_in_lines(succeeds, cases):
    source, run, texts, _ = cases("sentiment")
    shown = succeeds("inspect", run, texts[0], "--step", 2, "--unit", 1).stdout
    assert "step 2 (cat), unit 1" in shown
    assert "Forget gate, STEP (3)" in shown
    found = succeeds("inspect", run, "--find", 1, "--data", source, "--by", "f", "--json").stdout
    rows = [json.loads(line) for line in found.splitlines()]
    assert len(rows) == 10
    values = [row["value"] for row in rows]
    assert values == sorted(values, reverse=True)
    opened = load_run(run)
    best = trace(opened._predictor, "sentiment", rows[0]["text"]).layers[0].arrays["f"][:, 1]
    assert best.max() == pytest.approx(values[0], abs=1e-6)
    assert int(best.argmax()) + 1 == rows[0]["step"]
    everywhere = [
        opened.inspect(line.split("\t")[0]).layers[0].arrays["f"][:, 1].max()
        for line in source.read_text().splitlines()[:6]
    ]
    assert max(everywhere) <= values[0] + 1e-6


def test_mistakes_get_one_line(refused, cases, tmp_path):
    source, run, _, _ = cases("sentiment")
    _, plain, _, _ = cases("language_model")
    assert "give one TEXT or more" in refused("inspect", run)
    assert "TEXT 1 is empty" in refused("inspect", run, "  ")
    assert "no token" in refused("inspect", plain, "")
    assert "there is no 99" in refused("inspect", run, "red cat", "--units", "99")
    assert "there is no 99" in refused("inspect", run, "red cat", "--step", 1, "--unit", 99)
    assert "there is no 3" in refused("inspect", run, "red cat", "--step", 3)
    assert "no layer 'lstm_9'" in refused("inspect", run, "red", "--layer", "lstm_9")
    assert "expected numbers" in refused("inspect", run, "red", "--units", "a")
    nowhere = tmp_path / "none" / "a.html"
    assert "there is no folder" in refused("inspect", run, "red", "--html", nowhere)
    assert "no such run" in refused("inspect", tmp_path / "x", "red")
    assert "has no 'q'" in refused("inspect", run, "--find", 1, "--data", source, "--by", "q")
    assert "there is no 99" in refused("inspect", run, "--find", 99, "--data", source)
    assert "--find looks through a file" in refused("inspect", run, "--find", 1)
    assert "has no attention" in refused("predict", run, "red", "--html", tmp_path / "a.html")


def test_predict_writes_where_it_looked_as_a_page(succeeds, cases, tmp_path):
    for task, shown in (("translation", "cat"), ("documents", "dogs")):
        _, run, texts, _ = cases(task)
        page = tmp_path / f"{task}.html"
        text = texts[0] + " <script>alert(1)</script>"
        succeeds("predict", run, text, "--html", page, noted=r"Written: .*\n(note: .*\n)*")
        html = page.read_text("utf-8")
        assert "<script" not in html
        assert "<svg" in html
        assert shown in html


def test_a_notebook_shows_a_trace_and_evaluates(opened):
    run, text = opened("sentiment")
    assert "<svg" in run.inspect(text)._repr_html_()
    assert run.path.name == "sentiment"
    assert run.evaluate().accuracy >= 0


# --- inspect gradients RUN ------------------------------------------------------------------------


@pytest.mark.parametrize("task", ALL)
def test_the_gradient_reaches_every_layer_of_every_task(opened, task):
    run, _ = opened(task)
    found = reach_of_run(run._predictor, run.config, load_splits(run.config))
    assert [each.layer for each in found.layers] == [*recurrent_layers(run.model)]
    assert 0 < found.texts <= 32
    assert np.isfinite(found.loss)
    for each in found.layers:
        assert each.h
        assert np.isfinite(each.h).all()
        assert max(each.h) > 0
    rows = Run(run.path).read_metrics()
    named = [each.layer for each in found.layers]
    assert all([*row["largest_singular_values"]] == named for row in rows)


def test_the_gradients_of_a_run_are_printed_and_written_in_both_languages(
    trained, succeeds, tmp_path
):
    pages, runs = {}, ("--runs-dir", trained.run.parent)
    for lang in ("en", "ko"):
        page = tmp_path / f"{lang}.html"
        command = ("inspect", "gradients", trained.run.name, *runs, "--json", "--html", page)
        printed = json.loads(succeeds(*command, "--lang", lang).stdout)
        pages[lang] = page.read_text("utf-8")
    rows = Run(trained.run).read_metrics()
    assert printed["epochs"] == rows
    assert printed["clip_norm"] == 1
    assert {page.count("<figure>") for page in pages.values()} == {len(printed["h"]) + 3}
    assert "Share of clipped steps" in pages["en"]
    assert not re.search("[가-힣]", pages["en"])
    assert "클리핑한 스텝의 비율" in pages["ko"]
    text = succeeds("inspect", "gradients", trained.run).stdout
    for row in rows:
        norms = f"{row['gradient_norm']:11.3g}{row['largest_gradient_norm']:10.3g}"
        assert f"{row['epoch']:5}{norms}{row['clipped']:10.2f}" in text
    for name in printed["h"]:
        assert name in text


def test_a_run_of_an_earlier_version_has_no_epochs_of_gradients(copied, succeeds, tmp_path):
    run, known = (
        Run(copied),
        (*("epoch", "score", "train_loss", "validation_loss", "learning_rate", "seconds"),),
    )
    run.write_metrics([{name: row[name] for name in known} for row in run.read_metrics()])
    page = tmp_path / "page.html"
    text = succeeds("inspect", "gradients", copied, "--html", page, "--lang", "en").stdout
    assert "an earlier version trained this run" in text
    assert "An earlier version trained this run" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--units", 32), "--units is for the cells that are trained without RUN"),
        (("--html", "no/where.html"), "there is no folder"),
    ],
)
def test_options_that_do_not_fit_a_run_are_refused(trained, refused, options, said):
    assert said in refused("inspect", "gradients", trained.run, *options)


@pytest.mark.parametrize(
    "line", ['{"epoch": 1, "clipped": null}', '{"epoch": "x"}', "no JSON", "3"]
)
def test_damaged_metrics_are_said_to_be(copied, refused, line):
    (copied / "metrics.jsonl").write_text(f"{line}\n", "utf-8")
    said = refused("inspect", "gradients", copied)
    assert said.startswith(f"{copied / 'metrics.jsonl'}, line 1: damaged")


def test_a_run_without_weights_is_refused(copied, refused):
    Run(copied).best_weights.unlink()
    assert "best.weights.h5: missing" in refused("inspect", "gradients", copied)


@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium")
def test_a_page_fits_a_phone_and_a_desk_and_asks_for_nothing(succeeds, cases, tmp_path):
    _, run, texts, _ = cases("tagging")
    path = tmp_path / "page.html"
    succeeds("inspect", run, texts[0], "--html", path, "--lang", "en")
    for width, dark in ((390, True), (1280, False)):
        with browser.browser() as page:
            page.open(path.as_uri(), width, 900, dark)
            page.wait("document.querySelectorAll('svg').length > 5")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.press("Tab")
            assert page.evaluate("document.activeElement.tabIndex") == 0
            assert page.evaluate("document.querySelectorAll('details table').length") > 5
            assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
            assert page.complaints == []
