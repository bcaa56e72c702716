"""A tagger on the command line: texts, ready tokens and CoNLL-U in, tags and places out."""

import json

import pytest

pytestmark = pytest.mark.slow

NOUNS = ["ami", "eau", "homme", "oncle", "arbre", "os", "oie", "air"]
ROW = "{}\t{}\t_\t{}\t_\t_\t_\t_\t_\t{}\n"


def conllu(words):
    """A sentence of words with tags, `+` behind those that no space follows."""
    lines = []
    for number, (word, tag) in enumerate(words, 1):
        misc = "SpaceAfter=No" if word.endswith("+") else "_"
        lines.append(ROW.format(number, word.rstrip("+"), tag, misc))
    return "".join(lines) + "\n"


@pytest.fixture(scope="module")
def run(succeeds, tiny, tmp_path_factory):
    """A tagger of French sentences with spaces, trained for an epoch."""
    folder = tmp_path_factory.mktemp("french")
    path = folder / "fr.conllu"
    path.write_text(
        "".join(
            conllu([("l'+", "DET"), (noun, "NOUN"), (f"{verb}+", "VERB"), (".", "PUNCT")])
            for noun in NOUNS
            for verb in ("dort", "est", "va", "vient", "court")
        ),
        encoding="utf-8",
    )
    options = ("--task", "tagging", "--data", path, "--epochs", 1, "--runs-dir", folder)
    succeeds("train", *options, *tiny, "--name", "fr")
    return folder / "fr"


def test_raw_text_is_cut_as_in_the_treebank_and_places_are_told(succeeds, run):
    text = "l'école  dort."
    (answer,) = map(json.loads, succeeds("predict", run, "--json", text).stdout.splitlines())
    assert answer["tokens"] == ["l'", "école", "dort", "."]
    assert [text[start:end] for start, end in answer["offsets"]] == answer["tokens"]
    assert "entities" not in answer  # these tags mark none


def test_ready_tokens_are_cut_at_spaces_only(succeeds, run):
    shown = succeeds("predict", run, "--tokens", "l'école  dort.").stdout
    assert [pair.split("/")[0] for pair in shown.split()] == ["l'école", "dort."]
    piped = succeeds("predict", run, "--tokens", "--json", input=b"a b\n\n").stdout
    first, second = map(json.loads, piped.splitlines())
    assert (first["tokens"], first["offsets"]) == (["a", "b"], [[0, 1], [2, 3]])
    assert second["tokens"] == []


def test_conllu_is_written_with_its_tags_and_all_else_as_it_was(succeeds, run, tmp_path):
    file = tmp_path / "in.conllu"
    head = "# text = du vent\n1-2\tdu" + "\t_" * 8 + "\n"
    given = head + ROW.format(1, "de", "_", "_") + ROW.format(2, "le", "_", "Gloss=x") + "\n"
    file.write_text(given + conllu([("l'", "_")]), encoding="utf-8")
    shown = succeeds("predict", run, "--file", file).stdout
    rows = [line.split("\t") for line in shown.splitlines()]
    expected = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
    tags = [row.pop(3) for row in rows if len(row) == 10 and row[0].isdecimal()]
    for row in expected:
        if len(row) == 10 and row[0].isdecimal():
            del row[3]
    assert rows == expected
    assert len(tags) == 3
    assert set(tags) <= {"DET", "NOUN", "VERB", "PUNCT"}


def test_what_is_no_conllu_is_refused_with_its_line(refused, run, tmp_path):
    file = tmp_path / "in.conllu"
    file.write_text("# a\nl'école dort.\n", encoding="utf-8")
    assert f"{file}, line 2: expected the 10 tab-separated" in refused(
        "predict", run, "--file", file
    )
    assert "are ready" in refused("predict", run, "--tokens", "--file", file)


def test_ready_tokens_are_for_taggers(refused, trained):
    message = refused("predict", trained.run, "--tokens", "a b")
    assert "ready tokens are for the task tagging" in message
    assert "leave --server out" in refused(
        "predict", trained.run, "--tokens", "--server", "http://localhost:1", "a"
    )


def test_an_evaluation_tells_given_tokens_from_raw_text(succeeds, run):
    shown = succeeds("evaluate", run).stdout
    assert "On raw text, cut by the run:" in shown
    found = json.loads((run / "evaluation.json").read_text("utf-8"))
    assert found["raw_text"]["words"]["F1"] == 1.0
    assert found["raw_text"]["tags"]["F1"] == pytest.approx(found["accuracy"])


@pytest.fixture(scope="module")
def names(succeeds, tiny, tmp_path_factory):
    """A tagger with a CRF of names that an annotation tool marked, and what training said."""
    folder = tmp_path_factory.mktemp("names")
    path = folder / "names.jsonl"
    names = ["Ann", "Bo", "Cy", "Dee"]
    records = [
        {"text": f"{name} saw {other} .", "entities": [[0, len(name), "PER"]]}
        for name in names
        for other in ("it", "me", "you", "them", "us", "him", "her", "one", "all", "none")
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    options = ("--task", "tagging", "--data", path, "--epochs", 4, "--runs-dir", folder)
    crf = ("--set", "model.head=crf")
    shown = succeeds("train", *options, *crf, *tiny, "--name", "names").stdout
    return folder / "names", shown


def test_spans_of_an_annotation_tool_are_learnt_and_told(succeeds, names):
    run, shown = names
    assert "best validation entity F1" in shown
    answer = json.loads(succeeds("predict", run, "--json", "Ann saw it").stdout)
    for entity in answer["entities"]:
        assert answer["text"][entity["start"] : entity["end"]] == entity["text"]
        assert entity["type"] == "PER"
        assert 0 < entity["probability"] <= 1
    assert "micro avg" in succeeds("evaluate", run).stdout
    assert "validation entity F1" in (run / "model_card.md").read_text("utf-8")


def test_the_export_of_a_crf_answers_as_the_run_and_inspect_shows_its_tags(
    succeeds, names, compared_here, tmp_path
):
    run, _ = names
    succeeds("export", run, "--to", tmp_path / "served")  # which compares the two on many texts
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()
    text = "Bo saw Dee"
    answer = json.loads(succeeds("predict", run, "--json", text).stdout)
    succeeds("inspect", run, text, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    told = " ".join(f"{a}/{b}" for a, b in zip(answer["tokens"], answer["tags"], strict=True))
    assert told in page


def test_a_finished_run_may_leave_its_scheme_or_not_and_only_what_has_one_follows_it(
    succeeds, refused, names, run
):
    free = succeeds("predict", names[0], "--set", "decoding.constrain=false", "Ann saw it")
    assert len(free.stdout.split()) == 3
    message = refused("predict", run, "--set", "decoding.constrain=true", "l'ami")
    assert message == (
        "decoding.constrain: true needs tags that mark entities, such as B-PER, I-PER and O; this "
        "run has none, leave it out or use false"
    )


def test_tags_that_leave_their_scheme_are_told_before_training(succeeds, refused, tiny, tmp_path):
    path = tmp_path / "bad.bio"
    lines = [f"{n}\tO\nAnn\tB-PER\nBo\tI-PER\nsaw\tO\n" for n in range(39)]
    lines += ["x\tO\ny\tI-PER\n"] * 2
    path.write_text("\n".join(lines), encoding="utf-8")
    parts = []
    for name in ("validation", "test"):
        parts += [f"--{name}", tmp_path / f"{name}.bio"]
        parts[-1].write_text(f"{name}\tO\nCy\tB-PER\n", encoding="utf-8")
    noted = "(Note: .*\n)+"
    shown = succeeds("data", "describe", path, "--task", "tagging", *parts, noted=noted).stderr
    assert "2 of 41 sentences with entities leave IOB2, such as that of line 196 " in shown
    assert "(I-PER after O); answers follow it (decoding.constrain=false changes that)" in shown
    message = refused(
        "train", "--task", "tagging", "--data", path, "--runs-dir", tmp_path / "runs", *tiny,
        "--set", "model.head=crf", "--set", "training.class_weight=balanced",
    )  # fmt: skip
    assert "use head softmax, or leave class_weight out" in message
    assert not (tmp_path / "runs").exists()
