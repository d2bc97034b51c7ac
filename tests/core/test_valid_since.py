"""The time since which a user's sessions are valid, as the application defines it."""

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdall import ConfigurationError, CookieStore, Event, EventCounts, MemoryTable, Session, Sessions, StoreError
from holdall.formats import NativeFormat
from holdall.stores import TableStore
from holdall.testing import Browser, FakeClock

SECRET = "9c1f7b3ae5d80246-8e2d5f0a7c94b163"
HOUR = timedelta(hours=1)


class Since:
    """The application's record of users who ended their sessions, and of the users who were looked up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.times: dict[str, Any] = {}

    def __call__(self, principal: str) -> Any:
        self.asked.append(principal)
        return self.times.get(principal)


@pytest.fixture
def since() -> Since:
    return Since()


@pytest.fixture(params=["cookie", "table"])
def sessions(request: pytest.FixtureRequest, clock: FakeClock, since: Since, events: list[Event]) -> Sessions:
    store = CookieStore(NativeFormat(SECRET)) if request.param == "cookie" else TableStore(MemoryTable(clock=clock))
    return Sessions(store, key="sid", clock=clock, valid_since=since, on_event=events.append)


def begin(sessions: Sessions, act: Callable[[Session], Any] = lambda session: session.login(7)) -> str:
    session = sessions.fetch()
    act(session)
    cookie = sessions.commit(session).cookie
    assert cookie
    return cookie


def test_a_session_counts_if_its_login_came_later(sessions: Sessions, since: Since, clock: FakeClock) -> None:
    cookie = begin(sessions)
    # Within the same second it counts, so that a password change can keep the session that made it.
    since.times["7"] = clock() + timedelta(seconds=0.9)
    assert sessions.resume(cookie).principal == "7"
    since.times["7"] = clock() + timedelta(seconds=1)

    assert dict(sessions.resume(cookie)) == {}


def test_another_login_or_a_confirmed_one_counts(sessions: Sessions, since: Since, clock: FakeClock) -> None:
    cookie = begin(sessions)
    clock.advance(HOUR)
    session = sessions.resume(cookie)
    session.login(7)
    confirmed = sessions.commit(session).cookie
    since.times["7"] = clock()

    assert sessions.resume(confirmed).principal == "7"
    assert sessions.resume(cookie).principal is None


def test_valid_since_is_called_once_for_a_logged_in_session_that_is_read(sessions: Sessions, since: Since) -> None:
    anonymous = begin(sessions, lambda session: session.put("n", 1))
    assert sessions.resume(anonymous)["n"] == 1
    cookie = begin(sessions)
    session = sessions.resume(cookie)
    assert since.asked == []
    assert (session["user_id"], session.principal, session.get("n")) == (7, "7", None)
    sessions.commit(session)

    assert since.asked == ["7"]
    assert sessions.resume("no session of ours").principal is None
    assert since.asked == ["7"]


def test_a_late_write_of_an_outdated_session_does_not_replace_a_new_login(clock: FakeClock, since: Since) -> None:
    store = CookieStore(NativeFormat(SECRET), clock=clock)
    sessions, browser = Sessions(store, key="sid", clock=clock, valid_since=since), Browser(clock=clock)

    def visit(act: Callable[[Session], Any]) -> None:
        session = sessions.fetch(browser.header())
        act(session)
        browser.keep([str(cookie) for cookie in sessions.commit(session).cookies])

    visit(lambda session: session.login(7))
    slow = sessions.fetch(browser.header())
    slow["n"] = 1
    since.times["7"] = clock() + HOUR
    clock.advance(HOUR)
    visit(lambda session: session.login(7))

    browser.keep([str(cookie) for cookie in sessions.commit(slow).cookies])

    assert dict(sessions.fetch(browser.header())) == {"user_id": 7}


def test_an_outdated_session_is_reported_and_can_be_counted(
    sessions: Sessions, since: Since, clock: FakeClock, events: list[Event]
) -> None:
    cookie = begin(sessions)
    since.times["7"] = clock() + HOUR
    events.clear()
    assert sessions.resume(cookie).principal is None
    counts = EventCounts()
    for event in events:
        counts(event)

    assert (counts.rejected, counts.events) == ({"outdated": 1}, {"rejected": 1})


def test_a_row_is_checked_again_at_a_reload_but_not_at_an_update(clock: FakeClock, since: Since) -> None:
    sessions = Sessions(TableStore(MemoryTable(clock=clock)), key="sid", clock=clock, valid_since=since)
    session = sessions.resume(begin(sessions))
    assert session.atomic_update("n", lambda n: n + 1, default=0) == 1
    assert since.asked == ["7"]
    since.times["7"] = clock() + HOUR
    session.reload()

    assert dict(session) == {}


@pytest.mark.parametrize("answer", [datetime(2026, 3, 1), 0, "never", True])  # noqa: DTZ001  # no time zone on purpose
def test_a_value_that_is_not_a_time_is_an_error(sessions: Sessions, since: Since, answer: Any) -> None:
    cookie = begin(sessions)
    since.times["7"] = answer

    with pytest.raises(StoreError, match="return a datetime with its time zone"):
        sessions.resume(cookie).get("user_id")


def test_a_failure_of_valid_since_is_a_store_error_that_shows_nothing(clock: FakeClock) -> None:
    def fail(principal: str) -> None:
        msg = "password of the database"
        raise OSError(msg)

    sessions = Sessions(CookieStore(NativeFormat(SECRET)), key="sid", clock=clock, valid_since=fail)
    cookie = begin(sessions)

    with pytest.raises(StoreError, match="failed with OSError") as failure:
        sessions.resume(cookie).get("user_id")
    assert "password" not in str(failure.value)


@pytest.mark.parametrize("store", ["cookie", "table"])
@pytest.mark.parametrize("is_async", [True, False], ids=["async", "plain"])
def test_an_async_adapter_awaits_valid_since_or_calls_it_in_a_thread(
    clock: FakeClock, store: str, is_async: bool
) -> None:
    threads: list[threading.Thread] = []
    since = clock() + HOUR

    def plain(principal: str) -> datetime:
        threads.append(threading.current_thread())
        return since

    async def awaited(principal: str) -> datetime:
        await asyncio.sleep(0)
        return plain(principal)

    class Object:
        async def __call__(self, principal: str) -> datetime:
            return await awaited(principal)

    stored = CookieStore(NativeFormat(SECRET)) if store == "cookie" else TableStore(MemoryTable(clock=clock))
    cookie = begin(Sessions(stored, key="sid", clock=clock))

    async def look(valid_since: Any) -> str | None:
        sessions = Sessions(stored, key="sid", clock=clock, valid_since=valid_since)
        session = await sessions.fetch_async(f"sid={cookie}")
        return session.principal

    for valid_since in (awaited, Object()) if is_async else (plain,):
        assert asyncio.run(look(valid_since)) is None
    assert all((thread is threading.main_thread()) == is_async for thread in threads)
    assert len(threads) == 1 + is_async


def test_a_failure_of_an_async_valid_since_is_a_store_error(clock: FakeClock) -> None:
    async def fail(principal: str) -> None:
        raise OSError

    store = CookieStore(NativeFormat(SECRET))
    cookie = begin(Sessions(store, key="sid", clock=clock))
    sessions = Sessions(store, key="sid", clock=clock, valid_since=fail)

    with pytest.raises(StoreError, match="failed with OSError"):
        asyncio.run(sessions.fetch_async(f"sid={cookie}"))


def test_another_librarys_session_with_an_invalid_principal_is_left_to_the_migration(clock: FakeClock) -> None:
    since = Since()
    sessions = Sessions(CookieStore(NativeFormat(SECRET)), key="sid", clock=clock, valid_since=since)
    outside = Sessions(CookieStore(NativeFormat(SECRET)), key="sid", clock=clock, principal_key=None)
    cookie = begin(outside, lambda session: session.put("user_id", "x" * 2000))

    with pytest.raises(TypeError, match="cannot identify the user"):
        sessions.resume(cookie).get("user_id")
    assert since.asked == []


async def never(principal: str) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"valid_since": never}, "which this adapter cannot await"),
        ({"valid_since": Since(), "idle_timeout": None, "absolute_timeout": None}, "set an absolute_timeout"),
        ({"valid_since": Since(), "principal_key": None}, "leave out principal_key=None"),
    ],
)
def test_settings_with_which_it_cannot_work_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Sessions("cookie", secret_key_base=SECRET, key="sid", **options).prepare("sync")


def test_a_disabled_account_has_no_sessions(sessions: Sessions, since: Since) -> None:
    cookie = begin(sessions)
    since.times["7"] = datetime.max.replace(tzinfo=UTC)

    assert sessions.resume(cookie).principal is None


def test_other_events_are_counted_by_name() -> None:
    counts = EventCounts()

    counts(Event("created", "sid"))

    assert (counts.events, counts.rejected) == ({"created": 1}, {})
