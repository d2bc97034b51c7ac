"""A session as its owner may see it in a list: since when, until when, and begun with what."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Device", "Facts", "facts_of", "text_of"]

#: Says what a request came with: its user agent and its client's address, as far as they are known.
Facts = Callable[[], tuple[str | None, str | None]]

# Browsers take up to 200 or so for themselves; what somebody else sends shall not fill the table.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Device:
    """
    One of a principal's sessions.

    Attributes:
        handle: Names it to ``Sessions.revoke`` for as long as it is not renewed. It opens nothing.
        created: When it began, in UTC.
        expires: When it ends if it is not used again.
        seen: When it was last used, as far as that was written: its limit is moved by a tenth of the idle timeout at
            least, and this with it.
        user_agent: The browser's name for itself when the session began, with ``devices=True``; anybody can send any.
        address: Where it came from then, with ``devices=True``.
        is_current: It is the session that was given as the current one.
    """

    handle: str
    created: datetime
    expires: datetime
    seen: datetime | None = None
    user_agent: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    is_current: bool = False


def text_of(facts: Facts) -> str | None:
    """Return what a table is to keep of *facts*, a JSON object of those that there are."""
    known = {name: fact[:_LONGEST] for name, fact in zip(_NAMES, facts(), strict=True) if fact}
    return json.dumps(known) if known else None


def facts_of(text: str | None) -> tuple[str | None, str | None]:
    """Return the facts that *text* tells, but for what shows on no page."""
    try:
        told = json.loads(text or "{}")
    except ValueError:
        told = {}
    user_agent, address = (_shown(told.get(name)) if isinstance(told, dict) else None for name in _NAMES)
    return user_agent, address


_NAMES = ("user_agent", "address")


def _shown(fact: object) -> str | None:
    # A visitor chose these words. They are to be read on a terminal, too, and not to steer it.
    return "".join(filter(str.isprintable, fact)) if isinstance(fact, str) else None
