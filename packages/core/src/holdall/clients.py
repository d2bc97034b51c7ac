"""A session as its owner sees it in a list: since when, until when, and what client it began with."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from holdall.stores.contract import ClientInfo, SessionRow, Write

__all__ = ["SessionInfo", "client_text", "info_of", "note_client"]

# Browsers take up to 200 characters or so for themselves; what another client sends must not fill the table.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """
    One of a principal's sessions.

    Attributes:
        handle: Names it to ``Sessions.revoke`` until its ID is renewed. It opens nothing.
        created: When it began, in UTC.
        expires: When it ends if it is not used again.
        seen: When it was last used, as far as that was written: its expiry is moved by a tenth of the idle timeout at
            least, and this with it.
        user_agent: What the browser called itself when the session began, with ``record_client=True``; any client can
            send any text.
        address: The client's address then, with ``record_client=True``.
        is_current: It is the session that was given as the current one.
        device_bound: It is bound to a device (``Sessions(device_bound=True)``).
    """

    handle: str
    created: datetime
    expires: datetime
    seen: datetime | None = None
    user_agent: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)
    is_current: bool = False
    device_bound: bool = False


def client_text(client: ClientInfo) -> str | None:
    """Return what a table keeps of *client*: a JSON object of what it said; ``None`` if it said nothing."""
    known = {name: said[:_LONGEST] for name, said in zip(_NAMES, client(), strict=True) if said}
    return json.dumps(known) if known else None


def note_client(end: Any, write: Write) -> None:
    """Note with a session that begins, or gets another ID, what its client says of itself."""
    if end.state.client is not None:
        write.client = client_text(end.state.client)


def info_of(row: SessionRow) -> SessionInfo:
    """Return a *row* as its owner sees it."""
    try:
        told = json.loads(row.client or "{}")
    except (ValueError, RecursionError):
        # Whoever can write to the table can write anything here.
        told = {}
    user_agent, address = (_shown(told.get(name)) if isinstance(told, dict) else None for name in _NAMES)
    seen = None if row.seen is None else datetime.fromtimestamp(row.seen, UTC)
    created, expires = (datetime.fromtimestamp(time, UTC) for time in (row.created, row.expires))
    return SessionInfo(row.handle, created, expires, seen, user_agent, address, row.is_current, row.device_bound)


_NAMES = ("user_agent", "address")


def _shown(said: object) -> str | None:
    # A visitor chose these words. They must not be able to steer a terminal on which they are read.
    return "".join(filter(str.isprintable, said)) if isinstance(said, str) else None
