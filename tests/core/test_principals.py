"""A principal's sessions, listed and ended outside their requests."""

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdall import ConfigurationError, Event, MemoryTable, Sessions, TableStore
from holdall._clients import client_text, info_of
from holdall.stores import SessionRow
from holdall.stores._principals import owner
from holdall.tables import MAX_CLIENT_BYTES, MAX_PRINCIPAL_BYTES, Row, Tombstone
from holdall.tables.sqlite import SQLiteTable
from holdall.testing import FakeClock, as_async

IDLE = timedelta(hours=1)
FIREFOX = ("Firefox", "192.0.2.1")

Call = Callable[..., Any]


@pytest.fixture
def table(clock: FakeClock) -> MemoryTable:
    return MemoryTable(clock=clock)


@pytest.fixture
def sessions(table: MemoryTable, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(
        TableStore(table), key="sid", principal_key="user", clock=clock, idle_timeout=IDLE, on_event=events.append
    )


def log_in(sessions: Sessions, user: object, facts: tuple[str | None, str | None] | None = None) -> str:
    session = sessions.fetch(client=None if facts is None else lambda: facts)
    session.login(user)
    cookie = sessions.commit(session).cookie
    assert cookie is not None
    return cookie


def renew(sessions: Sessions, cookie: str) -> str:
    session = sessions.resume(cookie)
    session.configure(renew=True)
    renewed = sessions.commit(session).cookie
    assert renewed is not None
    return renewed


def is_alive(sessions: Sessions, cookie: str) -> bool:
    return "user" in sessions.resume(cookie)


def test_sessions_under_old_names_are_listed_and_ended_with_the_others(table: MemoryTable, clock: FakeClock) -> None:
    options: Any = {"principal_key": "user", "clock": clock}
    log_in(Sessions(TableStore(table), key="_old", **options), 7)
    sessions = Sessions(TableStore(table), key="sid", old_keys=["_old"], **options)
    log_in(sessions, 7)

    assert len(sessions.list(7)) == 2
    assert sessions.revoke(7) == 2


# Each is tested in both forms.


@pytest.fixture(params=["memory", "an async table", "a blocking table"])
def both(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> Iterator[tuple[Sessions, Call]]:
    """Return sessions in a store, and a function that calls one of its methods in the form that suits the store."""
    match request.param:
        case "memory":
            store: Any = TableStore(MemoryTable(clock=clock))
        case "an async table":
            store = TableStore(as_async(MemoryTable(clock=clock)))
        case _:
            store = TableStore(SQLiteTable(tmp_path / "sessions.db", clock=clock))
    sessions = Sessions(store, key="sid", principal_key="user", clock=clock)

    def call_now(name: str, *args: Any, **options: Any) -> Any:
        return getattr(sessions, name)(*args, **options)

    with asyncio.Runner() as runner:

        def call_async(name: str, *args: Any, **options: Any) -> Any:
            return runner.run(getattr(sessions, f"{name}_async")(*args, **options))

        yield sessions, call_now if request.param == "memory" else call_async
    if request.param == "a blocking table":
        store.table.close()


def enter(call: Call, user: object) -> str:
    session = call("fetch")
    session.login(user)
    cookie: str = call("commit", session).cookie
    return cookie


def alive(call: Call, *cookies: str) -> list[bool]:
    return ["user" in call("fetch", f"sid={cookie}") for cookie in cookies]


def test_a_principals_sessions_are_listed_oldest_first(both: tuple[Sessions, Call], clock: FakeClock) -> None:
    _, call = both
    began = []
    for user in (7, 7, 8):
        began.append(clock())
        mine = enter(call, user)
        clock.advance(timedelta(seconds=1))
    assert mine

    listed = call("list", 7)

    assert [each.created for each in listed] == began[:2]
    assert [each.seen for each in listed] == began[:2]
    assert listed == call("list", "7")
    assert call("list", 9) == []


def test_the_sessions_of_one_principal_end_and_no_others(both: tuple[Sessions, Call]) -> None:
    _, call = both
    mine, also_mine, other = (enter(call, user) for user in (7, 7, 8))

    assert call("revoke", 7) == 2
    assert alive(call, mine, also_mine, other) == [False, False, True]
    assert call("revoke", 7) == 0


def test_the_requests_own_session_is_marked_and_kept(both: tuple[Sessions, Call]) -> None:
    _, call = both
    mine, other = enter(call, 7), enter(call, 7)
    session = call("fetch", f"sid={mine}")

    assert sorted(each.is_current for each in call("list", 7, current=session)) == [False, True]
    assert call("revoke", 7, keep=session) == 1
    assert alive(call, mine, other) == [True, False]


def test_one_session_ends_by_its_handle(both: tuple[Sessions, Call]) -> None:
    _, call = both
    mine, other = enter(call, 7), enter(call, 7)
    session = call("fetch", f"sid={mine}")
    (chosen,) = (each.handle for each in call("list", 7, current=session) if not each.is_current)

    assert call("revoke", 8, handle=chosen) == 0
    assert call("revoke", 7, handle="0123456789abcdef") == 0
    assert call("revoke", 7, handle=chosen) == 1
    assert alive(call, mine, other) == [True, False]


@pytest.mark.parametrize("handle", [None, 7, b"handle", ["handle"]])
def test_a_handle_missing_from_a_form_ends_nothing(both: tuple[Sessions, Call], handle: Any) -> None:
    _, call = both
    mine = enter(call, 7)

    with pytest.raises(TypeError, match=f"handle= takes a string, not {type(handle).__name__}. Is a form field"):
        call("revoke", 7, handle=handle)

    assert alive(call, mine) == [True]


def test_all_sessions_end(both: tuple[Sessions, Call]) -> None:
    _, call = both
    cookies = [enter(call, user) for user in (7, 8, 9)]

    assert call("revoke_all") == 3
    assert alive(call, *cookies) == [False] * 3
    assert call("revoke_all") == 0


def test_a_session_that_was_not_read_yet_is_kept(both: tuple[Sessions, Call]) -> None:
    sessions, call = both
    mine = enter(call, 7)
    unread = sessions.fetch(f"sid={mine}") if call.__name__ == "call_now" else sessions.unfetched(f"sid={mine}")

    assert call("revoke", 7, keep=unread) == 0
    assert alive(call, mine) == [True]


# The following tests are the same in both forms.


def test_an_anonymous_visitor_has_no_sessions(sessions: Sessions) -> None:
    anonymous = sessions.fetch()
    anonymous["cart"] = 1
    cookie = sessions.commit(anonymous).cookie

    assert sessions.list(None) == []
    assert sessions.revoke(None) == 0
    assert dict(sessions.resume(cookie)) == {"cart": 1}


def test_a_new_session_has_nothing_to_keep(sessions: Sessions) -> None:
    cookie = log_in(sessions, 7)

    assert sessions.revoke(7, keep=sessions.fetch()) == 1
    assert not is_alive(sessions, cookie)


def test_a_renewed_session_is_listed_once_and_ends(sessions: Sessions, table: MemoryTable) -> None:
    old = log_in(sessions, 7)
    new = renew(sessions, renew(sessions, old))

    assert len(sessions.list(7)) == 1
    assert sessions.revoke(7) == 1
    assert not is_alive(sessions, new)
    assert sessions.list(7) == []


def test_the_handle_from_before_a_renewal_works_for_a_minute(sessions: Sessions, clock: FakeClock) -> None:
    for wait, ended in ((59, 1), (60, 0)):
        cookie = log_in(sessions, 7)
        (listed,) = sessions.list(7)
        cookie = renew(sessions, cookie)
        clock.advance(timedelta(seconds=wait))

        assert sessions.revoke(7, handle=listed.handle) == ended
        assert is_alive(sessions, cookie) is not bool(ended)
        sessions.revoke(7)


def test_an_interrupted_renewal_leaves_nothing_to_revoke(
    sessions: Sessions, table: MemoryTable, clock: FakeClock
) -> None:
    log_in(sessions, 7)
    (row,) = table.find(owner("7", "", "sid"))
    table.remove(row.digest, tombstone=Tombstone(clock() + timedelta(minutes=1), b""))

    assert sessions.list(7) == []
    assert [sessions.revoke(7), sessions.revoke(7)] == [0, 0]


def test_a_session_renewed_during_the_request_is_kept(sessions: Sessions) -> None:
    cookie = log_in(sessions, 7)
    mine = sessions.resume(cookie)
    assert mine["user"] == 7
    renewed = renew(sessions, renew(sessions, cookie))

    assert sessions.revoke(7, keep=mine) == 0
    assert is_alive(sessions, renewed)


def test_a_session_renewed_just_before_the_request_is_kept(sessions: Sessions) -> None:
    other, mine = log_in(sessions, 7), renew(sessions, renew(sessions, log_in(sessions, 7)))

    assert sessions.revoke(7, keep=sessions.resume(mine)) == 1
    assert [is_alive(sessions, each) for each in (mine, other)] == [True, False]


def test_repeated_renewals_do_not_keep_a_session_alive(sessions: Sessions) -> None:
    cookie = log_in(sessions, 7)
    for _ in range(2000):
        cookie = renew(sessions, cookie)

    assert sessions.revoke(7) == 1
    assert not is_alive(sessions, cookie)


def test_a_request_that_ends_the_others_may_renew_its_own_session(sessions: Sessions) -> None:
    cookie, other = log_in(sessions, 7), log_in(sessions, 7)
    mine = sessions.resume(cookie)
    mine.configure(renew=True)

    assert sessions.revoke(7, keep=mine) == 1
    renewed = sessions.commit(mine).cookie
    assert renewed is not None
    assert [is_alive(sessions, each) for each in (renewed, cookie, other)] == [True, False, False]


def test_a_session_that_has_ended_is_not_listed(sessions: Sessions, clock: FakeClock) -> None:
    leaving = sessions.resume(log_in(sessions, 7))
    leaving.logout()
    sessions.commit(leaving)
    assert sessions.list(7) == []

    log_in(sessions, 7)
    clock.advance(IDLE)

    assert sessions.list(7) == []
    assert sessions.revoke(7) == 0


def test_last_seen_moves_by_a_tenth_of_the_idle_timeout_or_with_a_write(sessions: Sessions, clock: FakeClock) -> None:
    cookie, began = log_in(sessions, 7), clock()

    def seen_after(wait: timedelta, **changes: int) -> Any:
        clock.advance(wait)
        session = sessions.resume(cookie)
        session.get("user")
        session.update(changes)
        sessions.commit(session)
        (listed,) = sessions.list(7)
        assert listed.created == began
        return listed.seen

    assert seen_after(timedelta(minutes=5)) == began
    assert seen_after(timedelta(minutes=1)) == clock()
    assert seen_after(timedelta(minutes=1), n=1) == clock()


def test_a_revocation_is_reported_once(sessions: Sessions, events: list[Event]) -> None:
    for _ in range(3):
        log_in(sessions, 7)
    events.clear()

    sessions.revoke(7)
    sessions.revoke(7)
    sessions.revoke_all()

    assert [(event.name, event.reason, event.log_id) for event in events] == [("revoked", "3", "")]


def test_a_listed_session_shows_neither_id_nor_digest_nor_client(table: MemoryTable, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", principal_key="user", clock=clock, record_client=True)
    cookie = log_in(sessions, 7, FIREFOX)
    (row,) = table.find(owner("7", "", "sid"))

    (listed,) = sessions.list(7)

    for secret in (cookie, row.digest.hex(), sessions.resume(cookie).log_id):
        assert secret not in repr(replace(listed, user_agent=None)) + listed.handle
    assert "Firefox" not in repr(listed)
    assert "192.0.2.1" not in repr(listed)


# The client that began a session.


@pytest.fixture
def noting(table: MemoryTable, clock: FakeClock) -> Sessions:
    return Sessions(TableStore(table), key="sid", principal_key="user", clock=clock, record_client=True)


def facts(sessions: Sessions) -> list[tuple[str | None, str | None]]:
    return [(each.user_agent, each.address) for each in sessions.list(7)]


def test_no_client_is_recorded_or_asked_for_unless_enabled(sessions: Sessions, table: MemoryTable) -> None:
    session = sessions.fetch(client=lambda: pytest.fail("no client should be asked for"))
    session.login(7)
    sessions.commit(session)

    assert facts(sessions) == [(None, None)]
    assert [each.client for each in table.find(owner("7", "", "sid"))] == [None]


def test_a_session_has_the_client_that_began_it(noting: Sessions) -> None:
    cookie = log_in(noting, 7, FIREFOX)
    later = noting.fetch(f"sid={cookie}", client=lambda: ("Chrome", "192.0.2.2"))
    later["cart"] = 1
    noting.commit(later)
    assert facts(noting) == [FIREFOX]

    later = noting.fetch(f"sid={cookie}", client=lambda: ("Chrome", "192.0.2.2"))
    later.configure(renew=True)
    noting.commit(later)

    assert facts(noting) == [("Chrome", "192.0.2.2")]


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (("", None), (None, None)),
        ((None, "192.0.2.1"), (None, "192.0.2.1")),
        (("x" * 1000, "y" * 1000), ("x" * 300, "y" * 300)),
        (("\x1b[2Jü\ud800\N{SNOWMAN}\n", "::1"), ("[2Jü\N{SNOWMAN}", "::1")),
    ],
)
def test_a_clients_text_is_truncated_and_cannot_control_a_terminal(
    noting: Sessions, came: tuple[str | None, str | None], told: tuple[str | None, str | None]
) -> None:
    log_in(noting, 7, came)

    assert facts(noting) == [told]


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", "7", json.dumps({"user_agent": 7, "address": None})])
def test_an_invalid_note_has_no_content(text: str | None) -> None:
    info = info_of(SessionRow("handle", 1, 2, None, text, is_current=False))

    assert (info.user_agent, info.address) == (None, None)


def test_a_session_outside_a_request_has_no_client(noting: Sessions) -> None:
    log_in(noting, 7)

    assert facts(noting) == [(None, None)]


# Unsupported cases.

SECRET = os.urandom(32).hex()


@pytest.mark.parametrize("call", ["list", "revoke", "revoke_all"])
def test_a_cookie_store_reports_that_it_cannot(call: str) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, principal_key="user")
    arguments = () if call == "revoke_all" else (7,)

    with pytest.raises(ConfigurationError, match=r"CookieStore keeps no rows.*keep them in a table"):
        getattr(sessions, call)(*arguments)
    with pytest.raises(ConfigurationError, match=r"CookieStore keeps no rows.*keep them in a table"):
        asyncio.run(getattr(sessions, f"{call}_async")(*arguments))


@pytest.mark.parametrize("call", ["list", "revoke"])
def test_an_invalid_principal_is_named(table: MemoryTable, call: str) -> None:
    sessions = Sessions(TableStore(table), key="sid")

    with pytest.raises(TypeError, match=r"^the principal cannot identify .* as text it has 2,000 bytes"):
        getattr(sessions, call)("x" * 2000)


class BlockingTable(SQLiteTable):
    """A table whose reads count as blocking too."""

    blocking_reads = True


@pytest.mark.parametrize("call", ["list", "revoke", "revoke_all", "sweep"])
def test_a_blocking_call_is_refused_in_an_event_loop(tmp_path: Path, call: str) -> None:
    with closing(BlockingTable(tmp_path / "sessions.db")) as table:
        sessions = Sessions(TableStore(table, secret_key_base=SECRET), key="sid")
        arguments = (7,) if call in ("list", "revoke") else ()

        async def visit() -> None:
            with pytest.raises(ConfigurationError, match=rf"write `await sessions\.{call}_async"):
                getattr(sessions, call)(*arguments)
            assert not await getattr(sessions, f"{call}_async")(*arguments)
            assert not await asyncio.to_thread(getattr(sessions, call), *arguments)

        asyncio.run(visit())


@pytest.mark.parametrize("is_read", [True, False])
def test_async_code_reads_a_sync_adapters_session_in_a_thread(tmp_path: Path, is_read: bool) -> None:
    threads: list[int] = []

    class NotingTable(BlockingTable):
        def read(self, digest: bytes) -> Row | None:
            threads.append(threading.get_ident())
            return super().read(digest)

    with closing(NotingTable(tmp_path / "sessions.db")) as table:
        sessions = Sessions(TableStore(table, secret_key_base=SECRET), key="sid")
        here, other = (sessions.fetch(f"sid={log_in(sessions, 7)}") for _ in range(2))
        if is_read:
            assert (here["user_id"], other["user_id"]) == (7, 7)

        async def visit() -> None:
            threads.clear()
            listed = await sessions.list_async(7, current=here)
            assert sorted(each.is_current for each in listed) == [False, True]
            assert await sessions.revoke_async(7, keep=here) == 1
            assert threading.get_ident() not in threads

        asyncio.run(visit())
        assert (here["user_id"], len(sessions.list(7))) == (7, 1)


def test_a_table_without_io_may_be_called_in_an_event_loop(table: MemoryTable) -> None:
    sessions = Sessions(TableStore(table), key="sid")

    async def visit() -> None:
        assert sessions.list(7) == []
        assert sessions.revoke(7) == 0

    asyncio.run(visit())


def test_an_async_table_is_refused_with_the_call_to_await() -> None:
    sessions = Sessions(TableStore(as_async(MemoryTable())), key="sid")

    with pytest.raises(ConfigurationError) as refused:
        sessions.list(7)

    assert refused.value.__notes__ == ["In async code: await sessions.list_async(…)."]


@pytest.mark.parametrize("call", ["list", "revoke"])
def test_a_principal_key_is_required(table: MemoryTable, call: str) -> None:
    sessions = Sessions(TableStore(table), key="sid", principal_key=None)

    with pytest.raises(ConfigurationError, match="principal_key"):
        getattr(sessions, call)(7)
    assert sessions.revoke_all() == 0


def test_a_profile_without_an_id_is_identified_by_all_its_fields(sessions: Sessions) -> None:
    mine = log_in(sessions, {"groups": ["a"], "id": {"nested": 7}})
    other = log_in(sessions, {"groups": ["b"], "id": {"nested": 7}})

    assert len(sessions.list({"id": {"nested": 7}, "groups": ["a"]})) == 1
    assert sessions.list({"groups": ["a"]}) == []
    assert sessions.revoke({"id": {"nested": 7}, "groups": ["a"]}) == 1
    assert not is_alive(sessions, mine)
    assert is_alive(sessions, other)


def test_a_principal_that_is_not_valid_text_is_refused(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match="not valid text"):
        sessions.revoke("\ud800")


@pytest.mark.parametrize("letter", ["7", "ü"])
def test_a_principal_too_long_for_an_index_is_refused_with_any_table(sessions: Sessions, letter: str) -> None:
    longest = letter * (MAX_PRINCIPAL_BYTES // len(letter.encode()))
    session = sessions.fetch()
    session["user"] = longest
    sessions.commit(session)
    assert sessions.revoke(longest) == 1

    session = sessions.fetch()
    with pytest.raises(TypeError, match=r"1,025 bytes, and tables store at most 1,024"):
        session["user"] = longest + "x"
    assert sessions.commit(session).cookie is None
    for call in (sessions.list, sessions.revoke):
        with pytest.raises(TypeError, match="Use something shorter"):
            call(longest + "x")


@pytest.mark.parametrize("app", ["", "shop", 255 * "a"], ids=["no name", "a name", "a long name"])
def test_a_principal_with_its_applications_name_stays_within_tables_limit(
    app: str,
) -> None:
    kept: list[Any] = []

    class Table(MemoryTable):
        def insert(self, digest: bytes, row: Row) -> bool:
            kept.append(row)
            return super().insert(digest, row)

    sessions = Sessions(TableStore(Table(), app_name=app), key="sid", principal_key="user")
    longest = "\x1f" + "7" * (MAX_PRINCIPAL_BYTES - 1)

    for user in (longest, "7"):
        log_in(sessions, user)

    assert all(len(row.principal.encode()) <= MAX_PRINCIPAL_BYTES for row in kept)
    assert sessions.list(kept[0].principal) == []
    assert (sessions.revoke(longest), sessions.revoke("7")) == (1, 1)


@pytest.mark.parametrize("client", ["{", "[" * MAX_CLIENT_BYTES, "[]"])
def test_anything_else_instead_of_a_client_is_not_shown(client: str) -> None:
    row = SessionRow("handle", 1, 2, None, client, is_current=False)

    assert info_of(row).user_agent is None


def test_a_recorded_client_stays_within_tables_limit() -> None:
    longest = "\N{GRINNING FACE}" * 1000

    text = client_text(lambda: (longest, longest))

    assert text is not None
    assert len(text.encode()) <= MAX_CLIENT_BYTES
