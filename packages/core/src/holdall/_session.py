"""
Define the session of one request.

It is a mapping that is read from its store when it is first used. ``holdall._lifecycle`` decides what happens to it at
the end of the request.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, Unpack

from holdall._as_dict import FILLED, AsDict
from holdall._cookies import OPTION_NAMES, ConfigureOptions
from holdall._errors import ConfigurationError
from holdall._iterative_json import key_text
from holdall._recorded_login import RecordedLogin
from holdall._redacted import without_frames
from holdall._settings import LifetimeOf
from holdall._snapshots import IMMUTABLE
from holdall._state import Intent, Phase, SessionState
from holdall._tracking import Tracked

__all__ = ["AsyncSession", "Session", "state_of"]


class Session(RecordedLogin, AsDict):
    """
    A visitor's session, for one request.

    Use it as a ``dict`` with string keys. Lists and dicts inside it may be mutated in place: values that were read are
    compared when the request ends, so there is no flag to set.

    Raises:
        SessionNotFetchedError: It is used before it was fetched (async adapters with ``fetch="explicit"``).
        ResponseStartedError: It is changed after the response has started and the change can no longer be saved.
    """

    __slots__ = ("__weakref__", "_state")

    #: Returns the lifetime of a session from its data, if a framework stores it there.
    _lifetime_of: LifetimeOf | None = None

    def __init__(self, state: SessionState) -> None:
        # Called directly, because super() would search eleven base classes in each request.
        AsDict.__init__(self, FILLED)
        self._state = state
        if self._lifetime_of is not None:
            state.lifetime_of = self._lifetime_of

    # The mapping.

    def __getitem__(self, key: str) -> Any:
        tracked = self._state.tracked or self._state.load()
        try:
            value = tracked.data[key]
        except (KeyError, TypeError):
            if type(key) is str:
                raise
            key = _text(key)
            value = tracked.data[key]
        if type(value) not in IMMUTABLE:
            tracked.hand_out(key, value)
            if self._state.phase is Phase.ENDED:
                self._state.watch(tracked)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if type(key) is not str:
            key = _text(key)
        try:
            tracked = self._state.changeable(key)
            self._state.backend.check(key, value)
        except Exception as exc:
            # Error reports show the local variables of every call that failed.
            del value
            without_frames(exc)
            raise
        if key in self._state.settings.principals.all:
            self._overrule(key, value, tracked)
        tracked.put(key, value)

    def __delitem__(self, key: str) -> None:
        key = _text(key)
        tracked = self._state.changeable(key)
        if key not in tracked.data:
            raise KeyError(key)
        self._delete(key, tracked)

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.data)

    def __len__(self) -> int:
        return len(self._state.data)

    def __contains__(self, key: object) -> bool:
        return _text(key) in self._state.data

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def put(self, key: str, value: Any) -> None:
        """Set *key*; the same as ``session[key] = value``."""
        self[key] = value

    def delete(self, key: str) -> None:
        """Remove *key* and write the session, whether or not the key existed."""
        key = _text(key)
        self._delete(key, self._state.changeable(key))

    def clear(self) -> None:
        """Remove all keys. The session continues, empty; ``configure(drop=True)`` ends it."""
        state = self._state
        principals = state.settings.principals
        is_owned = bool(principals) and state.identity is not None
        state.changeable(principals.keys[0] if is_owned else None).clear()

    def _delete(self, key: str, tracked: Tracked) -> None:
        if key in self._state.settings.principals.all:
            self._overrule(key, None, tracked)
        tracked.delete(key)

    def _overrule(self, key: str, value: Any, tracked: Tracked) -> None:
        """Remove the keys that contradict a login or a logout under *key*."""
        for name in self._state.settings.principals.keys_to_remove(key, value, tracked.current()):
            tracked.delete(name)

    # Renewing, ending and saving it.

    def configure(self, option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]) -> None:
        """
        Set what happens to the session when the request ends, or how this response sets its cookie.

        ``renew=True`` keeps the data under a new ID, ``drop=True`` ends the session, ``ignore=True`` discards this
        request's changes. Within one call they take precedence in this order; if there are several calls, the last one
        wins. ``False`` changes nothing.

        The options ``key path domain secure http_only same_site max_age partitioned extra`` apply to the cookie of this
        response if one is sent; they do not cause one to be sent. ``configure("path", "/")`` is the same as
        ``configure(path="/")``.

        Raises:
            ConfigurationError: An option is unknown, or a browser would refuse the cookie.
        """
        if option is not None:
            options[option] = value  # type: ignore[literal-required]  # its name is checked below
        cookie = {name: given for name, given in options.items() if name not in _INTENTS}
        unknown = cookie.keys() - OPTION_NAMES
        if unknown:
            msg = (
                f"configure() does not know {', '.join(sorted(unknown))}. "
                f"It takes {', '.join((*_INTENTS, *sorted(OPTION_NAMES)))}."
            )
            raise ConfigurationError(msg)
        intent = next((intent for name, intent in _INTENTS.items() if options.get(name)), None)
        # A row can be deleted after the headers, but a new ID or another cookie can no longer reach the browser.
        state = self._state
        state.changeable(row_suffices=intent is Intent.DROP and not cookie)
        if cookie:
            overrides = {**state.overrides, **cookie}
            state.settings.attributes.changed(overrides)
            state.overrides = overrides
        if intent is not None:
            state.intent = intent

    def logout(self, *, clear_site_data: bool | Iterable[str] = False) -> None:
        """
        End this session. Values stored afterwards start a new one, with a new ID.

        Unlike ``configure(drop=True)``, it also removes the data for the rest of this request.

        Args:
            clear_site_data: Ask the browser to clear the site's data, with a Clear-Site-Data header on the response
                that removes the cookie: ``True`` for cache, cookies and storage, or some of ``"cache"``, ``"cookies"``,
                ``"storage"``. ``"cookies"`` includes those of all other applications on the domain, and clearing the
                cache can take seconds.

        Raises:
            ConfigurationError: *clear_site_data* contains anything else.
        """
        kinds = CLEARABLE if clear_site_data is True else frozenset(clear_site_data or ())
        if not kinds <= CLEARABLE:
            msg = (
                f"clear_site_data={clear_site_data!r}: pass True, or a list of some of {', '.join(sorted(CLEARABLE))}."
            )
            raise ConfigurationError(msg)
        self._state.changeable().clear()
        self._state.intent, self._state.clears = Intent.LOGOUT, kinds

    def atomic_update(self, key: str, function: Callable[[Any], Any], *, default: Any = None) -> Any:
        """
        Replace the value under *key* with the result of *function*, atomically with respect to other requests.

        ::

            session.atomic_update("hits", lambda hits: hits + 1, default=0)

        The value is written immediately rather than with the response, so it stays even if the request fails later. In
        an async handler, await the call; *function* itself is sync. *function* may be called more than once, because it
        is applied to the newer value when another request has written in between, so it must have no side effects.

        Args:
            default: The argument of *function* if there is no value.

        Returns:
            The new value.

        Raises:
            ConfigurationError: Sessions are not in a table, or *key* identifies the user.
            ContentionError: Other requests kept writing.
            LostWriteError: The session has ended in the meantime, and ``on_lost_write="raise"``.
        """
        key = _text(key)
        return self._state.backend.update(self._state, key, function, default)

    def save(self) -> Awaitable[None]:
        """
        Write the changes so far to the existing row now instead of at the end of the request.

        Use it in long requests: a WebSocket, or a body that streams for minutes. In an async handler, write
        ``await session.save()``; without ``await`` the request ends with an error. The session may be changed and saved
        again afterwards.

        Before the response's headers are sent, changes that need a cookie wait for them: a new session, a login,
        another lifetime, and any change to a session that is kept in its cookie.

        Raises:
            ResponseStartedError: It was mutated in place after the headers were sent, and the change can no longer be
                saved.
            LostWriteError: The session has ended in the meantime, and ``on_lost_write="raise"``.
        """
        saved: Awaitable[None] = self._state.backend.save(self._state)
        return saved

    def reload(self) -> Awaitable[None]:
        """
        Read what other requests have written since, and keep this request's unsaved changes on top.

        In an async handler, write ``await session.reload()``. Lists and dicts that another request has changed become
        new objects, so read them again. A session that has ended is empty from then on, and so is one whose ID was
        renewed, as it would be in a new request with the same cookie.

        Raises:
            LostWriteError: The session has ended while it had unsaved changes, and ``on_lost_write="raise"``.
        """
        reloaded: Awaitable[None] = self._state.backend.reload(self._state)
        return reloaded

    # Information about it.

    @property
    def accessed(self) -> bool:
        """Whether this request used the session."""
        return self._state.accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._state.accessed = value

    @property
    def modified(self) -> bool:
        """Whether this request changed it, in place or by key. Set it to ``True`` to force a write."""
        return self._state.modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self._state.marked = value

    @property
    def is_new(self) -> bool:
        """Whether the request came without a session."""
        self._state.loaded()
        return self._state.fetched.stored is None

    @property
    def created(self) -> datetime | None:
        """The time when it began, in UTC; ``None`` if it is not stored yet."""
        self._state.loaded()
        stored = self._state.fetched.stored
        return None if stored is None else datetime.fromtimestamp(stored.created, UTC)

    @property
    def expires(self) -> datetime | None:
        """The time when it ends if it is not used again, in UTC; ``None`` if it is not stored yet."""
        self._state.loaded()
        stored = self._state.fetched.stored
        return None if stored is None else datetime.fromtimestamp(stored.expires, UTC)

    @property
    def principal(self) -> str | None:
        """The user's ID as text, whichever library logged the user in; ``None`` for an anonymous session."""
        return self._state.principal

    @property
    def log_id(self) -> str:
        """A short identifier for logs, which cannot be used to open the session; ``""`` if it is not stored yet."""
        self._state.loaded()
        return self._state.fetched.stored.log_id if self._state.fetched.stored else ""

    @property
    def device_bound(self) -> bool:
        """Whether it is bound to the visitor's device (``Sessions(device_bound=True)``)."""
        self._state.loaded()
        return getattr(self._state.fetched.stored, "binding", None) is not None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({'not touched' if self._state.tracked is None else 'in use'})>"

    #: Sentry shows the items of every mapping among a call's local variables, unless the mapping defines this.
    __sentry_repr__ = __repr__


class AsyncSession(Session):
    """
    A visitor's session in an async handler, where calls that may wait for the store are awaited.

    It is a ``Session`` with async types: a type checker reports a ``session.save()`` without ``await``.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def save(self) -> Coroutine[Any, Any, None]: ...

        def reload(self) -> Coroutine[Any, Any, None]: ...

        def atomic_update(
            self, key: str, function: Callable[[Any], Any], *, default: Any = None
        ) -> Coroutine[Any, Any, Any]: ...


def state_of(session: Session) -> SessionState:
    """Return the internal state of *session*, for adapters and the lifecycle."""
    return session._state


#: The data that a logout can ask the browser to clear (Clear-Site-Data, W3C).
CLEARABLE = frozenset({"cache", "cookies", "storage"})

# In order of precedence within one call.
_INTENTS = {"renew": Intent.RENEW, "drop": Intent.DROP, "ignore": Intent.IGNORE}


def _text(key: object) -> str:
    """Return *key* as text: a number is the same key as its text, as in the frameworks' own sessions."""
    if type(key) is str:
        return key
    if key is not None and not isinstance(key, (str, int, float)):
        msg = f"session keys are strings, not {type(key).__qualname__}: use session[str(key)]."
        raise TypeError(msg)
    try:
        return key_text(key)
    except ValueError as exc:
        msg = "session keys are strings, and this number has more digits than Python converts."
        raise TypeError(msg) from exc
