"""What is told of answers that left something out, of a run and of a server."""

import pytest

from seqtasks.cli.notices import Notices

LONG = "note: texts longer than is read (text.max_length, text.max_sentences): "


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], ""),
        ([{"label": "a"}, {"label": "b", "unread": 0, "cut": False}], ""),
        (
            [{"unread": 3}, {"unread": 0}, {"unread": 1_200}],
            f"{LONG}2 of 3; tokens not read: 1,203\n",
        ),
        ([{"cut": True}, {}], "note: answers cut off at decoding.max_length: 1 of 2\n"),
        ([{"cut": [False, False]}], ""),
        (
            [{"cut": [False, True], "unread": 1}],
            f"{LONG}1 of 1; tokens not read: 1\n"
            "note: answers cut off at decoding.max_length: 1 of 1\n",
        ),
        ([{"unread": ["of", "another"], "cut": "a model"}], ""),
    ],
)
def test_each_kind_is_counted_and_told_once(answers, told, capsys):
    notices = Notices()
    for answer in answers:
        notices.note(answer)
    notices.tell()
    assert capsys.readouterr() == ("", told)
