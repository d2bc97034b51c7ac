"""Keep the state of one request's session, for the lifecycle and adapters; the application sees only the mapping."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, Protocol

from holdall import _late_changes as late_changes
from holdall._cookie_header import SentCookie
from holdall._errors import ResponseStartedError, SessionNotFetchedError
from holdall._principals import Identity
from holdall._redacted import Redacted
from holdall._settings import Lifetime, LifetimeOf, Settings
from holdall._tracking import Tracked
from holdall.stores._contract import ClientInfo, StoredSession

__all__ = [
    "ENDS",
    "NOT_STORED",
    "SUPERSEDED",
    "Backend",
    "FetchResult",
    "FetchResultOfSeveral",
    "Intent",
    "Phase",
    "SessionState",
]


class Intent(Enum):
    """The action that the application has requested for the session, apart from its changes."""

    KEEP = "keep"
    RENEW = "renew"
    DROP = "drop"
    IGNORE = "ignore"
    LOGOUT = "logout"

    __hash__ = object.__hash__  # Enum's own is slower: it is written in Python


#: Intents that end the session that the request came with.
ENDS = (Intent.DROP, Intent.LOGOUT)


class Phase(Enum):
    """The progress of the response, which determines what can still be changed."""

    HEADERS_PENDING = "the headers have not been sent"
    BODY = "the headers have been sent; a row in a table can still be changed"
    DONE = "nothing can be changed any more"
    ENDED = "the request has ended"


class FetchResult(Redacted):
    """
    The result of looking for a session in the request's cookies.

    Attributes:
        stored: The session, or ``None`` if there is none.
        superseded: Whether the session's ID had been renewed when the browser still sent the old one.
        renewed: The session that a superseded cookie led to, without its data: it can still be ended.
        copies: Whether the browser has more than one cookie for the session.
        old_key: The old name of the cookie, if the session came under one.
        moved: Whether the browser does not have the session's current cookie yet.
    """

    __slots__ = ("copies", "moved", "old_key", "renewed", "stored", "superseded")

    #: Whether the request had more than one of our cookies.
    several = False
    #: The browser's marker for a session that has ended; a new session overwrites it.
    ended: StoredSession | None = None
    #: The suffixes of the cookie names that had outdated sessions.
    outdated: Sequence[str] = ()

    def __init__(
        self,
        stored: StoredSession | None = None,
        *,
        superseded: bool = False,
        renewed: StoredSession | None = None,
        copies: bool = False,
        old_key: str | None = None,
        moved: bool = False,
    ) -> None:
        self.stored = stored
        self.superseded = superseded
        self.renewed = renewed
        self.copies = copies
        self.old_key = old_key
        self.moved = moved


class FetchResultOfSeveral(FetchResult):
    """The result if the request had several of our cookies, or the marker of a session that has ended."""

    __slots__ = ("ended", "outdated")
    several = True

    def __init__(self, fetched: FetchResult, ended: StoredSession | None, outdated: Sequence[str]) -> None:
        for name in FetchResult.__slots__:
            setattr(self, name, getattr(fetched, name))
        self.ended = ended
        self.outdated = outdated


#: The request came without a session.
NOT_STORED = FetchResult()
#: The session ended, or its ID was renewed, during the request.
SUPERSEDED = FetchResult(superseded=True)

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Backend(Protocol):
    """The settings and the open store of a session; see ``holdall._backends``."""

    form: Literal["sync", "async"]
    settings: Settings
    store: Any
    reading: Any
    table: Any
    can_mark_ended: bool
    can_renew: bool
    can_revoke: bool
    can_update: bool
    waits_to_read: bool
    now: Callable[[], int]
    check: Callable[[str, Any], None]
    commit: Callable[..., Any]

    def fetch(self, state: "SessionState") -> FetchResult: ...
    def save(self, state: "SessionState") -> Any: ...
    def reload(self, state: "SessionState") -> Any: ...
    def update(self, state: "SessionState", key: str, function: Callable[[Any], Any], default: Any) -> Any: ...


class SessionState:
    """
    The state of one request's session.

    Attributes:
        backend: The backend that stores the session.
        settings: The settings of its ``Sessions``.
        https: Whether the request reached us over HTTPS.
        is_fetched: Whether the session may be used.
        tracked: Its data; ``None`` until the session is first used.
        read_ahead: The result of reading the session before it is used; ``None`` if it was not read ahead.
        fetched: The result of reading the session, once it is used.
        intent: The action that the application has requested for the session.
        overrides: Cookie options for this response.
        phase: How far the response has progressed.
        client: Returns the client's user agent and address.
        identity_before: Whose session it was when it was last read or written.
        lifetime_before: Its lifetime at that time.
        looked_at: Whether a framework has reported an access, although the session may not have been read.
        marked_unread: Whether the session was marked for writing before it was read.
        mounted_at: The path that the application is mounted under, if a response needs it.
    """

    # Class attributes until they are set, because most requests set few of them.
    tracked: Tracked | None = None
    read_ahead: FetchResult | None = None
    fetched = NOT_STORED
    intent = Intent.KEEP
    overrides = _NO_OPTIONS
    phase = Phase.HEADERS_PENDING
    identity_before: Identity = None
    lifetime_before: Lifetime | None = None
    lifetime_of: LifetimeOf | None = None
    #: Whether this request has logged its user in, possibly the same user again.
    logs_in = False
    #: The kinds of data that the browser should clear at the logout (Clear-Site-Data).
    clears: frozenset[str] = frozenset()
    #: Whether it must be stored even if it is empty.
    must_create = False
    #: Calls that an async handler has made and not awaited yet, by coroutine.
    unawaited: Mapping[Any, str] = _NO_OPTIONS
    #: Returns whether a change that cannot be stored is silently discarded, as a framework's tests expect.
    takes_forgotten_changes: Callable[[], bool] | None = None
    marked_unread = False
    looked_at = False
    mounted_at = ""
    vary = "Cookie"  # the request header that carries the session

    def __init__(
        self,
        backend: Backend,
        cookies: Sequence[SentCookie] | Callable[[], Sequence[SentCookie]],
        https: bool,
        client: ClientInfo | None = None,
        is_fetched: bool = True,
    ) -> None:
        self.backend = backend
        self.settings = backend.settings
        self.https = https
        self.client = client
        self.is_fetched = is_fetched
        self._cookies = cookies

    @property
    def cookies(self) -> Sequence[SentCookie]:
        """The values sent under the session's key, followed by those sent under its old keys."""
        if callable(self._cookies):
            self._cookies = self._cookies()
        return self._cookies

    @cookies.setter
    def cookies(self, value: Sequence[SentCookie]) -> None:
        self._cookies = value

    # Reading.

    def loaded(self) -> Tracked:
        """Return the session's data, reading it first if necessary."""
        return self.tracked or self.load()

    def load(self) -> Tracked:
        """
        Read the session.

        Raises:
            SessionNotFetchedError: The session may not be used yet.
            StoreError: The backend failed.
        """
        if not self.is_fetched:
            msg = (
                "the session has not been fetched: await fetch_session(request) first, "
                "or leave fetch='explicit' out of the middleware."
            )
            raise SessionNotFetchedError(msg)
        return self.take(self.read_ahead or self.backend.fetch(self))

    def take(self, fetched: FetchResult) -> Tracked:
        """Use *fetched* as the result of reading the session."""
        self.is_fetched = True
        self.fetched = fetched
        self.tracked = tracked = Tracked({} if fetched.stored is None else fetched.stored.data)
        if self.marked_unread:
            tracked.marked = tracked.is_touched = True
        if self.phase is Phase.BODY:
            self.phase = self.phase_after_headers
        self._note_owner_and_lifetime(tracked.data)
        return tracked

    @property
    def data(self) -> dict[str, Any]:
        """The current data, not a copy."""
        return self.loaded().data

    @property
    def stored(self) -> StoredSession | None:
        """The session as the store holds it, as far as this request knows."""
        return self.fetched.stored

    @property
    def principal(self) -> str | None:
        """The principal as text; ``None`` for an anonymous session."""
        return self.settings.principals.of(self.loaded().current())

    @property
    def identity(self) -> Identity:
        """The user or named visitor that the session belongs to; ``None`` if it is anonymous."""
        return self.settings.principals.identity_of(self.loaded().current())

    @property
    def lifetime(self) -> Lifetime:
        """The session's lifetime, according to its data."""
        usual = self.settings.lifetime
        return usual if self.lifetime_of is None else self.lifetime_of(self.data, usual)

    @property
    def accessed(self) -> bool:
        """Whether this request used the session."""
        return self.looked_at or self.tracked is not None or self.marked_unread

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self.looked_at = value

    @property
    def marked(self) -> bool:
        """Whether the data must be written even if no change is detected."""
        return self.marked_unread if self.tracked is None else self.tracked.marked

    @marked.setter
    def marked(self, value: bool) -> None:
        if value and self.phase in (Phase.DONE, Phase.ENDED):
            self.changeable()
        if self.tracked is None:
            self.marked_unread = value
        else:
            self.tracked.marked = value
            self.tracked.is_touched = self.tracked.is_touched or value

    @property
    def modified(self) -> bool:
        """Whether this request changed the session, in place or by key."""
        tracked = self.tracked
        if tracked is None:
            return self.marked_unread
        return tracked.marked or (tracked.is_touched and bool(tracked.changes()))

    @property
    def is_as_stored(self) -> bool:
        """Whether nothing was changed, requested, or handed out that could be mutated."""
        tracked = self.tracked
        if tracked is None:
            return not self.marked_unread
        return self.intent is Intent.KEEP and not tracked.is_touched

    @property
    def is_unchanged(self) -> bool:
        """Whether nothing was changed or requested, even if values were handed out."""
        return self.intent is Intent.KEEP and not self.modified

    @property
    def phase_after_headers(self) -> Phase:
        """The phase that follows once the response's headers have been sent."""
        stored = self.fetched.stored
        return Phase.DONE if stored is None or stored.version is None else Phase.BODY

    # Changing.

    def changeable(self, key: str | None = None, *, row_suffices: bool = True) -> Tracked:
        """
        Return the data, if it may be changed now.

        Args:
            key: The key to change. After the headers have been sent, a key that identifies the user cannot change,
                because that renews the ID; nor can anything in a session that is about to end.
            row_suffices: Whether a row in a table can store the change.
        """
        tracked = self.tracked or self.load()
        if self.phase is Phase.HEADERS_PENDING:
            return tracked
        stays = self.intent is Intent.KEEP and (key is None or key not in self.settings.principals)
        if self.phase is Phase.BODY and row_suffices and stays:
            return tracked
        if self.phase is not Phase.BODY and self.takes_forgotten_changes is not None and self.takes_forgotten_changes():
            # This change must not be reported as lost at the end of the body.
            self.phase = Phase.ENDED
            return tracked
        if self.phase is Phase.ENDED:
            msg = (
                "the session was changed after its request had ended, so the change cannot be saved. "
                "Change it earlier, and pass a thread or task that runs longer the values that it needs."
            )
            raise ResponseStartedError(msg)
        msg = (
            "the session was changed after the response had started, so its cookie can no longer be sent. "
            "Change it before the first byte, or keep sessions in a table, which accepts changes until the body ends."
        )
        raise ResponseStartedError(msg)

    def end(self) -> None:
        """End the request: from now on every change raises an error, and in-place mutations are reported."""
        self.phase = Phase.ENDED
        tracked = self.tracked
        if self.takes_forgotten_changes is None and tracked is not None and tracked.is_touched:
            self.watch(tracked)

    def watch(self, tracked: Tracked) -> None:
        """Report values that are mutated in place from now on, because no call of ours could refuse that."""
        if self.takes_forgotten_changes is not None and self.takes_forgotten_changes():
            return
        log_id = self.stored.log_id if self.stored else ""
        late_changes.watch(self, tracked, partial(self.settings.emit, "lost_write", "request ended", log_id))

    def mark_saved(self, stored: StoredSession | None, phase: Phase) -> None:
        """Use *stored*, which was just written, as the current state; *phase* says what can still be changed."""
        self._note_owner_and_lifetime(self.take_saved(stored, phase).data)

    def take_saved(self, stored: StoredSession | None, phase: Phase) -> Tracked:
        """Do the same as ``mark_saved`` when the principal and the lifetime are known to be unchanged."""
        tracked = self.tracked or self.load()
        self.fetched = NOT_STORED if stored is None else FetchResult(stored)
        tracked.begin_anew()
        self.intent, self.logs_in = Intent.KEEP, False
        self.phase = phase
        return tracked

    def update_stored(self, stored: StoredSession) -> None:
        """Use *stored* as the store's current content, in the middle of the request."""
        self.fetched = self.fetched.changed(stored=stored)
        self._note_owner_and_lifetime(stored.data)

    def forget(self) -> None:
        """Empty the session, because it ended during the request."""
        tracked = self.loaded()
        tracked.data.clear()
        tracked.views = {}

    def _note_owner_and_lifetime(self, data: Mapping[str, Any]) -> None:
        self.identity_before = self.settings.principals.identity_of(data)
        usual = self.settings.lifetime
        self.lifetime_before = usual if self.lifetime_of is None else self.lifetime_of(data, usual)
