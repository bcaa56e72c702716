"""What runs a graph."""

from collections.abc import Callable
from typing import Any

import pytest
from runtimes import SESSIONS


@pytest.fixture(params=SESSIONS)
def session_of(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Make a session of a graph, in each runtime that README says it runs in."""
    return SESSIONS[request.param]
