"""What every store keeps to, and the values that pass between a store and the lifecycle."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from holdall._discreet import discreet
from holdall.devices import Device

__all__ = [
    "AsyncStore",
    "Changes",
    "Draft",
    "Leasing",
    "Missing",
    "Moving",
    "Revocable",
    "Store",
    "Stored",
    "Succession",
    "Trail",
]


@discreet
class Stored(NamedTuple):
    """
    A session as its store holds it.

    Attributes:
        cookie: The cookie's value that stands for it.
        data: The request's own copy.
        log_id: Names it in logs and opens nothing.
        version: The store's mark of what was read, to notice another's write; ``None`` where all there is
            of the session is in the cookie, so that it cannot change once the response has started.
        rewrite: The store asks for it to be written again even if nothing was changed.
        origin: What it was read from, in a word, where that is not what the store writes today; else ``""``.
        elsewhere: Another library keeps it yet: ``Moving.move`` is to bring it here before it is used.
    """

    cookie: str
    data: dict[str, Any]
    created: datetime
    expires: datetime
    log_id: str
    version: int | None = None
    rewrite: bool = False
    origin: str = ""
    elsewhere: bool = False


@discreet
class Missing(NamedTuple):
    """
    No session stands behind a cookie.

    Attributes:
        reason: For the log: ``"unreadable"``, ``"malformed"``, ``"unknown"``, ``"renewed"``.
        late: Its id was renewed a moment ago; the browser sent the old one before it had the new.
        cookie: What the store knows that id by, where it is not the cookie that came.
    """

    reason: str
    late: bool = False
    cookie: str | None = None


@discreet
class Changes(NamedTuple):
    """What one request changed, by top-level key."""

    put: Mapping[str, Any]
    deleted: frozenset[str] = frozenset()
    cleared: bool = False

    def __bool__(self) -> bool:
        return bool(self.put or self.deleted or self.cleared)

    def of(self, key: str) -> "Changes":
        """Return those of *key* alone."""
        if key in self.put:
            return Changes({key: self.put[key]})
        return Changes({}, frozenset((key,)) if self.cleared or key in self.deleted else frozenset())

    def over(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data* with these changes laid over it."""
        kept = {} if self.cleared else {key: value for key, value in data.items() if key not in self.deleted}
        kept.update(self.put)
        return kept


@discreet
class Succession(NamedTuple):
    """
    A new session in the place of one that was renewed.

    Until *until* whoever ends the old one ends the new one too.

    Attributes:
        login: The old one was nobody's. Whoever has its id may be anybody: the new one does not end with it, but who
            follows the old one comes to it.
    """

    stored: Stored
    until: datetime
    login: bool = False


@discreet
class Trail(NamedTuple):
    """
    Where a session was seen last.

    Attributes:
        digest: What its row stands under.
        in_doubt: It was not seen there, but it may be on its way: an id is being renewed.
    """

    digest: bytes
    in_doubt: bool = False


@discreet
class Draft(NamedTuple):
    """
    A session as a request leaves it.

    Attributes:
        data: All of it, as this request sees it.
        changes: This request's part in it, to be laid over what others wrote meanwhile.
        seen: When the request came.
        principal: Whose session it is, as text; ``None`` for nobody's.
        device: What the visitor uses, as text, for a session that is to be listed with it.
        limits: This request has changed how long the session lives, so that its expiry outranks another's.
        succeeds: What a new session was renewed from, where both are the same visitor's.
        unchanged: Keys that are to be as they were in what this is put over, or nothing is written.
    """

    data: dict[str, Any]
    changes: Changes
    created: datetime
    expires: datetime
    seen: datetime
    principal: str | None = None
    device: str | None = None
    limits: bool = False
    succeeds: Succession | None = None
    unchanged: frozenset[str] = frozenset()


class Store(Protocol):
    """
    What keeps sessions. *key* is always the cookie's name.

    A store whose calls wait for a disk or a network says so with ``blocking_reads = True`` or
    ``blocking_writes = True``: an async adapter then makes those calls in a thread. One that can tell early what it
    cannot store has ``check(key, value)``, which raises the ``TypeError`` of ``put``. One that keeps what has expired
    has ``sweep(limit)``, which removes up to so many and returns how many. One that many requests see at
    once keeps to ``Leasing`` too, one that knows whose they are to ``Revocable``, one that takes over what another
    library keeps to ``Moving``.

    Raises:
        StoreError: The backend failed. A bad cookie is not an error: it is ``Missing``.
    """

    def get(self, cookie: str, *, key: str) -> Stored | Missing:
        """Return the session that *cookie*, as the browser sent it, stands for."""
        ...

    def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        """
        Write *draft* over what ``get`` or ``put`` gave, or into a session never in use for ``None``.

        A draft without changes only moves the expiry. Return what is stored now, or ``None``, and write
        nothing, if the session has ended meanwhile: it is never brought back.

        Raises:
            TypeError: A value cannot be stored; the message names its key and path.
            ContentionError: A key that was to be unchanged is not.
        """
        ...

    def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        """
        End a session and return its last state, or ``None`` if it had ended already.

        Until *tombstone* its cookie is known as late and not as unknown. Without one the session is to be over: one
        that was renewed meanwhile is ended in its new place, and what was given is returned.
        """
        ...


class Leasing(Protocol):
    """
    What a store needs besides for ``session.atomic``: a lease lets one request at a time have a key of a session.

    It guards nothing by itself: what was read under it is written with ``Draft.unchanged``, for it may have run out.
    """

    def lease(self, stored: Stored, name: str, *, until: datetime) -> int | None:
        """Take the lease of the key *name*, and return what it is given back with; ``None`` where another has it."""
        ...

    def release(self, stored: Stored, name: str, lease: int) -> None:
        """Give a lease back; one that has run out meanwhile stays with whoever has it now."""
        ...


class Moving(Protocol):
    """What a store keeps to whose ``get`` finds sessions elsewhere; awaited in an ``AsyncStore``."""

    def move(self, stored: Stored, draft: Draft, *, key: str) -> Stored | Missing:
        """
        Bring *stored* here as *draft*, under a cookie never in use, and remove it where it was.

        That happens once. Return what ``get`` answers from then on, for this request and for others with its cookie.
        """
        ...


class Revocable(Protocol):
    """
    What a store keeps to that knows whose its sessions are; awaited in an ``AsyncStore``.

    Each session that was there when a call began has ended when it returns, one that is renewed meanwhile too.
    """

    def of(self, principal: str, *, current: Stored | None) -> list[Device]:
        """Return the sessions of *principal*, oldest first, and mark the *current* one."""
        ...

    def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        """
        End the sessions of *principal* and return how many, but for *spared* and what that was renewed to.

        With *handle* only that one ends.
        """
        ...

    def revoke_all(self, began_by: datetime) -> int:
        """Remove all that began by then, and return how many rows that was."""
        ...

    def follow(self, seen: Stored | Trail) -> Trail | None:
        """
        Return where a session is that was *seen* less than half a minute ago; ``None`` if it has ended.

        It counts as no use of it.
        """
        ...


class AsyncStore(Protocol):
    """The same as ``Store``, awaited."""

    async def get(self, cookie: str, *, key: str) -> Stored | Missing: ...

    async def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None: ...

    async def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None: ...
