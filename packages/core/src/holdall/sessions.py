"""Sessions as an application configures them."""

import os
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Literal, Self, Unpack, cast

from holdall.backends import AsyncBackend, SyncBackend
from holdall.clock import Clock, seconds_of, time_limit, utc_now
from holdall.cookie_header import cookie_finder
from holdall.cookies import OPTION_NAMES, CookieAttributes, OldKeys, old_cookies
from holdall.errors import ConfigurationError
from holdall.events import Event, EventName, Listener, report
from holdall.factory import Options, store_opener
from holdall.principals import principal_keys
from holdall.requests_by_hand import RequestsByHand
from holdall.settings import Settings
from holdall.stores.contract import Store
from holdall.tables import Form

__all__ = ["Sessions"]


class Sessions(RequestsByHand):
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

    # How all of it is done.

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
