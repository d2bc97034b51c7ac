"""
Whose a session is, and what its owner can do from outside of it: see all that are theirs, and end them.

Like ``holdall.lifecycle`` these are generators of steps, and the store does what they yield.
"""

from datetime import datetime
from typing import Any, NamedTuple

from holdall._discreet import discreet
from holdall.devices import Device
from holdall.policy import Policy
from holdall.steps import Steps
from holdall.stores.contract import Stored, Trail
from holdall.tables.contract import MAX_PRINCIPAL_BYTES

__all__ = [
    "Follow",
    "List",
    "Revoke",
    "RevokeAll",
    "following",
    "listing",
    "principal_text",
    "revocation",
    "revocation_of_all",
]


@discreet
class List(NamedTuple):
    """List the sessions of *principal*."""

    principal: str
    current: Stored | None

    def on(self, store: Any) -> Any:
        return store.of(self.principal, current=self.current)


@discreet
class Revoke(NamedTuple):
    """End the sessions of *principal*."""

    principal: str
    spared: Stored | None
    handle: str | None

    def on(self, store: Any) -> Any:
        return store.revoke(self.principal, spared=self.spared, handle=self.handle)


class RevokeAll(NamedTuple):
    """End all sessions that began by then."""

    began_by: datetime

    def on(self, store: Any) -> Any:
        return store.revoke_all(self.began_by)


@discreet
class Follow(NamedTuple):
    """Look where a session is that was *seen* before."""

    seen: Stored | Trail

    def on(self, store: Any) -> Any:
        return store.follow(self.seen)


def principal_text(principal: Any, policy: Policy) -> str | None:
    """
    Return whose session it is as the text that a table looks for; ``None`` for nobody's.

    Raises:
        TypeError: It is no valid text, or longer than tables can keep.
    """
    if principal is None:
        return None
    text = str(principal)
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as exc:
        msg = f"session[{policy.principal_key!r}] cannot say whose the session is: it is no valid text."
        raise TypeError(msg) from exc
    if size > MAX_PRINCIPAL_BYTES:
        msg = (
            f"session[{policy.principal_key!r}] cannot say whose the session is: it has {size:,} bytes, and tables "
            f"keep at most {MAX_PRINCIPAL_BYTES:,}. Use something shorter, such as the user's primary key."
        )
        raise TypeError(msg)
    return text


def listing(principal: Any, policy: Policy, *, current: Stored | None) -> Steps[list[Device]]:
    """List a principal's sessions; nobody has none."""
    text = principal_text(principal, policy)
    if text is None:
        return []
    devices: list[Device] = yield List(text, current)
    return devices


def revocation(principal: Any, policy: Policy, *, spared: Stored | None, handle: str | None) -> Steps[int]:
    """End a principal's sessions, and return how many there were."""
    text = principal_text(principal, policy)
    if text is None:
        return 0
    return _told((yield Revoke(text, spared, handle)), policy)


def revocation_of_all(policy: Policy, *, now: datetime) -> Steps[int]:
    """End all sessions, and return how many rows went."""
    return _told((yield RevokeAll(now)), policy)


def following(seen: Stored | Trail) -> Steps[Trail | None]:
    """Look where a session is that was *seen* before; ``None`` if it has ended."""
    trail: Trail | None = yield Follow(seen)
    return trail


def _told(ended: int, policy: Policy) -> int:
    if ended:
        policy.emit("revoked", str(ended), "")
    return ended
