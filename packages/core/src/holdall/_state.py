"""What the lifecycle and adapters know of one request's session, behind the mapping that an application sees."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from holdall._redacted import Redacted
from holdall.cookie_header import SentCookie
from holdall.errors import ResponseStartedError, SessionNotFetchedError
from holdall.settings import Lifetime, LifetimeOf, Settings
from holdall.stores.contract import Changes, ClientInfo, StoredSession
from holdall.tracking import Tracked

__all__ = [
    "ENDS",
    "NOT_STORED",
    "SUPERSEDED",
    "Backend",
    "Fetched",
    "FetchedOfSeveral",
    "Intent",
    "Phase",
    "SessionState",
]


class Intent(Enum):
    """What the application asked to happen to the session, beyond its changes."""

    KEEP = "keep"
    RENEW = "renew"
    DROP = "drop"
    IGNORE = "ignore"
    LOGOUT = "logout"

    __hash__ = object.__hash__  # Enum's own is a function in Python


#: After these the session that came is over.
ENDS = (Intent.DROP, Intent.LOGOUT)


class Phase(Enum):
    """How far the response has come, and so what can still be changed."""

    HEADERS_PENDING = "the headers have not been sent"
    BODY = "the headers have been sent; a row in a table can still be changed"
    DONE = "nothing can be changed any more"
    ENDED = "the request has ended"


class Fetched(Redacted):
    """
    What the request's cookies held.

    Attributes:
        stored: The session, or ``None`` where there is none.
        superseded: The cookie is that of a session that got another ID since the browser sent it.
        renewed: What a superseded cookie stands for, without its data: it can still be ended.
        copies: The browser holds more than one cookie of the session.
        old_key: The old name of the cookie, if it came under one.
        moved: The browser does not have the cookie yet that the session has now.
    """

    __slots__ = ("copies", "moved", "old_key", "renewed", "stored", "superseded")

    #: More than one cookie of ours came.
    several = False
    #: What the browser keeps in place of a session that has ended; a new one is written over it.
    ended: StoredSession | None = None
    #: What the names end with under which outdated sessions came.
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


class FetchedOfSeveral(Fetched):
    """What they held where more than one came, or the mark of a session that has ended."""

    __slots__ = ("ended", "outdated")
    several = True

    def __init__(self, fetched: Fetched, ended: StoredSession | None, outdated: Sequence[str]) -> None:
        super().__init__(
            fetched.stored,
            superseded=fetched.superseded,
            renewed=fetched.renewed,
            copies=fetched.copies,
            old_key=fetched.old_key,
            moved=fetched.moved,
        )
        self.ended = ended
        self.outdated = outdated


#: Nothing came with the request.
NOT_STORED = Fetched()
#: The session has ended, or got another ID, while the request went on.
SUPERSEDED = Fetched(superseded=True)

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Backend(Protocol):
    """The settings and the open store of a session; see ``holdall.backends``."""

    settings: Settings
    store: Any
    reading: Any
    table: Any
    can_bury: bool
    can_renew: bool
    waits_to_read: bool
    now: Callable[[], int]
    check: Callable[[str, Any], None]
    commit: Callable[..., Any]

    def fetch(self, state: "SessionState") -> Fetched: ...

    def save(self, state: "SessionState") -> Any: ...

    def reload(self, state: "SessionState") -> Any: ...

    def update(self, state: "SessionState", key: str, function: Callable[[Any], Any], default: Any) -> Any: ...


class SessionState:
    """
    The state of one request's session.

    Attributes:
        backend: Where it is kept.
        settings: Those of its ``Sessions``.
        https: Whether the browser reached us by HTTPS.
        is_fetched: Whether it may be touched.
        tracked: What was read of it; ``None`` until it is touched.
        read_ahead: What the cookies held, read before the session is touched; ``None`` where that is still to be done.
        fetched: What the cookies held, once it was read.
        intent: What the application asked to happen.
        overrides: Cookie options for this response.
        phase: How far the response has come.
        client: Says what the client said of itself.
        principal_before: Whose it was when it was read or written last.
        lifetime_before: Its lifetime then.
        looked_at: A framework says that it was looked at, although it was not read.
        marked_unread: It was marked to be written before it was read.
        mounted_at: The path that the application is mounted under, as far as a response needs it.
    """

    # Of the class until something happens: most requests set few of them.
    tracked: Tracked | None = None
    read_ahead: Fetched | None = None
    fetched = NOT_STORED
    intent = Intent.KEEP
    overrides = _NO_OPTIONS
    phase = Phase.HEADERS_PENDING
    principal_before: str | None = None
    lifetime_before: Lifetime | None = None
    lifetime_of: LifetimeOf | None = None
    #: Its user was authenticated just now, so that its absolute timeout begins anew.
    restarts = False
    #: What the browser is to clear at the logout (Clear-Site-Data).
    clears: frozenset[str] = frozenset()
    #: Store it even if it is empty.
    must_create = False
    #: The calls that an async handler has made and not awaited so far, by the coroutine.
    unawaited: Mapping[Any, str] = _NO_OPTIONS
    #: Says whether a change that nothing can store is accepted and forgotten, as a framework's tests expect it.
    takes_forgotten_changes: Callable[[], bool] | None = None
    marked_unread = False
    looked_at = False
    mounted_at = ""
    vary = "Cookie"  # the request's header that it comes with

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
        """The values that came under the session's key, and then those under old ones."""
        if callable(self._cookies):
            self._cookies = self._cookies()
        return self._cookies

    @cookies.setter
    def cookies(self, value: Sequence[SentCookie]) -> None:
        self._cookies = value

    # Reading.

    def loaded(self) -> Tracked:
        """Return what was read of it, after reading it if that is still to be done."""
        return self.tracked or self.load()

    def load(self) -> Tracked:
        """
        Read it.

        Raises:
            SessionNotFetchedError: It may not be touched yet.
            StoreError: The backend failed.
        """
        if not self.is_fetched:
            msg = (
                "the session has not been fetched: await fetch_session(request) first, "
                "or leave fetch='explicit' out of the middleware."
            )
            raise SessionNotFetchedError(msg)
        return self.take(self.read_ahead or self.backend.fetch(self))

    def take(self, fetched: Fetched) -> Tracked:
        """Take *fetched* for what the request's cookies held."""
        self.is_fetched = True
        self.fetched = fetched
        self.tracked = tracked = Tracked({} if fetched.stored is None else fetched.stored.data)
        if self.marked_unread:
            tracked.marked = True
        if self.phase is Phase.BODY:
            self.phase = self.phase_after_headers
        self._note_owner_and_lifetime(tracked.data)
        return tracked

    @property
    def data(self) -> dict[str, Any]:
        """The data itself, as it is now."""
        return self.loaded().data

    @property
    def stored(self) -> StoredSession | None:
        """What the store holds, as far as this request knows."""
        return self.fetched.stored

    @property
    def principal(self) -> str | None:
        """Whose it is, as text; ``None`` for an anonymous session."""
        return self.settings.principals.of(self.loaded().current())

    @property
    def lifetime(self) -> Lifetime:
        """How long it lives, by its data."""
        usual = self.settings.lifetime
        return usual if self.lifetime_of is None else self.lifetime_of(self.data, usual)

    def changes(self) -> Changes:
        """Return what this request changed, including values altered in place."""
        return self.loaded().changes()

    # What is known of it.

    @property
    def accessed(self) -> bool:
        """Whether it was looked at in this request."""
        return self.looked_at or self.tracked is not None or self.marked_unread

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self.looked_at = value

    @property
    def marked(self) -> bool:
        """Whether what was read of it must be written even if no change is seen in it."""
        return self.marked_unread if self.tracked is None else self.tracked.marked

    @marked.setter
    def marked(self, value: bool) -> None:
        if value and self.phase in (Phase.DONE, Phase.ENDED):
            self.changeable()
        if self.tracked is None:
            self.marked_unread = value
        else:
            self.tracked.marked = value

    @property
    def modified(self) -> bool:
        """Whether this request changed it, in place or by key."""
        tracked = self.tracked
        if tracked is None:
            return self.marked_unread
        return tracked.marked or ((tracked.is_touched or bool(tracked.views)) and bool(tracked.changes()))

    @property
    def is_as_stored(self) -> bool:
        """Whether nothing was changed or asked for, nor handed out to be altered."""
        tracked = self.tracked
        if tracked is None:
            return not self.marked_unread
        return self.intent is Intent.KEEP and not (tracked.is_touched or tracked.marked or tracked.views)

    @property
    def phase_after_headers(self) -> Phase:
        """What can be changed once the response's headers have been sent."""
        stored = self.fetched.stored
        return Phase.DONE if stored is None or stored.version is None else Phase.BODY

    # Changing.

    def changeable(self, key: str | None = None, *, row_suffices: bool = True) -> Tracked:
        """
        Return what was read, if it may be changed now.

        Args:
            key: The key to change. Whose session it is decides about its ID, so that cannot change late; nor can
                anything in a session that is about to end.
            row_suffices: A row in a table can take the change.
        """
        tracked = self.tracked or self.load()
        if self.phase is Phase.HEADERS_PENDING:
            return tracked
        stays = self.intent is Intent.KEEP and (key is None or key not in self.settings.principals)
        if self.phase is Phase.BODY and row_suffices and stays:
            return tracked
        if self.phase is not Phase.BODY and self.takes_forgotten_changes is not None and self.takes_forgotten_changes():
            # The end of the body must not report this change as lost.
            self.phase = Phase.ENDED
            return tracked
        if self.phase is Phase.ENDED:
            msg = (
                "the session was changed after its request had ended, when nothing can store it any more. "
                "Change it before that, and give a thread or task that lasts longer the values that it needs."
            )
            raise ResponseStartedError(msg)
        msg = (
            "the session was changed after the response had started, when its cookie can no longer be sent. "
            "Change it before the first byte, or keep sessions in a table, which takes changes until the body ends."
        )
        raise ResponseStartedError(msg)

    def end(self) -> None:
        """End the request: from now on every change raises, and a value altered in place is reported."""
        self.phase = Phase.ENDED
        tracked = self.tracked
        if self.takes_forgotten_changes is None and tracked is not None and (tracked.is_touched or tracked.views):
            self.watch(tracked)

    def watch(self, tracked: Tracked) -> None:
        """Report what is altered in place from now on, which no call of ours could refuse."""
        if self.takes_forgotten_changes is not None and self.takes_forgotten_changes():
            return
        from holdall import late_changes

        log_id = self.stored.log_id if self.stored else ""
        late_changes.watch(self, tracked, partial(self.settings.emit, "lost_write", "request ended", log_id))

    def mark_saved(self, stored: StoredSession | None, phase: Phase) -> None:
        """Take *stored*, which was just written, as what there is; *phase* says what can be changed from here on."""
        self._note_owner_and_lifetime(self.take_saved(stored, phase).data)

    def take_saved(self, stored: StoredSession | None, phase: Phase) -> Tracked:
        """Do what ``mark_saved`` does where it is known whose the session is and how long it lives."""
        tracked = self.tracked or self.load()
        self.fetched = NOT_STORED if stored is None else Fetched(stored)
        tracked.begin_anew()
        self.intent = Intent.KEEP
        self.phase = phase
        return tracked

    def update_stored(self, stored: StoredSession) -> None:
        """Take *stored* for what the store holds, while the request goes on."""
        self.fetched = self.fetched.changed(stored=stored)
        self._note_owner_and_lifetime(stored.data)

    def forget(self) -> None:
        """Be empty, because the session has ended while the request goes on."""
        tracked = self.loaded()
        tracked.data.clear()
        tracked.views = {}

    def _note_owner_and_lifetime(self, data: Mapping[str, Any]) -> None:
        self.principal_before = self.settings.principals.of(data)
        usual = self.settings.lifetime
        self.lifetime_before = usual if self.lifetime_of is None else self.lifetime_of(data, usual)
