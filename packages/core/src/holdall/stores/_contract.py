"""Define the protocols of stores, and the values that pass between a store and the lifecycle."""

from collections.abc import Callable, Generator, Iterable, Mapping
from enum import Enum
from typing import Any, Protocol

from holdall._clock import FOREVER
from holdall._redacted import Redacted

__all__ = [
    "Answer",
    "Changes",
    "ClientInfo",
    "ForeignSession",
    "MarkingEnds",
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

#: The return value of a store's method: its result, or a generator of steps (``holdall.steps``) that returns it.
Answer = Any | Generator[Any, Any, Any]

#: Returns a client's user agent and its address; ``None`` for what is unknown.
ClientInfo = Callable[[], tuple[str | None, str | None]]


class StoredSession(Redacted):
    """
    A session as its store holds it.

    Attributes:
        cookie: Its cookie value.
        data: This request's own copy.
        created: When it began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        log_id: Identifies the session in logs but cannot be used to open it.
        version: The version that the store compares to detect other requests' writes. ``None`` for a session that
            exists only in its cookie, which cannot change once the response has started.
    """

    __slots__ = ("cookie", "created", "data", "expires", "log_id", "version")

    #: One word for the place it was read from, if the store now writes elsewhere.
    origin = ""
    #: Whether it must be written again even if nothing was changed.
    rewrite = False
    #: Its generation, if its cookie contains one; see ``stores._generations``.
    generation: int | None = None
    lines = b""
    #: Whether it is the marker of an ended session, which keeps a late response from restoring that session.
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
    A session that is not stored the way the store would write it today.

    Attributes:
        origin: One word for the place it was read from: a format's name, or ``"moved"``.
        rewrite: Whether it must be written again even if nothing was changed.
        move: Set if it is stored elsewhere: ``move(write, key=key)`` moves it into the store, under the current name of
            the cookie, and returns what ``get`` will return from then on.
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
    The result for a cookie for which the store holds no session.

    Attributes:
        reason: A word for the log: ``"unreadable"``, ``"malformed"``, ``"unknown"``, ``"renewed"``.
        superseded: Whether the session's ID was renewed a moment ago, and the browser sent the old one before it
            received the new one.
        stored: The ended or renewed session, if the store knows more about it than the cookie contains. A new session
            succeeds it.
    """

    __slots__ = ("reason", "stored", "superseded")

    def __init__(self, reason: str, *, superseded: bool = False, stored: StoredSession | None = None) -> None:
        self.reason = reason
        self.superseded = superseded
        self.stored = stored


class Changes(Redacted):
    """One request's changes, by top-level key."""

    __slots__ = ("cleared", "deleted", "put")

    def __init__(self, put: Mapping[str, Any], deleted: frozenset[str] = frozenset(), cleared: bool = False) -> None:
        self.put = put
        self.deleted = deleted
        self.cleared = cleared

    def __bool__(self) -> bool:
        return bool(self.put or self.deleted or self.cleared)

    def over(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data* with these changes applied."""
        kept = {} if self.cleared else {key: value for key, value in data.items() if key not in self.deleted}
        kept.update(self.put)
        return kept


class Write(Redacted):
    """
    A session as a request leaves it.

    Attributes:
        data: All of it, as this request sees it.
        changes: This request's changes, applied on top of what other requests wrote in the meantime.
        created: When the session began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        seen: When the request arrived, in Unix seconds.
        principal: The user it belongs to, as text; ``None`` for an anonymous session.
        client: The client's user agent and address as text, for the list of sessions.
        ends: When it ends regardless of use, in Unix seconds.
        sets_lifetime: Whether this request changed the session's lifetime, so that its expiry overrides those of other
            requests.
        logs_in: Whether this request logs the user in. In the browser, the session then takes precedence over the one
            that it comes from, whatever other requests have done to that.
    """

    __slots__ = (
        "changes",
        "client",
        "created",
        "data",
        "ends",
        "expires",
        "logs_in",
        "principal",
        "seen",
        "sets_lifetime",
    )

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
        logs_in: bool = False,
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
        self.logs_in = logs_in


class RenewalFailure(Enum):
    """The reason why a session could not be renewed."""

    GONE = "another request had already ended or renewed it"
    ENDED = "another request ended it during the renewal"


class SessionRow(Redacted):
    """
    One of a principal's sessions, as ``Revocable.list`` returns it.

    Attributes:
        handle: Identifies it to ``revoke``, but cannot be used to open it.
        created: When it began, in Unix seconds.
        expires: When it ends, in Unix seconds.
        seen: When it was last used, in Unix seconds, as last recorded.
        client: The client's user agent and address when it began, as text.
        is_current: Whether it is the session passed as the current one.
        device_bound: Whether it is bound to a device.
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
    The protocol of a store, which keeps sessions. *key* is always the cookie's name.

    A method returns its result directly, or returns a generator that yields steps (``holdall.steps``) and returns the
    result. A store over a table yields the table's operations as steps, so it works with sync and async tables alike.
    Alternatively, all methods are ``async def``, in a store that only async adapters can use. A store that returns
    results directly but waits for a disk or a network sets ``blocking_reads = True`` or ``blocking_writes = True``; an
    async adapter then calls it in a thread.

    Some stores have optional methods, which are looked up once, at setup: ``check(key, value)`` raises the
    ``TypeError`` of ``put`` early. ``sweep(limit)`` removes up to that many expired sessions and returns how many it
    removed. ``renew`` (see ``Renewing``) gives a session another ID safely under concurrent requests, ``update``
    (``Updating``) replaces a value at the version that was read, and ``Revocable`` lists and ends sessions by owner.

    Raises:
        StoreError: The backend failed. An invalid cookie is not an error: the result is ``NotFound``.
    """

    def get(self, cookie: str, *, key: str) -> Answer:
        """Return the ``StoredSession`` for *cookie*, as the browser sent it, or ``NotFound``."""
        ...

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Answer:
        """
        Write *write* over the result of ``get`` or ``put``, or as a new session for ``None``.

        A write without changes only moves the expiry. Returns the current ``StoredSession``, or ``None`` without
        writing if the session has ended in the meantime: it is never restored.

        Raises:
            TypeError: A value cannot be stored; the message names its key and path.
        """
        ...

    def delete(self, stored: StoredSession, *, key: str, superseded_until: int | None = None) -> Answer:
        """
        End a session, and return its last state, or ``None`` if it had already ended.

        Until *superseded_until* (Unix seconds) its cookie is known as superseded instead of unknown. Without it, a
        session that was renewed in the meantime is ended under its new ID, and *stored* itself is returned.
        """
        ...


class Renewing(Protocol):
    """The protocol of stores in which one request can renew a session while another ends it."""

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
        End *stored*, store ``make_write(last state)`` as a new session, and return it as a ``StoredSession``.

        *key* is the name of the new session's cookie; *stored* may have come under an old one.

        Until *until* (Unix seconds) the old cookie is known as superseded. With *followed*, a request that ends the old
        session until then also ends the new one, even if that is not stored yet. Returns a ``RenewalFailure`` on
        failure.
        """
        ...


class MarkingEnds(Protocol):
    """The protocol of stores whose sessions exist only in cookies, where a late response could restore one."""

    def mark_ended(self, stored: StoredSession, *, key: str) -> StoredSession:
        """
        Return the marker that the browser should keep instead of *stored*, which has ended; it holds no session.

        A ``put`` over it begins a new session, which takes precedence over the one that has ended.
        """
        ...


class Updating(Protocol):
    """The protocol of stores whose values can be updated atomically (``session.atomic_update``)."""

    def update(self, stored: StoredSession, make_write: Callable[[StoredSession], Write], *, key: str) -> Answer:
        """
        Write ``make_write(stored)`` if *stored* is the latest version, otherwise ``make_write`` of the latest version.

        Returns the ``StoredSession`` after the write, or ``None`` if the session has ended.

        Raises:
            ContentionError: Other requests kept writing.
        """
        ...


class Revocable(Protocol):
    """
    The protocol of stores that know their sessions' owners.

    Every session that existed when a call began has ended when it returns, including one that is being renewed.
    *keys* are the cookie's current and old names: sessions under other names belong to other applications.
    """

    def list(self, principal: str, *, keys: Iterable[str], current: StoredSession | None) -> Answer:
        """Return the sessions of *principal* as a list of ``SessionRow``, oldest first, marking the *current* one."""
        ...

    def revoke(self, principal: str, *, keys: Iterable[str], keep: StoredSession | None, handle: str | None) -> Answer:
        """
        End the sessions of *principal*, except *keep* and its renewals, and return how many were ended.

        With *handle*, only that session ends.
        """
        ...

    def revoke_all(self, began_by: int) -> Answer:
        """Remove all sessions that began at *began_by* or earlier, and return how many rows were removed."""
        ...

    def follow(self, place: "StoredSession | RowRef") -> Answer:
        """
        Return the location of a session that was at *place* less than half a minute ago; ``None`` if it has ended.

        This does not count as using the session.
        """
        ...


class RowRef(Redacted):
    """
    A reference to the row in which a session was last seen.

    Attributes:
        digest: The digest that its row is stored under.
        in_doubt: Whether the row was missing but may still appear, because the session's ID is being renewed.
    """

    __slots__ = ("digest", "in_doubt")

    def __init__(self, digest: bytes, *, in_doubt: bool = False) -> None:
        self.digest = digest
        self.in_doubt = in_doubt
