"""
The session that one request holds.

A mapping that is read from its store when first touched. ``holdall.lifecycle`` decides what becomes of it when the
request ends.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, Unpack

from holdall._as_dict import FILLED, AsDict
from holdall._iterative_json import key_text
from holdall._redacted import without_frames
from holdall._snapshots import IMMUTABLE
from holdall._state import Intent, Phase, SessionState
from holdall.cookies import OPTION_NAMES, ConfigureOptions
from holdall.errors import ConfigurationError
from holdall.recorded_login import RecordedLogin
from holdall.settings import LifetimeOf
from holdall.tracking import Tracked

__all__ = ["AsyncSession", "Session", "state_of"]


class Session(RecordedLogin, AsDict):
    """
    A visitor's session, for one request.

    Use it as a ``dict`` with string keys. Lists and dicts inside may be changed in place: what was read and can be
    changed is compared when the request ends, so no flag needs to be set.

    Raises:
        SessionNotFetchedError: It is touched before it was fetched (async adapters with ``fetch="explicit"``).
        ResponseStartedError: It is changed after the response has started and nothing can take the change any more.
    """

    __slots__ = ("__weakref__", "_state")

    #: Returns the lifetime of a session by its data, where a framework keeps it there.
    _lifetime_of: LifetimeOf | None = None

    def __init__(self, state: SessionState) -> None:
        super().__init__(FILLED)
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
            self._state.settings.check(key, value)
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
        """Remove *key* and write the session, whether or not the key was there."""
        key = _text(key)
        self._delete(key, self._state.changeable(key))

    def clear(self) -> None:
        """Remove all keys. The session itself stays, empty; ``configure(drop=True)`` ends it."""
        state = self._state
        principals = state.settings.principals
        is_owned = bool(principals) and state.principal is not None
        state.changeable(principals.keys[0] if is_owned else None).clear()

    def _delete(self, key: str, tracked: Tracked) -> None:
        if key in self._state.settings.principals.all:
            self._overrule(key, None, tracked)
        tracked.delete(key)

    def _overrule(self, key: str, value: Any, tracked: Tracked) -> None:
        """Remove what contradicts a login or a logout under *key*."""
        for name in self._state.settings.principals.overruled(key, value, tracked.current()):
            tracked.delete(name)

    # What becomes of it.

    def configure(self, option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]) -> None:
        """
        Say what becomes of the session, or how its cookie is set by this response.

        ``renew=True`` keeps the data under a new ID, ``drop=True`` ends the session, ``ignore=True`` forgets this
        request's changes. In one call they outrank each other in this order; over several calls the last one
        stands; ``False`` changes nothing.

        Any of ``key path domain secure http_only same_site max_age partitioned extra`` holds for the cookie of this
        response, if one is sent. They do not by themselves send one. ``configure("path", "/")`` is the same as
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
        # A row can be dropped after the headers; a new ID or another cookie cannot reach the browser then.
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
        End this session. What is put into it afterwards begins a new one, under a new ID.

        Unlike ``configure(drop=True)``, the data is gone for the rest of this request too.

        Args:
            clear_site_data: Let the browser clear what it keeps of the site, by the Clear-Site-Data header of the
                response that removes the cookie: ``True`` for cache, cookies and storage, or some of ``"cache"``,
                ``"cookies"``, ``"storage"``. ``"cookies"`` means those of all other applications of the domain too,
                and clearing the cache can take seconds.

        Raises:
            ConfigurationError: *clear_site_data* names something else.
        """
        kinds = CLEARABLE if clear_site_data is True else frozenset(clear_site_data or ())
        if not kinds <= CLEARABLE:
            msg = (
                f"clear_site_data={clear_site_data!r}: give True, or a list of some of {', '.join(sorted(CLEARABLE))}."
            )
            raise ConfigurationError(msg)
        self._state.changeable().clear()
        self._state.intent, self._state.clears = Intent.LOGOUT, kinds

    def atomic_update(self, key: str, function: Callable[[Any], Any], *, default: Any = None) -> Any:
        """
        Replace the value under *key* by what *function* makes of it, as if no other request were there.

        ::

            session.atomic_update("hits", lambda hits: hits + 1, default=0)

        It is written at once and not with the response, so a request that fails later has counted all the same. In an
        async handler it is awaited; *function* itself is plain. It may be called more than once, because it is applied
        again to the newer value when another request has written in between: let it do nothing but compute.

        Args:
            default: What *function* is given where there is no value.

        Returns:
            The new value.

        Raises:
            ConfigurationError: The session is not in a table, or *key* identifies the user.
            ContentionError: Other requests kept writing.
            LostWriteError: The session has ended in the meantime, if ``on_lost_write="raise"``.
        """
        key = _text(key)
        return self._state.backend.update(self._state, key, function, default)

    def save(self) -> Awaitable[None]:
        """
        Write what was changed so far into the existing row, now and not at the end of the request.

        Use it where a request lasts: a WebSocket, or a body that streams for minutes. In an async handler it is
        ``await session.save()``, and without ``await`` the request ends with an error. More may be changed, and saved,
        afterwards.

        Before the response's headers are sent, what needs a cookie waits for them: a new session, a login, another
        lifetime, and everything in a session that is kept in its cookie.

        Raises:
            ResponseStartedError: It was altered in place after the headers, and nothing can take that any more.
            LostWriteError: The session has ended in the meantime, if ``on_lost_write="raise"``.
        """
        saved: Awaitable[None] = self._state.backend.save(self._state)
        return saved

    def reload(self) -> Awaitable[None]:
        """
        Read what other requests have written since; changes of this one that are not saved stay on top.

        In an async handler it is ``await session.reload()``. A list or dict that another request has changed is
        another object then: read it again. A session that has ended is empty from then on, and so is one whose ID was
        renewed, as it would be in a request that comes now with the same cookie.

        Raises:
            LostWriteError: The session has ended, and changes with it, if ``on_lost_write="raise"``.
        """
        reloaded: Awaitable[None] = self._state.backend.reload(self._state)
        return reloaded

    # What is known of it.

    @property
    def accessed(self) -> bool:
        """Whether it was looked at in this request."""
        return self._state.accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._state.accessed = value

    @property
    def modified(self) -> bool:
        """Whether this request changed it, in place or by key. Set to ``True`` it is written in any case."""
        return self._state.modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self._state.marked = value

    @property
    def is_new(self) -> bool:
        """Whether no session came with the request."""
        self._state.loaded()
        return self._state.fetched.stored is None

    @property
    def created(self) -> datetime | None:
        """When it began, in UTC; ``None`` for one that is not stored yet."""
        self._state.loaded()
        stored = self._state.fetched.stored
        return None if stored is None else datetime.fromtimestamp(stored.created, UTC)

    @property
    def expires(self) -> datetime | None:
        """When it ends if it is not used again, in UTC; ``None`` for one that is not stored yet."""
        self._state.loaded()
        stored = self._state.fetched.stored
        return None if stored is None else datetime.fromtimestamp(stored.expires, UTC)

    @property
    def principal(self) -> str | None:
        """Whose session it is, as text, whichever library logged the visitor in; ``None`` for an anonymous one."""
        return self._state.principal

    @property
    def log_id(self) -> str:
        """A short name for logs, which opens nothing; ``""`` for a session that is not stored yet."""
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
    A visitor's session in an async handler, where the calls that may wait for its store are awaited.

    It is a ``Session`` whose types say so: a type checker reports a ``session.save()`` without ``await``.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def save(self) -> Coroutine[Any, Any, None]: ...

        def reload(self) -> Coroutine[Any, Any, None]: ...

        def atomic_update(
            self, key: str, function: Callable[[Any], Any], *, default: Any = None
        ) -> Coroutine[Any, Any, Any]: ...


def state_of(session: Session) -> SessionState:
    """Return what adapters and the lifecycle know of *session*."""
    return session._state


#: What a logout can let the browser clear (Clear-Site-Data, W3C).
CLEARABLE = frozenset({"cache", "cookies", "storage"})

# In the order in which they outrank each other in one call.
_INTENTS = {"renew": Intent.RENEW, "drop": Intent.DROP, "ignore": Intent.IGNORE}


def _text(key: object) -> str:
    """Return *key* as text: a number is the same key as its text, to which the frameworks' own sessions turn it."""
    if type(key) is str:
        return key
    if key is not None and not isinstance(key, (str, int, float)):
        msg = f"a session's keys are strings, not {type(key).__qualname__}: use session[str(key)]."
        raise TypeError(msg)
    try:
        return key_text(key)
    except ValueError as exc:
        msg = "a session's keys are strings, and this number has more digits than Python writes."
        raise TypeError(msg) from exc
