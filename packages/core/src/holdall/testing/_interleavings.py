"""
Every order in which concurrent requests can interleave at a table.

A request is a generator of its table's verbs (``holdall.steps``). ``explore`` begins several requests with the same
cookie, and runs one step of one of them at a time. It starts again from the beginning for each possible order, and
delivers the responses to a browser in each order in which they can arrive.

Many orders lead to the same state. If two have given each request the same results and left the same rows, the
possible continuations are the same: they are tried after one of them, and counted for both. To make this work, every
order uses the same random numbers, request by request, under names of its own in the table.
"""

import hashlib
import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from itertools import permutations
from random import Random
from typing import Any, NamedTuple

from holdall._backends import AsyncBackend
from holdall._cookies import CookieAttributes
from holdall._lifecycle import commit, fetch, update
from holdall._principals import principal_keys
from holdall._session import Session, state_of
from holdall._settings import Settings
from holdall._state import SessionState
from holdall.steps import Step, Steps, run_async
from holdall.stores import Changes, StoredSession, TableStore, Write
from holdall.tables import AsyncTable, Replacement, Row, RowInfo, Tombstone
from holdall.testing._acts import (
    ATOMIC_ACTS,
    BEFORE,
    COUNTER,
    IDLE_TIMEOUT,
    KEY,
    PRINCIPAL_KEY,
    SET,
    Act,
    count_up,
)
from holdall.testing._browser import Browser
from holdall.testing._clock import FakeClock

__all__ = ["Explored", "Run", "explore"]


class Explored(NamedTuple):
    """
    The numbers of orders and lost writes.

    Attributes:
        schedules: The orders of the table's operations, counting those with a common continuation separately.
        outcomes: The same, times the orders in which the responses arrive.
        lost: Writes that came after the session's end, each of them reported.
    """

    schedules: int
    outcomes: int
    lost: int


async def explore(
    acts: Sequence[Act],
    make_table: Callable[[FakeClock], AsyncTable],
    *,
    idle: bool = True,
    kind: "type[Run] | None" = None,
) -> Explored:
    """
    Run *acts* concurrently on a table, in every order.

    Args:
        make_table: Returns the table for a schedule. It may be the same each time, because each schedule has its own
            IDs.
        idle: Enough time has passed that each request moves the expiry if it does nothing else, which is another step.
        kind: Defines how a schedule begins and what it must guarantee.

    Raises:
        AssertionError: An order breaks a guarantee; the message shows the order and the guarantee.
    """
    places: dict[Hashable, Place] = {}
    start = Place()
    todo: list[Branch] = [Branch(start, ())]
    while todo:
        run = (kind or Run)(acts, FakeClock(), make_table, idle)
        todo += await run.follow(todo.pop(), places)
    schedules, lost = start.count()
    return Explored(schedules, schedules * math.factorial(len(acts)), lost)


class Place:
    """A point where orders can meet: the end of some, or one that others continue from."""

    def __init__(self) -> None:
        self.ways: list[Place] = []
        #: The number of lost writes, if this is an end.
        self.lost = 0
        self._counted: tuple[int, int] | None = None

    def count(self) -> tuple[int, int]:
        """Return how many orders there are from here on, and how many writes are lost in all of them."""
        if self._counted is None:
            counts = [way.count() for way in self.ways] or [(1, self.lost)]
            schedules, lost = (sum(numbers) for numbers in zip(*counts, strict=True))
            self._counted = (schedules, lost)
        return self._counted


class Branch(NamedTuple):
    """An order still to be explored: whose steps to take, the last of them from a known place."""

    parts_from: Place
    prefix: tuple[int, ...]


class _Sweep(Step):
    """The table's own sweep."""

    __slots__ = ()

    def take(self) -> Any:
        return self.target.sweep()


class _Apart:
    """A table whose rows have names that only one schedule uses, so a schedule cannot tell that it is not the first."""

    def __init__(self, table: AsyncTable) -> None:
        self._table = table
        self.leaves_process = table.leaves_process
        self._salt = os.urandom(16)
        self._digests: dict[bytes, bytes] = {}

    async def read(self, digest: bytes) -> Row | None:
        return self._given_back(await self._table.read(self._own(digest)))

    async def insert(self, digest: bytes, row: Row) -> bool:
        return await self._table.insert(self._own(digest), self._taken(row))

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return await self._table.replace(self._own(digest), self._taken(row), version=version)

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return await self._table.touch(self._own(digest), expires, seen=seen)

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return self._given_back(await self._table.remove(self._own(digest), tombstone=tombstone))

    async def find(self, principal: str) -> Sequence[RowInfo]:
        found = await self._table.find(f"{self._salt.hex()}{principal}")
        known = [each._replace(digest=self._digests.get(each.digest, each.digest)) for each in found]
        # Rows that began at the same time may be listed in any order; this is one.
        return sorted(known, key=lambda each: (each.created, each.digest))

    async def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return await self._table.clear(began_by, limit)

    async def sweep(self, limit: int = 1000) -> int:
        return await self._table.sweep(limit)

    async def rows(self) -> Hashable:
        """Return all rows that this schedule can touch."""
        return frozenset([(digest, await self.read(digest)) for digest in self._digests.values()])

    def _own(self, digest: bytes) -> bytes:
        own = hashlib.sha256(self._salt + digest).digest()
        self._digests[own] = digest
        return own

    def _taken(self, row: Row) -> Row:
        return row if row.principal is None else row._replace(principal=f"{self._salt.hex()}{row.principal}")

    def _given_back(self, row: Row | None) -> Row | None:
        if row is None or row.principal is None:
            return row
        return row._replace(principal=row.principal.removeprefix(self._salt.hex()))


class Run:
    """
    One schedule, from the beginning.

    Attributes:
        principal_key: The sessions' option of that name.
    """

    principal_key = PRINCIPAL_KEY

    def __init__(
        self, acts: Sequence[Act], clock: FakeClock, make_table: Callable[[FakeClock], AsyncTable], idle: bool
    ) -> None:
        self._acts = acts
        self._idle = idle
        self._clock = clock
        self._table = _Apart(make_table(clock))
        self._store = TableStore(self._table, random=_random(0))
        self._cookie = ""
        self._requests: list[Steps[tuple[str, ...]]] = []
        #: The next step of each request that has not ended.
        self._waiting: dict[int, Any] = {}
        #: The answers that each request got to its steps: all that distinguishes its state in different orders.
        self._told: list[tuple[Hashable, ...]] = [()] * len(acts)
        self._answers: list[tuple[str, ...]] = [()] * len(acts)
        #: The steps taken so far: the request, and the step.
        self._trace: list[tuple[int, str]] = []
        self._events: list[list[str]] = [[] for _ in acts]

    @property
    def lost(self) -> list[bool]:
        """Return, for each act, whether a lost write was reported."""
        return ["lost_write" in events for events in self._events]

    async def follow(self, branch: Branch, places: dict[Hashable, Place]) -> list[Branch]:
        """
        Take the steps of *branch*, and then always those of the first request that has not ended.

        Stop at a known place; at the end of the order, check the guarantees. Return the branches that leave this order
        after *branch*.
        """
        self._cookie = await self._begin_session()
        self._requests = [self._request(number) for number in range(len(self._acts))]
        # Before its first step, a request does not use the table.
        self._waiting = {number: next(request) for number, request in enumerate(self._requests)}
        place, chosen = branch
        for number in chosen:
            await self._take_step(number)
        others: list[Branch] = []
        while (state := await self._state()) not in places:
            place.ways.append(places.setdefault(state, Place()))
            place = places[state]
            if not self._waiting:
                place.lost = sum(self.lost)
                for order in permutations(range(len(self._acts))):
                    await self.check(order)
                return others
            first, *rest = self._waiting
            others += [Branch(place, (*chosen, other)) for other in rest]
            await self._take_step(first)
            chosen = (*chosen, first)
        place.ways.append(places[state])
        return others

    async def _take_step(self, number: int) -> None:
        step = self._waiting[number]
        self._trace.append((number, type(step).__name__.strip("_").lower()))
        self._tell(number, await step.take())

    def _tell(self, number: int, answer: Any) -> None:
        self._told[number] += (tuple(answer) if isinstance(answer, list) else answer,)
        try:
            self._waiting[number] = self._requests[number].send(answer)
        except StopIteration as done:
            del self._waiting[number]
            self._answers[number] = done.value

    async def _state(self) -> Hashable:
        """Return everything that the following steps can depend on."""
        return tuple(self._told), self._clock(), self._remembered(), await self._table.rows()

    def _remembered(self) -> Hashable:
        """Return what else the guarantees depend on."""
        return None

    async def check(self, order: Sequence[int]) -> None:
        """Check the guarantees for the outcome, with the responses arriving in this *order*."""
        browser = Browser(clock=self._clock)
        browser.keep([f"{KEY}={self._cookie}; path=/"])
        for number in order:
            if self._acts[number].comes_with_cookie:
                browser.keep(self._answers[number])
        now = await self._data(browser.get(KEY))
        old = await self._data(self._cookie)
        broken = await self._broken(now, old)
        if broken:
            taken = "; ".join(f"{self._acts[number].name}: {step}" for number, step in self._trace)
            arrived = ", ".join(self._acts[number].name for number in order)
            msg = f"{broken}\n  at the table: {taken}\n  at the browser: {arrived}"
            raise AssertionError(msg)

    async def _broken(self, now: dict[str, Any] | None, old: dict[str, Any] | None) -> str:
        """Return the broken guarantee; *now* is the data behind the browser's cookie, *old* behind its first one."""
        if old and PRINCIPAL_KEY in old and any(act.logs_in for act in self._acts):
            return "an ID from before the login opens a logged-in session"
        if any("ended" in events for events in self._events):
            if not any(act.drops for act in self._acts):
                return "the session was dropped, although no request asked for it"
            back = any(data and data.keys() & BEFORE.keys() for data in (now, old))
            return "the dropped session came back" if back else ""
        if not any(act.ends for act in self._acts) and any(self.lost):
            return "a write was lost although the session is alive"
        if now is None:
            return "the browser has lost its session"
        saved = [act for act, lost in zip(self._acts, self.lost, strict=True) if not lost]
        promised = {key for act in saved for key in act.puts}
        if any(act.logs_in and "created" in events for act, events in zip(self._acts, self._events, strict=True)):
            # A login with the cookie of a session that was renewed since begins its own session, and the browser ends
            # up with either. Then only the login itself is sure to be in both, if both are logins.
            promised &= {PRINCIPAL_KEY} if all(act.logs_in for act in self._acts if act.ends) else set()
        elif not now.items() >= BEFORE.items():
            return "data that no request changed is gone"
        if "created" not in (name for events in self._events for name in events):
            broken = self._miscounted(now.get(COUNTER, 0))
            if broken:
                return broken
        for key in promised:
            if now.get(key) not in [act.puts[key] for act in saved if key in act.puts]:
                return f"a change to {key!r} was lost and not reported"
        return ""

    def _miscounted(self, count: int) -> str:
        """Return what is wrong with the counter: each update counts once, unless it was reported as lost."""
        acts = [act for act, lost in zip(self._acts, self.lost, strict=True) if not lost]
        counted = sum(act.counts for act in acts)
        if ATOMIC_ACTS["set the counter"] in acts:
            # As with any key that is written plainly, the later write wins.
            return "" if SET <= count <= SET + counted else f"the counter was set, and is {count}"
        return "" if count == counted else f"{count} of {counted} counts were kept"

    async def _begin_session(self) -> str:
        """Begin the visitor's session, and let time pass if the next request should move the expiry."""
        cookie = await self._put(BEFORE)
        if self._idle:
            self._clock.advance(IDLE_TIMEOUT / 2)
        return cookie

    async def _put(self, data: Mapping[str, Any], principal: str | None = None) -> str:
        """Begin a session that holds *data*, and return its cookie."""
        now = self._seconds()
        write = Write(dict(data), Changes(data), now, now + int(IDLE_TIMEOUT.total_seconds()), now, principal)
        stored = await run_async(self._store.put(None, write, key=KEY))
        assert stored is not None
        return stored.cookie

    def _seconds(self) -> int:
        return int(self._clock().timestamp())

    def _request(self, number: int) -> Steps[tuple[str, ...]]:
        """Return a request as the steps that its table takes; the generator returns its Set-Cookie headers."""
        act, events = self._acts[number], self._events[number]
        if act.handle is None:
            yield _Sweep(self._table)
            return ()
        settings = Settings(
            attributes=CookieAttributes(KEY),
            emit=lambda name, reason, log_id: events.append(name),
            idle_timeout=int(IDLE_TIMEOUT.total_seconds()),
            principals=principal_keys(self.principal_key),
        )
        store = TableStore(self._table, random=_random(1 + number))
        backend = AsyncBackend(settings, store, self._seconds)
        cookies = (self._cookie,) if act.comes_with_cookie else ()
        state = SessionState(backend, cookies, https=False)
        state.take((yield from fetch(cookies, backend, now=self._seconds())))
        yield from self._handle(act, Session(state))
        told = yield from commit(state, now=self._seconds())
        return tuple(map(str, told.cookies))

    def _handle(self, act: Act, session: Session) -> Steps[None]:
        assert act.handle is not None
        if act.counts:
            yield from update(state_of(session), COUNTER, count_up, 0, now=self._seconds())
        else:
            act.handle(session)

    async def _data(self, cookie: str | None) -> dict[str, Any] | None:
        stored = await run_async(self._store.get(cookie or "", key=KEY))
        return stored.data if isinstance(stored, StoredSession) else None


def _random(seed: int) -> Callable[[int], bytes]:
    return Random(seed).randbytes  # noqa: S311  # test data may be predictable
