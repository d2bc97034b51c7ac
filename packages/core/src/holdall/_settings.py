"""Define and check the settings of an application's sessions."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from holdall._clock import FOREVER
from holdall._cookies import CookieAttributes
from holdall._errors import ConfigurationError
from holdall._events import EventName
from holdall._principals import NO_PRINCIPAL, PrincipalKeys

__all__ = ["Lifetime", "LifetimeOf", "Note", "Settings", "ValidSince", "check_effect", "check_kinds", "timeout_seconds"]


class Lifetime(NamedTuple):
    """
    The lifetime of a session.

    Attributes:
        idle: How many seconds it lives after its last use; ``None`` for no limit.
        max_age: How many seconds the browser keeps its cookie; ``None`` keeps it until the browser closes.
        ends: When it and its cookie end regardless of use, in Unix seconds; ``None`` if *idle* decides.
    """

    idle: int | None
    max_age: int | None
    ends: int | None = None


# The longest timeout, because adding a much longer span to a date would exceed the calendar's range.
_CENTURY = timedelta(days=36525)

#: Returns the lifetime of a session from its data, if a framework stores it there, or the given default.
LifetimeOf = Callable[[Mapping[str, Any], Lifetime], Lifetime]


#: Returns the time before which a principal's sessions are invalid; ``None`` if all are valid.
ValidSince = Callable[[str], datetime | Awaitable[datetime | None] | None]

#: Called with the end of a request and with the ``Write`` of a session that begins or is renewed.
Note = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Settings:
    """
    The settings of sessions, checked by ``Sessions``.

    Attributes:
        attributes: The cookie's attributes.
        emit: Reports an event, given its name, a reason and the session's ``log_id``.
        old_cookies: The cookie's old names and places, which are also read.
        read_old_until: When old cookies stop being read, in Unix seconds.
        idle_timeout: How many seconds a session lives without being used; ``None`` for no limit.
        absolute_timeout: How many seconds a session lives at most; ``None`` for no limit.
        principals: The keys that identify a session's user.
        carry: The keys that a login carries over from the anonymous session; ``None`` for all but CSRF tokens.
        delete_at_logout: Other cookies that a logout removes from the browser.
        record_client: Whether to record the client's user agent and address with each session.
        record_login: Whether to record when and how strongly each session's user was authenticated.
        notes: Functions that record something with each session that begins or is renewed.
        save_on_error: Whether to save plain writes of a request that fails (5xx) too.
        valid_since: Returns the time before which a principal's sessions are invalid.
        raise_on_lost_write: Whether a write after the session's end raises ``LostWriteError``.
        allow_public: Whether the application may mark a response that sets the cookie for shared caches.
        key: The cookie's name.
        keys: The cookie's current name and its old ones.
        has_other_cookies: Whether the browser may have further cookies that a response should remove.
        lifetime: The default lifetime.
    """

    attributes: CookieAttributes
    emit: Callable[[EventName, str, str], None]
    old_cookies: tuple[CookieAttributes, ...] = ()
    read_old_until: int = FOREVER
    idle_timeout: int | None = None
    absolute_timeout: int | None = None
    principals: PrincipalKeys = NO_PRINCIPAL
    carry: frozenset[str] | None = None
    delete_at_logout: tuple[CookieAttributes, ...] = ()
    record_client: bool = False
    record_login: bool = False
    notes: tuple[Note, ...] = ()
    save_on_error: bool = False
    raise_on_lost_write: bool = False
    valid_since: ValidSince | None = None
    allow_public: bool = False
    key: str = field(init=False)
    keys: tuple[str, ...] = field(init=False)
    has_other_cookies: bool = field(init=False)
    lifetime: Lifetime = field(init=False)

    def __post_init__(self) -> None:
        max_age = self.attributes.seconds
        # If the browser is told to forget the cookie at once, there is no session: a copy of the cookie is invalid too.
        idle = 0 if max_age is not None and max_age <= 0 else self.idle_timeout
        keys = dict.fromkeys((self.attributes.key, *(each.key for each in self.old_cookies)))
        object.__setattr__(self, "key", self.attributes.key)
        object.__setattr__(self, "keys", tuple(keys))
        object.__setattr__(self, "lifetime", Lifetime(idle, max_age))
        others = self.old_cookies or self.delete_at_logout or self.attributes.domain
        object.__setattr__(self, "has_other_cookies", bool(others))

    def ends(self, created: int) -> int:
        """Return the latest end of a session created at this time, in Unix seconds."""
        return FOREVER if self.absolute_timeout is None else min(created + self.absolute_timeout, FOREVER)


def check_effect(
    store: object,
    principals: PrincipalKeys,
    *,
    carry: object,
    record_client: bool,
    has_rows: bool,
    raises_lost_write: bool,
) -> None:
    """
    Refuse options that would have no effect.

    Args:
        has_rows: Whether logged-in sessions have rows in a table.

    Raises:
        ConfigurationError: An option is made useless by another; the message names both.
    """
    if carry is not None and not principals:
        msg = "carry= selects what a login keeps, but principal_key=None means no logins: leave one of them out."
        raise ConfigurationError(msg)
    if record_client and not principals:
        msg = (
            "record_client=True is for the list of a user's sessions, but principal_key=None means no users: leave one "
            "of them out."
        )
        raise ConfigurationError(msg)
    if record_client and not has_rows:
        name = "a cookie" if store == "cookie" else type(store).__name__
        msg = f"record_client=True needs sessions in a table, or revocable=; {name} keeps no rows to store it in."
        raise ConfigurationError(msg)
    if raises_lost_write and (store == "cookie" or hasattr(store, "keeps_generations")):
        msg = 'on_lost_write="raise" needs sessions in a table: a cookie is written without checking for its end.'
        raise ConfigurationError(msg)


def check_kinds(*, flags: Mapping[str, object], functions: Mapping[str, object], several: Mapping[str, object]) -> None:
    """
    Refuse options of the wrong type, such as ``"no"`` from an environment variable, which Python treats as true.

    Args:
        flags: Options that must be ``True`` or ``False``, by name.
        functions: Options that must be callable or ``None``.
        several: Options that must be a list or another iterable, or ``None``.

    Raises:
        ConfigurationError: An option has the wrong type; the message names it.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            msg = f"{name}={value!r} is neither True nor False."
            raise ConfigurationError(msg)
    for name, value in functions.items():
        if value is not None and not callable(value):
            msg = f"{name}={value!r} is not a function."
            raise ConfigurationError(msg)
    for name, value in several.items():
        if value is not None and not isinstance(value, Iterable):
            msg = f"{name}={value!r} is not a list."
            raise ConfigurationError(msg)


def timeout_seconds(name: str, value: timedelta | int | None) -> int | None:
    """
    Return the *value* of the option *name* in seconds; ``None`` for no limit.

    Raises:
        ConfigurationError: It is not a valid timeout.
    """
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else value if type(value) is int else None
    if seconds is None:
        msg = f"{name}={value!r} is not a timedelta, a number of whole seconds, or None (no limit)."
        raise ConfigurationError(msg)
    if seconds < 1:
        msg = f"{name} is {seconds:g} seconds, so sessions would expire at once: use at least 1, or None for no limit."
        raise ConfigurationError(msg)
    if seconds > _CENTURY.total_seconds():
        msg = f"{name} is {value}, which is over a hundred years: use None for no limit."
        raise ConfigurationError(msg)
    return int(seconds)
