"""
The rules of sessions that are bound to a device (``holdall.device_bound``).

When a binding is offered, whether a request without the bound cookie has the session, and what becomes of a browser's
request for a new bound cookie: the last as one table, of which the first rule whose test holds decides.
"""

import hashlib
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import NamedTuple

from holdall._base64url import to_text
from holdall._redacted import Redacted
from holdall.cookies import SetCookie
from holdall.stores.contract import StoredSession

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

#: How long what was replaced stays valid, in seconds: a bound cookie that the browser keeps a little longer than the
#: server meant, and a challenge that several tabs answer at once.
OVERLAP = 30


class Binding(Redacted):
    """
    That a session is bound to a device.

    Attributes:
        secret: Known to the server alone. It makes bound cookies where they are not sealed.
        since: When the device was registered, in Unix seconds.
    """

    __slots__ = ("secret", "since")

    def __init__(self, secret: str, since: int) -> None:
        self.secret = secret
        self.since = since

    @property
    def id(self) -> str:
        """The name of the binding that the browser knows (``session_identifier``): 32 characters."""
        return to_text(hashlib.sha256(b"holdall device" + self.secret.encode("ascii")).digest()[:24])


def binding_of(stored: StoredSession | None) -> Binding | None:
    """Return the binding of a session; ``None`` for one that is not bound."""
    found: Binding | None = getattr(stored, "binding", None)
    return found


def admits(binding: Binding, *, is_shown: bool, now: int, grace: int) -> bool:
    """Return whether a request has a bound session: it shows the bound cookie, or came before that could arrive."""
    return is_shown or now < binding.since + grace


def is_offered(
    cookie: SetCookie, stored: StoredSession | None, *, principal: str | None, https: bool, begins: bool, guarded: bool
) -> bool:
    """
    Return whether a response that sends the session's *cookie* offers to bind it.

    An anonymous session is not worth a device's key, and gets another ID at login. A browser that does not know of the
    offer ignores it, and its session goes on as ever.

    Args:
        begins: The response gives the session its ID, as after a login.
        guarded: The store takes one registration alone, of several at once. Where it cannot, nothing may be offered
            again: the browser would register two keys, and keep a cookie of each.
    """
    is_theirs = https and cookie.value is not None and principal is not None
    return is_theirs and binding_of(stored) is None and (begins or guarded)


def is_carried(*, same_principal: bool, principal: str | None) -> bool:
    """
    Return whether a session that is renewed stays bound to its device.

    It does as long as it is the same user's. If a renewal set it free instead, a thief of the cookies could renew the
    session and bind it to a device of his own. A login begins a binding of its own, because it is offered to the
    browser that has just shown who its user is.
    """
    return same_principal and principal is not None


class Found(Enum):
    """What the cookies of a browser's request for a new bound cookie hold."""

    NOTHING = "no session"
    SUPERSEDED = "the cookie of a session that was renewed a moment ago"
    SESSION = "a session"


class Shown(Enum):
    """What the browser shows for it."""

    NOTHING = "no proof"
    FLAWED = "a proof that cannot be read"
    FORGED = "a proof with a wrong signature"
    PROOF = "a proof by the device's key"


class Refresh(NamedTuple):
    """
    All that a rule may look at.

    Attributes:
        is_bound: There is a binding of the name that the browser gives, and it is this session's.
    """

    found: Found
    is_bound: bool
    shown: Shown


class Answer(Enum):
    """What the browser is told."""

    END = "there is nothing to renew: end the binding in the browser"
    CHALLENGE = "sign this challenge first"
    REFUSE = "refuse the request"
    ALARM = "end the session: somebody without the device has its cookies"
    RENEW = "a new bound cookie, unless the challenge is no longer valid: then sign this one"


class RefreshRule(NamedTuple):
    """One line of the table."""

    name: str
    applies: Callable[[Refresh], bool]
    answer: Answer


REFRESH_RULES: tuple[RefreshRule, ...] = (
    # It was logged out or revoked, perhaps from another device, or has expired.
    RefreshRule("there is no session", lambda r: r.found is Found.NOTHING, Answer.END),
    # The name that the browser gives is another login's, or the table has lost the device's key.
    RefreshRule("the session is not bound under this name", lambda r: not r.is_bound, Answer.END),
    RefreshRule("there is no proof", lambda r: r.shown is Shown.NOTHING, Answer.CHALLENGE),
    # Anybody who has the cookies can send garbage, which alone must not log the visitor out.
    RefreshRule("the proof cannot be read", lambda r: r.shown is Shown.FLAWED, Answer.REFUSE),
    RefreshRule("the signature is wrong", lambda r: r.shown is Shown.FORGED, Answer.ALARM),
    # Also where the session was renewed a moment ago: its binding was carried, and the browser asked before it had the
    # new cookie.
    RefreshRule("the device has signed", lambda r: True, Answer.RENEW),
)


@cache
def answer_to(refresh: Refresh) -> Answer:
    """Return what the browser is told."""
    return next(rule.answer for rule in REFRESH_RULES if rule.applies(refresh))
