"""
Decide about sessions bound to a device (``holdall.device_bound``).

The rules decide when a binding is offered, whether a request without the bound cookie gets the session, and how to
answer a browser's request for a new bound cookie. The last is a table whose first matching rule decides.
"""

import hashlib
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import NamedTuple

from holdall._base64url import to_text
from holdall._cookies import SetCookie
from holdall._redacted import Redacted
from holdall.stores._contract import StoredSession

__all__ = [
    "OVERLAP",
    "REFRESH_RULES",
    "Answer",
    "Binding",
    "Found",
    "Refresh",
    "RefreshRule",
    "Shown",
    "admits",
    "answer_to",
    "binding_of",
    "is_carried",
    "is_offered",
]

#: How long a replaced value stays valid, in seconds: a bound cookie that the browser keeps slightly longer than the
#: server intended, and a challenge that several tabs answer at once.
OVERLAP = 30


class Binding(Redacted):
    """
    The binding of a session to a device.

    Attributes:
        secret: Known only to the server. Bound cookies are derived from it unless they are sealed.
        since: When the device was registered, in Unix seconds.
    """

    __slots__ = ("secret", "since")

    def __init__(self, secret: str, since: int) -> None:
        self.secret = secret
        self.since = since

    @property
    def id(self) -> str:
        """The name by which the browser knows the binding (``session_identifier``): 32 characters."""
        return to_text(hashlib.sha256(b"holdall device" + self.secret.encode("ascii")).digest()[:24])


def binding_of(stored: StoredSession | None) -> Binding | None:
    """Return the binding of a session; ``None`` if it is not bound."""
    found: Binding | None = getattr(stored, "binding", None)
    return found


def admits(binding: Binding, *, is_shown: bool, now: int, grace: int) -> bool:
    """Return whether a request may use a bound session: it has the bound cookie, or comes too early to have it."""
    return is_shown or now < binding.since + grace


def is_offered(
    cookie: SetCookie, stored: StoredSession | None, *, has_user: bool, https: bool, begins: bool, guarded: bool
) -> bool:
    """
    Return whether a response that sends the session *cookie* also offers to bind it.

    An anonymous session is not worth a device's key, and gets another ID at login. A browser that does not support the
    offer ignores it, and its session works as usual.

    Args:
        has_user: Whether a user is logged in.
        begins: Whether the response gives the session its ID, for example after a login.
        guarded: Whether the store accepts only one of several concurrent registrations. Otherwise the offer must not be
            repeated, because the browser would register two keys and keep a cookie for each.
    """
    is_theirs = https and cookie.value is not None and has_user
    return is_theirs and binding_of(stored) is None and (begins or guarded)


def is_carried(*, same_principal: bool, principal: str | None) -> bool:
    """
    Return whether a renewed session stays bound to its device.

    It does if it still belongs to the same user. If a renewal removed the binding instead, a thief of the cookies could
    renew the session and bind it to another device. A login starts a new binding, because it is offered to the browser
    that has just proved who its user is.
    """
    return same_principal and principal is not None


class Found(Enum):
    """The content of the cookies in a browser's request for a new bound cookie."""

    NOTHING = "no session"
    SUPERSEDED = "the cookie of a session that was renewed a moment ago"
    SESSION = "a session"


class Shown(Enum):
    """The proof in a browser's request for a new bound cookie."""

    NOTHING = "no proof"
    FLAWED = "a proof that cannot be read"
    FORGED = "a proof with a wrong signature"
    PROOF = "a proof by the device's key"


class Refresh(NamedTuple):
    """
    Everything that a rule may depend on.

    Attributes:
        is_bound: Whether the binding that the browser names exists, and belongs to this session.
    """

    found: Found
    is_bound: bool
    shown: Shown


class Answer(Enum):
    """The answer to the browser."""

    END = "there is nothing to renew: end the binding in the browser"
    CHALLENGE = "sign this challenge first"
    REFUSE = "refuse the request"
    ALARM = "end the session: it was used without the device"
    RENEW = "a new bound cookie, unless the challenge is no longer valid: then sign this one"


class RefreshRule(NamedTuple):
    """One line of the table."""

    name: str
    applies: Callable[[Refresh], bool]
    answer: Answer


REFRESH_RULES: tuple[RefreshRule, ...] = (
    # The session was logged out or revoked, perhaps from another device, or has expired.
    RefreshRule("there is no session", lambda r: r.found is Found.NOTHING, Answer.END),
    # The name that the browser sends belongs to another login, or the table has lost the device's key.
    RefreshRule("the session is not bound under this name", lambda r: not r.is_bound, Answer.END),
    RefreshRule("there is no proof", lambda r: r.shown is Shown.NOTHING, Answer.CHALLENGE),
    # Anyone who has the cookies can send garbage, and that alone must not log the user out.
    RefreshRule("the proof cannot be read", lambda r: r.shown is Shown.FLAWED, Answer.REFUSE),
    RefreshRule("the signature is wrong", lambda r: r.shown is Shown.FORGED, Answer.ALARM),
    # Also applies if the session was renewed a moment ago: its binding was kept, and the browser asked before it had
    # the new cookie.
    RefreshRule("the device has signed", lambda r: True, Answer.RENEW),
)


@cache
def answer_to(refresh: Refresh) -> Answer:
    """Return the answer to the browser."""
    return next(rule.answer for rule in REFRESH_RULES if rule.applies(refresh))
