"""Fixtures of the core's tests."""

import pytest

from holdall import Event


@pytest.fixture
def events() -> list[Event]:
    """Return the list of events from a test's ``Sessions``, if they have ``on_event=events.append``."""
    return []
