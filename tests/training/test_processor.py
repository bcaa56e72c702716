"""What a user is told of `training.precision`, by what the system says of its processor."""

import pytest

from seqtasks.config import load_config
from seqtasks.training.precision import PRODUCTS, multiplies_bfloat16, policy, precision_notices

CPUS = {
    "avx512_bf16": ("flags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
    "amx_bf16": ("processor : 0\nflags : fpu amx_bf16\nflags : fpu amx_bf16\n", True),
    "an older one": ("flags : fpu avx512f avx512_vnni\nmodel name : bf16\n", False),
    "Arm's": ("Features\t: fp asimd i8mm bf16 dgh\n", True),
    "Arm's older one": ("Features : fp asimd\n", False),
    "no line": ("processor : 0\n", None),
    "nothing": ("", None),
}


def config(precision=PRODUCTS, units=128):
    return load_config(options={"training.precision": precision, "model.units": units})


@pytest.mark.parametrize("name", CPUS)
def test_whether_the_processor_multiplies_bfloat16(name, tmp_path):
    text, known = CPUS[name]
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert multiplies_bfloat16(file) is known
    told = precision_notices(config(), file)
    assert len(told) == (known is False)
    assert all("slower than with float32" in line for line in told)
    assert precision_notices(config("float32"), file) == []
    assert precision_notices(config("mixed_bfloat16"), file) == []


def test_a_system_without_such_a_file_says_nothing(tmp_path):
    assert multiplies_bfloat16(tmp_path / "none") is None
    assert precision_notices(config(), tmp_path / "none") == []


def test_small_networks_gain_nothing(tmp_path):
    for units, told in ((99, 1), (100, 0)):
        lines = precision_notices(config(units=units), tmp_path / "none")
        assert len(lines) == told
        assert all(f"here they are {units}" in line for line in lines)


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("float32", "float32"), ("mixed_bfloat16", "mixed_bfloat16"), (PRODUCTS, "float32")],
)
def test_keras_policy(precision, expected):
    assert policy(config(precision)) == expected
