"""Sessions kept in a table."""

import asyncio
import copy
import hashlib
import operator
import pickle
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from commuting import every_order
from holdall import Event, MemoryTable, Sessions, StoreError, TableStore
from holdall.steps import Steps, run
from holdall.stores import Changes, NotFound, Write
from holdall.stores._principals import owner
from holdall.stores._table import SessionInRow
from holdall.tables import Replacement, Row, Tombstone
from holdall.testing import FakeClock


def digest(sid: str) -> bytes:
    return hashlib.sha256(sid.encode()).digest()


class Watched(MemoryTable):
    """A table in memory that counts its calls and can be inspected."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.written = 0
        self.before_replace: list[Callable[[], Any]] = []

    def insert(self, digest: bytes, row: Row) -> bool:
        self.written += 1
        return super().insert(digest, row)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        self.written += 1
        if self.before_replace:
            self.before_replace.pop()()
        return super().replace(digest, row, version=version)

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        self.written += 1
        return super().touch(digest, expires, seen=seen)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        self.written += 1
        return super().remove(digest, tombstone=tombstone)

    def dump(self) -> bytes:
        return pickle.dumps([part.rows for part in self._parts])


@pytest.fixture
def table(clock: FakeClock) -> Watched:
    return Watched(clock)


@pytest.fixture
def sessions(table: Watched, clock: FakeClock, events: list[Event]) -> Sessions:
    store = TableStore(table, encrypt=True)
    return Sessions(store, key="sid", clock=clock, principal_key="user_id", on_event=events.append)


def begin(sessions: Sessions, **data: Any) -> str:
    """Return the ID of a new session."""
    session = sessions.fetch()
    session.update(data)
    return sessions.commit(session).cookie or ""


def request(sessions: Sessions, sid: str, act: Callable[[Any], Any] = len) -> Any:
    """Make a request and return the headers of its response."""
    session = sessions.fetch(f"sid={sid}")
    act(session)
    return sessions.commit(session)


def test_a_serializer_need_not_have_a_check(clock: FakeClock) -> None:
    class OfNumbers:
        def dumps(self, data: Mapping[str, Any]) -> bytes:
            return " ".join(f"{key}={operator.index(value)}" for key, value in data.items()).encode()

        def loads(self, payload: bytes) -> dict[str, Any]:
            return {key: int(value) for key, _, value in (each.partition("=") for each in payload.decode().split())}

    sessions = Sessions(TableStore(MemoryTable(clock=clock), serializer=OfNumbers()), key="sid", clock=clock)
    sid = begin(sessions, cart=1)

    assert sessions.resume(sid) == {"cart": 1}
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        sessions.resume(sid)["cart"] = ["apple"]


def test_an_id_is_240_random_bits(sessions: Sessions) -> None:
    sids = {begin(sessions, cart=1) for _ in range(100)}

    assert len(sids) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{40}", sid) for sid in sids)


def test_cve_2019_16782_a_dump_of_the_table_holds_no_id_and_no_data(sessions: Sessions, table: Watched) -> None:
    sid = begin(sessions, note="a private note")
    request(sessions, sid, lambda session: session.put("more", "another private note"))

    dump = table.dump()

    assert digest(sid) in dump
    assert sid.encode() not in dump
    assert b"private" not in dump
    assert sessions.resume(sid).log_id.encode() not in dump


def test_activerecord_session_store_151_a_digest_presented_as_a_cookie_never_loads(
    sessions: Sessions, table: Watched
) -> None:
    sid = begin(sessions, cart=1)

    for presented in (digest(sid).hex(), digest(sid).decode("latin-1"), digest(sid).hex()[:40]):
        assert sessions.resume(presented).is_new
    assert len(table) == 1


def test_rows_in_memory_are_not_encrypted_by_default() -> None:
    table = MemoryTable()
    sid = begin(Sessions(TableStore(table), key="sid"), cart=1)

    row = table.read(digest(sid))

    assert row is not None
    assert row.data == b'sid\0\0{"cart":1}'


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:5],
        lambda data: b"",
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b'{"cart":1}',
    ],
)
def test_spring_session_529_a_damaged_row_is_an_empty_session(
    sessions: Sessions, table: Watched, clock: FakeClock, events: list[Event], damage: Callable[[bytes], bytes]
) -> None:
    sid = begin(sessions, cart=1)
    row = table.read(digest(sid))
    assert row is not None
    table.replace(digest(sid), row._replace(data=damage(row.data), version=2), version=1)

    assert sessions.resume(sid).get("cart") is None
    assert events[-1] == Event("rejected", "sid", "unreadable")


@pytest.mark.parametrize("data", [b"", b"sid", b'{"cart":1}', b'sid\0\0{"cart":', b"sid\0\0", b'\0sid\0{"cart":1}'])
def test_a_row_that_is_not_ours_is_an_empty_session_in_memory_too(data: bytes) -> None:
    table = MemoryTable()
    sessions = Sessions(TableStore(table), key="sid")
    sid = begin(sessions, cart=1)
    row = table.read(digest(sid))
    assert row is not None
    table.replace(digest(sid), row._replace(data=data, version=2), version=1)

    assert sessions.resume(sid) == {}


def test_a_row_does_not_open_as_another_sessions(sessions: Sessions, table: Watched) -> None:
    one, other = begin(sessions, cart=1), begin(sessions, cart=2)
    row = table.read(digest(one))
    assert row is not None
    table.replace(digest(other), row._replace(version=2), version=1)

    assert sessions.resume(other).is_new


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        " ",
        "null",
        "None",
        "A" * 39,
        "A" * 44,
        "A" * 39 + "=",
        "A" * 39 + "\u0410",
        "../" * 14 + "A",
        "A" * 40 + "\n",
    ],
)
def test_cve_2015_3982_and_cve_2024_3400_an_impossible_id_never_reaches_the_table(
    sessions: Sessions, table: Watched, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "read", None)

    assert run(TableStore(table).get(cookie, key="sid")) == NotFound("malformed")


def test_cve_2024_38513_an_id_that_we_did_not_make_is_never_adopted(sessions: Sessions, table: Watched) -> None:
    chosen = "A" * 40

    answer = request(sessions, chosen, lambda session: session.put("cart", 1))

    assert answer.cookie != chosen
    assert table.read(digest(chosen)) is None


def test_cve_2018_1000519_an_id_that_has_ended_is_never_adopted(sessions: Sessions) -> None:
    sid = begin(sessions, cart=1)
    request(sessions, sid, lambda session: session.configure(drop=True))

    answer = request(sessions, sid, lambda session: session.put("cart", 2))

    assert answer.cookie != sid
    assert sessions.resume(sid).is_new


def test_cve_2015_5143_and_5963_ten_thousand_visits_that_store_nothing_write_nothing(
    sessions: Sessions, table: Watched
) -> None:
    acts = [
        len,
        lambda session: session.logout(),
        lambda session: session.clear(),
        lambda session: session.delete("cart"),
        lambda session: session.configure(drop=True),
        lambda session: session.pop("cart", None),
    ]
    for number in range(10_000):
        sid = f"{number:043d}" if number % 2 else ""
        assert request(sessions, sid, acts[number % 6]).cookies == ()

    assert table.written == 0


def test_cve_2025_46336_a_slow_write_does_not_bring_a_session_back(
    sessions: Sessions, table: Watched, events: list[Event]
) -> None:
    sid = begin(sessions, cart=1)
    slow = sessions.fetch(f"sid={sid}")
    slow["cart"] = 2
    request(sessions, sid, lambda session: session.configure(drop=True))

    answer = sessions.commit(slow)

    assert (answer.cookies, answer.cookie) == ((), None)
    assert len(table) == 0
    assert [event.name for event in events] == ["created", "ended", "lost_write"]


def test_a_slow_touch_does_not_bring_a_session_back(sessions: Sessions, table: Watched, clock: FakeClock) -> None:
    sid = begin(sessions, cart=1)
    clock.advance(timedelta(days=1))
    slow = sessions.fetch(f"sid={sid}")
    assert len(slow) == 1
    request(sessions, sid, lambda session: session.configure(drop=True))

    assert sessions.commit(slow).cookies == ()
    assert len(table) == 0


def test_concurrent_changes_to_different_keys_are_both_kept(sessions: Sessions) -> None:
    sid = begin(sessions, cart=1, coupon="X", lang="en")
    one, other = (sessions.fetch(f"sid={sid}") for _ in range(2))
    one["cart"] = 2
    other["lang"] = "de"
    del other["coupon"]

    sessions.commit(one)
    sessions.commit(other)

    assert sessions.resume(sid) == {"cart": 2, "lang": "de"}


def test_the_later_of_two_changes_to_one_key_wins(sessions: Sessions) -> None:
    sid = begin(sessions, cart=1)
    one, other = (sessions.fetch(f"sid={sid}") for _ in range(2))
    one["cart"] = 2
    other["cart"] = 3

    sessions.commit(other)
    sessions.commit(one)

    assert sessions.resume(sid) == {"cart": 2}


def test_clear_removes_what_another_request_wrote_in_between(sessions: Sessions) -> None:
    sid = begin(sessions, cart=1)
    one, other = (sessions.fetch(f"sid={sid}") for _ in range(2))
    one.clear()
    other["lang"] = "de"

    sessions.commit(other)
    sessions.commit(one)

    assert sessions.resume(sid) == {}


def test_a_bodys_late_write_keeps_other_requests_writes(sessions: Sessions) -> None:
    sid = begin(sessions, cart=[])
    streaming = sessions.fetch(f"sid={sid}")
    cart = streaming["cart"]
    sessions.commit(streaming)
    request(sessions, sid, lambda session: session.put("lang", "de"))

    cart.append("apple")
    sessions.finish(streaming)

    assert sessions.resume(sid) == {"cart": ["apple"], "lang": "de"}


def test_a_conflicting_write_is_repeated_until_it_succeeds(sessions: Sessions, table: Watched) -> None:
    sid = begin(sessions, cart=1)
    session = sessions.fetch(f"sid={sid}")
    session["cart"] = 2

    def by_another(number: int) -> Callable[[], Any]:
        return lambda: request(sessions, sid, lambda session: session.put(f"other {number}", number))

    table.before_replace = [by_another(1)]
    sessions.commit(session)

    assert sessions.resume(sid) == {"cart": 2, "other 1": 1}


def test_a_row_that_ends_between_a_conflict_and_the_next_try_is_gone(sessions: Sessions, table: Watched) -> None:
    sid = begin(sessions, cart=1)
    slow = sessions.fetch(f"sid={sid}")
    slow["cart"] = 2
    request(sessions, sid, lambda session: session.put("lang", "de"))
    read = table.read
    table.read = lambda digest: table.remove(digest) and read(digest)  # type: ignore[method-assign]  # the race itself

    assert sessions.commit(slow).cookie is None
    assert len(table) == 0


def test_a_write_after_a_late_logout_begins_a_new_session(sessions: Sessions, table: Watched) -> None:
    sid = begin(sessions, user_id=7)
    slow = sessions.fetch(f"sid={sid}")
    slow.logout()
    slow["lang"] = "de"
    request(sessions, sid, lambda session: session.configure(drop=True))

    answer = sessions.commit(slow)

    assert sessions.resume(answer.cookie) == {"lang": "de"}
    assert len(table) == 1


def test_endless_conflicts_are_a_backend_error(clock: FakeClock) -> None:
    class Contended(MemoryTable):
        def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
            return Replacement.CONFLICT

    sessions = Sessions(TableStore(Contended(clock=clock)), key="sid", clock=clock)
    session = sessions.fetch(f"sid={begin(sessions, cart=1)}")
    session["cart"] = 2

    with pytest.raises(StoreError, match="gave up"):
        sessions.commit(session)


def test_a_table_that_refuses_new_ids_is_a_backend_error(clock: FakeClock) -> None:
    class Full(MemoryTable):
        def insert(self, digest: bytes, row: Row) -> bool:
            return False

    sessions = Sessions(TableStore(Full(clock=clock)), key="sid", clock=clock)

    with pytest.raises(StoreError, match="it is full or broken"):
        begin(sessions, cart=1)


def test_an_id_that_is_already_taken_is_drawn_again(clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    drawn = iter([b"a" * 30, b"a" * 30, b"b" * 30])
    sessions = Sessions(TableStore(table, random=lambda length: next(drawn)), key="sid", clock=clock)

    assert begin(sessions, cart=1) != begin(sessions, cart=2)
    assert len(table) == 2


def test_a_renewed_id_is_late_for_a_minute_and_then_unknown(
    sessions: Sessions, clock: FakeClock, events: list[Event]
) -> None:
    sid = begin(sessions, cart=1)
    answer = request(sessions, sid, lambda session: session.login(7))

    late = request(sessions, sid, lambda session: session.put("cart", 2))
    clock.advance(timedelta(minutes=1))
    unknown = request(sessions, sid, lambda session: session.put("cart", 3))

    assert late.cookies == ()
    assert [event.reason for event in events if event.name == "rejected"] == ["renewed", "unknown"]
    assert unknown.cookie not in (None, sid, answer.cookie)
    assert sessions.resume(answer.cookie) == {"cart": 1, "user_id": 7}


def test_cve_2022_25896_a_planted_id_does_not_reach_the_session_after_the_login(sessions: Sessions) -> None:
    planted = begin(sessions, planted=True)

    answer = request(sessions, planted, lambda session: session.put("user_id", 7))

    assert answer.cookie != planted
    assert sessions.resume(planted).principal is None
    assert sessions.resume(answer.cookie).principal == "7"


def test_logout_ends_the_row_and_the_cookie_does_not_work_again(sessions: Sessions, table: Watched) -> None:
    sid = begin(sessions, user_id=7)

    answer = request(sessions, sid, lambda session: session.logout())

    assert [cookie.value for cookie in answer.cookies] == [None]
    assert sessions.resume(sid).is_new
    assert len(table) == 0


def test_the_principal_is_stored_with_the_row(sessions: Sessions, table: Watched) -> None:
    begin(sessions, cart=1)
    sid = begin(sessions, user_id=7)

    assert [listed.digest for listed in table.find(owner("7", "", "sid"))] == [digest(sid)]


def test_laravel_42782_a_large_session_comes_back_whole(sessions: Sessions) -> None:
    large = "x" * 1_000_000

    assert sessions.resume(begin(sessions, large=large))["large"] == large


def test_a_touch_carries_no_data(sessions: Sessions, table: Watched, clock: FakeClock) -> None:
    sid = begin(sessions, cart=1)
    before = table.read(digest(sid))
    assert before is not None
    clock.advance(timedelta(days=1))

    request(sessions, sid)

    assert table.read(digest(sid)) == before._replace(expires=clock() + timedelta(days=7), seen=clock())


@pytest.mark.parametrize(
    ("act", "written"),
    [
        (len, 1),
        (lambda session: session.put("n", 1), 1),
        (lambda session: session.configure(renew=True), 2),
        (lambda session: session.atomic_update("cart", str), 2),
    ],
)
def test_what_a_request_writes_after_its_own_write_meets_no_conflict(
    sessions: Sessions, table: Watched, clock: FakeClock, act: Callable[[Any], Any], written: int
) -> None:
    session = sessions.resume(begin(sessions, cart=1))
    clock.advance(timedelta(days=1))
    table.written = 0

    act(session)
    sessions.commit(session)
    assert table.written == written
    session["late"] = 1
    sessions.finish(session)

    assert table.written == written + 1


def test_a_stores_repr_hides_its_contents() -> None:
    store = TableStore(MemoryTable(), encrypt=True)
    draft = Write({"secret": 1}, Changes({"secret": 1}), 1, 2, 1)
    step = next(store.put(None, draft, key="sid"))

    assert repr(step) == f"<{type(step).__name__}>"
    assert repr(draft) == "<Write>"


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_objects_that_hold_a_session_are_neither_pickled_nor_copied(
    way: Callable[[Any], object], clock: FakeClock
) -> None:
    store = TableStore(MemoryTable(clock=clock))
    write = Write({"secret": 1}, Changes({"secret": 1}), 1, 2, 1)
    stored = run(store.put(None, write, key="sid"))

    for each in (write, write.changes, stored, next(store.get(stored.cookie, key="sid"))):
        with pytest.raises(
            TypeError, match=f"a {type(each).__name__} contains secrets or session data and must not be pickled"
        ):
            way(each)


def test_threads_that_count_under_separate_keys_lose_nothing(clock: FakeClock) -> None:
    sessions = Sessions("table", key="sid", table="threads", clock=clock)
    sid = begin(sessions, total=0)

    def count(name: str) -> None:
        for _ in range(100):
            request(sessions, sid, lambda session: session.put(name, session.get(name, 0) + 1))

    async def all_at_once() -> None:
        await asyncio.gather(*(asyncio.to_thread(count, f"thread {number}") for number in range(8)))

    asyncio.run(all_at_once())

    assert sessions.resume(sid) == {"total": 0} | {f"thread {number}": 100 for number in range(8)}


# A session under an ID that several requests derive from one cookie (``overflow=``).

SID = "s" * 40


BEGAN = int(FakeClock()().timestamp())


def write_at(clock: FakeClock, **data: Any) -> Write:
    now = int(clock().timestamp())
    return Write(data, Changes(data), BEGAN, now + 24 * 3600, now, principal="7")


def shown(stored: SessionInRow | NotFound | None) -> dict[str, Any]:
    assert isinstance(stored, SessionInRow)
    return {name: getattr(stored, name) for name in ("cookie", "data", "created", "expires", "version", "key", "owner")}


@pytest.mark.parametrize("encrypt", [True, False])
def test_put_as_returns_what_the_next_request_reads(clock: FakeClock, encrypt: bool) -> None:
    store = TableStore(MemoryTable(clock=clock), encrypt=encrypt)

    first = run(store.put_as(SID, write_at(clock, cart=1), key="sid"))
    assert shown(first) == shown(run(store.get(SID, key="sid")))
    clock.advance(timedelta(minutes=1))
    second = run(store.put_as(SID, write_at(clock, wishes=2), key="sid"))

    assert shown(second) == shown(run(store.get(SID, key="sid")))
    assert shown(second)["data"] == {"cart": 1, "wishes": 2}
    assert len(run(store.list("7", keys=["sid"], current=None))) == 1


def test_what_put_as_returned_can_be_written_again(table: Watched, clock: FakeClock) -> None:
    store = TableStore(table, encrypt=True)
    for name in ("a", "b"):
        stored = run(store.put_as(SID, write_at(clock, **{name: 1}), key="sid"))
        table.written = 0
        assert run(store.put(stored, write_at(clock, **{**stored.data, "n": name}), key="sid")) is not None
        assert table.written == 1

    assert shown(run(store.get(SID, key="sid")))["data"] == {"a": 1, "b": 1, "n": "b"}


def test_put_as_does_not_bring_back_a_session_that_has_ended(table: Watched, clock: FakeClock) -> None:
    store = TableStore(table)
    stored = run(store.put_as(SID, write_at(clock, cart=1), key="sid"))
    until = int((clock() + timedelta(minutes=1)).timestamp())
    run(store.delete(stored, key="sid", superseded_until=until))

    assert run(store.put_as(SID, write_at(clock, cart=2), key="sid")) is None
    assert isinstance(run(store.get(SID, key="sid")), NotFound)


def test_two_requests_that_put_as_are_both_kept_in_every_order(clock: FakeClock) -> None:
    def begin() -> list[Steps[Any]]:
        nonlocal store
        store = TableStore(MemoryTable(clock=clock), encrypt=True)
        return [store.put_as(SID, write_at(clock, **{name: 1}), key="sid") for name in ("a", "b")]

    store: TableStore
    for answers in every_order(begin):
        assert all(answers)
        assert shown(run(store.get(SID, key="sid")))["data"] == {"a": 1, "b": 1}


# Several applications in one table.


@pytest.mark.parametrize("encrypt", [True, False])
@pytest.mark.parametrize(("app", "key"), [("", "admin"), ("admin", "sid"), ("admin", "admin")])
def test_another_applications_sessions_are_not_read_listed_or_ended(encrypt: bool, app: str, key: str) -> None:
    table = MemoryTable()
    shop = Sessions(TableStore(table, encrypt=encrypt), key="sid")
    admin = Sessions(TableStore(table, encrypt=encrypt, app_name=app), key=key)
    sid = begin(shop, user_id=1)

    assert admin.resume(sid) == {}
    assert admin.list(1) == []
    assert admin.revoke(1) == 0
    assert (shop.resume(sid), len(shop.list(1))) == ({"user_id": 1}, 1)


@pytest.mark.parametrize("encrypt", [True, False])
def test_sessions_under_an_old_name_are_listed_counted_and_ended_too(encrypt: bool, clock: FakeClock) -> None:
    table = MemoryTable(clock=clock)
    store = TableStore(table, encrypt=encrypt)
    before = Sessions(store, key="old", clock=clock)
    for _ in range(3):
        begin(before, user_id=1)
        clock.advance(timedelta(seconds=1))
    after = Sessions(store, key="sid", old_keys=["old"], clock=clock, max_sessions=3)
    begin(after, user_id=1)

    began = [info.created for info in after.list(1)]
    assert (len(began), began) == (3, sorted(began))
    assert after.revoke(1) == 3
    assert before.list(1) == []
