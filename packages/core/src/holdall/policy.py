"""How an application keeps its sessions: what is configured once and holds for every request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from holdall.clock import NEVER
from holdall.cookies import CookieAttributes
from holdall.events import EventName

__all__ = ["Policy"]


@dataclass(frozen=True)
class Policy:
    """
    The rules' own settings, checked by ``Sessions``.

    Attributes:
        old_cookies: The cookie under its old names and in its old places, which are read too.
        read_old_until: When that ends.
        idle_timeout: How long a session lives without being used; ``None`` for ever.
        absolute_timeout: How long it lives at all; ``None`` for ever.
        principal_key: The session's key that says whose it is.
        devices: Note what each session was begun with.
        save_on_error: Save plain writes of a request that fails (5xx) too.
        raise_on_lost_write: Raise ``LostWriteError`` where a write comes after the session's end.
        allow_public: The application may mark a response that sets the cookie for shared caches.
        emit: Reports an event: its name, a reason, the session's ``log_id``.
        check: Raises ``TypeError`` for a key's value that cannot be stored, if the store can tell.
    """

    attributes: CookieAttributes
    emit: Callable[[EventName, str, str], None]
    old_cookies: tuple[CookieAttributes, ...] = ()
    read_old_until: datetime = NEVER
    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    principal_key: str | None = None
    devices: bool = False
    save_on_error: bool = False
    raise_on_lost_write: bool = False
    allow_public: bool = False
    check: Callable[[str, Any], None] = lambda key, value: None

    @property
    def key(self) -> str:
        """The cookie's name."""
        return self.attributes.key
