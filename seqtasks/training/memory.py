"""Whether a network can fit into memory, before it is built.

Where memory runs out while a network is built or trained, the system ends the process without a
word. What is computed here is less than any training needs, so that nothing is refused that could
be trained; and nothing is refused where nobody knows how much memory there is.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from seqtasks.config import RunConfig
from seqtasks.config.arch import Arch
from seqtasks.errors import TrainingError

_GATES = {"rnn": 1, "gru": 3, "lstm": 4, "lngru": 3, "lnlstm": 4, "peeplstm": 4}
# (N, H) of each step: the output, the states before it, the gates, what was normalised.
_KEPT = {"rnn": 2, "gru": 5, "lstm": 7, "lngru": 12, "lnlstm": 17, "peeplstm": 7}
_LARGE = 0.25  # share of what is free
_BYTES = 4  # of a float32
_COPIES = 4  # of each weight: itself, its gradient and Adam's two moments
_EMBEDDED = 3  # of a token's vector, whose gradient has the rows of a batch only
_ACCELERATORS = ("nvidia[0-9]*", "kfd")  # whose memory holds the network


def check_memory(config: RunConfig, vocabulary: int = 0) -> None:
    """Check that there is as much memory as a network's training needs at least.

    Args:
        config: of the run.
        vocabulary: how many tokens have a vector, as far as it is known.

    Raises:
        TrainingError: says how much it needs, and how much there is.
    """
    available = available_memory()
    needed = least_memory(config, vocabulary)
    if available is None or needed <= available:
        return
    vectors = f" and the vectors of {vocabulary:,} tokens" if vocabulary else ""
    raise TrainingError(
        f"not enough memory for this network: {config.model.arch} of {config.model.units:,} units"
        f"{vectors} needs {_told(needed)} at least to be trained, and {_told(available)} are free; "
        "try smaller --units, model.embedding_units or text.max_words"
    )


def least_memory(config: RunConfig, vocabulary: int = 0) -> int:
    """The bytes that training needs at least: recurrent weights, vectors, Adam, one batch's gates.

    >>> from seqtasks.config import load_config
    >>> least_memory(load_config(options={"model.units": 1000, "model.arch": "lstm"}), 20_000)
    83520000
    """
    model = config.model
    arch = Arch.parse(model.arch)
    directions = 2 if arch.bidirectional else 1
    gates = _GATES[arch.cell] * model.units
    inputs = [model.embedding_units] + [directions * model.units] * (model.depth - 1)
    recurrent = sum(directions * gates * (width + model.units + 1) for width in inputs)
    vectors = vocabulary * model.embedding_units
    return _BYTES * (_COPIES * recurrent + _EMBEDDED * vectors)


def saves_memory(config: RunConfig) -> bool:
    """Whether recurrent layers keep little for the way back, by `training.memory`.

    It changes no gradient, so a run may be resumed either way.
    """
    if config.training.memory != "auto":
        return config.training.memory == "small"
    available = available_memory()
    return available is not None and kept_memory(config) > _LARGE * available


def kept_memory(config: RunConfig) -> int:
    """The bytes that recurrent layers keep of the largest batch for the way back, about.

    >>> from seqtasks.config import load_config
    >>> kept_memory(load_config(options={"model.units": 1000, "model.arch": "stacked-bilstm"}))
    917504000
    """
    arch = Arch.parse(config.model.arch)
    layers = config.model.depth * (2 if arch.bidirectional else 1)
    of_a_token = layers * _KEPT[arch.cell] * config.model.units
    return _BYTES * config.training.batch_tokens * of_a_token


def available_memory() -> int | None:
    """The bytes that this process may still take; None where that isn't known.

    That is what Linux says is available and swap, or the rest of a container's limit, or of
    `ulimit -v`. Other systems take what they need from the disk, and a GPU has memory of its own.
    """
    if any(any(Path("/dev").glob(name)) for name in _ACCELERATORS):
        return None
    known = [*_of_the_machine(Path("/proc/meminfo")), *_of_the_container(Path("/sys/fs/cgroup"))]
    return min([*known, *_of_the_process(Path("/proc/self/statm"))], default=None)


def _of_the_machine(meminfo: Path) -> Iterable[int]:
    """What is available in memory and swap, by /proc/meminfo."""
    try:
        lines = meminfo.read_text("ascii").splitlines()
        known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if ":" in line}
        return [known["MemAvailable"] + known.get("SwapFree", 0)]
    except (OSError, ValueError, IndexError, KeyError):
        return []


def _of_the_container(cgroup: Path) -> Iterable[int]:
    """What is left of the limits of the control groups that a container sees as its own."""
    found = []
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        try:
            most = int((cgroup / limit).read_text("ascii"))  # "max" where there is none
            now = int((cgroup / used).read_text("ascii"))
            stat = (cgroup / limit).with_name("memory.stat").read_text("ascii").splitlines()
            freed = dict(line.split()[:2] for line in stat).get(cache, "0")
        except (OSError, ValueError):
            continue
        if most < 2**60:  # the old ones say "no limit" by a huge number
            found.append(max(most - now + int(freed), 0))
    return found


def _of_the_process(statm: Path) -> Iterable[int]:
    """What is left of `ulimit -v`."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return []
        return [
            max(limit - int(statm.read_text("ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE"), 0)
        ]
    except (ImportError, OSError, ValueError, IndexError):
        return []


def _told(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.0f} MB"
