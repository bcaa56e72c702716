"""What `training.precision` means for the layers, and whether the processor gains by it."""

from pathlib import Path

from seqtasks.config import RunConfig

PRODUCTS = "bfloat16_products"
# As Linux names what multiplies bfloat16: of x86-64 processors, then of Arm's.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
_WORTH_IT = 100  # units: at 64 a step took 1.05 of float32's time, at 128 between 0.7 and 0.85
_NAMES = ("flags", "features")  # of the line


def policy(config: RunConfig) -> str:
    """Keras' dtype policy of the network."""
    return "float32" if config.training.precision == PRODUCTS else config.training.precision


def products(config: RunConfig) -> str | None:
    """The dtype that factors of products in recurrent layers are rounded to; None: theirs."""
    return "bfloat16" if config.training.precision == PRODUCTS else None


def precision_notices(config: RunConfig, cpuinfo: Path = Path("/proc/cpuinfo")) -> list[str]:
    """What a user should know of it before training begins.

    >>> from seqtasks.config import load_config
    >>> precision_notices(load_config())
    []
    """
    if config.training.precision != PRODUCTS:
        return []
    if multiplies_bfloat16(cpuinfo) is False:
        return [
            f"training.precision {PRODUCTS}: this processor has no instructions for bfloat16, so "
            "training is right, but slower than with float32"
        ]
    if config.model.units < _WORTH_IT:
        return [
            f"training.precision {PRODUCTS}: with model.units below {_WORTH_IT} it saves next to "
            f"no time; here they are {config.model.units}"
        ]
    return []


def multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether the processor has instructions for it; None where the system doesn't say."""
    try:
        text = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:
        return None
    lines = (line.partition(":") for line in text.splitlines())
    known = [set(has.split()) for name, _, has in lines if name.strip().lower() in _NAMES]
    return bool(known[0] & _INSTRUCTIONS) if known else None
