"""
Acts for ``explore`` that end sessions from outside while requests use them.

A principal has the browser's session and another one elsewhere; another principal has a third. An act that ends
sessions must end those that existed before, including their renewals, and must not end the ones to keep, later ones, or
those of other principals.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from holdall._session import Session
from holdall.steps import Steps
from holdall.stores import _principals as principals
from holdall.stores._principals import owner
from holdall.stores._table import digest_of
from holdall.testing._acts import ACTS, BEFORE, IDLE_TIMEOUT, KEY, PRINCIPAL_KEY, Act
from holdall.testing._browser import Browser
from holdall.testing._interleavings import Run
from holdall.testing._tables.rows import SECOND

__all__ = ["OWNERS_ACTS", "REVOCATIONS", "RevocationRun"]


class Ends(Enum):
    """Which sessions an act ends."""

    THEIRS = "all of the principal's"
    OTHERS = "all of the principal's except the browser's"
    ALL = "everybody's"


@dataclass(frozen=True)
class OwnersAct(Act):
    """The action of a request that knows the session's user."""

    ends_sessions: Ends | None = None
    logs_in_another: bool = False
    logs_in_again: bool = False


def _nothing(session: Session) -> None:
    """Do nothing: the run handles this act, because it knows the principals."""


#: Acts that end sessions from outside.
REVOCATIONS = {
    act.name: act
    for act in (
        OwnersAct("revoke", None, ends_sessions=Ends.THEIRS),
        OwnersAct("revoke the others", _nothing, ends_sessions=Ends.OTHERS),
        OwnersAct("revoke all", None, ends_sessions=Ends.ALL),
    )
}

#: Acts that run concurrently with them.
OWNERS_ACTS = {
    **{name: ACTS[name] for name in ("write", "touch", "renew", "drop")},
    **{
        act.name: act
        for act in (
            OwnersAct("log in elsewhere", _nothing, comes_with_cookie=False),
            OwnersAct("log in again", _nothing, ends=True, logs_in=True, logs_in_again=True),
            OwnersAct("log in as another", _nothing, ends=True, logs_in=True, logs_in_another=True),
        )
    },
    **REVOCATIONS,
}


class RevocationRun(Run):
    """One schedule with sessions of two principals."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._principal, self._another, self._stranger = "principal", "another", "stranger"
        self._elsewhere = self._strangers = ""
        self._others_end = False

    async def _begin_session(self) -> str:
        if self._ends(Ends.ALL):
            # Rows left by other schedules would take steps of their own.
            while await self._table.clear(self._clock()):
                pass
        self._elsewhere = await self._put({PRINCIPAL_KEY: self._principal}, self._principal)
        self._strangers = await self._put({PRINCIPAL_KEY: self._stranger}, self._stranger)
        # A second later, so that the browser's session is listed last.
        self._clock.advance(SECOND)
        cookie = await self._put({**BEFORE, PRINCIPAL_KEY: self._principal}, self._principal)
        if self._idle:
            self._clock.advance(IDLE_TIMEOUT / 2)
        return cookie

    def _request(self, number: int) -> Steps[tuple[str, ...]]:
        match self._acts[number]:
            case OwnersAct(ends_sessions=Ends.THEIRS):
                yield from principals.revoke(self._table, [owner(self._principal, "", KEY)])
                return ()
            case OwnersAct(ends_sessions=Ends.ALL):
                yield from principals.revoke_all(self._table, self._clock())
                return ()
        return (yield from super()._request(number))

    def _remembered(self) -> Hashable:
        came = {(number, "insert") for number in self._logins()}
        if not came:
            return None
        # Whether a login may stay alive depends on which requests had searched for rows before it.
        return tuple(taken for taken in self._trace if taken in came or taken[1] in ("find", "clear"))

    def _handle(self, act: Act, session: Session) -> Steps[None]:
        match act:
            case OwnersAct(ends_sessions=Ends.OTHERS):
                # A visitor who is no longer logged in does not see the page.
                if session.principal == self._principal:
                    self._others_end = True
                    owners, spared = [owner(self._principal, "", KEY)], digest_of(self._cookie)
                    yield from principals.revoke(self._table, owners, keep=spared)
            case OwnersAct(logs_in_another=True):
                session.login(self._another)
            case OwnersAct():
                session.login(self._principal)
            case _:
                yield from super()._handle(act, session)

    async def _broken(self, now: dict[str, Any] | None, old: dict[str, Any] | None) -> str:
        theirs, everybodys = self._ends(Ends.THEIRS), self._ends(Ends.ALL)
        if await self._is_alive(self._strangers) is everybodys:
            return f"a stranger's session {'is still alive' if everybodys else 'has ended'}"
        if await self._is_alive(self._elsewhere) is (theirs or everybodys or self._others_end):
            return "the principal's other session has ended or stayed, and should not have"
        broken = await self._broken_login()
        if broken:
            return broken
        if any(isinstance(act, OwnersAct) and act.logs_in_another for act in self._acts):
            # Another principal begins with an empty session, so it need not contain what others wrote.
            return "another principal has inherited the session" if self._is_inherited(now) else ""
        if not (theirs or everybodys):
            return await super()._broken(now, old)
        own = [number for number, act in enumerate(self._acts) if act.comes_with_cookie and not act.logs_in]
        for cookie in (self._cookie, *map(self._cookie_of, own)):
            if await self._is_alive(cookie):
                return "a request's session is still alive"
        return ""

    def _is_inherited(self, data: dict[str, Any] | None) -> bool:
        return data is not None and data.get(PRINCIPAL_KEY) == self._another and bool(data.keys() & BEFORE.keys())

    async def _broken_login(self) -> str:
        """Return what is wrong with a login: an earlier one must have ended, and a later one must be alive."""
        looked, cleared = self._times("find"), self._times("clear")
        for number, act in self._logins().items():
            came = max((at for at, taken in enumerate(self._trace) if taken == (number, "insert")), default=None)
            if came is None:
                # Another request had renewed the session, in which the same user is still logged in.
                continue
            alive = await self._is_alive(self._cookie_of(number))
            reached = not act.logs_in_another and any(came < at for at in looked)
            if act.logs_in_again:
                # The browser's own session, which is kept while the others end.
                reached = any(came < at for at in self._times("find", Ends.THEIRS))
            if alive and (reached or any(came < at for at in cleared)):
                return "an earlier login is still alive"
            # A login of the same user may renew the session, so a request that ends the session also ends the login.
            reached = reached or (act.logs_in_again and self._is_ended_after(came))
            if not alive and not (reached or cleared):
                return "a login has ended although no request should have ended it"
        return ""

    def _is_ended_after(self, time: int) -> bool:
        """Return whether a request that ends the browser's session took a step after this *time*."""
        ending = [number for number, act in enumerate(self._acts) if act.drops or self._ends_by(number)]
        return any(number in ending for number, _ in self._trace[time:])

    def _logins(self) -> dict[int, OwnersAct]:
        owners = {number: act for number, act in enumerate(self._acts) if isinstance(act, OwnersAct)}
        return {number: act for number, act in owners.items() if act.ends_sessions is None}

    def _ends_by(self, number: int) -> Ends | None:
        act = self._acts[number]
        return act.ends_sessions if isinstance(act, OwnersAct) else None

    def _times(self, step: str, which: Ends | None = None) -> list[int]:
        """Return when each request that ends sessions, or those *which* alone, first took this *step*."""
        numbers = {whose for whose, taken in self._trace if taken == step and which in (None, self._ends_by(whose))}
        return [self._trace.index((number, step)) for number in numbers]

    def _cookie_of(self, number: int) -> str:
        """Return the cookie that an act's response set, or ``""``."""
        browser = Browser(clock=self._clock)
        browser.keep(self._answers[number])
        return browser.get(KEY) or ""

    async def _is_alive(self, cookie: str) -> bool:
        """Return whether the cookie opens a logged-in session, not one that has begun since."""
        return PRINCIPAL_KEY in (await self._data(cookie) or {})

    def _ends(self, which: Ends) -> bool:
        return any(isinstance(act, OwnersAct) and act.ends_sessions is which for act in self._acts)
