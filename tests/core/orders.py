"""Requests of one browser that meet in every order, and whose responses arrive in every order."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from commuting import Keep, Send, every_order
from holdall import MemoryTable, Session, Sessions, StoreError
from holdall._lifecycle import commit, fetch
from holdall._session import state_of
from holdall.steps import Steps
from holdall.testing import Browser, FakeClock

#: The longest time between the start of a slow visitor's request and the next event.
STEP = timedelta(seconds=7)


def write(session: Session) -> None:
    session["n"] = session.get("n", 0) + 1


def read(session: Session) -> None:
    session.get("n")


def renew(session: Session) -> None:
    session.configure(renew=True)


def login(session: Session) -> None:
    session.login(7)


def switch(session: Session) -> None:
    session.login(8)


def logout(session: Session) -> None:
    session.logout()


def drop(session: Session) -> None:
    session.configure(drop=True)


def farewell(session: Session) -> None:
    session.logout()
    session["message"] = "Goodbye"


def library_logout(session: Session) -> None:
    session.pop("user_id", None)


Act = Callable[[Session], Any]
LOGINS: tuple[Act, ...] = (login,)
LOGOUTS: tuple[Act, ...] = (logout, drop, farewell, library_logout)
ACTS: tuple[Act, ...] = (write, read, renew, *LOGINS, *LOGOUTS)


def answer(sessions: Sessions, header: str, act: Act) -> list[str]:
    session = sessions.fetch(header, https=True)
    act(session)
    return [str(cookie) for cookie in sessions.commit(session).cookies]


def visit(browser: Browser, sessions: Sessions, act: Act = read) -> dict[str, Any]:
    """Let *act* change the session, and return the browser's state afterwards."""
    browser.keep(answer(sessions, browser.header(https=True), act), https=True)
    return dict(sessions.fetch(browser.header(https=True), https=True))


class Watched:
    """A table that counts what it is asked, and can be away."""

    def __init__(self, clock: FakeClock) -> None:
        self.table = MemoryTable(clock=clock)
        self.asked: Counter[str] = Counter()
        self.is_away = False
        self.evicts = self.table.evicts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.table, name)
        if name not in ("read", "insert", "replace", "touch", "remove", "find", "clear", "sweep"):
            return found

        def ask(*args: Any, **options: Any) -> Any:
            self.asked[name] += 1
            if self.is_away:
                msg = "the table is down"
                raise StoreError(msg)
            return found(*args, **options)

        return ask

    def take_asked(self) -> dict[str, int]:
        asked, self.asked = dict(self.asked), Counter()
        return asked


class Visitor:
    """A browser at an application's sessions."""

    def __init__(self, sessions: Sessions, clock: FakeClock) -> None:
        self.sessions = sessions
        self.browser = Browser(clock=clock)

    @property
    def header(self) -> str:
        return self.browser.header(https=True)

    def does(self, *acts: Act, status: int = 200) -> Any:
        """Make a request for each of the *acts*, and return what the last one returns."""
        returned = None
        for act in acts:
            session = self.sessions.fetch(self.header, https=True)
            returned = act(session)
            self.browser.keep([str(each) for each in self.sessions.commit(session, status=status).cookies], https=True)
        return returned


def orders(count: int) -> Iterator[list[int]]:
    """Return each order in which *count* requests can begin and their responses arrive: each number occurs twice."""

    def rest(left: dict[int, int]) -> Iterator[list[int]]:
        if not left:
            yield []
        for number in left:
            fewer = {each: times - (each == number) for each, times in left.items()}
            yield from ([number, *more] for more in rest({each: times for each, times in fewer.items() if times}))

    return rest(dict.fromkeys(range(count), 2))


def faults(make_sessions: Callable[[FakeClock], Sessions], start: Act | None, acts: tuple[Act, ...]) -> set[str]:
    """Return what can go wrong if *acts* happen in every order, in a browser that has made the requests in *start*."""
    found: set[str] = set()
    clock = FakeClock()
    sessions = make_sessions(clock)
    # Of identical requests, the first begins first, because the other order is the same with other numbers.
    alike = [each for each, (act, following) in enumerate(pairwise(acts)) if act is following]
    for order in orders(len(acts)):
        if any(order.index(each) > order.index(each + 1) for each in alike):
            continue
        browser = Browser(clock=clock)
        if start is not None:
            visit(browser, sessions, start)
        began: dict[int, tuple[int, str]] = {}
        arrived: dict[int, int] = {}
        for step, number in enumerate(order):
            clock.advance(STEP)
            if number in began:
                # The response was made at any time since: for a session in its cookie it does not matter when. Where
                # there is a row, ``meetings`` has the orders in which it does.
                browser.keep(answer(sessions, began[number][1], acts[number]), https=True)
                arrived[number] = step
            else:
                began[number] = (step, browser.header(https=True))
        found |= _judged(acts, {each: step for each, (step, _) in began.items()}, arrived, browser, sessions, start)
    return found


def _judged(
    acts: tuple[Act, ...],
    began: dict[int, int],
    arrived: dict[int, int],
    browser: Browser,
    sessions: Sessions,
    start: Act | None,
) -> set[str]:
    found = set()
    user = dict(sessions.fetch(browser.header(https=True), https=True)).get("user_id")
    logins = [each for each, act in enumerate(acts) if act in LOGINS]
    logouts = [each for each, act in enumerate(acts) if act in LOGOUTS]
    if logouts and user is not None and all(arrived[i] < began[o] for i in logins for o in logouts):
        found.add("login is back")
    if logins and user is None and all(arrived[o] < began[i] for i in logins for o in logouts):
        found.add("logged out")
    if not logins and not logouts and start in LOGINS and user is None:
        found.add("logged out")
    if len(browser.jar) > len(acts):
        found.add("too many cookies")
    visit(browser, sessions)
    # Without a cookie, each request begins a new line of sessions.
    if start is not None and len(browser.jar) > 1:
        found.add("cookies are left")
    return found


class Meeting:
    """
    Requests of one browser that meet in some order; the act ``"revoke"`` is a call that ends its user's sessions.

    Attributes:
        found: The principal that each request found.
        seen: All cookies that the browser has got.
        taken: The number of the request that took each step, and the step's name.
    """

    def __init__(
        self, sessions: Sessions, clock: FakeClock, starts: tuple[Act, ...], acts: tuple[Act | str, ...]
    ) -> None:
        self.clock, self.sessions = clock, sessions
        self.visitor = Visitor(sessions, clock)
        self.visitor.does(*starts)
        self.found: list[str | None] = [None] * len(acts)
        self.seen = {self.visitor.header}
        self.taken: list[tuple[int, str]] = []
        self.requests = [
            self._noted(number, self._revoke() if isinstance(act, str) else self._visit(number, act))
            for number, act in enumerate(acts)
        ]

    def _noted(self, number: int, steps: Steps[Any]) -> Steps[Any]:
        step = next(steps)
        while True:
            answer = yield step
            self.taken.append((number, type(step).__name__))
            try:
                step = steps.send(answer)
            except StopIteration as done:
                return done.value

    def _revoke(self) -> Steps[Any]:
        store = self.sessions.prepare("sync").store
        return store.revoke("7", keys=[self.sessions.settings.key], keep=None, handle=None)

    def _visit(self, number: int, act: Act) -> Steps[None]:
        header = yield Send(self.visitor.browser)
        now = int(self.clock().timestamp())
        session = self.sessions.fetch(header, https=True)
        state = state_of(session)
        state.take((yield from fetch(state.cookies, state.backend, now=now)))
        self.found[number] = session.principal
        act(session)
        headers = yield from commit(state, now=now)
        self.seen |= {f"{each.attributes.key}={each.value}" for each in headers.cookies if each.value}
        yield Keep(self.visitor.browser, [str(each) for each in headers.cookies])


def meetings(
    make_sessions: Callable[[FakeClock], Sessions], starts: tuple[Act, ...], *acts: Act | str
) -> Iterator[Meeting]:
    """Let *acts* meet in every order, each time in a browser that has *starts* behind it."""
    meeting: Meeting

    def begin() -> list[Steps[Any]]:
        nonlocal meeting
        clock = FakeClock()
        meeting = Meeting(make_sessions(clock), clock, starts, acts)
        return meeting.requests

    for _ in every_order(begin):
        yield meeting
