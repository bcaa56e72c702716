"""Tagged sentences: CoNLL-U and columns, and rows that can't be a token and its tag."""

import random
from pathlib import Path

import pytest

from seqtasks.data.tagged import CONLLU_COLUMNS, TaggedSentences, read_tagged_sentences
from seqtasks.errors import DataError

EWT = Path(__file__).parents[2] / ".." / "shared" / "data" / "ud_en_ewt" / "en_ewt-ud-dev.conllu"

# Every column of a word is unlike every other.
CONLLU = """\
# newdoc
# text = Dámelo a 1 000
1-2\tDámelo\t_\t_\t_\t_\t_\t_\t_\t_
1\tDá\tdar\tVERB\tV\tMood=Imp\t0\troot\t0:root\tA=1
2\tmelo\tél\tPRON\tP\tCase=Acc\t1\tobj\t1:obj\tA=2
# a comment between words
3\ta\ta-\tADP\tE\tAdpType=Prep\t4\tcase\t4:case\tA=3
4\t1 000\tmil\tNUM\tN\tNumType=Card\t1\tobl\t1:obl\tA=4
4.1\tpagó\tpagar\tVERB\tV\tMood=Ind\t_\t_\t0:root\tA=5


# text = Sí
1\tSí\tsí\tINTJ\tI\tPolarity=Pos\t0\troot\t0:root\tA=6
"""
TOKENS = [["Dá", "melo", "a", "1 000"], ["Sí"]]


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def error_of(path: Path, tag_column: str | int | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_tagged_sentences(path, tag_column)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_conllu_gives_words_without_ranges_comments_and_empty_nodes(tmp_path, line_end):
    path = write(tmp_path / "a.conllu", CONLLU.replace("\n", line_end))
    data = read_tagged_sentences(path)
    assert data.tokens == TOKENS
    assert data.tags == [["VERB", "PRON", "ADP", "NUM"], ["INTJ"]]
    assert data.lines == [4, 13]
    assert data.source == str(path)
    assert len(data) == 2
    assert read_tagged_sentences(write(path, CONLLU.rstrip())).tokens == TOKENS


@pytest.mark.parametrize(("number", "name"), [*enumerate(CONLLU_COLUMNS)])
def test_each_column_of_conllu_can_be_the_tags_by_name_and_number(tmp_path, number, name):
    path = write(tmp_path / "a.conllu", CONLLU)
    rows = [line.split("\t") for line in CONLLU.splitlines()]
    words = [row for row in rows if row[0].isdigit()]
    expected = [row[number] for row in words]
    for column in (name, name.upper(), number, str(number)):
        data = read_tagged_sentences(path, column)
        assert data.tags == [expected[:4], expected[4:]]
        assert data.tokens == TOKENS


def test_the_names_of_conllu_are_those_of_its_description(tmp_path):
    # https://universaldependencies.org/format.html, section "CoNLL-U Format".
    names = "ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"
    assert " ".join(CONLLU_COLUMNS).upper() == names


def test_a_conllu_column_that_is_not_there_lists_those_that_are(tmp_path):
    path = write(tmp_path / "a.conllu", CONLLU)
    message = error_of(path, "UPSO")
    assert "no column 'UPSO' (did you mean 'upos'?)" in message
    assert "id, form, lemma, upos" in message
    assert "no column 10" in error_of(path, "10")


def test_an_underscore_says_that_a_word_is_not_annotated(tmp_path):
    path = write(tmp_path / "a.conllu", CONLLU.replace("\tADP\t", "\t_\t"))
    assert read_tagged_sentences(path).tags == [["VERB", "PRON", "", "NUM"], ["INTJ"]]
    assert read_tagged_sentences(path, "xpos").tags == [["V", "P", "E", "N"], ["I"]]
    assert "has no UPOS, received ''" in error_of(write(path, CONLLU.replace("ADP", "")))


@pytest.mark.parametrize("name", CONLLU_COLUMNS[2:])
def test_an_underscore_is_a_value_where_it_stands_for_the_empty_one(tmp_path, name):
    number = CONLLU_COLUMNS.index(name)
    rows = [line.split("\t") for line in CONLLU.split("\n")]
    for row in rows:
        if row[0] == "3":
            row[number] = "_"
    path = write(tmp_path / "a.conllu", "\n".join("\t".join(row) for row in rows))
    tag = read_tagged_sentences(path, name).tags[0][2]
    assert tag == ("_" if name in ("feats", "deps", "misc") else "")


def test_a_column_without_any_annotation_is_refused(tmp_path):
    text = "\n".join(
        "\t".join([*row[:3], "_", *row[4:]]) if len(row) > 1 else row[0]
        for row in (line.split("\t") for line in CONLLU.split("\n"))
    )
    message = error_of(write(tmp_path / "a.conllu", text))
    assert "line 4: the token 'Dá' has no UPOS, received '_', nor has any other" in message
    assert "expected an annotated column; name another as data.tag_column" in message


def test_an_underscore_is_its_own_form_and_lemma_and_nothing_else(tmp_path):
    row = "1\t_\t_\t{}\tV\t_\t0\troot\t_\t_\n"
    path = write(tmp_path / "a.conllu", row.format("SYM"))
    assert read_tagged_sentences(path).tokens == [["_"]]
    assert read_tagged_sentences(path, "lemma").tags == [["_"]]
    assert read_tagged_sentences(path, "form").tags == [["_"]]
    assert "has no UPOS" in error_of(write(path, row.format("_")))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\tA=3", "", "line 7: expected the 10 tab-separated columns of CoNLL-U, received 9"),
        ("\tA=3", "\tA=3\tB", "line 7: expected the 10 tab-separated columns"),
        ("3\ta\t", "3 a ", "line 7: expected the 10 tab-separated columns"),
        ("3\ta\t", "4\ta\t", "line 7: expected the id 3 "),
        ("3\ta\t", "x\ta\t", "line 7: expected the id 3 (or a range such as 1-2, or 1.1), rec"),
        ("3\ta\t", "3\t \t", "line 7: the token is empty"),
        ("\n\n\n", "\n", "line 11: expected the id 5 "),
    ],
)
def test_a_malformed_row_of_conllu_is_located(tmp_path, old, new, said):
    assert old in CONLLU
    message = error_of(write(tmp_path / "a.conllu", CONLLU.replace(old, new)))
    assert said in message
    assert said != "line 11: expected the id 5 " or "blank line" in message


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".conll", ".bio", ".BIO"])
@pytest.mark.parametrize("separator", ["\t", " ", "   "])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_are_separated_by_a_tab_or_spaces(tmp_path, suffix, separator, line_end):
    rows = ["", "Marie B-PER", "Curie I-PER", "", " ", "", "여기 O", "", "# O", "_ B-x"]
    text = line_end.join(row.replace(" ", separator) for row in rows)
    data = read_tagged_sentences(write(tmp_path / f"a{suffix}", text))
    assert data.tokens == [["Marie", "Curie"], ["여기"], ["#", "_"]]
    assert data.tags == [["B-PER", "I-PER"], ["O"], ["O", "B-x"]]
    assert data.lines == [2, 7, 9]


def test_of_several_columns_the_last_one_has_the_tags(tmp_path):
    text = (
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
        "-DOCSTART- O\nPeter NNP I-NP B-PER\n"
    )
    path = write(tmp_path / "a.conll", text)
    data = read_tagged_sentences(path)
    assert data.tokens == [["EU", "rejects"], ["Peter"]]
    assert data.tags == [["B-ORG", "O"], ["B-PER"]]
    assert data.lines == [3, 6]
    for column in (1, "1"):
        assert read_tagged_sentences(path, column).tags == [["NNP", "VBZ"], ["NNP"]]


def test_a_token_may_hold_spaces_where_tabs_separate(tmp_path):
    path = write(tmp_path / "a.tsv", "New  York\t B-LOC \n 1 000 \tO\n")
    data = read_tagged_sentences(path)
    assert data.tokens == [["New  York", "1 000"]]
    assert data.tags == [["B-LOC", "O"]]


def test_where_spaces_separate_a_tab_is_one_of_them(tmp_path):
    data = read_tagged_sentences(write(tmp_path / "a.bio", "a O\nb\tB-X\n c \t I-X\t\nd O\n"))
    assert data.tokens == [["a", "b", "c", "d"]]
    assert data.tags == [["O", "B-X", "I-X", "O"]]


def test_other_spaces_do_not_separate(tmp_path):
    data = read_tagged_sentences(write(tmp_path / "a.bio", "10\u00a0000\u3000a O\n\u2028 X\n"))
    assert data.tokens == [["10\u00a0000\u3000a", "\u2028"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a O\nb\n", "line 2: expected 2 space-separated columns as in line 1, received 1: 'b'"),
        ("\na\tO\nNew York\n", "line 3: expected 2 tab-separated columns as in line 2, received 1"),
        ("a X O\nb O\n", "line 2: expected 3 space-separated columns as in line 1, received 2"),
        ("a\tO\nb\tO\tX\n", "line 2: expected 2 tab-separated columns as in line 1, received 3"),
        ("a\nb\n", "line 1: the token 'a' has no tag"),
        ("a\tO\nb\t \n", "line 2: the tag is empty"),
        ("a\tO\n\tO\n", "line 2: the token is empty"),
        ("", "has no sentences"),
        ("\n\n-DOCSTART- O\n\n", "has no sentences"),
    ],
)
def test_a_malformed_row_of_columns_is_located(tmp_path, text, said):
    assert said in error_of(write(tmp_path / "a.tsv", text))


def test_a_tag_column_that_is_not_there_is_refused(tmp_path):
    path = write(tmp_path / "a.bio", "\na X O\n")
    assert "line 2: expected 4 columns or more (tag in 3), received 3" in error_of(path, 3)
    assert "received 'upos'" in error_of(path, "upos")
    assert "column 0 has the tokens" in error_of(path, 0)
    with pytest.raises(DataError, match="counted from 0; received -1"):
        read_tagged_sentences(path, -1)


def test_other_files_are_refused(tmp_path):
    assert "has no sentences" in error_of(write(tmp_path / "a.conllu", "# text = x\n\n"))
    assert ".conllu, .conll, .bio, .tsv, .txt" in error_of(write(tmp_path / "a.json", "{}"))
    assert "did you mean 'a.json'?" in error_of(tmp_path / "a.jsn")
    (tmp_path / "bad.bio").write_bytes(b"a O\n\xb3 O\n")
    assert "line 2, byte 4: 0xb3 is not UTF-8" in error_of(tmp_path / "bad.bio")


def test_a_selection_keeps_tokens_tags_and_lines_together():
    rng = random.Random(4)
    tokens = [[f"t{n}"] * (n + 1) for n in range(7)]
    tags = [[f"g{n}"] * (n + 1) for n in range(7)]
    data = TaggedSentences(tokens, tags, "a.bio", list(range(20, 27)))
    rows = [rng.randrange(7) for _ in range(15)]
    chosen = data.select(rows)
    assert chosen.tokens == [tokens[row] for row in rows]
    assert chosen.tags == [tags[row] for row in rows]
    assert chosen.lines == [20 + row for row in rows]
    assert chosen.source == "a.bio"
    assert data.keys()[:3] == ["t0", "t1 t1", "t2 t2 t2"]


@pytest.mark.skipif(not EWT.exists(), reason="the treebank is not beside the repository")
def test_the_treebank_has_the_words_that_its_description_counts():
    data = read_tagged_sentences(EWT)
    text = EWT.read_text(encoding="utf-8")
    assert len(data) == text.count("# sent_id = ")
    words = [row.split("\t") for row in text.split("\n") if row.partition("\t")[0].isdigit()]
    assert [token for tokens in data.tokens for token in tokens] == [row[1] for row in words]
    assert [tag for tags in data.tags for tag in tags] == [row[3] for row in words]
    assert len({row[3] for row in words}) == 17
