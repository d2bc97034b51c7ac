"""What the requests of the interleavings do, and the session that they do it to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from holdall._session import Session

__all__ = ["ACTS", "ATOMIC_ACTS", "BEFORE", "COUNTER", "IDLE_TIMEOUT", "KEY", "PRINCIPAL_KEY", "SET", "Act", "count_up"]

KEY = "sid"
PRINCIPAL_KEY = "user_id"
IDLE_TIMEOUT = timedelta(hours=1)

#: The session's initial data. No act changes it, so it stays until the session ends.
BEFORE = {"untouched": 0}

COUNTER = "count"
#: The value that the plain write of the counter stores: higher than any test counts.
SET = 100


@dataclass(frozen=True)
class Act:
    """
    The action of a request.

    Attributes:
        handle: The handler; ``None`` for the table's own sweep, which is not a request.
        puts: Its changes, by key.
        ends: The act drops or renews the session, so another request's write may be lost.
        drops: The act drops the session.
        logs_in: The act logs a visitor in.
        counts: The act counts with ``session.atomic_update``.
        comes_with_cookie: The browser sends the request; others have no cookie, and their responses go elsewhere.
    """

    name: str
    handle: Callable[[Session], object] | None
    puts: Mapping[str, Any] = field(default_factory=dict)
    ends: bool = False
    drops: bool = False
    logs_in: bool = False
    counts: bool = False
    comes_with_cookie: bool = True


def _writes(name: str, key: str, value: str) -> Act:
    return Act(name, lambda session: session.put(key, value), {key: value})


#: The acts that are combined with each other.
ACTS = {
    act.name: act
    for act in (
        _writes("write", "a", "first"),
        _writes("write the same key", "a", "second"),
        _writes("write another key", "b", "third"),
        Act("touch", lambda session: session.get("untouched")),
        Act("drop", lambda session: session.configure(drop=True), ends=True, drops=True),
        Act("renew", lambda session: session.configure(renew=True), ends=True),
        Act("login", lambda session: session.login(7), {PRINCIPAL_KEY: 7}, ends=True, logs_in=True),
        Act("sweep", None),
    )
}


def count_up(count: int) -> int:
    """Return the next value of the counter."""
    return count + 1


#: The acts that are combined with an atomic update, in addition to ``ACTS``.
ATOMIC_ACTS = {
    act.name: act
    for act in (
        Act("count", lambda session: None, counts=True),
        Act("set the counter", lambda session: session.put(COUNTER, SET)),
    )
}
