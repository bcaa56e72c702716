"""The file of labels: written, read back, and refused where it is broken."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqtasks.errors import RunError
from seqtasks.tasks.labels import load_labels, save_labels

ANY_LABEL = st.text(
    st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=8
)


def error_of(path):
    with pytest.raises(RunError) as caught:
        load_labels(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


def test_a_label_stands_in_each_line_in_the_order_given(tmp_path):
    path = tmp_path / "labels.txt"
    save_labels(path, ["pos", "neg", "그저 그렇다"])
    assert path.read_bytes() == "pos\nneg\n그저 그렇다\n".encode()
    assert load_labels(path) == ["pos", "neg", "그저 그렇다"]


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(ANY_LABEL, min_size=2, max_size=6, unique=True))
def test_any_labels_of_one_line_come_back(tmp_path_factory, labels):
    path = tmp_path_factory.getbasetemp() / "any-labels.txt"
    save_labels(path, labels)
    assert load_labels(path) == labels


@pytest.mark.parametrize(
    "content",
    [b"", b"one\n", b"one", b"a\nb\na\n", b"one\ntwo"],
    ids=["empty", "one label", "no line end", "twice the same", "cut off"],
)
def test_fewer_than_two_labels_or_one_twice_are_damage(tmp_path, content):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    assert "expected two labels or more, each once" in error_of(path)


def test_bytes_that_are_not_utf8_and_a_missing_file_are_named(tmp_path):
    path = tmp_path / "labels.txt"
    assert "can't read: No such file" in error_of(path)
    path.write_bytes(b"good\n\xff\xfe\n")
    assert "damaged: not UTF-8" in error_of(path)
