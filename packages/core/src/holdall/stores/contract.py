"""What every store keeps to, and the values that pass between a store and the lifecycle."""

from collections.abc import Callable, Generator, Iterable, Mapping
from enum import Enum
from typing import Any, Protocol

from holdall._redacted import Redacted
from holdall.clock import FOREVER

__all__ = [
    "Answer",
    "Burying",
    "Changes",
    "ClientInfo",
    "ForeignSession",
    "NotFound",
    "RenewalFailure",
    "Renewing",
    "Revocable",
    "RowRef",
    "SessionRow",
    "Store",
    "StoredSession",
    "Updating",
    "Write",
]

#: What a store's method returns: its answer, or a generator of steps (``holdall.steps``) that returns it.
Answer = Any | Generator[Any, Any, Any]

#: What a client says of itself: its user agent and its address, as far as they are known.
ClientInfo = Callable[[], tuple[str | None, str | None]]


class StoredSession(Redacted):
    """
    A session as its store holds it.

    Attributes:
        cookie: The cookie's value that stands for it.
        data: This request's own copy.
        created: When it began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        log_id: Names it in logs and opens nothing.
        version: What the store compares to notice another request's write. ``None`` for a session that lives in its
            cookie alone, which cannot change once the response has started.
    """

    __slots__ = ("cookie", "created", "data", "expires", "log_id", "version")

    #: What it was read from, in a word, where that is not what the store writes today.
    origin = ""
    #: The store asks for it to be written again even if nothing was changed.
    rewrite = False
    #: Which of the browser's sessions it is, where the cookie itself says so; see ``stores.generations``.
    generation: int | None = None
    lines = b""
    #: This stands where a session was ended, so that a late response does not bring it back.
    ended = False

    def __init__(
        self,
        cookie: str,
        data: dict[str, Any],
        created: int,
        expires: int,
        log_id: str = "",
        version: int | None = None,
    ) -> None:
        self.cookie = cookie
        self.data = data
        self.created = created
        self.expires = expires
        self.log_id = log_id
        self.version = version


class ForeignSession(StoredSession):
    """
    A session that is not kept as the store would write it today.

    Attributes:
        origin: What it was read from, in a word: a format's name, or ``"moved"``.
        rewrite: It is to be written again even if nothing was changed.
        move: Where it is kept elsewhere: ``move(write, key=key)`` brings it into the store, under the present name of
            the cookie. The answer is what ``get`` answers from then on.
    """

    __slots__ = ("ended", "generation", "lines", "move", "origin", "rewrite")

    def __init__(
        self,
        found: StoredSession,
        origin: str,
        *,
        rewrite: bool = False,
        move: "Callable[..., Answer] | None" = None,
    ) -> None:
        super().__init__(found.cookie, found.data, found.created, found.expires, found.log_id, found.version)
        self.generation, self.lines, self.ended = found.generation, found.lines, found.ended
        self.origin = origin
        self.rewrite = rewrite
        self.move = move


class NotFound(Redacted):
    """
    The store holds no session for a cookie.

    Attributes:
        reason: For the log: ``"unreadable"``, ``"malformed"``, ``"unknown"``, ``"renewed"``.
        superseded: The session has got another ID a moment ago; the browser sent the old one before it had the new.
        stored: What the store knows of the session that has ended or was renewed, if it knows more than the cookie. A
            new one begins after it.
    """

    __slots__ = ("reason", "stored", "superseded")

    def __init__(self, reason: str, *, superseded: bool = False, stored: StoredSession | None = None) -> None:
        self.reason = reason
        self.superseded = superseded
        self.stored = stored


class Changes(Redacted):
    """What one request changed, by top-level key."""

    __slots__ = ("cleared", "deleted", "put")

    def __init__(self, put: Mapping[str, Any], deleted: frozenset[str] = frozenset(), cleared: bool = False) -> None:
        self.put = put
        self.deleted = deleted
        self.cleared = cleared

    def __bool__(self) -> bool:
        return bool(self.put or self.deleted or self.cleared)

    def over(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data* with these changes laid over it."""
        kept = {} if self.cleared else {key: value for key, value in data.items() if key not in self.deleted}
        kept.update(self.put)
        return kept


class Write(Redacted):
    """
    A session as a request leaves it.

    Attributes:
        data: All of it, as this request sees it.
        changes: This request's part in it, laid over what other requests wrote in the meantime.
        created: When the session began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        seen: When the request came, in Unix seconds.
        principal: Whose session it is, as text; ``None`` for an anonymous one.
        client: What the client said of itself, as text, for a session that is listed with it.
        ends: When it ends however it is used, in Unix seconds.
        sets_lifetime: This request changed how long the session lives, so its expiry outranks another request's.
    """

    __slots__ = ("changes", "client", "created", "data", "ends", "expires", "principal", "seen", "sets_lifetime")

    def __init__(
        self,
        data: dict[str, Any],
        changes: Changes,
        created: int,
        expires: int,
        seen: int,
        principal: str | None = None,
        client: str | None = None,
        ends: int = FOREVER,
        *,
        sets_lifetime: bool = False,
    ) -> None:
        self.data = data
        self.ends = ends
        self.changes = changes
        self.created = created
        self.expires = expires
        self.seen = seen
        self.principal = principal
        self.client = client
        self.sets_lifetime = sets_lifetime


class RenewalFailure(Enum):
    """Why a session could not be renewed."""

    GONE = "another request has ended or renewed it before"
    ENDED = "another request ended it in the middle"


class SessionRow(Redacted):
    """
    One of a principal's sessions, as ``Revocable.list`` returns it.

    Attributes:
        handle: Names it for ``revoke``, and opens nothing.
        created: When it began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        seen: When it was last used, in Unix seconds, as far as that was written.
        client: What its client said of itself when it began, as text.
        is_current: It is the session that was given as the current one.
        device_bound: It is bound to a device.
    """

    __slots__ = ("client", "created", "device_bound", "expires", "handle", "is_current", "seen")

    def __init__(
        self, handle: str, created: int, expires: int, seen: int | None, client: str | None, *, is_current: bool
    ) -> None:
        self.handle = handle
        self.created = created
        self.expires = expires
        self.seen = seen
        self.client = client
        self.is_current = is_current
        self.device_bound = False


class Store(Protocol):
    """
    What keeps sessions. *key* is always the cookie's name.

    A method answers at once, or returns a generator that yields steps (``holdall.steps``) and returns the answer: a
    store over a table is made of the table's verbs, and so it serves sync and async alike. Or all of them are ``async
    def``, of a store that only async adapters can use. A store that answers at once
    but waits for a disk or a network says so by ``blocking_reads = True`` or ``blocking_writes = True``; an async
    adapter then calls it in a thread.

    Some stores can do more, which is asked once, at setup: ``check(key, value)`` raises the ``TypeError`` of ``put``
    early. ``sweep(limit)`` removes up to so many expired sessions and answers how many. ``renew`` (see ``Renewing``)
    gives a session another ID so that two requests cannot cross, ``update`` (``Updating``) replaces a value at the
    version that was read, and ``Revocable`` lists and ends sessions by their owner.

    Raises:
        StoreError: The backend failed. A bad cookie is not an error: the answer is ``NotFound``.
    """

    def get(self, cookie: str, *, key: str) -> Answer:
        """Answer the ``StoredSession`` that *cookie*, as the browser sent it, stands for, or ``NotFound``."""
        ...

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Answer:
        """
        Write *write* over what ``get`` or ``put`` answered, or into a new session for ``None``.

        A write without changes only moves the expiry. The answer is the ``StoredSession`` as it is now, or ``None``,
        with nothing written, if the session has ended in the meantime: it is never brought back.

        Raises:
            TypeError: A value cannot be stored; the message names its key and path.
        """
        ...

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> Answer:
        """
        End a session, and answer its last state, or ``None`` if it had ended already.

        Until *superseded_until* (Unix seconds) its cookie is known as superseded and not as unknown. Without it, a
        session that was renewed in the meantime is ended under its new ID, and *stored* itself is the answer.
        """
        ...


class Renewing(Protocol):
    """What a store keeps to whose sessions can be ended by one request while another gives them a new ID."""

    def renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> Answer:
        """
        End *stored* and put ``make_write(last state)`` into a new session, and answer that as a ``StoredSession``.

        *key* is the name of the new session's cookie; *stored* may have come under an old one.

        Until *until* (Unix seconds) the old cookie is known as superseded. With *followed*, whoever ends the old
        session until then ends the new one, even if that is not stored yet. Else the answer is a ``RenewalFailure``.
        """
        ...


class Burying(Protocol):
    """What a store keeps to whose sessions are in their cookies alone, where a late response could bring one back."""

    def bury(self, stored: StoredSession, *, key: str) -> StoredSession:
        """
        Return what the browser is to keep in place of *stored*, which has ended: it says so, and holds no session.

        What ``put`` writes over it begins a new session, which outranks the one that has ended.
        """
        ...


class Updating(Protocol):
    """What a store keeps to whose values can be updated atomically (``session.atomic_update``)."""

    def update(self, stored: StoredSession, make_write: Callable[[StoredSession], Write], *, key: str) -> Answer:
        """
        Write ``make_write(stored)`` if *stored* is the latest, and else what it makes of the latest.

        The answer is the ``StoredSession`` as it is then, or ``None`` if the session has ended.

        Raises:
            ContentionError: Other requests kept writing.
        """
        ...


class Revocable(Protocol):
    """
    What a store keeps to that knows its sessions' owners.

    Every session that was there when a call began has ended when it returns, including one that is being renewed.
    *keys* are the names that the cookie has and had: sessions under another name are another application's.
    """

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Answer:
        """Answer the sessions of *principal* as a list of ``SessionRow``, oldest first, and mark the *current* one."""
        ...

    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> Answer:
        """
        End the sessions of *principal* and answer how many, except *keep* and what that was renewed to.

        With *handle* only that one ends.
        """
        ...

    def revoke_all(self, began_by: int) -> Answer:
        """Remove all sessions that began by then, and answer how many rows that was."""
        ...

    def follow(self, place: "StoredSession | RowRef") -> Answer:
        """
        Answer where a session is that was seen at *place* less than half a minute ago; ``None`` if it has ended.

        This does not count as using it.
        """
        ...


class RowRef(Redacted):
    """
    Where a session was seen last.

    Attributes:
        digest: What its row is stored under.
        in_doubt: It was not there, but may be on its way, because its ID is being renewed.
    """

    __slots__ = ("digest", "in_doubt")

    def __init__(self, digest: bytes, *, in_doubt: bool = False) -> None:
        self.digest = digest
        self.in_doubt = in_doubt
