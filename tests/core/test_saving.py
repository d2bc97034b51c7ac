"""Saving and reloading before the request's end: ``session.save()`` and ``session.reload()``."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import pytest

from core.begun import InterruptedTable, begin
from holdall import (
    Event,
    LostWriteError,
    MemoryTable,
    ResponseStartedError,
    Session,
    SessionError,
    Sessions,
    StoreError,
    TableStore,
)
from holdall._exchange import SessionGroup
from holdall._session import state_of
from holdall._state import Phase
from holdall.testing import FakeClock, as_async
from holdall.typed import typed_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

typed = pytest.mark.skipif(not find_spec("msgspec"), reason="typed sessions need msgspec or pydantic")


@pytest.fixture
def table(clock: FakeClock) -> InterruptedTable:
    return InterruptedTable(clock=clock)


@pytest.fixture
def sessions(table: InterruptedTable, clock: FakeClock, events: list[Event]) -> Sessions:
    return Sessions(TableStore(table), key="sid", clock=clock, principal_key="user", on_event=events.append)


@pytest.fixture
def in_cookie() -> Sessions:
    return Sessions("cookie", key="_shop", secret_key_base=SECRET)


@pytest.fixture(params=["before the headers", "after them"])
def is_open(request: pytest.FixtureRequest) -> bool:
    return request.param == "before the headers"


def put(sessions: Sessions, sid: str, **data: Any) -> None:
    """Put *data* in another request."""
    session = sessions.resume(sid)
    session.update(data)
    sessions.commit(session)


def end(sessions: Sessions, sid: str) -> None:
    session = sessions.resume(sid)
    session.configure(drop=True)
    sessions.commit(session)


def opened(sessions: Sessions, sid: str, is_open: bool) -> Session:
    """Return a session of a request whose headers have been sent, or not."""
    session = sessions.resume(sid)
    state_of(session).loaded()
    if not is_open:
        sessions.commit(session)
    return session


def lost(events: list[Event]) -> list[str]:
    return [event.reason for event in events if event.name == "lost_write"]


def test_save_writes_now_and_can_be_repeated(sessions: Sessions, is_open: bool) -> None:
    sid = begin(sessions, n=1, cart=[])
    session = opened(sessions, sid, is_open)
    session["n"] = 2
    session["cart"].append("hat")

    session.save()
    first = dict(sessions.resume(sid))
    session["cart"].append("shoe")
    del session["n"]
    session.save()

    assert first == {"n": 2, "cart": ["hat"]}
    assert dict(sessions.resume(sid)) == {"cart": ["hat", "shoe"]}


def test_a_saved_change_is_not_written_again(sessions: Sessions, table: InterruptedTable, is_open: bool) -> None:
    session = opened(sessions, begin(sessions, n=1), is_open)
    session["n"] = 2
    session.save()
    table.before = lambda: pytest.fail("it was written again")

    session.save()
    assert not session.modified
    if is_open:
        assert sessions.commit(session).cookies == ()
    sessions.finish(session)


def test_save_keeps_other_requests_writes(sessions: Sessions, is_open: bool) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open)
    session["n"] = 2
    put(sessions, sid, m=1)

    session.save()

    assert dict(sessions.resume(sid)) == {"n": 2, "m": 1}


def test_a_change_during_the_write_stays_unsaved(sessions: Sessions, table: InterruptedTable) -> None:
    sid = begin(sessions, n=1, cart=[])
    session = opened(sessions, sid, is_open=False)
    session["n"] = 2
    table.before = lambda: session.update(n=3, m=1)

    session.save()

    assert dict(sessions.resume(sid)) == {"n": 2, "cart": []}
    sessions.finish(session)
    assert dict(sessions.resume(sid)) == {"n": 3, "m": 1, "cart": []}


@pytest.mark.parametrize("clears", [False, True])
def test_a_change_that_could_not_be_written_stays_unsaved(
    sessions: Sessions, table: InterruptedTable, clears: bool
) -> None:
    def fail() -> None:
        if clears:
            session.clear()
        session["later"] = 1
        msg = "the backend is down"
        raise StoreError(msg)

    sid = begin(sessions, n=1, m=1, o=1)
    session = opened(sessions, sid, is_open=False)
    session["n"] = 2
    del session["m"]
    table.before = fail

    with pytest.raises(StoreError):
        session.save()
    sessions.finish(session)

    assert dict(sessions.resume(sid)) == ({"later": 1} if clears else {"n": 2, "later": 1, "o": 1})


def test_a_clear_that_could_not_be_written_stays_unsaved(sessions: Sessions, table: InterruptedTable) -> None:
    def fail() -> None:
        msg = "the backend is down"
        raise StoreError(msg)

    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=False)
    session.clear()
    table.before = fail

    with pytest.raises(StoreError):
        session.save()
    session.save()

    assert dict(sessions.resume(sid)) == {}


def test_before_the_headers_the_expiry_is_left_to_the_response(sessions: Sessions, clock: FakeClock) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=True)
    expires = session.expires
    clock.advance(timedelta(days=2))
    session["n"] = 2

    session.save()

    assert sessions.resume(sid).expires == expires
    sessions.commit(session)
    assert sessions.resume(sid).expires > expires


def test_after_the_headers_saving_counts_as_use(sessions: Sessions, clock: FakeClock) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=False)
    clock.advance(timedelta(days=6))
    session["n"] = 2
    session.save()
    clock.advance(timedelta(days=6))

    assert sessions.resume(sid)["n"] == 2


@pytest.mark.parametrize(
    "act",
    [lambda session: session.login(7), lambda session: session.configure(renew=True), lambda session: session.logout()],
    ids=["login", "renew", "logout"],
)
def test_a_change_that_needs_a_cookie_waits_for_the_headers(
    sessions: Sessions, table: InterruptedTable, act: Callable[[Session], object]
) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=True)
    act(session)
    table.before = lambda: pytest.fail("it was written")

    session.save()

    assert dict(sessions.resume(sid)) == {"n": 1}
    assert sessions.commit(session).cookies != ()


def test_a_principal_put_by_hand_waits_for_the_headers_too(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=True)
    session["user"] = 7

    session.save()

    assert "user" not in sessions.resume(sid)
    assert sessions.commit(session).cookies != ()


def test_a_new_session_waits_for_the_headers(sessions: Sessions, table: InterruptedTable) -> None:
    session = sessions.fetch()
    session["n"] = 1

    session.save()

    assert len(table) == 0
    assert sessions.resume(sessions.commit(session).cookie)["n"] == 1


def test_a_session_in_its_cookie_waits_for_the_headers(in_cookie: Sessions) -> None:
    session = opened(in_cookie, begin(in_cookie, n=1), is_open=True)
    session["n"] = 2

    session.save()

    assert in_cookie.resume(in_cookie.commit(session).cookie)["n"] == 2


def test_after_the_headers_a_cookie_takes_no_changes(in_cookie: Sessions) -> None:
    session = opened(in_cookie, begin(in_cookie, n=1), is_open=True)
    cart = session["cart"] = []
    in_cookie.commit(session)

    session.save()
    cart.append("hat")
    with pytest.raises(ResponseStartedError):
        session.save()


@pytest.mark.parametrize("verb", ["drop", "logout"])
def test_save_ends_a_dropped_session(sessions: Sessions, table: InterruptedTable, verb: str) -> None:
    session = opened(sessions, begin(sessions, user=7), is_open=False)
    if verb == "drop":
        session.configure(drop=True)
    else:
        session.logout()

    session.save()
    session.save()

    assert len(table) == 0


def test_a_save_after_the_sessions_end_is_lost_and_reported(
    sessions: Sessions, table: InterruptedTable, events: list[Event], is_open: bool
) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open)
    session["n"] = 2
    end(sessions, sid)

    session.save()

    assert (lost(events), len(table)) == (["ended"], 0)
    if is_open:
        session["n"] = 3
        assert sessions.commit(session).cookies == ()
        assert lost(events) == ["ended", "renewed"]
    else:
        with pytest.raises(ResponseStartedError):
            session["n"] = 3


def test_a_lost_save_can_be_an_error(table: InterruptedTable, clock: FakeClock, events: list[Event]) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_event=events.append, on_lost_write="raise")
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=False)
    session["n"] = 2
    end(sessions, sid)

    with pytest.raises(LostWriteError):
        session.save()
    sessions.finish(session)

    assert lost(events) == ["ended"]


def test_save_and_reload_can_be_awaited(table: InterruptedTable, clock: FakeClock) -> None:
    outside = Sessions(TableStore(table), key="sid", clock=clock)
    sid = begin(outside, n=1)

    async def visit(sessions: Sessions) -> dict[str, Any]:
        session = await sessions.fetch_async(f"sid={sid}")
        session["n"] += 1
        await session.save()
        put(outside, sid, n=outside.resume(sid)["n"] + 1)
        await session.reload()
        return dict(session)

    awaited = Sessions(TableStore(as_async(table)), key="sid", clock=clock)
    assert asyncio.run(visit(awaited)) == {"n": 3}
    assert asyncio.run(visit(outside)) == {"n": 5}
    # In an async view of a sync framework, whose event loop serves no other request.
    session = outside.resume(sid)

    async def view() -> None:
        session["n"] = 6
        await session.save()
        await session.reload()

    asyncio.run(view())
    assert outside.resume(sid)["n"] == 6


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_request_with_a_call_that_was_not_awaited_ends_with_an_error(sessions: Sessions, is_streamed: bool) -> None:
    sid = begin(sessions, n=1)
    exchange = SessionGroup(sessions, form="async").begin(f"sid={sid}")
    session = exchange.session

    async def visit() -> None:
        if is_streamed:
            await exchange.headers_async()
        session["n"] = 2
        await session.save()
        kept = session.save()
        session["n"] = 3
        session.save()
        await kept
        with pytest.raises(SessionError, match=r"^session\.save\(\) was called without await"):
            await (exchange.body_sent_async(last=True) if is_streamed else exchange.headers_async())
        # It is reported once. The response to the error does not repeat it.
        await exchange.failed_async()

    asyncio.run(visit())
    assert sessions.resume(sid)["n"] == 3


def test_a_failing_request_keeps_its_own_error_despite_an_unawaited_call(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    exchange = SessionGroup(sessions, form="async").begin(f"sid={sid}")

    async def visit() -> None:
        exchange.session["n"] = 2
        call = exchange.session.save()
        await exchange.failed_async()
        exchange.close()
        await call

    asyncio.run(visit())
    assert sessions.resume(sid)["n"] == 1


@pytest.mark.parametrize("of_other", [False, True])
def test_an_unawaited_call_is_reported_among_several_sessions(sessions: Sessions, of_other: bool) -> None:
    other = Sessions(TableStore(MemoryTable()), key="other")
    exchange = SessionGroup(sessions, also=[other], form="async").begin("")

    async def visit() -> None:
        main, second = exchange.session, exchange.session_of(other)
        main["n"] = second["n"] = 1
        call = (second if of_other else main).atomic_update("m", len)
        with pytest.raises(SessionError, match=r"^session\.atomic_update\(\) was called without await"):
            await exchange.headers_async()
        with pytest.raises(RuntimeError, match="cannot reuse"):
            await call

    asyncio.run(visit())


def test_an_unawaited_call_is_reported_if_nothing_else_uses_the_session(sessions: Sessions) -> None:
    exchange = SessionGroup(sessions, form="async").begin("")

    async def visit() -> None:
        exchange.session.atomic_update("n", len)
        with pytest.raises(SessionError, match="was called without await"):
            await exchange.headers_async()

    asyncio.run(visit())


def test_an_unawaited_call_is_reported_outside_an_adapter(sessions: Sessions) -> None:
    async def visit() -> None:
        session = await sessions.fetch_async()
        session["n"] = 1
        await sessions.commit_async(session)
        session.save()
        with pytest.raises(SessionError, match="was called without await"):
            await sessions.finish_async(session, last=True)

    asyncio.run(visit())


def test_a_response_to_a_failure_is_sent_despite_an_unawaited_call(sessions: Sessions) -> None:
    exchange = SessionGroup(sessions, form="async").begin(f"sid={begin(sessions, n=1)}")

    async def visit() -> None:
        exchange.session["n"] = 2
        call = exchange.session.save()
        assert not (await exchange.headers_async(500)).cookies
        await exchange.body_sent_async(last=True)
        call.close()  # type: ignore[attr-defined]  # otherwise Python would warn about it

    asyncio.run(visit())


def test_reload_shows_other_requests_writes_below_unsaved_changes(sessions: Sessions, is_open: bool) -> None:
    sid = begin(sessions, n=1, m=1, cart=["hat"], list=[1])
    session = opened(sessions, sid, is_open)
    session["n"] = 2
    session["cart"].append("shoe")
    same = session["list"]
    put(sessions, sid, n=10, m=10, new=1)

    session.reload()

    assert dict(session) == {"n": 2, "m": 10, "cart": ["hat", "shoe"], "list": [1], "new": 1}
    assert session["list"] is same
    same.append(2)
    session.save()
    assert dict(sessions.resume(sid)) == {"n": 2, "m": 10, "cart": ["hat", "shoe"], "list": [1, 2], "new": 1}


def test_reload_shows_a_list_changed_by_another_request(sessions: Sessions) -> None:
    sid = begin(sessions, cart=["hat"], gone=[1])
    session = opened(sessions, sid, is_open=False)
    assert session["cart"] == ["hat"]
    other = sessions.resume(sid)
    other["cart"].append("shoe")
    del other["gone"]
    sessions.commit(other)

    session.reload()

    assert dict(session) == {"cart": ["hat", "shoe"]}
    assert not session.modified


def test_reload_keeps_an_unsaved_clear(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=False)
    session.clear()
    put(sessions, sid, m=1)

    session.reload()
    assert dict(session) == {}
    session.save()

    assert dict(sessions.resume(sid)) == {}


@typed
def test_reload_rebuilds_typed_values_that_other_requests_changed(sessions: Sessions) -> None:
    sid = begin(sessions, hat={"n": 1}, shoe={"n": 1})
    session = opened(sessions, sid, is_open=False)
    hat, shoe = (typed_session(session, dict[str, int], key) for key in ("hat", "shoe"))
    assert typed_session(session, dict[str, dict[str, int]]) == {"hat": {"n": 1}, "shoe": {"n": 1}}
    put(sessions, sid, hat={"n": 2})
    shoe["n"] = 3

    session.reload()

    assert typed_session(session, dict[str, int], "hat") == {"n": 2}
    assert hat == {"n": 1}
    assert typed_session(session, dict[str, int], "shoe") is shoe
    assert typed_session(session, dict[str, dict[str, int]])["hat"] == {"n": 2}
    session.save()
    assert dict(sessions.resume(sid)) == {"hat": {"n": 2}, "shoe": {"n": 3}}


@pytest.mark.parametrize("wrote", [False, True])
@pytest.mark.parametrize("renewed", [False, True])
def test_an_ended_or_renewed_session_is_empty_after_a_reload(
    sessions: Sessions, events: list[Event], is_open: bool, wrote: bool, renewed: bool
) -> None:
    sid = begin(sessions, user=7)
    session = opened(sessions, sid, is_open)
    if wrote:
        session["n"] = 2
    elsewhere = sessions.resume(sid)
    elsewhere.configure(renew=renewed, drop=not renewed)
    sessions.commit(elsewhere)

    session.reload()

    assert dict(session) == {}
    assert lost(events) == ([] if not wrote else ["renewed" if renewed else "ended"])
    assert state_of(session).phase is (Phase.HEADERS_PENDING if is_open else Phase.DONE)
    if is_open:
        assert sessions.commit(session).cookies == ()


def test_a_session_that_ended_with_unsaved_changes_can_be_an_error(table: InterruptedTable, clock: FakeClock) -> None:
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_lost_write="raise")
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=True)
    session["n"] = 2
    end(sessions, sid)

    with pytest.raises(LostWriteError):
        session.reload()

    assert dict(session) == {}


def test_an_expired_session_is_empty_after_a_reload(sessions: Sessions, clock: FakeClock) -> None:
    session = opened(sessions, begin(sessions, user=7), is_open=False)
    clock.advance(timedelta(days=8))

    session.reload()

    assert dict(session) == {}


def test_a_session_that_is_about_to_end_is_not_reloaded(sessions: Sessions) -> None:
    sid = begin(sessions, n=1)
    session = opened(sessions, sid, is_open=True)
    session.configure(drop=True)
    put(sessions, sid, n=2)

    session.reload()

    assert dict(session) == {"n": 1}


def test_reload_changes_nothing_if_no_other_request_can_write(sessions: Sessions, in_cookie: Sessions) -> None:
    new, sealed = sessions.fetch(), opened(in_cookie, begin(in_cookie, n=1), is_open=False)
    ending = opened(sessions, begin(sessions, n=1), is_open=True)
    new["n"] = 1
    ending.configure(drop=True)

    for session in (new, sealed, ending):
        session.reload()

        assert dict(session) == {"n": 1}
