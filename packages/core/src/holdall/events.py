"""
What happened to a session, for logs and metrics; never an id, never data.

Each event goes to the ``holdall`` logger and, if given, to ``Sessions(on_event=…)``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "EventName", "Listener", "report"]

EventName = Literal[
    "created",
    "renewed",
    "ended",
    "old_cookie",
    "expired",
    "rejected",
    "lost_write",
    "touch_failed",
    "revoked",
    "evicted",
    "cookie_too_large",
    "invalid_value",
]

_logger = logging.getLogger("holdall")

_LEVELS: dict[EventName, int] = {
    "created": logging.DEBUG,
    "renewed": logging.DEBUG,
    "ended": logging.DEBUG,
    # At each request of a visitor who has not moved yet: too often for a log, and made to be counted.
    "old_cookie": logging.DEBUG,
    "expired": logging.DEBUG,
    "rejected": logging.INFO,
    "lost_write": logging.WARNING,
    "touch_failed": logging.WARNING,
    "revoked": logging.INFO,
    "evicted": logging.WARNING,
    "cookie_too_large": logging.ERROR,
    "invalid_value": logging.WARNING,
}


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing that happened.

    Attributes:
        key: The cookie's name, or the table's for ``evicted``.
        reason: Why, in a word or two: ``"unreadable"``, ``"unknown"``, ``"duplicate"``; for ``old_cookie`` what
            held it.
        log_id: Names the session in logs and opens nothing; ``""`` where there is none.
    """

    name: EventName
    key: str
    reason: str = ""
    log_id: str = ""


Listener = Callable[[Event], None]


def report(event: Event, *listeners: Listener | None) -> None:
    """Log *event* and tell each listener, whose own failure is logged and ends there."""
    level = _LEVELS[event.name]
    if _logger.isEnabledFor(level):
        why = f" ({event.reason})" if event.reason else ""
        _logger.log(level, "session %s%s: %s %s", event.name, why, event.key, event.log_id)
    for listener in listeners:
        if listener is None:
            continue
        try:
            listener(event)
        except Exception:
            # Counting a login must not be able to prevent it.
            _logger.exception("on_event failed for %s", event.name)
