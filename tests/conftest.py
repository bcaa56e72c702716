"""Fixtures that more than one room's tests use, and which tests are slow."""

import pytest

pytest_plugins = ["model_servers"]

# What trains or builds whole networks; a test that uses one of them is slow.
_SLOW_FIXTURES = {"taught", "make", "trained", "cases", "pairs_file"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a slow fixture, their own or by way of another."""
    for item in items:
        if _SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
