"""
The session that one request holds.

A mapping that is read from its store when first touched. ``holdall.lifecycle`` decides what becomes of it when the
request ends.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from holdall._as_dict import FILLED, AsDict
from holdall._iterative_json import key_text
from holdall._redacted import without_frames
from holdall._state import Intent, Phase, SessionState
from holdall.cookies import OPTION_NAMES
from holdall.errors import ConfigurationError
from holdall.settings import LifetimeOf
from holdall.tracking import IMMUTABLE

__all__ = ["Session", "state_of"]


class Session(AsDict):
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
        tracked = self._state.changeable(key)
        try:
            self._state.settings.check(key, value)
        except TypeError as exc:
            # Error reports show the local variables of every call that failed.
            del value
            without_frames(exc)
            raise
        tracked.put(key, value)

    def __delitem__(self, key: str) -> None:
        key = _text(key)
        tracked = self._state.changeable(key)
        if key not in tracked.data:
            raise KeyError(key)
        tracked.delete(key)

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
        self._state.changeable(key).delete(key)

    def clear(self) -> None:
        """Remove all keys. The session itself stays, empty; ``configure(drop=True)`` ends it."""
        state = self._state
        principals = state.settings.principals
        is_owned = bool(principals) and state.principal is not None
        state.changeable(principals.keys[0] if is_owned else None).clear()

    # What becomes of it.

    def configure(self, option: str | None = None, value: Any = True, /, **options: Any) -> None:
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
            options[option] = value
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

    def login(self, principal: Any) -> None:
        """
        Make this the session of *principal*, under a new ID.

        Raises:
            ConfigurationError: ``Sessions`` was given ``principal_key=None``.
        """
        key = self._state.settings.principals.written
        if key is None:
            msg = "login() keeps the principal under a key of the session: leave out principal_key=None."
            raise ConfigurationError(msg)
        self[key] = principal
        self._state.intent = Intent.RENEW

    def logout(self) -> None:
        """
        End this session. What is put into it afterwards begins a new one, under a new ID.

        Unlike ``configure(drop=True)``, the data is gone for the rest of this request too.
        """
        self._state.changeable().clear()
        self._state.intent = Intent.LOGOUT

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
        ``await session.save()``. More may be changed, and saved, afterwards.

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

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({'not touched' if self._state.tracked is None else 'in use'})>"


def state_of(session: Session) -> SessionState:
    """Return what adapters and the lifecycle know of *session*."""
    return session._state


# In the order in which they outrank each other in one call.
_INTENTS = {"renew": Intent.RENEW, "drop": Intent.DROP, "ignore": Intent.IGNORE}


def _text(key: object) -> str:
    """Return *key* as text: a number is the same key as its text, to which the frameworks' own sessions turn it."""
    if type(key) is str:
        return key
    if key is not None and not isinstance(key, (str, int, float)):
        msg = f"a session's keys are strings, not {type(key).__qualname__}: use session[str(key)]."
        raise TypeError(msg)
    return key_text(key)
