"""A limit on a user's sessions: one login after another, in every order of two requests, and in real processes."""

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from commuting import every_order
from holdall import ConfigurationError, MemoryTable, Session, Sessions, TooManySessionsError
from holdall._lifecycle import commit, fetch
from holdall._session import state_of
from holdall.adapters import Phase
from holdall.formats import FlaskFormat, Record
from holdall.sources.cookie import CookieSource
from holdall.steps import Steps
from holdall.stores import CookieStore, MigratingStore, TableStore
from holdall.testing import FakeClock
from moving.kept import Kept
from sizes import sized

SECRET = "2f8b6d0c4a917e53-7d1e9b5a3c80f264"
MOST = 2
SECOND = timedelta(seconds=1)


def made(when_full: str, clock: FakeClock, most: int = MOST) -> Sessions:
    table = MemoryTable(clock=clock)
    return Sessions(
        TableStore(table, random=Random(7).randbytes), key="sid", clock=clock, max_sessions=most, when_full=when_full
    )


def log_in(sessions: Sessions, cookie: str | None = None) -> str:
    session = sessions.resume(cookie)
    session.login(7)
    sent = sessions.commit(session).cookie
    assert sent
    return sent


def principal(sessions: Sessions, cookie: str) -> str | None:
    return sessions.resume(cookie).principal


def test_a_login_ends_the_oldest_session(clock: FakeClock) -> None:
    sessions, cookies = made("end_oldest", clock), []
    for _ in range(4):
        cookies.append(log_in(sessions))
        clock.advance(SECOND)

    assert [principal(sessions, cookie) for cookie in cookies] == [None, None, "7", "7"]


def test_a_repeated_login_in_the_same_browser_takes_no_place(clock: FakeClock) -> None:
    sessions = made("refuse", clock)
    cookie = log_in(sessions)
    other = log_in(sessions)
    for _ in range(3):
        clock.advance(SECOND)
        cookie = log_in(sessions, cookie)

    assert [principal(sessions, each) for each in (cookie, other)] == ["7", "7"]


def test_a_user_with_all_their_sessions_can_go_on_writing(clock: FakeClock) -> None:
    sessions = made("refuse", clock)
    cookie, *_ = [log_in(sessions) for _ in range(MOST)]
    session = sessions.resume(cookie)
    session["cart"] = 1

    sessions.commit(session)

    assert sessions.resume(cookie)["cart"] == 1


def test_other_users_and_anonymous_visitors_are_not_counted(clock: FakeClock) -> None:
    sessions = made("refuse", clock, most=1)
    log_in(sessions)
    for data in ({"theme": "dark"}, {"theme": "light"}, {"user_id": 8}):
        session = sessions.fetch()
        session.update(data)
        assert sessions.commit(session).cookie


def test_a_refused_login_leaves_the_visitors_session_as_it_was(clock: FakeClock) -> None:
    sessions = made("refuse", clock)
    cookies = [log_in(sessions) for _ in range(MOST)]
    session = sessions.fetch()
    session["cart"] = [1]
    cookie = sessions.commit(session).cookie
    session = sessions.resume(cookie)
    session.login(7)
    session["cart"].append(2)

    with pytest.raises(TooManySessionsError, match="the user has 2 sessions"):
        sessions.commit(session)

    assert dict(session) == {}
    # An adapter opens it again, and commits once more with the response to the error.
    state_of(session).phase = Phase.HEADERS_PENDING
    session["flash"] = "refused"
    assert sessions.commit(session, status=403).cookies == ()
    assert dict(sessions.resume(cookie)) == {"cart": [1]}
    assert [principal(sessions, each) for each in cookies] == ["7", "7"]


def test_a_freed_place_can_be_taken(clock: FakeClock) -> None:
    sessions = made("refuse", clock)
    first, _ = log_in(sessions), log_in(sessions)
    session = sessions.resume(first)
    session.logout()
    sessions.commit(session)

    assert principal(sessions, log_in(sessions)) == "7"


@pytest.mark.parametrize("when_full", ["end_oldest", "refuse"])
def test_a_librarys_logout_is_never_refused(clock: FakeClock, when_full: str) -> None:
    sessions = made(when_full, clock, most=1)
    session = sessions.resume(log_in(sessions))
    del session["user_id"]
    sessions.commit(session)

    assert sessions.list(7) == []


def test_a_lower_limit_takes_effect_with_the_next_login_or_renewal(clock: FakeClock) -> None:
    many, cookies = made("refuse", clock, most=4), []
    for _ in range(4):
        cookies.append(log_in(many))
        clock.advance(SECOND)
    store = many.prepare("sync").store._store
    few = Sessions(store, key="sid", clock=clock, max_sessions=2, when_full="refuse")
    with pytest.raises(TooManySessionsError):
        log_in(few)
    session = few.resume(cookies[0])
    session.configure(renew=True)
    cookies[0] = few.commit(session).cookie or ""

    # It renewed its own session, so others must end.
    assert [principal(few, cookie) for cookie in cookies] == ["7", "7", None, None]


# Sessions that get a row here when they are first used.

OLD = FlaskFormat(SECRET)


def moving(clock: FakeClock, when_full: str) -> Sessions:
    random = Random(7).randbytes
    rows, source = TableStore(MemoryTable(clock=clock), random=random), CookieSource(OLD, key="sid")
    store = MigratingStore(rows, [source], clock=clock, random=random)
    return Sessions(store, key="sid", clock=clock, max_sessions=MOST, when_full=when_full)


def listing(clock: FakeClock, when_full: str) -> Sessions:
    store = {"secret_key_base": SECRET, "also_read": [OLD], "revocable": MemoryTable(clock=clock)}
    random = Random(7).randbytes
    return Sessions("cookie", key="sid", clock=clock, random=random, max_sessions=MOST, when_full=when_full, **store)


ADOPTING = pytest.mark.parametrize("make", [moving, listing])


def old_cookie(clock: FakeClock, number: int, user: int | None = 7) -> str:
    """Return the cookie of a session that began with another library."""
    now = int(clock().timestamp())
    data = {"number": number} if user is None else {"number": number, "user_id": user}
    return OLD.seal(Record(data, now, now + 10_000, f"{number:016x}"), key="sid")


def come(sessions: Sessions, cookie: str) -> dict[str, Any]:
    """Make a request with a *cookie*, and return the session's data."""
    session = sessions.fetch(f"sid={cookie}")
    data = dict(session)
    sessions.commit(session)
    return data


@ADOPTING
def test_a_session_from_elsewhere_counts_and_ends_the_oldest(
    make: Callable[[FakeClock, str], Sessions], clock: FakeClock
) -> None:
    sessions, cookies = make(clock, "end_oldest"), []
    for number in range(5):
        cookies.append(old_cookie(clock, number))
        clock.advance(SECOND)

    for number in (1, 3, 2, 0, 4):
        come(sessions, cookies[number])
        assert len(sessions.list(7)) <= MOST

    # The two that began last are left, in whichever order they were first used.
    assert [come(sessions, each).get("number") for each in cookies] == [None, None, None, 3, 4]
    assert len(sessions.list(7)) == MOST


@ADOPTING
def test_an_older_session_from_elsewhere_is_over_at_once(
    make: Callable[[FakeClock, str], Sessions], clock: FakeClock
) -> None:
    sessions, cookie = make(clock, "end_oldest"), old_cookie(clock, 0)
    clock.advance(SECOND)
    for number in range(1, 1 + MOST):
        come(sessions, old_cookie(clock, number))

    session = sessions.fetch(f"sid={cookie}")

    assert dict(session) == {}
    assert sessions.commit(session).cookies == ()


@ADOPTING
def test_a_session_from_elsewhere_is_not_refused(make: Callable[[FakeClock, str], Sessions], clock: FakeClock) -> None:
    sessions, cookies = make(clock, "refuse"), []
    for number in range(4):
        cookies.append(old_cookie(clock, number))
        clock.advance(SECOND)

    for each in cookies:
        assert come(sessions, each)["user_id"] == 7
        assert len(sessions.list(7)) <= MOST


@ADOPTING
def test_anonymous_sessions_from_elsewhere_are_not_counted(
    make: Callable[[FakeClock, str], Sessions], clock: FakeClock
) -> None:
    sessions = make(clock, "end_oldest")
    cookies = [old_cookie(clock, number, None) for number in range(4)]

    assert [come(sessions, each) for each in cookies] == [{"number": number} for number in range(4)]
    assert [come(sessions, each) for each in cookies] == [{"number": number} for number in range(4)]


@ADOPTING
@pytest.mark.parametrize("when_full", ["end_oldest", "refuse"])
@pytest.mark.parametrize("other", ["login", "first use"])
def test_a_first_use_and_another_request_never_leave_too_many_whichever_comes_first(
    make: Callable[[FakeClock, str], Sessions], when_full: str, other: str
) -> None:
    sessions: Sessions

    def begin() -> list[Steps[Any]]:
        nonlocal sessions
        clock = FakeClock()
        sessions = make(clock, when_full)
        come(sessions, old_cookie(clock, 0))
        came = [old_cookie(clock, 1), None if other == "login" else old_cookie(clock, 2)]
        clock.advance(SECOND)
        now = int(clock().timestamp())
        acts = [ACTS["use"], ACTS["login" if other == "login" else "use"]]
        return [request(sessions, now, cookie, act) for cookie, act in zip(came, acts, strict=True)]

    for _ in every_order(begin):
        assert 1 <= len(sessions.list(7)) <= MOST


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_sessions": 0}, "whole number of at least 1"),
        ({"max_sessions": True}, "whole number of at least 1"),
        ({"max_sessions": 1, "when_full": "end"}, "neither 'end_oldest' nor 'refuse'"),
        ({"max_sessions": 1, "principal_key": None}, "leave out principal_key=None"),
        ({"when_full": "refuse"}, "beyond max_sessions: set that too, as in max_sessions=5"),
    ],
)
def test_an_invalid_limit_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Sessions("table", table="t", key="sid", **options)


def test_sessions_in_cookies_cannot_be_counted() -> None:
    sessions = Sessions("cookie", secret_key_base=SECRET, key="sid", max_sessions=1)

    with pytest.raises(ConfigurationError, match="CookieStore keeps no rows"):
        sessions.prepare("sync")
    assert isinstance(Sessions("cookie", secret_key_base=SECRET, key="sid").prepare("sync").store, CookieStore)


@pytest.mark.parametrize("device_bound", [False, True])
@pytest.mark.parametrize("moves", [False, True])
def test_a_limit_with_a_replica_is_refused(tmp_path: Path, clock: FakeClock, moves: bool, device_bound: bool) -> None:
    def make(**options: Any) -> Sessions:
        return Sessions(
            f"sqlite:///{tmp_path / 'main.db'}",
            key="sid",
            secure=True,
            secret_key_base=SECRET,
            migrate_from=[Kept(clock)] if moves else [],
            device_bound=device_bound,
            max_sessions=1,
            **options,
        )

    with make() as sessions:
        assert principal(sessions, log_in(sessions)) == "7"
    with (
        make(list_from=f"sqlite:///{tmp_path / 'replica.db'}") as sessions,
        pytest.raises(ConfigurationError, match="list_from may not show yet"),
    ):
        sessions.prepare("sync")


# Sessions that another library has kept until now.


def make_moving(tmp_path: Path, kept: Kept, clock: FakeClock, when_full: str) -> Sessions:
    return Sessions(
        f"sqlite:///{tmp_path / 'sessions.db'}",
        key="sid",
        secret_key_base=SECRET,
        migrate_from=[kept],
        clock=clock,
        max_sessions=MOST,
        when_full=when_full,
    )


def test_a_refused_login_leaves_a_session_that_was_just_moved_as_it_was(tmp_path: Path, clock: FakeClock) -> None:
    kept = Kept(clock)
    with make_moving(tmp_path, kept, clock, "refuse") as sessions:
        cookies = [log_in(sessions) for _ in range(MOST)]
        old = kept.put({"cart": [1]})
        with pytest.raises(TooManySessionsError):
            log_in(sessions, old)

        assert dict(sessions.resume(old)) == {"cart": [1]}
        assert [principal(sessions, each) for each in cookies] == ["7", "7"]


# Every order of two requests.


def request(sessions: Sessions, now: int, cookie: str | None, act: Callable[[Session], Any]) -> Steps[Any]:
    session = sessions.resume(cookie)
    state = state_of(session)
    state.take((yield from fetch(() if cookie is None else (cookie,), state.backend, now=now)))
    act(session)
    try:
        return (yield from commit(state, now=now)).cookie
    except TooManySessionsError:
        return None


ACTS: dict[str, Callable[[Session], Any]] = {
    "login": lambda session: session.login(7),
    "renewal": lambda session: session.configure(renew=True),
    "logout": lambda session: session.logout(),
    "use": dict,
}


@pytest.mark.parametrize(
    ("when_full", "other", "most", "alive"),
    [
        # The oldest of the three sessions must end, and only that one.
        ("end_oldest", "login", 2, {(True, True)}),
        ("end_oldest", "renewal", 1, {(True, False)}),
        ("end_oldest", "logout", 1, {(True, False)}),
        # For the last free place, both may be refused, but never both accepted.
        ("refuse", "login", 2, {(True, False), (False, True), (False, False)}),
        ("refuse", "renewal", 1, {(False, True)}),
        ("refuse", "logout", 1, {(True, False), (False, False)}),
    ],
)
def test_a_login_and_another_request_never_leave_too_many_whichever_comes_first(
    when_full: str, other: str, most: int, alive: set[tuple[bool, ...]]
) -> None:
    sessions: Sessions

    def begin() -> list[Steps[Any]]:
        nonlocal sessions
        clock = FakeClock()
        sessions = made(when_full, clock, most)
        first = log_in(sessions)
        clock.advance(SECOND)
        now, came = int(clock().timestamp()), None if other == "login" else first
        return [request(sessions, now, None, ACTS["login"]), request(sessions, now, came, ACTS[other])]

    seen = set()
    for cookies in every_order(begin):
        seen.add(tuple(bool(cookie and principal(sessions, cookie)) for cookie in cookies))
        assert len(sessions.list(7)) <= most

    assert seen == alive


# Real processes.


def log_in_often(url: str, when_full: str, times: int) -> None:
    with Sessions(
        "table", table=url, key="sid", max_sessions=MOST, when_full=when_full, secret_key_base=SECRET
    ) as these:
        for _ in range(times):
            session = these.fetch()
            session.login(7)
            try:
                these.commit(session)
            except TooManySessionsError:
                assert when_full == "refuse"


@pytest.mark.parametrize("when_full", ["end_oldest", "refuse"])
def test_processes_that_log_in_concurrently_stay_within_the_limit(when_full: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    spawn = multiprocessing.get_context("spawn")
    times = sized(15, 500)
    processes = [spawn.Process(target=log_in_often, args=(url, when_full, times)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    with Sessions("table", table=url, key="sid", secret_key_base=SECRET) as sessions:
        count = len(sessions.list(7))
    assert count == MOST if when_full == "end_oldest" else count <= MOST
