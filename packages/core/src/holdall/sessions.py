"""
Sessions as an application configures them, and the only driver of their I/O.

An adapter asks for five things: ``fetch`` when a request comes, ``commit`` when its response's headers go, ``finish``
when a streamed body has gone, ``abandon`` in place of both where no headers of ours go, and ``prepare`` once, at
set-up. All but the last have an async twin.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, NamedTuple, Self, TypeVar, Unpack, cast

from holdall import _loop, late_changes
from holdall.atomic import FromThread, LoopRunner, Sleep, ThreadRunner
from holdall.clock import Clock, time_limit, utc_now
from holdall.cookies import OPTION_NAMES, CookieAttributes, OldKeys, SentCookie, cookie_finder, old_cookies
from holdall.devices import Device, Facts
from holdall.errors import ConfigurationError
from holdall.events import Event, EventName, Listener, report
from holdall.lifecycle import ResponseHeaders, abandon, commit, fetch, finish, pass_by
from holdall.opening import Options, store_opener
from holdall.ownership import following, listing, revocation, revocation_of_all
from holdall.policy import Policy
from holdall.reach import StoreReach
from holdall.session import Fetched, Reach, Session
from holdall.steps import Steps, is_awaited, run, run_async
from holdall.stores import AsyncStore, Store, Stored, Trail
from holdall.stores.threaded import InThread, ThreadedStore
from holdall.tables import Form

__all__ = ["Sessions"]

R = TypeVar("R")


class Sessions:
    """
    The sessions of an application: their store, their cookie, their limits.

    One object serves any number of threads, tasks and frameworks; those that are given the same store and key share
    their sessions.

    Args:
        store: A store, or ``"cookie"`` or ``"table"`` with that store's own options
            (``secret_key_base=…``; ``table="session"`` or ``table="memory://session"``).
        key: The cookie's name.
        old_keys: Names that the cookie had before: what comes under one is read, and written under *key* at the
            next write, which expires the old cookie. A mapping gives the options, such as ``domain``, that the cookie
            had then and has no more: ``{"shop": {"domain": "shop.example"}}``. Under *key* itself they say where the
            cookie was before, and a list of them gives several such places.
        read_old_until: Ignore old names and places, and other libraries' cookies, from this time on. It must have a
            time zone. Required if *key* has a prefix, such as ``__Host-``, that an old name lacks.
        idle_timeout: How long a session lives without being used; 7 days unless told, ``None`` for no limit.
        absolute_timeout: How long it lives at all; 30 days unless told, ``None`` for no limit.
        principal_key: The session's key that says whose it is, such as ``"user_id"``. When its value changes,
            the session gets a new id by itself.
        devices: Note with each session in a table what it was begun with, the browser's name for itself and its
            address, for ``of`` to show.
        save_on_error: Save what a request changed even if it fails (5xx).
        on_lost_write: ``"raise"`` raises ``LostWriteError`` where a write comes after the session's end.
        allow_public: Let the application mark a response that sets the cookie for shared caches, such as ``public``;
            else it is sent as ``private``.
        on_event: Called with each ``Event``.
        clock: Says what time it is.
        random: Source of secret random bytes, for a store given by name.
        options: ``path domain secure http_only same_site max_age partitioned extra`` of the cookie, and the store's.

    Raises:
        ConfigurationError: An option or a combination of them can't be used; the message says what to do.
    """

    def __init__(
        self,
        store: Store | AsyncStore | Literal["cookie", "table"],
        *,
        key: str,
        old_keys: OldKeys = (),
        idle_timeout: timedelta | int | None = timedelta(days=7),
        absolute_timeout: timedelta | int | None = timedelta(days=30),
        principal_key: str | None = None,
        devices: bool = False,
        save_on_error: bool = False,
        on_lost_write: Literal["report", "raise"] = "report",
        allow_public: bool = False,
        on_event: Listener | None = None,
        clock: Clock = utc_now,
        random: Callable[[int], bytes] = os.urandom,
        **options: Unpack[Options],
    ) -> None:
        if on_lost_write not in ("report", "raise"):
            msg = f"on_lost_write={on_lost_write!r} is neither 'report' nor 'raise'."
            raise ConfigurationError(msg)
        given = cast("dict[str, Any]", options)
        cookie = {name: given.pop(name) for name in OPTION_NAMES & given.keys()}
        self._on_event = on_event
        self._clock = clock
        # A cookie store has nothing to close.
        self._opens_table = store == "table"
        self._table = given.get("table")
        # A store that is given as an object has its own end.
        end = (
            given.pop("read_old_until", None)
            if old_keys and not isinstance(store, str)
            else given.get("read_old_until")
        )
        self._open_store = store_opener(store, given, clock, random)
        self._stores: dict[Form, _Opened] = {}
        # Two requests that come first, at once, are to share one pool of connections.
        self._opening = threading.Lock()
        attributes = CookieAttributes(key, **cookie)
        old = old_cookies(attributes, old_keys, has_end=end is not None)
        self.policy = Policy(
            attributes=attributes,
            emit=self._emit,
            old_cookies=old,
            read_old_until=time_limit("read_old_until", end),
            idle_timeout=_duration("idle_timeout", idle_timeout),
            absolute_timeout=_duration("absolute_timeout", absolute_timeout),
            principal_key=principal_key,
            devices=devices,
            save_on_error=save_on_error,
            raise_on_lost_write=on_lost_write == "raise",
            allow_public=allow_public,
            check=self._check,
        )
        self._reach = StoreReach(self.policy, clock, ThreadRunner(lambda: self._opened("sync").store, clock))
        self._reach_async: dict[tuple[InThread, Sleep, FromThread | None], Reach] = {}
        self._read_sync = partial(self._read, "sync")
        self._read_async = partial(self._read, "async")
        self._find = cookie_finder(key, [each.key for each in old])

    @property
    def key(self) -> str:
        """The cookie's name."""
        return self.policy.key

    @property
    def allow_public(self) -> bool:
        """Whether a response that sets the cookie may be marked for shared caches."""
        return self.policy.allow_public

    @property
    def waits(self) -> bool:
        """Whether an async adapter has to wait for the store, so that a request can be cancelled meanwhile."""
        return self._opened("async").waits

    @property
    def waits_to_read(self) -> bool:
        """Whether an async adapter has to wait for a session to be read."""
        return self._opened("async").waits_to_read

    def prepare(self, form: Form) -> Store | AsyncStore:
        """
        Open the store in the *form* that an adapter needs, at set-up rather than at the first request, and return it.

        Raises:
            ConfigurationError: The store is awaited and the adapter can't.
        """
        store: Store | AsyncStore = self._opened(form).store
        return store

    def shares_rows_with(self, other: "Sessions", form: Form) -> bool:
        """
        Say whether both keep their rows in one table, where an id opens its row whatever the cookie is called.

        It is seen of one and the same table, and of one URL. Two ways to write a URL look like two tables.
        """
        table, others = (getattr(each.prepare(form), "table", None) for each in (self, other))
        return table is not None and (table is others or (self._table is not None and self._table == other._table))

    # A table that was opened here is to be closed here.

    def close(self) -> None:
        """
        Close the tables that were named or given by a URL; those that were given as objects are whose they were.

        No request may be under way; one that comes later opens them again. ``with sessions:`` does this at its end.

        Raises:
            ConfigurationError: A table is awaited, which ``aclose`` closes.
        """
        opened = self._to_close()
        if any(each.is_awaited for each in opened):
            msg = "the sessions are in a table that is awaited: close it with `await sessions.aclose()`."
            raise ConfigurationError(msg)
        for each in opened:
            each.store.close()

    async def aclose(self) -> None:
        """Do what ``close`` does, for tables of both forms. ``async with sessions:`` does this at its end."""
        for each in self._to_close():
            await each.store.aclose() if each.is_awaited else each.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    # Sync.

    def fetch(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        facts: Facts | None = None,
    ) -> Session:
        """
        Return the session of a request, which is read when it is first touched.

        Args:
            headers: The request's Cookie header, or all of them.
            https: Whether the browser reached us by HTTPS.
            session_type: What an adapter makes of ``Session`` for its framework.
            facts: Says what the request came with; asked where a session begins, with ``devices=True``.
        """
        return self.read_when_touched(self.unfetched(headers, https=https, session_type=session_type, facts=facts))

    def resume(self, cookie: str | None, *, https: bool = False, session_type: type[Session] = Session) -> Session:
        """Return the session that stands behind a cookie's value, outside of any request."""
        return self.read_when_touched(
            session_type(() if cookie is None else (cookie,), policy=self.policy, https=https)
        )

    def commit(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """
        Store what the request made of its session, and return what the response's headers must say.

        Args:
            status: The response's: after a failure (5xx) a plain write is not saved.
            streams: The body is made after the headers have gone, and may yet depend on the session.

        Raises:
            CookieOverflowError: The cookie would be larger than browsers keep.
            TypeError: A value cannot be stored; the message names its key and path.
            StoreError: The backend failed.
            LostWriteError: The session has ended meanwhile, if ``on_lost_write="raise"``.
        """
        passed = self.commit_at_once(session, streams=streams)
        if passed is not None:
            return passed
        if late_changes.watched:
            late_changes.look()
        return self._run(commit(session, self.policy, now=self._clock(), status=status, streams=streams))

    def finish(self, session: Session) -> None:
        """Save what was changed while the body was sent, which a session in a table allows."""
        if not session.is_as_stored:
            self._run(finish(session, self.policy, now=self._clock()))

    def abandon(self, session: Session, *, status: int = 500) -> None:
        """End a request to whose response no cookie can be added: what was to be dropped still is."""
        self._run(abandon(session, self.policy, now=self._clock(), status=status))

    # Async.

    async def fetch_async(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        facts: Facts | None = None,
        in_thread: InThread = _loop.to_thread,
        sleep: Sleep = _loop.sleep,
        from_thread: FromThread | None = None,
    ) -> Session:
        """
        Return the session of a request, read now if its store has to be waited for and the cookie is there.

        Args:
            in_thread: Calls a function in a thread, for stores that block.
            sleep: Lets time pass, for ``session.atomic``.
            from_thread: Calls a coroutine function in the event loop, for what a session does in other threads.
        """
        session = self.unfetched(headers, https=https, session_type=session_type, facts=facts)
        await self.load_async(session, in_thread=in_thread, sleep=sleep, from_thread=from_thread)
        return session

    def unfetched(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        facts: Facts | None = None,
    ) -> Session:
        """Return a session that cannot be touched before ``load_async``."""
        return session_type(partial(self._find, headers), policy=self.policy, https=https, facts=facts)

    async def load_async(
        self,
        session: Session,
        *,
        in_thread: InThread = _loop.to_thread,
        sleep: Sleep = _loop.sleep,
        from_thread: FromThread | None = None,
    ) -> None:
        """Let *session* be touched from now on. A second call does nothing."""
        if self.load_at_once(session, in_thread=in_thread, sleep=sleep, from_thread=from_thread):
            return
        steps = fetch(session.cookies, self.policy, now=self._clock())
        fetched = await self._run_async(steps, in_thread)
        session.use(lambda cookies: fetched, self.reach_async(in_thread, sleep, from_thread))

    def load_at_once(
        self, session: Session, *, in_thread: InThread, sleep: Sleep, from_thread: FromThread | None
    ) -> bool:
        """Let *session* be touched from now on if nothing has to be waited for, and say whether that is so."""
        if not session.is_fetched:
            if self._opened("async").waits_to_read and session.cookies:
                return False
            session.use(self._read_async, self.reach_async(in_thread, sleep, from_thread))
        return True

    async def commit_async(
        self, session: Session, *, status: int = 200, streams: bool = False, in_thread: InThread = _loop.to_thread
    ) -> ResponseHeaders:
        """Do what ``commit`` does."""
        passed = self.commit_at_once(session, streams=streams)
        if passed is not None:
            return passed
        if late_changes.watched:
            late_changes.look()
        steps = commit(session, self.policy, now=self._clock(), status=status, streams=streams)
        return await self._run_async(steps, in_thread)

    def commit_at_once(self, session: Session, *, streams: bool = False) -> ResponseHeaders | None:
        """Do what ``commit`` does if the session was not used, so that nothing has to be waited for; else nothing."""
        return None if session.is_used else pass_by(session, streams=streams)

    async def finish_async(self, session: Session, *, in_thread: InThread = _loop.to_thread) -> None:
        """Do what ``finish`` does."""
        if not session.is_as_stored:
            await self._run_async(finish(session, self.policy, now=self._clock()), in_thread)

    async def abandon_async(
        self, session: Session, *, status: int = 500, in_thread: InThread = _loop.to_thread
    ) -> None:
        """Do what ``abandon`` does."""
        await self._run_async(abandon(session, self.policy, now=self._clock(), status=status), in_thread)

    # A principal's sessions, from outside of them.

    def of(self, principal: Any, *, current: Session | None = None) -> list[Device]:
        """
        Return the sessions of *principal*, oldest first: the value under ``principal_key``, or its text.

        One that begins or is renewed with this very request is listed when the request has ended.

        Args:
            current: This request's session, which is marked in the list.

        Raises:
            ConfigurationError: The store keeps no rows, or no ``principal_key`` says whose they are.
            StoreError: The backend failed.
        """
        self._check_owned("sync")
        return self._run(listing(principal, self.policy, current=_stored(current)))

    def revoke(self, principal: Any, *, except_: Session | None = None, handle: str | None = None) -> int:
        """
        End the sessions of *principal*, and return how many that were.

        Each that was there when this was called has ended when it returns; one that another request renews meanwhile
        ends with that request, and isn't counted. A login that comes meanwhile stands.

        Args:
            except_: This request's session, which lives on.
            handle: End only the session that ``of`` lists under this; one of somebody else's has none here.

        Raises:
            ConfigurationError: The store keeps no rows, or no ``principal_key`` says whose they are.
            StoreError: The backend failed.
        """
        self._check_owned("sync")
        return self._run(revocation(principal, self.policy, spared=_stored(except_), handle=handle))

    def revoke_all(self) -> int:
        """
        End everybody's sessions, logged in or not, and return how many rows that were.

        Each that began until now, by this machine's clock, has ended when this returns, and so has whatever else
        applications keep in the same table.

        Raises:
            ConfigurationError: The store keeps no rows.
            StoreError: The backend failed.
        """
        self._check_kept("sync")
        return self._run(revocation_of_all(self.policy, now=self._clock()))

    def sweep(self, limit: int = 1000) -> int:
        """
        Remove up to *limit* expired sessions, where they are kept in a table, and return how many.

        It happens by itself too, a little with each write: nothing has to call this.

        Raises:
            StoreError: The backend failed.
        """
        has_rows = hasattr(self._opened("sync").store, "sweep")
        return self._run(_sweeping(limit)) if has_rows else 0

    async def of_async(
        self, principal: Any, *, current: Session | None = None, in_thread: InThread = _loop.to_thread
    ) -> list[Device]:
        """Do what ``of`` does."""
        self._check_owned("async")
        stored = await self._stored_async(current, in_thread)
        return await self._run_async(listing(principal, self.policy, current=stored), in_thread)

    async def revoke_async(
        self,
        principal: Any,
        *,
        except_: Session | None = None,
        handle: str | None = None,
        in_thread: InThread = _loop.to_thread,
    ) -> int:
        """Do what ``revoke`` does."""
        self._check_owned("async")
        stored = await self._stored_async(except_, in_thread)
        return await self._run_async(revocation(principal, self.policy, spared=stored, handle=handle), in_thread)

    async def revoke_all_async(self, *, in_thread: InThread = _loop.to_thread) -> int:
        """Do what ``revoke_all`` does."""
        self._check_kept("async")
        return await self._run_async(revocation_of_all(self.policy, now=self._clock()), in_thread)

    async def sweep_async(self, limit: int = 1000, *, in_thread: InThread = _loop.to_thread) -> int:
        """Do what ``sweep`` does."""
        has_rows = hasattr(self._opened("async").store, "sweep")
        return await self._run_async(_sweeping(limit), in_thread) if has_rows else 0

    # For adapters that watch over what lasts.

    def is_followed(self, form: Form) -> bool:
        """Say whether ``follow`` can see a session's end: it is kept in a table."""
        return hasattr(self._opened(form).store, "revoke")

    def check_followed(self) -> None:
        """Raise ``ConfigurationError`` if ``follow_async`` could not see a session's end."""
        self._check_kept("async")

    def follow(self, seen: Stored | Trail) -> Trail | None:
        """Do what ``follow_async`` does."""
        return self._run(following(seen))

    async def follow_async(self, seen: Stored | Trail, *, in_thread: InThread = _loop.to_thread) -> Trail | None:
        """
        Return where a session is that was *seen* less than half a minute ago; ``None`` if it has ended.

        One that was renewed lives on, and is followed: whether into a login is up to the caller. It counts as no use.

        Raises:
            StoreError: The backend failed.
        """
        return await self._run_async(following(seen), in_thread)

    # For adapters that let a session be read in a way of their own.

    def reach(self) -> Reach:
        """Return what lets a session reach its store where nothing is awaited."""
        return self._reach

    def reach_async(self, in_thread: InThread, sleep: Sleep, from_thread: FromThread | None) -> Reach:
        """Return what lets a session reach its store in an event loop."""
        library = in_thread, sleep, from_thread
        found = self._reach_async.get(library)
        if found is None:
            runner = LoopRunner(
                lambda: self._opened("async").store,
                self._clock,
                in_thread=in_thread,
                sleep=sleep,
                from_thread=from_thread,
            )
            found = self._reach_async[library] = StoreReach(self.policy, self._clock, runner)
        return found

    def __repr__(self) -> str:
        return f"<Sessions {self.key}>"

    async def _stored_async(self, session: Session | None, in_thread: InThread) -> Stored | None:
        if session is not None:
            await self.load_async(session, in_thread=in_thread)
        return _stored(session)

    def _check_owned(self, form: Form) -> None:
        """Refuse to look for a principal's sessions where none could be found."""
        if self.policy.principal_key is None:
            msg = "whose the sessions are is not known: give Sessions(principal_key='user_id')."
            raise ConfigurationError(msg)
        self._check_kept(form)

    def _check_kept(self, form: Form) -> None:
        _check_revocable(self._opened(form).store)

    def read_when_touched(self, session: Session) -> Session:
        """Return *session*, which is read in the thread that touches it first."""
        session.use(self._read_sync, self._reach)
        return session

    def _read(self, form: Form, cookies: Sequence[SentCookie]) -> Fetched:
        if not cookies:
            return Fetched()
        return run(fetch(cookies, self.policy, now=self._clock()), self._opened(form).store)

    def _run(self, steps: Steps[R]) -> R:
        return run(steps, self._opened("sync").store)

    async def _run_async(self, steps: Steps[R], in_thread: InThread) -> R:
        opened = self._opened("async")
        if not opened.waits:
            return run(steps, opened.store)
        return await run_async(steps, opened.store if opened.is_awaited else ThreadedStore(opened.store, in_thread))

    def _to_close(self) -> "list[_Opened]":
        return [*self._stores.values()] if self._opens_table else []

    def _opened(self, form: Form) -> "_Opened":
        return self._stores.get(form) or self._open(form)

    def _open(self, form: Form) -> "_Opened":
        with self._opening:
            if form in self._stores:
                return self._stores[form]
            store = self._open_store(form)
            opened = _Opened.by(store)
            if form == "sync" and opened.is_awaited:
                msg = (
                    f"{type(store).__name__} is awaited, which this adapter cannot do: use its twin, "
                    f"{type(store).__name__.removeprefix('Async')}."
                )
                raise ConfigurationError(msg)
            if self.policy.devices:
                _check_revocable(store)
            listen = getattr(store, "listen", None)
            if listen is not None and self._on_event is not None and opened not in self._stores.values():
                listen(self._on_event)
            self._stores[form] = opened
            return opened

    def _check(self, key: str, value: Any) -> None:
        for opened in self._stores.values():
            check = getattr(opened.store, "check", None)
            if check is not None:
                check(key, value)
            return

    def _emit(self, name: EventName, reason: str, log_id: str) -> None:
        report(Event(name, self.key, reason, log_id), self._on_event)


class _Sweep(NamedTuple):
    """Remove expired sessions."""

    limit: int

    def on(self, store: Any) -> Any:
        return store.sweep(self.limit)


def _sweeping(limit: int) -> Steps[int]:
    swept: int = yield _Sweep(limit)
    return swept


def _stored(session: Session | None) -> Stored | None:
    if session is None:
        return None
    # Not yet read, it would be taken for none, and a session that is to be spared would end.
    session.data()
    return session.fetched.stored


def _check_revocable(store: Store | AsyncStore) -> None:
    if not hasattr(store, "revoke"):
        msg = (
            f"{type(store).__name__} keeps no rows, so that sessions can be neither listed nor ended from here: "
            "keep them in a table (store='table')."
        )
        raise ConfigurationError(msg)


class _Opened(NamedTuple):
    """A store in use, and how its calls are made: asked once, for the answers cost more than many a call."""

    store: Any
    is_awaited: bool
    waits_to_read: bool
    waits: bool

    @classmethod
    def by(cls, store: Store | AsyncStore) -> "_Opened":
        awaited = is_awaited(store.get)
        reads, writes = (awaited or getattr(store, name, False) for name in ("blocking_reads", "blocking_writes"))
        return cls(store, awaited, waits_to_read=bool(reads), waits=bool(reads or writes))


# What is far longer leaves the calendar when it is added to a date.
_CENTURY = timedelta(days=36525)


def _duration(name: str, value: timedelta | int | None) -> timedelta | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value if type(value) is int else None
    if seconds is None:
        msg = f"{name}={value!r} is neither a timedelta, nor whole seconds, nor None (no limit)."
        raise ConfigurationError(msg)
    if seconds < 1:
        msg = f"{name} is {value}, so that no session would live: use a second or more, or None for no limit."
        raise ConfigurationError(msg)
    if seconds > _CENTURY.total_seconds():
        msg = f"{name} is {value}, which is over a hundred years: use None for no limit."
        raise ConfigurationError(msg)
    return timedelta(seconds=seconds)
