"""What both servers are told: batching parameters of a file."""

import pytest

from seqtasks.errors import ConfigError
from seqtasks.serving.config_files import read_batching


def written(tmp_path, text):
    path = tmp_path / "batching.config"
    path.write_text(text, "utf-8")
    return path


def test_batching_parameters_are_read_as_tf_serving_writes_them(tmp_path):
    text = """# of the guide
        max_batch_size { value: 128 }
        batch_timeout_micros: { value: 0 }
        num_batch_threads { value: 8 } allowed_batch_sizes: 16
        allowed_batch_sizes: [64, 128]"""
    assert read_batching(written(tmp_path, text)) == {
        "max_batch_size": 128,
        "batch_timeout_micros": 0,
        "num_batch_threads": 8,
        "allowed_batch_sizes": (16, 64, 128),
    }
    assert read_batching(written(tmp_path, "max_enqueued_batches { value: 7 }")) == {
        "max_enqueued_batches": 7
    }
    assert read_batching(written(tmp_path, "")) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nmax_batch_siz { value: 1 }", "max_batch_siz"),
        ("pad_variable_length_inputs: true", "pad_variable_length_inputs"),
        ("max_batch_size: 8", "max_batch_size { value"),
        ("max_batch_size { value: 8", "1:"),
        ("max_batch_size { value: 1.5 }", "1.5"),
        ("max_batch_size { value: 0 }", "max_batch_size: 0, expected 1 or more"),
        ("num_batch_threads { value: -2 }", "num_batch_threads: -2, expected 1 or more"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros: -1, expected 0 or more"),
    ],
)
def test_what_cant_be_is_one_line_that_names_the_file(tmp_path, text, said):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_batching(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message.replace("NAME {", "max_batch_size {")
    assert "\n" not in message


def test_a_file_that_isnt_text_is_named(tmp_path):
    path = tmp_path / "b"
    path.write_bytes(b"\xff")
    for wrong in (path, tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError, match=f"^{wrong}: can't be read as batching parameters"):
            read_batching(wrong)
