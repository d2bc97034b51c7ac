"""Define the configuration of an application's sessions: ``Sessions``."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, Unpack, cast

from holdall._backends import AsyncBackend, SyncBackend
from holdall._clients import note_client
from holdall._clock import Clock, seconds_of, time_limit, utc_now
from holdall._closing import Closing
from holdall._cookie_header import cookie_finder
from holdall._cookie_options import OptionsOf, tailored
from holdall._cookies import OPTION_NAMES, SUFFIXES, CookieAttributes, CookieOptions, OldKeys, cookies_of, old_cookies
from holdall._errors import ConfigurationError
from holdall._events import Event, EventName, Listener, report
from holdall._factory import Options, store_opener
from holdall._principals import carried_keys, principal_keys
from holdall._recorded_login import RecordingState, note_login
from holdall._requests_by_hand import RequestsByHand
from holdall._settings import Settings, ValidSince, check_effect, check_kinds
from holdall._state import SessionState
from holdall._timeouts import ABSOLUTE_TIMEOUT, IDLE_TIMEOUT, PresetName, limits
from holdall._transport import header_transport
from holdall._validity import check_valid_since
from holdall.device_bound._options import DeviceBound, device_options
from holdall.stores._contract import Store
from holdall.stores._limits import session_limit
from holdall.tables import Kind

__all__ = ["Sessions"]


class Sessions(RequestsByHand, Closing):
    """
    The sessions of an application: their store, their cookie, their limits.

    One object serves any number of threads, tasks and frameworks. Objects with the same store and key share their
    sessions.

    Args:
        store: ``"cookie"`` or ``"table"`` with that store's own options (``secret_key_base=…``; ``table="session"``), a
            table's URL (``"redis://localhost/0"``), or a store object.
        key: The cookie's name.
        old_keys: Names that the cookie had before: a session under one of them is read, and the next write moves it to
            *key* and expires the old cookie. A mapping gives the options, such as ``domain``, that the cookie had then
            and no longer has: ``{"shop": {"domain": "shop.example"}}``. Under *key* itself they say where the cookie
            was before; a list of them gives several such places.
        read_old_until: The time from which old names and places, and other libraries' cookies, are ignored. It must
            have a time zone. Required if *key* has a prefix, such as ``__Host-``, that an old name lacks.
        idle_timeout: How long a session lives without being used; 7 days by default, ``None`` for no limit.
        absolute_timeout: How long it lives in total, or since its login; 30 days by default, ``None`` for no limit.
        timeouts: ``"aal1"``, ``"aal2"`` or ``"aal3"`` sets both timeouts as NIST SP 800-63B-4 requires for that level:
            7 and 30 days, 1 and 24 hours, or 15 minutes and 12 hours. A shorter timeout may be set in addition.
        principal_key: The session key that identifies the user, or several; a login or a logout under one of them
            applies to all. When its value changes, the session gets a new ID. ``"auto"`` uses the keys of Django's auth
            and of Flask-Login, and ``user_id``. A change under another usual name, such as ``username``, also gives the
            session a new ID, but identifies no user. In a table, any other key that looks like a login, such as
            ``member_id``, raises ``ConfigurationError`` until this option says which key it is. With ``None`` the ID
            does not change at login, so an attacker can plant a session before it: use it only in applications without
            logins.
        carry: The keys that a login carries over from the visitor's anonymous session; by default all but CSRF tokens.
        delete_at_logout: Names of other cookies that a logout removes from the browser, because they would log the
            visitor in again, such as Flask-Login's ``remember_token``. A mapping gives the options, such as
            ``domain``, that they are set with.
        record_login: Record with each session when and how strongly its user was authenticated, for
            ``session.authenticated_at``, ``require_fresh``, ``level`` and ``require_level``.
        max_sessions: The maximum number of sessions for each user; needs a table, of sessions or with ``revocable``.
        when_full: If a login would exceed that number, ``"end_oldest"`` ends the user's oldest session, and
            ``"refuse"`` refuses the login with ``TooManySessionsError``.
        valid_since: Called with a session's user, as text, when the session is read. Returns a time, or ``None``: the
            user's sessions that began, or logged in, before that time are invalid. It may be async in an async adapter;
            there, a sync function runs in a thread.
        record_client: Record the user agent and address of the client with each session that has a row, so that
            ``list`` can show them.
        device_bound: Bind sessions to the visitor's device after a login over HTTPS, in browsers that support it, so
            that a copy of the cookies is useful only for minutes; ``DeviceBound(…)`` has the options.
        save_on_error: Save a request's changes even if it fails (5xx).
        on_lost_write: ``"raise"`` raises ``LostWriteError`` if a write comes after the session's end.
        allow_public: Let the application mark a response that sets the cookie for shared caches, such as ``public``;
            otherwise it is sent as ``private``.
        transport: ``"cookie"``, or the header that carries the session both ways instead of a cookie, for clients other
            than browsers: ``"Authorization"`` uses the form ``Authorization: Session …``, any other header contains
            only the value.
        cookie_options: A function that returns cookie options for a request, called when its session is first used:
            ``lambda request: {"domain": request.host}``. It must always return the same options for the same browser
            and host, so that a cookie is expired with the options it was set with.
        on_event: Called with each ``Event``, in any thread.
        clock: Returns the time.
        random: Source of secret random bytes, for a store selected by name.
        options: ``path domain secure http_only same_site max_age partitioned extra`` of the cookie, and the store's.

    Raises:
        ConfigurationError: An option or a combination of options is invalid; the message says what to do.
    """

    def __init__(
        self,
        store: Store | str,
        *,
        key: str,
        old_keys: OldKeys = (),
        idle_timeout: timedelta | int | None = IDLE_TIMEOUT,
        absolute_timeout: timedelta | int | None = ABSOLUTE_TIMEOUT,
        timeouts: PresetName | None = None,
        principal_key: str | Iterable[str] | None = "auto",
        carry: Iterable[str] | None = None,
        delete_at_logout: Iterable[str] | Mapping[str, CookieOptions] = (),
        record_client: bool = False,
        record_login: bool = False,
        max_sessions: int | None = None,
        when_full: Literal["end_oldest", "refuse"] = "end_oldest",
        valid_since: ValidSince | None = None,
        device_bound: DeviceBound | bool = False,
        save_on_error: bool = False,
        on_lost_write: Literal["report", "raise"] = "report",
        allow_public: bool = False,
        transport: str = "cookie",
        cookie_options: OptionsOf | None = None,
        on_event: Listener | None = None,
        clock: Clock = utc_now,
        random: Callable[[int], bytes] = os.urandom,
        **options: Unpack[Options],
    ) -> None:
        if on_lost_write not in ("report", "raise"):
            msg = f"on_lost_write={on_lost_write!r} is neither 'report' nor 'raise'."
            raise ConfigurationError(msg)
        check_kinds(
            flags={
                "record_client": record_client,
                "record_login": record_login,
                "save_on_error": save_on_error,
                "allow_public": allow_public,
            },
            functions={
                "valid_since": valid_since,
                "cookie_options": cookie_options,
                "on_event": on_event,
                "clock": clock,
                "random": random,
            },
            several={"old_keys": old_keys, "carry": carry, "delete_at_logout": delete_at_logout},
        )
        idle, absolute = limits(timeouts, idle_timeout, absolute_timeout)
        given = cast("dict[str, Any]", options)
        cookie = {name: given.pop(name) for name in OPTION_NAMES & given.keys()}
        if isinstance(store, str) and "://" in store:
            if "table" in given:
                msg = "store= is a table's URL already: leave out table=, or write store='table'."
                raise ConfigurationError(msg)
            store, given["table"] = "table", store
        has_rows = store == "table" or "revocable" in given or hasattr(store, "revoke")
        self._limit = session_limit(max_sessions, when_full)
        needs_users = record_login or max_sessions is not None or valid_since is not None or "revocable" in given
        principals = principal_keys(principal_key, in_rows=has_rows, needed=needs_users or bool(device_bound))
        if needs_users and not principals:
            msg = (
                "record_login, max_sessions, valid_since and revocable need to know the user: leave out "
                "principal_key=None."
            )
            raise ConfigurationError(msg)
        #: The header that carries a session instead of a cookie; ``None`` for cookies.
        self.transport = header_transport(
            transport,
            key,
            cookie,
            old_keys=old_keys,
            delete_at_logout=delete_at_logout,
            device_bound=device_bound,
            cookie_options=cookie_options,
            migrate_from=given.get("migrate_from") or getattr(store, "sources", ()),
        )
        # A store passed as an object has a read_old_until of its own.
        is_named = isinstance(store, str)
        end = given.get("read_old_until") if is_named or not old_keys else given.pop("read_old_until", None)
        self._on_event = on_event
        self._now = seconds_of(clock)
        self._random = random
        # Only a table that was opened here is closed here.
        named = (given.get(name) for name in ("table", "revocable", "overflow"))
        self._table = next((each for each in named if each is not None), None)
        self._opens_table = isinstance(self._table, str)
        taken = ("store", "key", *(Sessions.__init__.__kwdefaults__ or ()))
        self._open_store, suffixed = store_opener(store, given, clock, random, taken=taken)
        raises = on_lost_write == "raise"
        check_effect(
            store, principals, carry=carry, record_client=record_client, has_rows=has_rows, raises_lost_write=raises
        )
        self._backends: dict[Kind, Any] = {}
        # Two concurrent first requests must share one pool of connections.
        self._opening = threading.Lock()
        attributes = CookieAttributes(key, **cookie) if self.transport is None else self.transport.attributes
        if not isinstance(old_keys, str | Mapping):
            old_keys = tuple(old_keys)
        old = old_cookies(attributes, old_keys, has_end=end is not None)
        self.settings = Settings(
            attributes=attributes,
            emit=self._emit,
            old_cookies=old,
            read_old_until=int(time_limit("read_old_until", end).timestamp()),
            idle_timeout=idle,
            absolute_timeout=absolute,
            principals=principals,
            carry=carried_keys(carry),
            delete_at_logout=cookies_of(delete_at_logout, "delete_at_logout"),
            record_client=record_client,
            record_login=record_login,
            notes=tuple(note for note, wanted in ((note_client, record_client), (note_login, record_login)) if wanted),
            valid_since=valid_since,
            save_on_error=save_on_error,
            raise_on_lost_write=raises,
            allow_public=allow_public,
        )
        #: The classes for the state of a request's session, and of one outside of requests.
        kind: Any = RecordingState if record_login else SessionState
        self.new_state, self.state_type = kind, kind
        if cookie_options is not None:
            self.new_state = tailored(cookie_options, self.settings, old_keys, base=kind, has_end=end is not None)
        self.device_bound = device_options(device_bound, is_tailored=cookie_options is not None)
        if self.device_bound is not None:
            # The cookies of a binding belong to a single name of the session's cookie.
            suffixed = ""
        #: Returns the cookie's values, given the Cookie header, a list of such headers, or a function that finds them.
        self.find_cookies = cookie_finder(key, [each.key for each in old], suffixed=suffixed)
        keys = self.settings.keys
        if self.transport is not None:
            self.find_cookies = self.transport.finder(numbered=bool(suffixed))
            self.new_state = self.state_type = self.transport.state_type(kind)
            keys, suffixed = (self.transport.place,), ""
        #: The suffixes that the cookie names may have.
        self.suffixes = SUFFIXES if suffixed else SUFFIXES[:1]
        #: All cookie names that these sessions may have; for a header, its name with a colon.
        self.names = tuple(each + suffix for each in keys for suffix in self.suffixes)
        if len(set(self.names)) < len(self.names):
            msg = (
                f"key={key!r} and old_keys differ only by a suffix, '.a' to '.k', that the cookie's own names use: "
                "choose another key."
            )
            raise ConfigurationError(msg)
        if self.device_bound is not None:
            from holdall.device_bound._setup import finding_bound_cookies

            self.find_cookies = finding_bound_cookies(self.find_cookies, self.settings, self.device_bound)

    @property
    def key(self) -> str:
        """The cookie's name."""
        return self.settings.key

    def __repr__(self) -> str:
        return f"<Sessions {self.key}>"

    def header_value(self, cookie: str) -> str:
        """Return the value of the header that sends *cookie* with a request: Cookie, or the header of ``transport``."""
        return f"{self.key}={cookie}" if self.transport is None else self.transport.text(cookie)

    # Setup.

    def prepare(self, form: Kind) -> SyncBackend:
        """
        Open the store in the *form* that an adapter needs, at setup rather than with the first request.

        Raises:
            ConfigurationError: The store is async and the adapter is not.
        """
        backend: SyncBackend = self._backends.get(form) or self._open(form)
        return backend

    def shares_rows_with(self, other: "Sessions", form: Kind) -> bool:
        """
        Return whether both keep their rows in one table, where an ID opens its row under any cookie name.

        This recognizes the same table object and the same URL. Two spellings of a URL look like two tables.
        """
        table, others = (each.prepare(form).table for each in (self, other))
        return table is not None and (table is others or (self._table is not None and self._table == other._table))

    # Implementation.

    def _open(self, form: Kind) -> Any:
        with self._opening:
            if form in self._backends:
                return self._backends[form]
            check_valid_since(self.settings, form)
            store = self._open_store(form, self.settings)
            commit: Any = SyncBackend.commit if self.transport is None else self.transport.commit
            if self.device_bound is not None:
                from holdall.device_bound._setup import bindable

                store, commit = bindable(store, self.device_bound, self.settings, self._now, self._random)
            if self._limit is not None:
                store = self._limit(store, self.settings.keys)
            backend = (SyncBackend if form == "sync" else AsyncBackend)(self.settings, store, self._now)
            if form == "sync" and backend.is_async:
                name = type(getattr(store, "table", store)).__name__
                twin = name.removeprefix("Async")
                advice = "use a sync table" if twin == name else f"use its sync version, {twin}"
                msg = f"{name} is async, which this adapter cannot use: {advice}."
                raise ConfigurationError(msg)
            backend.commit = commit
            listen = getattr(store, "listen", None)
            if listen is not None and self._on_event is not None:
                listen(self._on_event)
            # A new dict, because another thread may be reading this one.
            self._backends = {**self._backends, form: backend}
            return backend

    def _emit(self, name: EventName, reason: str, log_id: str) -> None:
        report(Event(name, self.key, reason, log_id), self._on_event)
