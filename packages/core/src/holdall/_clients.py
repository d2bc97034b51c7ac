"""Collect the details of a session that its owner sees in a list."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from holdall.stores._contract import ClientInfo, SessionRow, Write

__all__ = ["SessionInfo", "client_text", "info_of", "note_client"]

# Browsers send up to about 200 characters; what other clients send must not fill the table.
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """
    One of a principal's sessions.

    Attributes:
        handle: Identifies the session to ``Sessions.revoke`` until its ID is renewed. It cannot open the session.
        created: When it began, in UTC.
        expires: When it ends if it is not used again.
        seen: When it was last used, to within a tenth of the idle timeout, because it is only written when the expiry
            moves.
        user_agent: The browser's user agent when the session began, with ``record_client=True``. A client can send any
            text here.
        address: The client's address when the session began, with ``record_client=True``.
        is_current: Whether it is the session passed as *current*.
        device_bound: Whether it is bound to a device (``Sessions(device_bound=True)``).
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
    """Return *client* as a table stores it, a JSON object; ``None`` if the client sent nothing."""
    known = {name: said[:_LONGEST] for name, said in zip(_NAMES, client(), strict=True) if said}
    return json.dumps(known) if known else None


def note_client(end: Any, write: Write) -> None:
    """Record the client's user agent and address with a session that begins or is renewed."""
    if end.state.client is not None:
        write.client = client_text(end.state.client)


def info_of(row: SessionRow) -> SessionInfo:
    """Return the details of a *row* that the session's owner may see."""
    try:
        client = json.loads(row.client or "{}")
    except (ValueError, RecursionError):
        # Anyone who can write to the table can write anything here.
        client = {}
    user_agent, address = (_shown(client.get(name)) if isinstance(client, dict) else None for name in _NAMES)
    seen = None if row.seen is None else datetime.fromtimestamp(row.seen, UTC)
    created, expires = (datetime.fromtimestamp(time, UTC) for time in (row.created, row.expires))
    return SessionInfo(row.handle, created, expires, seen, user_agent, address, row.is_current, row.device_bound)


_NAMES = ("user_agent", "address")


def _shown(said: object) -> str | None:
    # The client chose this text. It must not be able to control a terminal that shows it.
    return "".join(filter(str.isprintable, said)) if isinstance(said, str) else None
