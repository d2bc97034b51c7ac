"""Requests concurrent with a registration or a refresh, in every order of the table's operations and the responses."""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import combinations_with_replacement
from typing import Any

import pytest

from holdall import MemoryTable, Session, TableStore
from holdall._backends import AsyncBackend
from holdall._cookie_header import cookie_finder
from holdall._cookies import CookieAttributes
from holdall._lifecycle import fetch
from holdall._lifecycle.device import binding_of
from holdall._principals import principal_keys
from holdall._session import state_of
from holdall._settings import Settings
from holdall._state import SessionState
from holdall.device_bound import DeviceBound
from holdall.device_bound._endpoints import DeviceEndpoints
from holdall.device_bound._messages import EndpointRequest, EndpointResponse
from holdall.device_bound._rows import BoundTableStore
from holdall.device_bound._setup import bindable, finding_bound_cookies
from holdall.steps import Steps, run_async
from holdall.testing import Act, Browser, FakeClock, as_async, explore
from holdall.testing._acts import BEFORE, KEY, PRINCIPAL_KEY
from holdall.testing._device_keys import SoftwareKey
from holdall.testing._interleavings import Run, _random
from sizes import FULL

OPTIONS = DeviceBound()
_GRACE = timedelta(seconds=OPTIONS.grace_seconds)
DEVICE, SECOND = SoftwareKey(), SoftwareKey()

WRITE = Act("write", lambda session: session.put("a", "first"), {"a": "first"})
RENEW = Act("renew", lambda session: session.configure(renew=True), ends=True)
LOGOUT = Act("logout", lambda session: session.logout(), ends=True, drops=True)
REGISTER = Act("register", lambda session: None)
REGISTER_ANOTHER = Act("register another", lambda session: None)
REFRESH = Act("refresh", lambda session: None)

#: The combinations of three that run without ``HOLDALL_FULL=1``.
QUICK = ((REGISTER, WRITE, WRITE), (REGISTER, WRITE, LOGOUT), (REFRESH, RENEW, LOGOUT), (REFRESH, LOGOUT, LOGOUT))


class DeviceRun(Run):
    """One schedule of requests with a logged-in visitor's cookies, bound or not."""

    is_bound = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._header = ""
        self._binding_id = ""
        self._offer = ""
        self._challenge = ""
        self._answered: dict[int, EndpointResponse] = {}

    # A server for each request, all over one table.

    def _server(self, number: int, events: list[str]) -> tuple[DeviceEndpoints, AsyncBackend, BoundTableStore]:
        settings = Settings(
            attributes=CookieAttributes(KEY),
            emit=lambda name, reason, log_id: events.extend((name, f"{name} {reason}")),
            idle_timeout=3600,
            absolute_timeout=86400,
            principals=principal_keys(PRINCIPAL_KEY),
        )
        inner = TableStore(self._table, random=_random(10 * number))
        store, commit = bindable(inner, OPTIONS, settings, self._seconds, _random(10 * number + 1))
        assert isinstance(store, BoundTableStore)
        backend = AsyncBackend(settings, store, self._seconds)
        backend.commit = commit
        return DeviceEndpoints(store, backend), backend, store

    def _post(self, server: DeviceEndpoints, path: str, header: str, **headers: str) -> Steps[EndpointResponse]:
        given = {"Cookie": header, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return server._answer(EndpointRequest("POST", f"{OPTIONS.path}/{path}", "", "shop.example", True, given.get))

    def _registration(self, server: DeviceEndpoints, header: str, key: SoftwareKey) -> Steps[EndpointResponse]:
        return self._post(server, "register", header, Secure_Session_Response=key.proof(self._offer, brings_key=True))

    def _refresh(self, server: DeviceEndpoints, header: str, challenge: str) -> Steps[EndpointResponse]:
        proof = DEVICE.proof(challenge, brings_key=False)
        return self._post(
            server, "refresh", header, Sec_Secure_Session_Id=self._binding_id, Secure_Session_Response=proof
        )

    async def _begin_session(self) -> str:
        self._cookie = await self._put({**BEFORE, PRINCIPAL_KEY: 7}, "7")
        server, _, store = self._server(0, [])
        self._header = f"{KEY}={self._cookie}"
        stored = await run_async(store.get(self._cookie, key=KEY))
        self._offer = store.offer(stored, self._seconds())
        if self.is_bound:
            answer = await run_async(self._registration(server, self._header, DEVICE))
            assert answer.status == 200
            self._header += f"; {KEY}-bound={answer.cookies[0].value}"
            self._binding_id = re.findall(rb'"session_identifier": "([^"]+)"', answer.body)[0].decode()
            device = await run_async(store.device(self._binding_id, None, []))
            assert device is not None
            self._challenge = await run_async(store.challenge(device, self._seconds()))
        return self._cookie

    def _request(self, number: int) -> Steps[tuple[str, ...]]:
        act, events = self._acts[number], self._events[number]
        server, backend, _ = self._server(1 + number, events)
        if act in (REGISTER, REGISTER_ANOTHER, REFRESH):
            if act is REFRESH:
                answer = yield from self._refresh(server, self._header, self._challenge)
            else:
                key = DEVICE if act is REGISTER else SECOND
                answer = yield from self._registration(server, self._header, key)
            self._answered[number] = answer
            return tuple(str(cookie) for cookie in answer.cookies)
        find = finding_bound_cookies(cookie_finder(KEY), backend.settings, OPTIONS)

        state = SessionState(backend, find(self._header), https=True)
        session = Session(state)
        state.take((yield from fetch(state.cookies, backend, now=self._seconds())))
        assert act.handle is not None
        act.handle(session)
        told = yield from backend.commit(state_of(session), now=self._seconds())
        return tuple(map(str, told.cookies))

    # Guarantees.

    async def check(self, order: Sequence[int]) -> None:
        browser = Browser(clock=self._clock)
        browser.keep([f"{each}; path=/" for each in self._header.split("; ")], https=True)
        challenge = self._challenge
        for number in order:
            browser.keep(self._answers[number], https=True)
            if number in self._answered and self._answered[number].status == 200:
                told = dict(self._answered[number].headers).get("Secure-Session-Challenge", "")
                challenge = (re.findall('"([^"]+)";id', told) or [challenge])[0]
        broken = await self._what_is_broken(browser, challenge)
        if broken:  # pragma: no cover  # a guarantee is broken
            taken = "; ".join(f"{self._acts[number].name}: {step}" for number, step in self._trace)
            arrived = ", ".join(self._acts[number].name for number in order)
            msg = f"{broken}\n  at the table: {taken}\n  at the browser: {arrived}"
            raise AssertionError(msg)

    async def _what_is_broken(self, browser: Browser, challenge: str) -> str:
        events: list[str] = []
        server, backend, store = self._server(9, events)
        find = finding_bound_cookies(cookie_finder(KEY), backend.settings, OPTIONS)
        header = browser.header(https=True)
        statuses = {self._acts[number].name: answer.status for number, answer in self._answered.items()}
        bound = [number for number, answer in self._answered.items() if answer.status == 200]
        registered = [number for number in bound if self._acts[number] in (REGISTER, REGISTER_ANOTHER)]
        now = await run_async(fetch(find(header), backend, now=self._seconds()))
        old = await run_async(store.get(self._cookie, key=KEY))
        if any(
            "device_refused a wrong signature" in each for each in self._events
        ):  # pragma: no cover  # a guarantee is broken
            return "an honest browser set off the alarm"
        if len(registered) > 1:  # pragma: no cover  # a guarantee is broken
            return "two devices are bound"
        if any("ended" in each for each in self._events):
            if not any(act.drops for act in self._acts):  # pragma: no cover  # a guarantee is broken
                return "the session ended, although no request asked for it"
            # A write after the logout begins a new session.
            if (now.stored is not None and BEFORE.keys() & now.stored.data.keys()) or binding_of(
                old
            ) is not None:  # pragma: no cover  # a guarantee is broken
                return "the ended session came back"
            refreshed = await run_async(self._refresh(server, header, challenge))
            return "" if b'"continue": false' in refreshed.body else "the binding outlived its session"
        if now.stored is None:  # pragma: no cover  # a guarantee is broken
            return "the browser has lost its session"
        for act, lost in zip(self._acts, self.lost, strict=True):
            if not lost and any(
                now.stored.data.get(key) != value for key, value in act.puts.items()
            ):  # pragma: no cover  # a guarantee is broken
                return "a write was lost and not reported"
        if any(self.lost) and not any(act.ends for act in self._acts):  # pragma: no cover  # a guarantee is broken
            return "a write was lost although the session is alive"
        if (binding_of(now.stored) is not None) != (
            self.is_bound or bool(registered)
        ):  # pragma: no cover  # a guarantee is broken
            return f"the session's binding contradicts the responses: {statuses}"
        if binding_of(now.stored) is None:
            return ""
        if self.is_bound and any(
            answer.status != 200 for answer in self._answered.values()
        ):  # pragma: no cover  # a guarantee is broken
            return f"a tab could not continue: {statuses}"
        # A bound browser can continue, even after the grace period and without the current bound cookie.
        listed = await run_async(store.list("7", keys=[KEY], current=None))
        if [each.device_bound for each in listed] != [True]:  # pragma: no cover  # a guarantee is broken
            return "the list does not show that it is bound"
        if self.is_bound:
            refreshed = await run_async(self._refresh(server, header, challenge))
            if (
                refreshed.status != 200 or not refreshed.cookies or refreshed.cookies[0].value is None
            ):  # pragma: no cover  # a guarantee is broken
                return f"the next refresh fails with {refreshed.status}"
        self._clock.advance(_GRACE)
        try:
            later = await run_async(fetch(find(header), backend, now=self._seconds()))
            without = await run_async(fetch(find(f"{KEY}={browser[KEY]}"), backend, now=self._seconds()))
        finally:
            self._clock.advance(-_GRACE)
        if later.stored is None:  # pragma: no cover  # a guarantee is broken
            return "the bound cookie is not accepted"
        return "the session is served without its bound cookie" if without.stored is not None else ""


class BoundRun(DeviceRun):
    is_bound = True


def meets(acts: Sequence[Act], kind: type[DeviceRun]) -> int:
    make: Callable[[FakeClock], Any] = lambda clock: as_async(MemoryTable(clock=clock))  # noqa: E731
    return asyncio.run(explore(acts, make, idle=False, kind=kind)).outcomes


def sets_of(acts: list[Act], needed: list[Act]) -> list[Any]:
    """Return sets of two or three of *acts*, at least one of which is among those *needed*."""
    every = (several for size in (2, 3) for several in combinations_with_replacement(acts, size))
    chosen = (each for each in every if len(each) == 2 or FULL or each in QUICK)
    held = (each for each in chosen if any(act in needed for act in each))
    return [pytest.param(each, id=", ".join(act.name for act in each)) for each in held]


@pytest.mark.parametrize(
    "acts", sets_of([REGISTER, REGISTER_ANOTHER, WRITE, RENEW, LOGOUT], [REGISTER, REGISTER_ANOTHER])
)
def test_a_registration_is_correct_in_every_order(acts: Sequence[Act]) -> None:
    assert meets(acts, DeviceRun) > 1


@pytest.mark.parametrize("acts", sets_of([REFRESH, WRITE, RENEW, LOGOUT], [REFRESH]))
def test_a_refresh_is_correct_in_every_order(acts: Sequence[Act]) -> None:
    assert meets(acts, BoundRun) > 1
