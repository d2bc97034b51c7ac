"""Presets for timeouts."""

from datetime import timedelta
from typing import Any

import pytest

from holdall import ConfigurationError, Sessions

HOUR = 60 * 60
DAY = 24 * HOUR


def limits(**options: Any) -> tuple[int | None, int | None]:
    settings = Sessions("table", table="t", key="sid", **options).settings
    return settings.idle_timeout, settings.absolute_timeout


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, (7 * DAY, 30 * DAY)),
        ({"timeouts": "aal1"}, (7 * DAY, 30 * DAY)),
        ({"timeouts": "aal2"}, (HOUR, DAY)),
        ({"timeouts": "aal3"}, (HOUR // 4, DAY // 2)),
        ({"timeouts": "aal2", "idle_timeout": timedelta(minutes=30)}, (HOUR // 2, DAY)),
        ({"timeouts": "aal3", "absolute_timeout": HOUR}, (HOUR // 4, HOUR)),
    ],
)
def test_a_preset_sets_the_missing_timeouts(options: dict[str, Any], seconds: tuple[int, int]) -> None:
    assert limits(**options) == seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"timeouts": "aal4"}, "Choose one of: aal1, aal2, aal3"),
        ({"timeouts": "aal2", "idle_timeout": timedelta(days=7)}, "idle_timeout=.* is longer than timeouts='aal2'"),
        ({"timeouts": "aal3", "absolute_timeout": None}, "absolute_timeout=None is longer than timeouts='aal3'"),
        ({"timeouts": "aal1", "idle_timeout": "an hour"}, "not a timedelta"),
    ],
)
def test_timeouts_that_exceed_a_preset_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        limits(**options)
