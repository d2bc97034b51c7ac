"""Requests of one browser whose responses arrive in every order, and what can then go wrong."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from holdall import Session, Sessions
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


def logout(session: Session) -> None:
    session.logout()


def drop(session: Session) -> None:
    session.configure(drop=True)


def farewell(session: Session) -> None:
    session.logout()
    session["message"] = "Goodbye"


def library_logout(session: Session) -> None:
    session.pop("user_id", None)


Act = Callable[[Session], None]
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
                # The response may have been made at any time since, because nothing on the server depends on when.
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
