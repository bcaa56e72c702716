"""Each of the five pages as a lesson: the same claims in both languages, on pages of their own."""

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from graphs import without_graphs
from once import once

from seqtasks.cli import main
from seqtasks.lessons.booklet import SECTIONS, write_index
from seqtasks.lessons.claims import CLAIMS, PAGES, claims_of
from seqtasks.lessons.code import find_code
from seqtasks.lessons.pages import LESSONS
from seqtasks.lessons.words import Both, language_of_locale

HANGUL = re.compile("[가-힣]")
DOCUMENTS = Path(__file__).parents[3] / "shared" / "documents"


# --- The texts -----------------------------------------------------------------------------------


def test_there_are_23_claims_and_each_page_s_are_explained_in_both_languages():
    assert [claim.number for claim in CLAIMS] == list(range(1, 24))
    assert set(SECTIONS) == {claim.number for claim in CLAIMS}
    assert [lesson.page for lesson in LESSONS] == list(PAGES)
    for lesson in LESSONS:
        assert set(lesson.notes) == {claim.number for claim in claims_of(lesson.page)}


def all_texts():
    for claim in CLAIMS:
        yield from (claim.name, claim.says, SECTIONS[claim.number].about)
    for lesson in LESSONS:
        yield from (lesson.about, *lesson.notes.values())


def test_every_text_is_in_both_languages():
    for text in all_texts():
        assert text.en
        assert not HANGUL.search(text.en), text.en
        assert HANGUL.search(text.ko) or text.ko in ("Truncated BPTT", text.en), text.ko
    written = " ".join(text.ko for text in all_texts())
    assert len(HANGUL.findall(written)) > 3_000


def test_letters_of_equations_are_the_same_in_both_languages():
    """What is computed has one name: a text names what its twin names."""
    for claim in CLAIMS:
        about = SECTIONS[claim.number].about
        letters = [set(re.findall(r"\b(?:[a-zA-Z]_\w+|tanh)\b|[σ⊙]", text)) for text in about]
        # Korean particles stick to names: W_h의.
        korean = " ".join(re.sub("[가-힣]+", " ", about.ko).split())
        assert all(letter in korean for letter in letters[0]), (claim.number, letters)


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the pages aren't here")
def test_no_sentence_is_copied_from_the_pages():
    def runs_of(text, length=18):
        letters = re.sub(r"\W+", "", text)
        return {letters[n : n + length] for n in range(len(letters) - length + 1)}

    pages = {path.name: path.read_text("utf-8") for path in DOCUMENTS.glob("*.txt")}
    assert len(pages) == 5
    titles = runs_of(" ".join(lesson.title for lesson in LESSONS))
    theirs = set().union(*map(runs_of, pages.values())) - titles
    for text in all_texts():
        assert not runs_of(text.ko) & theirs, text.ko


# --- The command ---------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(main, ["lesson", *map(str, arguments)])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_list_has_all_lessons_and_their_claims(language):
    done = run("--list", "--lang", language)
    assert done.exit_code == 0
    for number, lesson in enumerate(LESSONS, start=1):
        assert f"{number}  {lesson.page}  {lesson.title}" in done.output
    for claim in CLAIMS:
        assert claim.name.of(language) in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "a NUMBER from 1 to 5, --all or --claim"),
        ((1, "--all"), "a NUMBER from 1 to 5, --all or --claim"),
        ((6,), "lesson 6: expected a number from 1 to 5"),
        ((0,), "lesson 0: expected a number from 1 to 5"),
        (("--claim", 24), "--claim 24: expected a number from 1 to 23"),
        ((1, "--lang", "fr"), "'fr' is not one of 'en', 'ko'"),
        (("--claim", 4, "--out", "file"), "Directory 'file' is a file"),
    ],
)
def test_a_mistake_is_one_line(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.output
    assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_claim_that_trains_nothing_makes_the_folder_of_its_page(tmp_path):
    out = tmp_path / "new" / "deeper"
    done = run("--claim", 4, "--lang", "en", "--small", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == str(out / "page-000.en.html")
    assert 'id="claim-4"' in (out / "page-000.en.html").read_text("utf-8")


def test_the_index_makes_its_folder(tmp_path):
    (file,) = write_index(LESSONS, tmp_path / "new", ["en"])
    assert file == tmp_path / "new" / "index.en.html"
    assert "page-004.en.html" in file.read_text("utf-8")


@pytest.mark.parametrize(
    ("named", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "ko_KR", "LANG": "en_US"}, "ko"),
    ],
)
def test_the_language_is_that_of_the_locale(named, language, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert language_of_locale() == language
    assert Both("en", "ko").of(language) == language


def test_an_interrupted_training_ends_the_lesson_and_shows_no_half_learnt_run(
    tmp_path, monkeypatch
):
    """Training answers a signal by saving and returning; the lesson must not go on with that."""
    stopped = SimpleNamespace(state=SimpleNamespace(finished=False), run=None, score="accuracy")
    monkeypatch.setattr("seqtasks.training.train.train", lambda *_: stopped)
    done = run("--claim", 12, "--small", "--lang", "en", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "Training greeting-en/lstm-seed1" in done.output
    assert "Aborted" in done.output
    assert not list(tmp_path.rglob("*.html"))


# --- The pages, made as small as can be -----------------------------------------------------------


_WITHOUT_END = ("meta", "link", "br")


class Page(HTMLParser):
    """What a page has: anchors with their text, links, sections, pictures and tables."""

    def __init__(self, file):
        super().__init__()
        self.anchors, self.links, self.sources, self.sections = {}, [], [], {}
        self._open, self._section = [], None
        self.html = file.read_text("utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if name := given.get("id"):
            self.anchors[name] = ""
            if name.startswith("claim-"):
                self._section = self.sections.setdefault(name, [])
            elif tag == "section":
                self._section = None
        if tag not in _WITHOUT_END:
            self._open.append(given.get("id"))
        if self._section is not None:
            self._section.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        self.sources += [given[name] for name in ("src", "srcset") if name in given]
        if tag == "link":
            self.sources.append(given["href"])

    def handle_endtag(self, tag):
        if tag not in _WITHOUT_END:
            self._open.pop()

    def handle_data(self, data):
        for name in self._open:
            if name:
                self.anchors[name] += data


@pytest.fixture(scope="module")
def booklet(tmp_path_factory):
    """All lessons in both languages, from nothing: made by one process for all of them."""

    def make(folder):
        with without_graphs():
            done = run("--all", "--small", "--lang", "en", "--lang", "ko", "--out", folder / "out")
        assert done.exit_code == 0, done.output
        (folder / "printed.txt").write_text(done.output, "utf-8")

    made = once(tmp_path_factory, "booklet", make)
    folder, printed = made / "out", (made / "printed.txt").read_text("utf-8")
    return folder, {file.name: Page(file) for file in folder.glob("*.html")}, printed


@pytest.mark.slow
def test_each_page_has_its_claims_in_the_same_order_in_both_languages(booklet):
    _, pages, printed = booklet
    for lesson in LESSONS:
        expected = [f"claim-{claim.number}" for claim in claims_of(lesson.page)]
        for language in ("en", "ko"):
            page = pages[f"page-{lesson.page}.{language}.html"]
            assert list(page.sections) == expected
            for claim in claims_of(lesson.page):
                text = page.anchors[f"claim-{claim.number}"]
                section = SECTIONS[claim.number]
                for words in (claim.name, claim.says, section.about, lesson.notes[claim.number]):
                    assert words.of(language) in text
                assert claim.command in text
                tags = page.sections[f"claim-{claim.number}"]
                assert {"svg", "table", "ol"} & set(tags), f"no figure for claim {claim.number}"
                assert f"{claim.name.of(language)}: " in printed


@pytest.mark.slow
def test_each_page_needs_nothing_else(booklet):
    folder, pages, _ = booklet
    assert len(pages) == 2 * (len(LESSONS) + 1)
    for name, page in pages.items():
        assert [source for source in page.sources if not source.startswith("data:")] == []
        assert not re.search(r"url\(|@import|<script|https?://(?!www\.w3\.org/)", page.html), name
        assert f'lang="{name.split(".")[1]}"' in page.html
        for link in page.links:
            path, _, anchor = link.partition("#")
            target = pages[path] if path else page
            assert not anchor or anchor in target.anchors, f"{name} links to {link}"
            assert (folder / (path or name)).is_file()
        assert "nan" not in re.findall(r"\b\w+\b", page.html.lower())


@pytest.mark.slow
def test_each_link_to_code_leads_to_the_line_that_computes(booklet):
    _, pages, _ = booklet
    for lesson in LESSONS:
        page = pages[f"page-{lesson.page}.en.html"]
        for claim in claims_of(lesson.page):
            for place in SECTIONS[claim.number].places:
                found = find_code(place)
                anchor = f"{found.path}-{found.first}"
                assert f"#{anchor}" in page.links
                shown = page.anchors[anchor].rstrip("\n")
                assert shown == f"{found.first}{found.lines[0]}"
                assert place.text in shown


@pytest.mark.slow
def test_the_index_leads_to_every_claim_of_every_page(booklet):
    _, pages, _ = booklet
    for language in ("en", "ko"):
        expected = {
            f"page-{page}.{language}.html#claim-{claim.number}"
            for page in PAGES
            for claim in claims_of(page)
        }
        assert expected <= set(pages[f"index.{language}.html"].links)


@pytest.mark.slow
def test_the_runs_stay_and_can_be_used(booklet):
    folder, _, _ = booklet
    runs = {path.name for path in (folder / "runs").iterdir()}
    assert {"greeting-en", "mood-en", "documents"} <= runs
    stories = {path.name for path in (folder / "runs" / "greeting-en").iterdir()}
    assert stories == {"rnn-seed1", "lstm-seed1", "gru-seed1"}
    asked = CliRunner().invoke(
        main, ["predict", str(folder / "runs" / "reviews"), "영화가 정말 좋았다"]
    )
    assert asked.exit_code == 0
    assert asked.output.split("\t")[0] in ("positive", "negative")
