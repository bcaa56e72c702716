"""What runs a graph."""

from collections.abc import Callable
from typing import Any

import pytest
from runtimes import SESSIONS

# What README says to be wrong in OpenVINO, by what a test's parameters are called.
WRONG_IN_OPENVINO = {
    "ngrams": "OpenVINO computes whole numbers of 64 bits in 32, of which hashes need more",
    "peeplstm": "OpenVINO leaves peepholes out",
}


@pytest.fixture(params=SESSIONS)
def session_of(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Make a session of a graph, in each runtime that README says it runs in."""
    parameters = request.node.name.partition("[")[2]
    for named, why in WRONG_IN_OPENVINO.items():
        if request.param == "openvino" and named in parameters:
            request.applymarker(pytest.mark.xfail(raises=AssertionError, strict=True, reason=why))
    return SESSIONS[request.param]
