"""What an application configures once, and what holds for every request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from holdall.clock import FOREVER
from holdall.cookies import CookieAttributes
from holdall.events import EventName
from holdall.principals import NO_PRINCIPAL, PrincipalKeys

__all__ = ["Lifetime", "LifetimeOf", "Settings"]


class Lifetime(NamedTuple):
    """
    How long a session lives.

    Attributes:
        idle: Seconds since its last use; ``None`` for no limit.
        max_age: Seconds that the browser keeps its cookie; ``None`` until the browser closes.
        ends: When it ends however it is used, in Unix seconds, and its cookie with it; ``None`` if *idle* decides.
    """

    idle: int | None
    max_age: int | None
    ends: int | None = None


#: Returns the lifetime of a session with this data, where a framework keeps it there; else the usual one as given.
LifetimeOf = Callable[[Mapping[str, Any], Lifetime], Lifetime]


@dataclass(frozen=True)
class Settings:
    """
    The settings of sessions, checked by ``Sessions``.

    Attributes:
        attributes: Those of the cookie.
        emit: Reports an event: its name, a reason, the session's ``log_id``.
        old_cookies: The cookie under its old names and in its old places, which are read too.
        read_old_until: When that ends, in Unix seconds.
        idle_timeout: Seconds that a session lives without being used; ``None`` for ever.
        absolute_timeout: Seconds that it lives at all; ``None`` for ever.
        principals: Which keys say whose a session is.
        carry: The keys that a login carries over from the anonymous session; ``None`` for all but CSRF tokens.
        record_client: Note with each session what its client said of itself.
        save_on_error: Save plain writes of a request that fails (5xx) too.
        raise_on_lost_write: Raise ``LostWriteError`` where a write comes after the session's end.
        allow_public: Let the application mark a response that sets the cookie for shared caches.
        check: Raises ``TypeError`` for a value that cannot be stored, if the store can tell.
        key: The cookie's name.
        lifetime: The usual one.
    """

    attributes: CookieAttributes
    emit: Callable[[EventName, str, str], None]
    old_cookies: tuple[CookieAttributes, ...] = ()
    read_old_until: int = FOREVER
    idle_timeout: int | None = None
    absolute_timeout: int | None = None
    principals: PrincipalKeys = NO_PRINCIPAL
    carry: frozenset[str] | None = None
    record_client: bool = False
    save_on_error: bool = False
    raise_on_lost_write: bool = False
    allow_public: bool = False
    check: Callable[[str, Any], None] = lambda key, value: None
    key: str = field(init=False)
    lifetime: Lifetime = field(init=False)

    def __post_init__(self) -> None:
        max_age = self.attributes.seconds
        # A browser told to forget the cookie at once has no session: a copy of the cookie opens nothing either.
        idle = 0 if max_age is not None and max_age <= 0 else self.idle_timeout
        object.__setattr__(self, "key", self.attributes.key)
        object.__setattr__(self, "lifetime", Lifetime(idle, max_age))

    def ends(self, created: int) -> int:
        """Return when a session that began then ends at the latest, in Unix seconds."""
        return FOREVER if self.absolute_timeout is None else min(created + self.absolute_timeout, FOREVER)
