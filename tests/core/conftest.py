"""Fixtures of the core's tests."""

import pytest

from holdall import Event


@pytest.fixture
def events() -> list[Event]:
    """What a test's ``Sessions`` report, where they are given ``on_event=events.append``."""
    return []
