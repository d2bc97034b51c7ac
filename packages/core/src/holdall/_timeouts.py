"""Parse the options for session lifetimes: ``timeouts``, ``idle_timeout`` and ``absolute_timeout``."""

from datetime import timedelta
from typing import Literal, NamedTuple

from holdall._errors import ConfigurationError
from holdall._settings import timeout_seconds

__all__ = ["ABSOLUTE_TIMEOUT", "IDLE_TIMEOUT", "PRESETS", "Preset", "PresetName", "limits"]

#: The names of the presets for ``timeouts=`` (NIST SP 800-63B-4, section 2).
PresetName = Literal["aal1", "aal2", "aal3"]

# The defaults. An option that was left out is this very object, which distinguishes it from an equal value passed in.
IDLE_TIMEOUT = timedelta(days=7)
ABSOLUTE_TIMEOUT = timedelta(days=30)


class Preset(NamedTuple):
    """
    The limits that NIST SP 800-63B-4 sets at an authentication assurance level.

    Attributes:
        idle: The longest inactivity; the document sets no limit for AAL1, so there it is our own default.
        absolute: The longest time between two authentications.
        section: The section of the document.
    """

    idle: timedelta
    absolute: timedelta
    section: str


PRESETS: dict[str, Preset] = {
    "aal1": Preset(IDLE_TIMEOUT, timedelta(days=30), "2.1.3"),
    "aal2": Preset(timedelta(hours=1), timedelta(hours=24), "2.2.3"),
    "aal3": Preset(timedelta(minutes=15), timedelta(hours=12), "2.3.3"),
}


def limits(
    preset: str | None, idle: timedelta | int | None, absolute: timedelta | int | None
) -> tuple[int | None, int | None]:
    """
    Return the idle and the absolute timeout in seconds; ``None`` for no limit.

    Raises:
        ConfigurationError: *preset* is unknown, or one of the others is not a time span or is longer than it allows.
    """
    if preset is None:
        return timeout_seconds("idle_timeout", idle), timeout_seconds("absolute_timeout", absolute)
    if preset not in PRESETS:
        msg = f"timeouts={preset!r} is unknown. Choose one of: {', '.join(PRESETS)}."
        raise ConfigurationError(msg)
    longest = PRESETS[preset]
    return (
        _within("idle_timeout", longest.idle if idle is IDLE_TIMEOUT else idle, longest.idle, preset),
        _within(
            "absolute_timeout", longest.absolute if absolute is ABSOLUTE_TIMEOUT else absolute, longest.absolute, preset
        ),
    )


def _within(name: str, value: timedelta | int | None, longest: timedelta, preset: str) -> int:
    seconds = timeout_seconds(name, value)
    if seconds is None or seconds > longest.total_seconds():
        msg = (
            f"{name}={value!r} is longer than timeouts={preset!r} allows ({longest}): make it shorter, or leave it out."
        )
        raise ConfigurationError(msg)
    return seconds
