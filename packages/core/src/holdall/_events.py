"""
Report events about sessions to logs and metrics. They never contain an ID or data.

Each event goes to the ``holdall`` logger, with its attributes as extra fields of the log record (``session_event``,
``session_cookie``, ``session_reason``, ``session_log_id``), and to ``Sessions(on_event=…)`` if set.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

__all__ = ["Event", "EventCounts", "EventName", "Listener", "report"]

EventName = Literal[
    "created",
    "renewed",
    "ended",
    "old_cookie",
    "expired",
    "rejected",
    "lost_write",
    "touch_failed",
    "unchecked",
    "revoked",
    "evicted",
    "cookie_too_large",
    "moved",
    "invalid_value",
    "device_bound",
    "device_refused",
    "device_skipped",
]

_logger = logging.getLogger("holdall")

_LEVELS: dict[EventName, int] = {
    "created": logging.DEBUG,
    "renewed": logging.DEBUG,
    "ended": logging.DEBUG,
    # Occurs with each request from a browser that still has an old cookie: too often for a log, but useful to count.
    "old_cookie": logging.DEBUG,
    "expired": logging.DEBUG,
    "rejected": logging.WARNING,
    "lost_write": logging.WARNING,
    "touch_failed": logging.WARNING,
    # The table failed, and the application chose to trust the session in that case.
    "unchecked": logging.ERROR,
    "revoked": logging.INFO,
    "evicted": logging.WARNING,
    "cookie_too_large": logging.ERROR,
    "moved": logging.INFO,
    "invalid_value": logging.WARNING,
    "device_bound": logging.DEBUG,
    # An attacker may be using a copy of the cookies.
    "device_refused": logging.WARNING,
    "device_skipped": logging.INFO,
}

# These are no sign of an attack, because browsers may send the cookie of an ended or renewed session once more.
_USUAL_REASONS = frozenset({"unknown", "renewed"})


@dataclass(frozen=True, slots=True)
class Event:
    """
    An event in the life of a session.

    Attributes:
        key: The cookie's name, or the table's for ``evicted``.
        reason: A word or two, such as ``"unreadable"``, ``"unknown"`` or ``"duplicate"``; for ``old_cookie`` where the
            session came from; for ``moved`` where it went; for ``device_skipped`` the browser's reason.
        log_id: Identifies the session in logs but cannot be used to open it; ``""`` if there is none.
    """

    name: EventName
    key: str
    reason: str = ""
    log_id: str = ""


class EventCounts:
    """
    A counter of events for monitoring: ``Sessions(on_event=counts)``.

    Suspicious cookies appear as ``rejected`` events. There are only a few reasons, each with its own likely cause:
    ``"unknown"`` and ``"malformed"`` suggest guessed IDs; ``"unreadable"`` a forgery or a changed secret;
    ``"duplicate"`` and ``"too many duplicates"`` cookies set by another host; and ``"outdated"`` the use of a session
    that ``valid_since`` has ended.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._events: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()

    def __call__(self, event: Event) -> None:
        """Count *event*."""
        # Several threads call this, and an increment is not atomic.
        with self._lock:
            self._events[event.name] += 1
            if event.name == "rejected":
                self._rejected[event.reason] += 1

    @property
    def events(self) -> dict[str, int]:
        """The number of events, by name."""
        with self._lock:
            return dict(self._events)

    @property
    def rejected(self) -> dict[str, int]:
        """The number of rejected cookies, by reason."""
        with self._lock:
            return dict(self._rejected)


Listener = Callable[[Event], None]


def report(event: Event, *listeners: Listener | None) -> None:
    """Log *event* and notify each listener. A listener's exception is logged, not raised."""
    level = _LEVELS[event.name]
    if event.name == "rejected" and event.reason in _USUAL_REASONS:
        level = logging.INFO
    if _logger.isEnabledFor(level):
        why = f" ({event.reason})" if event.reason else ""
        fields = {
            "session_event": event.name,
            "session_cookie": event.key,
            "session_reason": event.reason,
            "session_log_id": event.log_id,
        }
        _logger.log(level, "session %s%s: %s %s", event.name, why, event.key, event.log_id, extra=fields)
    for listener in listeners:
        if listener is None:
            continue
        try:
            listener(event)
        except Exception:
            # A failure to count a login must not prevent it.
            _logger.exception("on_event failed for %s", event.name)
