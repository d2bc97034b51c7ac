"""
Every order in which requests with a session's old cookie can interleave while the session is moved.

A request is a generator of the table's and the source's steps. ``orders`` begins several, takes one step of one of them
at a time, and starts again for each order, except for those that differ from another only in steps that commute.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from commuting import commute
from holdall import MemoryTable, Session, TableStore
from holdall._backends import SyncBackend
from holdall._cookies import CookieAttributes
from holdall._lifecycle import commit, fetch
from holdall._principals import principal_keys
from holdall._settings import Settings
from holdall._state import SessionState
from holdall.steps import Steps, run
from holdall.stores._migration import MigratingStore
from holdall.stores._verbs import Insert, Remove
from holdall.testing import Browser, FakeClock
from moving.kept import Kept

__all__ = ["ACTS", "BEFORE", "Act", "Outcome", "orders"]

KEY = "sid"
#: The session's initial data; no act changes it.
BEFORE = {"cart": 3}


class Act(NamedTuple):
    """
    The action of a request.

    Attributes:
        puts: Its changes, by key.
        status: Its response's status: after a failure nothing is saved.
    """

    name: str
    handle: Callable[[Session], object]
    puts: Mapping[str, Any] = MappingProxyType({})
    status: int = 200


def _writes(name: str, key: str) -> Act:
    return Act(name, lambda session: session.put(key, name), {key: name})


#: The acts of the interleaved requests.
ACTS = {
    act.name: act
    for act in (
        Act("read", lambda session: session.get("cart")),
        _writes("write", "a"),
        _writes("write another", "b"),
        Act("login", lambda session: session.login(7), {"user_id": 7}),
        Act("renew", lambda session: session.configure(renew=True)),
        Act("logout", lambda session: session.logout()),
        Act("fail", lambda session: session.put("a", "never"), status=500),
    )
}


class Outcome(NamedTuple):
    """
    The result of one order.

    Attributes:
        events: The reported events, by request.
        order: The requests in the order of their responses, in which the browser receives them.
        live: The number of sessions in the table.
        is_new: The browser has another cookie than the old one, or none.
        browser: The data behind the browser's cookie afterwards.
        old: The data behind the old cookie afterwards.
        is_left: The source still has something.
        trace: The steps, for a message.
    """

    events: tuple[tuple[str, ...], ...]
    order: tuple[int, ...]
    live: int
    is_new: bool
    browser: dict[str, Any] | None
    old: dict[str, Any] | None
    is_left: bool
    trace: str


def orders(names: Sequence[str], *, at_most: int | None = None) -> Iterator[Outcome]:
    """
    Run requests with these *names* in every order.

    Args:
        at_most: If there are more orders, take this many at random.
    """
    chance = random.Random(" ".join(names))  # the same orders each time
    todo: list[tuple[int, ...]] = [()]
    done = 0
    while todo and (at_most is None or done < at_most):
        prefix = todo.pop(-1 if at_most is None else chance.randrange(len(todo)))
        run = _Run([ACTS[name] for name in names])
        todo += run.follow(prefix)
        if run.is_repeated:
            continue
        done += 1
        yield run.outcome()


class _Run:
    """One order, from the beginning."""

    def __init__(self, acts: list[Act]) -> None:
        self._acts = acts
        self._clock = FakeClock()
        self._table = MemoryTable(clock=self._clock)
        self._source = Kept(self._clock)
        self._cookie = self._source.put(dict(BEFORE))
        self._store = MigratingStore(TableStore(self._table), [self._source], clock=self._clock)
        self._events: list[list[str]] = [[] for _ in acts]
        self._answers: list[tuple[int, tuple[str, ...]]] = []
        self._trace: list[str] = []
        self._inserted: list[bytes] = []
        self._successors: set[bytes] = set()
        #: The order was abandoned, because another one has the same result.
        self.is_repeated = False

    def follow(self, prefix: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Take steps in the order of *prefix*, then those of the first request; return the branches after *prefix*."""
        requests = [self._request(act, events) for act, events in zip(self._acts, self._events, strict=True)]
        waiting = {number: next(request) for number, request in enumerate(requests)}
        chosen: list[int] = []
        others: list[tuple[int, ...]] = []
        before: tuple[int, Any] = (0, None)
        while waiting:
            first, *rest = waiting
            if len(chosen) < len(prefix):
                first = prefix[len(chosen)]
            else:
                others += [(*chosen, other) for other in rest]
            step = waiting[first]
            # Only while the earlier request is unanswered: its response is part of the outcome, so its order matters.
            if first < before[0] and before[0] in waiting and commute(before[1], step):
                self.is_repeated = True
                return others
            before = (first, step)
            chosen.append(first)
            hidden: set[bytes] = set()
            while first in waiting:
                self._take(first, requests, waiting, hidden)
                # A step that no other request can see needs no order among theirs.
                following = waiting.get(first)
                if not (
                    self._inserts_hidden(following) or (isinstance(following, Remove) and following.digest in hidden)
                ):
                    break
        return others

    def _take(self, number: int, requests: list[Any], waiting: dict[int, Any], hidden: set[bytes]) -> None:
        step = waiting[number]
        self._trace.append(f"{self._acts[number].name} {number}: {type(step).__name__}")
        if self._inserts_hidden(step):
            hidden.add(step.digest)
        if isinstance(step, Insert) and step.row.version > 0:
            self._inserted.append(step.digest)
        if isinstance(step, Remove) and step.tombstone is not None:
            self._successors.add(step.tombstone.successor)
        try:
            waiting[number] = requests[number].send(step.take())
        except StopIteration as done:
            del waiting[number]
            self._answers.append((number, done.value))

    def outcome(self) -> Outcome:
        browser = Browser(clock=self._clock)
        browser.keep([f"{KEY}={self._cookie}; path=/"])
        for _, answer in self._answers:
            browser.keep(answer)
        return Outcome(
            tuple(map(tuple, self._events)),
            tuple(number for number, _ in self._answers),
            sum(self._is_live(digest) for digest in self._inserted),
            browser.get(KEY) != self._cookie,
            self._opens(browser.get(KEY)),
            self._opens(self._cookie),
            bool(self._source.entries),
            "; ".join(self._trace),
        )

    def _is_live(self, digest: bytes) -> bool:
        row = self._table.read(digest)
        return row is not None and not row.is_tombstone

    def _opens(self, cookie: str | None) -> dict[str, Any] | None:
        found = run(self._store.get(cookie or "", key=KEY))
        return getattr(found, "data", None)

    def _inserts_hidden(self, step: object) -> bool:
        """Return whether *step* inserts a session that no tombstone leads to."""
        return isinstance(step, Insert) and step.row.version > 0 and step.digest not in self._successors

    def _request(self, act: Act, events: list[str]) -> Steps[tuple[str, ...]]:
        settings = Settings(
            attributes=CookieAttributes(KEY),
            emit=lambda name, reason, log_id: events.append(name),
            idle_timeout=60 * 60,
            principals=principal_keys("user_id"),
        )
        backend = SyncBackend(settings, self._store, self._seconds)
        cookies = (self._cookie,)
        state = SessionState(backend, cookies, https=False)
        state.take((yield from fetch(cookies, backend, now=self._seconds())))
        act.handle(Session(state))
        told = yield from commit(state, now=self._seconds(), status=act.status)
        return tuple(map(str, told.cookies))

    def _seconds(self) -> int:
        return int(self._clock().timestamp())
