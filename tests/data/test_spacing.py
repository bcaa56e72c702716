"""Spaces and ranges of CoNLL-U, read and kept."""

import pytest

from seqtasks.data.spacing import Piece, conllu_blocks, text_of, with_tags
from seqtasks.data.tagged import read_tagged_sentences
from seqtasks.errors import DataError


def row(id_, form, misc="_", upos="X"):
    return f"{id_}\t{form}\t_\t{upos}\t_\t_\t_\t_\t_\t{misc}\n"


SENTENCE = (
    "# text = I can't go.\n"
    + row(1, "I")
    + row("2-3", "can't", upos="_")
    + row(2, "ca", "SpaceAfter=No")
    + row(3, "n't")
    + row("3.1", "ghost")
    + row(4, "go", "Gloss=x|SpaceAfter=No")
    + row(5, ".")
    + "\n"
)


def test_pieces_say_how_a_sentence_was_written(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(SENTENCE * 2, encoding="utf-8")
    data = read_tagged_sentences(path)
    assert (
        data.pieces
        == [
            [
                Piece("I", 1, True),
                Piece("can't", 2, True),
                Piece("go", 1, False),
                Piece(".", 1, True),
            ]
        ]
        * 2
    )
    assert data.asked(9) == ["I can't go."] * 2
    assert data.select([1]).pieces == data.pieces[1:]
    assert text_of(data.pieces[0]) == "I can't go."


def test_a_file_that_says_nothing_of_spaces_has_no_pieces(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(row(1, "I") + row(2, "go") + "\n", encoding="utf-8")
    data = read_tagged_sentences(path)
    assert data.pieces is None
    assert data.asked(1) == ["I go"]


def test_tags_are_written_into_their_column_and_all_else_is_kept():
    lines = SENTENCE.splitlines()
    ((block, words),) = conllu_blocks(iter(lines), "a.conllu")
    assert words == ["I", "ca", "n't", "go", "."]
    written = with_tags(block, list("ABCDE"), 4)
    assert [line.split("\t")[4] for line in written[1:]] == list("A_BC_DE")
    assert [line.split("\t")[:4] for line in written] == [line.split("\t")[:4] for line in block]
    noted = with_tags(block, list("ABCDE"), 9, "ner")
    assert noted[6].endswith("\tGloss=x|SpaceAfter=No|ner=D")
    assert with_tags(noted, list("VWXYZ"), 9, "ner")[6].endswith("\tGloss=x|SpaceAfter=No|ner=Y")


@pytest.mark.parametrize("line", ["just text", row("x", "a"), row(1, "a") + "\tb"])
def test_a_line_that_is_not_of_conllu_is_named(line):
    with pytest.raises(DataError, match=r"in, line 2: expected the 10 tab-separated columns"):
        list(conllu_blocks(iter(["# a", line.rstrip("\n")]), "in"))
