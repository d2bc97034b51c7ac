"""
Sessions as an application configures them.

An adapter asks for four things: ``fetch`` when a request comes, ``commit`` when its response's headers are sent,
``finish`` when a streamed body has been sent, and ``abandon`` in place of both where it sends no headers. Each has an
async twin.
"""

import os
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, Literal, Self, Unpack, cast

from holdall._state import SessionState
from holdall.backends import AsyncBackend, SyncBackend
from holdall.clock import Clock, seconds_of, time_limit, utc_now
from holdall.cookie_header import cookie_finder
from holdall.cookies import OPTION_NAMES, CookieAttributes, OldKeys, old_cookies
from holdall.errors import ConfigurationError
from holdall.events import Event, EventName, Listener, report
from holdall.factory import Options, store_opener
from holdall.late_changes import look as look_at_late_changes
from holdall.lifecycle import ResponseHeaders, abandon, commit, commit_unchanged, commit_unused, finish
from holdall.outside_requests import OutsideRequests
from holdall.principals import principal_keys
from holdall.session import Session, state_of
from holdall.settings import Settings
from holdall.steps import Steps
from holdall.stores.contract import ClientInfo, Store
from holdall.tables import Form

__all__ = ["Sessions"]


class Sessions(OutsideRequests):
    """
    The sessions of an application: their store, their cookie, their limits.

    One object serves any number of threads, tasks and frameworks; those that are given the same store and key share
    their sessions.

    Args:
        store: ``"cookie"`` or ``"table"`` with that store's own options (``secret_key_base=…``; ``table="session"``), a
            table's URL (``"redis://localhost/0"``), or a store.
        key: The cookie's name.
        old_keys: Names that the cookie had before: what comes under one is read, and written under *key* at the
            next write, which expires the old cookie. A mapping gives the options, such as ``domain``, that the cookie
            had then and no longer has: ``{"shop": {"domain": "shop.example"}}``. Under *key* itself they say where the
            cookie was before, and a list of them gives several such places.
        read_old_until: Ignore old names and places, and other libraries' cookies, from this time on. It must have a
            time zone. Required if *key* has a prefix, such as ``__Host-``, that an old name lacks.
        idle_timeout: How long a session lives without being used; 7 days by default, ``None`` for no limit.
        absolute_timeout: How long it lives at all; 30 days by default, ``None`` for no limit.
        principal_key: The session key that identifies the user, or several; of these the first that is set is used.
            When its value changes, the session gets a new ID. ``"auto"`` uses the keys of Django's auth and of
            Flask-Login, and common names, ``user_id`` first. With ``None`` the ID does not change at login, so that an
            attacker can plant a session before it: use it only in applications without logins.
        carry: The keys that a login carries over from the visitor's anonymous session; by default all but CSRF tokens.
        record_client: Note with each session in a table what client it began with, the browser's name for itself and
            its address, for ``list`` to show.
        save_on_error: Save what a request changed even if it fails (5xx).
        on_lost_write: ``"raise"`` raises ``LostWriteError`` where a write comes after the session's end.
        allow_public: Let the application mark a response that sets the cookie for shared caches, such as ``public``;
            otherwise it is sent as ``private``.
        on_event: Called with each ``Event``, in any thread.
        clock: Returns the time.
        random: Source of secret random bytes, for a store given by name.
        options: ``path domain secure http_only same_site max_age partitioned extra`` of the cookie, and the store's.

    Raises:
        ConfigurationError: An option or a combination of them cannot be used; the message says what to do.
    """

    def __init__(
        self,
        store: Store | str,
        *,
        key: str,
        old_keys: OldKeys = (),
        idle_timeout: timedelta | int | None = timedelta(days=7),
        absolute_timeout: timedelta | int | None = timedelta(days=30),
        principal_key: str | Iterable[str] | None = "auto",
        carry: Iterable[str] | None = None,
        record_client: bool = False,
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
        if isinstance(store, str) and "://" in store:
            if "table" in given:
                msg = "store= is a table's URL already: leave out table=, or write store='table'."
                raise ConfigurationError(msg)
            store, given["table"] = "table", store
        # A store that is given as an object has its own end.
        is_named = isinstance(store, str)
        end = given.get("read_old_until") if is_named or not old_keys else given.pop("read_old_until", None)
        self._on_event = on_event
        self._now = seconds_of(clock)
        # A table that was opened here is closed here.
        self._opens_table = store == "table"
        self._table = given.get("table")
        self._open_store = store_opener(store, given, clock, random)
        self._backends: dict[Form, Any] = {}
        # Two first requests at once must share one pool of connections.
        self._opening = threading.Lock()
        attributes = CookieAttributes(key, **cookie)
        old = old_cookies(attributes, old_keys, has_end=end is not None)
        self.settings = Settings(
            attributes=attributes,
            emit=self._emit,
            old_cookies=old,
            read_old_until=int(time_limit("read_old_until", end).timestamp()),
            idle_timeout=_seconds("idle_timeout", idle_timeout),
            absolute_timeout=_seconds("absolute_timeout", absolute_timeout),
            principals=principal_keys(principal_key),
            carry=None if carry is None else frozenset(carry),
            record_client=record_client,
            save_on_error=save_on_error,
            raise_on_lost_write=on_lost_write == "raise",
            allow_public=allow_public,
            check=self._check,
        )
        #: Returns the values of the cookie in the Cookie header, or all of them.
        self.find_cookies = cookie_finder(key, [each.key for each in old])

    @property
    def key(self) -> str:
        """The cookie's name."""
        return self.settings.key

    def __repr__(self) -> str:
        return f"<Sessions {self.key}>"

    # Setup.

    def prepare(self, form: Form) -> SyncBackend:
        """
        Open the store in the *form* that an adapter needs, at setup rather than at the first request.

        Raises:
            ConfigurationError: The store is async and the adapter is not.
        """
        backend: SyncBackend = self._backends.get(form) or self._open(form)
        return backend

    def shares_rows_with(self, other: "Sessions", form: Form) -> bool:
        """
        Return whether both keep their rows in one table, where an ID opens its row whatever the cookie is called.

        The same table is recognized, and the same URL. Two spellings of a URL look like two tables.
        """
        table, others = (each.prepare(form).table for each in (self, other))
        return table is not None and (table is others or (self._table is not None and self._table == other._table))

    def close(self) -> None:
        """
        Close the tables that were named or given by a URL; those given as objects belong to their owner.

        No request may be in progress; a later one opens them again. ``with sessions:`` does this at its end.

        Raises:
            ConfigurationError: A table is async, which ``aclose`` closes.
        """
        closing = self._to_close()
        if any(hasattr(each, "aclose") for each in closing):
            msg = "the sessions are in an async table: close it with `await sessions.aclose()`."
            raise ConfigurationError(msg)
        for each in closing:
            each.close()

    async def aclose(self) -> None:
        """Do what ``close`` does, for sync and async tables. ``async with sessions:`` does this at its end."""
        for each in self._to_close():
            if hasattr(each, "aclose"):
                await each.aclose()
            else:
                each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    # A request, sync.

    def fetch(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """
        Return the session of a request, which is read when it is first touched.

        Args:
            headers: The request's Cookie header, or all of them.
            https: Whether the browser reached us by HTTPS.
            session_type: What an adapter makes of ``Session`` for its framework.
            client: Returns the client's user agent and address; asked where a session begins, with ``record_client``.
        """
        return self._session("sync", partial(self.find_cookies, headers), https, session_type, client)

    def resume(
        self, cookie: str | None, *, https: bool = False, session_type: type[Session] = Session, form: Form = "sync"
    ) -> Session:
        """Return the session that stands behind a cookie's value, outside of any request."""
        return self._session(form, () if cookie is None else (cookie,), https, session_type, None)

    def commit(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """
        Store what the request made of its session, and return what the response's headers must say.

        Args:
            status: The response's: after a failure (5xx) plain writes are not saved.
            streams: The body is made after the headers have been sent, and may yet depend on the session.

        Raises:
            CookieOverflowError: The cookie would be larger than browsers keep.
            TypeError: A value cannot be stored; the message names its key and path.
            StoreError: The backend failed.
            LostWriteError: The session has ended in the meantime, if ``on_lost_write="raise"``.
        """
        done = self.commit_at_once(session, status=status, streams=streams)
        if done is not None:
            return done
        steps = commit(state_of(session), now=self._now(), status=status, streams=streams)
        return self.prepare("sync").run(steps)

    def commit_at_once(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders | None:
        """Do what ``commit`` does if nothing has to be asked of the store; return ``None`` if something has."""
        state = state_of(session)
        if state.tracked is None and not state.marked:
            return commit_unused(state, streams=streams)
        look_at_late_changes()
        return commit_unchanged(state, now=self._now()) if status < 500 and state.is_as_stored else None

    def finish(self, session: Session, *, last: bool = False) -> None:
        """
        Save what was changed while the body was sent, which a session in a table allows.

        Args:
            last: The request has ended: from here on every change is an error.
        """
        state = state_of(session)
        if not state.is_as_stored:
            self.prepare("sync").run(finish(state, now=self._now()))
        if last:
            state.end()

    def abandon(self, session: Session, *, status: int = 500) -> None:
        """End a request to whose response no cookie can be added: what was to be ended still is."""
        self.prepare("sync").run(abandon(state_of(session), now=self._now(), status=status))

    # A request, async.

    async def fetch_async(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """Do what ``fetch`` does, and read the session now if its store has to be waited for."""
        session = self.unfetched(headers, https=https, session_type=session_type, client=client)
        await self.load_async(session)
        return session

    def unfetched(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """Return a session that cannot be touched before ``load_async``."""
        session = self._session("async", partial(self.find_cookies, headers), https, session_type, client)
        state_of(session).is_fetched = False
        return session

    def load_at_once(self, session: Session) -> bool:
        """Let *session* be touched from now on if nothing has to be waited for, and return whether that is so."""
        state = state_of(session)
        if not state.is_fetched:
            backend = cast("AsyncBackend", state.backend)
            if backend.waits_to_read and state.cookies:
                return False
            state.is_fetched = True
        return True

    async def load_async(self, session: Session) -> None:
        """Let *session* be touched from now on. A second call does nothing."""
        state = state_of(session)
        if not state.is_fetched:
            await cast("AsyncBackend", state.backend).load(state)

    async def commit_async(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """Do what ``commit`` does. A cancelled request is committed to its end all the same."""
        done = self.commit_at_once(session, status=status, streams=streams)
        if done is not None:
            return done
        steps = commit(state_of(session), now=self._now(), status=status, streams=streams)
        headers: ResponseHeaders = await self._finish_async(steps)
        return headers

    async def finish_async(self, session: Session, *, last: bool = False) -> None:
        """Do what ``finish`` does."""
        state = state_of(session)
        if not state.is_as_stored:
            await self._finish_async(finish(state, now=self._now()))
        if last:
            state.end()

    async def abandon_async(self, session: Session, *, status: int = 500) -> None:
        """Do what ``abandon`` does."""
        await self._finish_async(abandon(state_of(session), now=self._now(), status=status))

    # How all of it is done.

    def _session(
        self,
        form: Form,
        cookies: Any,
        https: bool,
        session_type: type[Session],
        client: ClientInfo | None,
    ) -> Session:
        return session_type(SessionState(self._backends.get(form) or self._open(form), cookies, https, client))

    async def _finish_async(self, steps: Steps[Any]) -> Any:
        return await cast("AsyncBackend", self.prepare("async")).finish(steps)

    def _to_close(self) -> tuple[Any, ...]:
        closing: tuple[Any, ...] = ()
        for backend in self._backends.values() if self._opens_table else ():
            for each in (backend.table, *backend.sources):
                if each not in closing and (hasattr(each, "close") or hasattr(each, "aclose")):
                    closing = (*closing, each)
        return closing

    def _open(self, form: Form) -> Any:
        with self._opening:
            if form in self._backends:
                return self._backends[form]
            store = self._open_store(form)
            backend = (SyncBackend if form == "sync" else AsyncBackend)(self.settings, store, self._now)
            if form == "sync" and backend.is_async:
                name = type(getattr(store, "table", store)).__name__
                twin = name.removeprefix("Async")
                advice = "take a sync table" if twin == name else f"take its twin, {twin}"
                msg = f"{name} is async, which this adapter cannot use: {advice}."
                raise ConfigurationError(msg)
            if self.settings.record_client and not backend.can_revoke:
                msg = f"record_client=True needs sessions in a table; {backend.name} keeps no rows to note it in."
                raise ConfigurationError(msg)
            listen = getattr(store, "listen", None)
            if listen is not None and self._on_event is not None:
                listen(self._on_event)
            # A new dict, because another thread may be looking at this one.
            self._backends = {**self._backends, form: backend}
            return backend

    def _check(self, key: str, value: Any) -> None:
        # One is open, or there would be no session; any will do.
        backend = next(iter(self._backends.values()))
        if backend.check is not None:
            backend.check(key, value)

    def _emit(self, name: EventName, reason: str, log_id: str) -> None:
        report(Event(name, self.key, reason, log_id), self._on_event)


# A longer span would leave the calendar when it is added to a date.
_CENTURY = timedelta(days=36525)


def _seconds(name: str, value: timedelta | int | None) -> int | None:
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
    return int(seconds)
