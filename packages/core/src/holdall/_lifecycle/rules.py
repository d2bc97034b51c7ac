"""
Decide what happens to a session at the end of a request, by one table of rules.

The first matching rule decides. Each rule names an action for the three places where a request can end: while the
headers can still be sent, when only the row can be written (the body has been sent, or the request saves in the
middle), and when no response can carry a cookie. ``docs/rules.md`` is this table in prose, and a test keeps the two
in sync.
"""

from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import NamedTuple

from holdall._state import Intent

__all__ = ["RULES", "Action", "Owner", "Place", "Rule", "Situation", "decide"]


class Place(Enum):
    """The place where a request ends."""

    HEADERS = "headers"
    ROW = "row"
    NO_RESPONSE = "no response"

    __hash__ = object.__hash__  # Enum's own is slower: it is written in Python


class Owner(Enum):
    """The change of the session's principal in this request."""

    SAME = "the same, or still anonymous"
    AGAIN = "the same, logged in again"
    LOGIN = "an anonymous session became a user's"
    SWITCH = "one principal replaced another"
    LOGOUT = "the principal is gone"

    __hash__ = object.__hash__  # as above


class Action(Enum):
    """An action to carry out; ``holdall._lifecycle.actions`` has a function for each."""

    LEAVE = "leave it as it is"
    FORGET = "forget this request's changes"
    WRITE = "write the changes"
    BEGIN = "begin a new session"
    RENEW = "move the data to a new ID"
    DROP = "end the session"
    LOG_OUT_AND_BEGIN = "end the session and begin a new one"
    DISCARD = "discard the changes: the session has moved on without this request"
    REPORT_LOST = "report that the changes can no longer be stored"

    __hash__ = object.__hash__  # as above


class Situation(NamedTuple):
    """
    Everything that a rule may depend on.

    Attributes:
        used: Whether the session was read, or must be written.
        intent: The action that the application has requested.
        failed: Whether the response is a 5xx, and ``save_on_error`` is off.
        superseded: Whether the cookie is for a session whose ID has been renewed since.
        stored: Whether there is a session to write to, in this place.
        wrote: Whether this request changed something.
        has_data: Whether the session contains data now.
        must_create: Whether it is stored even if it is empty.
        owner: The change of its principal.
        refresh: Whether it is written even without a change, because its expiry moves, its lifetime changed, or its
            format is an old one.
    """

    used: bool
    intent: Intent
    failed: bool
    superseded: bool
    stored: bool
    wrote: bool
    has_data: bool
    must_create: bool
    owner: Owner
    refresh: bool

    @property
    def logs_in(self) -> bool:
        """Whether this request logged a user in: the first one, another one, or the same one again."""
        return self.owner in (Owner.LOGIN, Owner.SWITCH, Owner.AGAIN)


class Rule(NamedTuple):
    """One line of the table."""

    name: str
    applies: Callable[[Situation], bool]
    headers: Action
    row: Action
    no_response: Action


RULES: tuple[Rule, ...] = (
    Rule(
        "it was not used",
        lambda s: not s.used,
        Action.LEAVE,
        Action.LEAVE,
        Action.LEAVE,
    ),
    Rule(
        "the application ignores it",
        lambda s: s.intent is Intent.IGNORE,
        Action.FORGET,
        Action.FORGET,
        Action.FORGET,
    ),
    # A logout is always carried out, even with a superseded cookie: the user means the session that it was renewed
    # to.
    Rule(
        "it was ended, and no data was stored afterwards",
        lambda s: s.intent is Intent.DROP or (s.intent is Intent.LOGOUT and not s.has_data),
        Action.DROP,
        Action.DROP,
        Action.DROP,
    ),
    # After a failed request only the logout is saved.
    Rule(
        "it was ended, and data was stored afterwards, but the request failed",
        lambda s: s.intent is Intent.LOGOUT and s.failed,
        Action.DROP,
        Action.DROP,
        Action.DROP,
    ),
    Rule(
        "it was ended, and data was stored afterwards",
        lambda s: s.intent is Intent.LOGOUT,
        Action.LOG_OUT_AND_BEGIN,
        Action.DROP,
        Action.DROP,
    ),
    # A library logged the user out by removing its key. The old ID must not open the session that continues. After a
    # failed request only the removal is saved.
    Rule(
        "its principal was removed",
        lambda s: s.owner is Owner.LOGOUT,
        Action.RENEW,
        Action.REPORT_LOST,
        Action.DROP,
    ),
    # A renewal without a login is a precaution; it is carried out with the data as it was stored.
    Rule(
        "the request failed",
        lambda s: s.failed and (s.intent is not Intent.RENEW or s.logs_in or not s.stored),
        Action.FORGET,
        Action.FORGET,
        Action.FORGET,
    ),
    # The response to a request with a superseded cookie must not replace the new cookie. Only a login may, because its
    # cookie is just as good.
    Rule(
        "its cookie is superseded, and there is no login",
        lambda s: s.superseded and not s.logs_in,
        Action.DISCARD,
        Action.DISCARD,
        Action.FORGET,
    ),
    # Do not create a row or a cookie for an empty anonymous session.
    Rule(
        "nothing is stored, and there is nothing to store",
        lambda s: not s.stored and not s.has_data and not s.must_create,
        Action.FORGET,
        Action.REPORT_LOST,
        Action.FORGET,
    ),
    Rule(
        "nothing is stored, and there is something to store",
        lambda s: not s.stored and (s.wrote or s.intent is Intent.RENEW or s.must_create),
        Action.BEGIN,
        Action.REPORT_LOST,
        Action.REPORT_LOST,
    ),
    Rule(
        "it gets a new ID: it was renewed, or a user logged in",
        lambda s: s.intent is Intent.RENEW or s.logs_in,
        Action.RENEW,
        Action.REPORT_LOST,
        Action.FORGET,
    ),
    Rule(
        "it was changed, or is due",
        lambda s: s.stored and (s.wrote or s.refresh),
        Action.WRITE,
        Action.WRITE,
        Action.WRITE,
    ),
    Rule(
        "it was only read",
        lambda s: True,
        Action.LEAVE,
        Action.LEAVE,
        Action.LEAVE,
    ),
)


@cache
def decide(situation: Situation, place: Place) -> Action:
    """Return the action for a session in this *situation*."""
    rule = next(rule for rule in RULES if rule.applies(situation))
    return {Place.HEADERS: rule.headers, Place.ROW: rule.row, Place.NO_RESPONSE: rule.no_response}[place]
