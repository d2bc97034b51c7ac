"""The configuration of an application's sessions, and the calls to its store."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdall import (
    ConfigurationError,
    CookieStore,
    Event,
    LostWriteError,
    MemoryTable,
    Session,
    SessionNotFetchedError,
    Sessions,
    StoreError,
    TableStore,
    tables,
)
from holdall.formats import NativeFormat, Record
from holdall.tables import Replacement, Row, RowInfo, Tombstone
from holdall.testing import FakeClock, as_async

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
OTHER = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"


class AsyncMemoryTable:
    """An async table over a sync one."""

    leaves_process = True

    def __init__(self, table: MemoryTable) -> None:
        self._table = table

    async def read(self, digest: bytes) -> Row | None:
        await asyncio.sleep(0)
        return self._table.read(digest)

    async def insert(self, digest: bytes, row: Row) -> bool:
        await asyncio.sleep(0)
        return self._table.insert(digest, row)

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        await asyncio.sleep(0)
        return self._table.replace(digest, row, version=version)

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        await asyncio.sleep(0)
        return self._table.touch(digest, expires, seen=seen)

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        await asyncio.sleep(0)
        return self._table.remove(digest, tombstone=tombstone)

    async def find(self, principal: str) -> Sequence[RowInfo]:
        await asyncio.sleep(0)
        return self._table.find(principal)

    async def sweep(self, limit: int = 1000) -> int:
        await asyncio.sleep(0)
        return self._table.sweep(limit)


class WaitingTable(MemoryTable):
    """A table that declares that it blocks, and notes the thread of each verb."""

    leaves_process = True

    def __init__(self, clock: FakeClock, *, reads: bool, writes: bool) -> None:
        super().__init__(clock=clock)
        self.blocking_reads = reads
        self.blocking_writes = writes
        self.ran: list[tuple[str, bool]] = []

    def _note(self, verb: str) -> None:
        self.ran.append((verb, threading.current_thread() is threading.main_thread()))

    def read(self, digest: bytes) -> Row | None:
        self._note("read")
        return super().read(digest)

    def insert(self, digest: bytes, row: Row) -> bool:
        self._note("insert")
        return super().insert(digest, row)

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        self._note("replace")
        return super().replace(digest, row, version=version)

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        self._note("remove")
        return super().remove(digest, tombstone=tombstone)


def visit(sessions: Sessions, cookie: str = "", **data: Any) -> tuple[dict[str, Any], str]:
    """Make a request that adds *data*; return the data that it saw and the cookie's value afterwards."""
    session = sessions.fetch(f"{sessions.key}={cookie}" if cookie else ())
    saw = dict(session)
    session.update(data)
    return saw, sessions.commit(session).cookie or ""


async def visit_async(sessions: Sessions, cookie: str = "", **data: Any) -> tuple[dict[str, Any], str]:
    session = await sessions.fetch_async(f"{sessions.key}={cookie}" if cookie else ())
    saw = dict(session)
    session.update(data)
    answer = await sessions.commit_async(session)
    await sessions.finish_async(session)
    return saw, answer.cookie or ""


# Stores by name and by object.


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sessions(store="cookie", key="_shop", secret_key_base=SECRET, signing_salt="Jk7pxAMf"),
        lambda: Sessions(
            store="cookie", key="_shop", secret_key_base=SECRET, encrypt=False, app_name="a", format="native"
        ),
        lambda: Sessions(store="table", key="sid", table="session"),
        lambda: Sessions(store="table", key="sid", table="memory://session", encrypt=True),
        lambda: Sessions(CookieStore(NativeFormat(SECRET)), key="_shop"),
        lambda: Sessions(TableStore(MemoryTable()), key="sid"),
    ],
)
def test_a_store_is_given_by_name_or_as_an_object(make: Callable[[], Sessions]) -> None:
    sessions = make()

    _, cookie = visit(sessions, user=7)

    assert visit(sessions, cookie) == ({"user": 7}, cookie)


def test_two_stores_with_the_same_table_name_share_their_sessions() -> None:
    one, other = (Sessions("table", key="sid", table="shared") for _ in range(2))

    _, cookie = visit(one, user=7)

    assert visit(other, cookie)[0] == {"user": 7}


def test_a_tables_url_can_be_given_as_the_store() -> None:
    one, other = Sessions("memory://given", key="sid"), Sessions("table", key="sid", table="memory://given")

    _, cookie = visit(one, user=7)

    assert visit(other, cookie)[0] == {"user": 7}
    assert one.shares_rows_with(other, "sync")


def test_old_secrets_and_other_formats_are_read() -> None:
    _, cookie = visit(Sessions("cookie", key="_shop", secret_key_base=OTHER), user=7)

    rotated = Sessions("cookie", key="_shop", secret_key_base=SECRET, fallbacks=[OTHER])
    moved = Sessions("cookie", key="_shop", secret_key_base=SECRET, also_read=[NativeFormat(OTHER)], rewrite_on="read")

    assert visit(rotated, cookie) == ({"user": 7}, cookie)
    saw, upgraded = visit(moved, cookie)
    assert saw == {"user": 7}
    assert NativeFormat(SECRET).open(upgraded, key="_shop") is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": "redis"}, r"""store='redis' is neither .* nor a store\. Write store="redis://localhost/0"\."""),
        ({"store": "Table"}, r"""nor a store\. Write store="table", table="session"\."""),
        ({"store": "gopher"}, r"nor a store\.$"),
        ({"store": "postgres:/shop:hunter2@db/shop"}, r"^store='…@db/shop' is neither"),
        ({"store": "cookie"}, "secret_key_base is missing"),
        ({"store": "cookie", "secret_key_base": "short"}, "needs at least 32"),
        (
            {"store": "cookie", "secret_key_base": SECRET, "format": "jwt"},
            "format='jwt' is unknown. Choose one of: native",
        ),
        (
            {"store": "cookie", "secret_key_base": SECRET, "table": "session"},
            'does not take table, an option of store="table"',
        ),
        ({"store": "cookie", "secret_key_base": SECRET, "rewrite_on": "never"}, "neither 'write' nor 'read'"),
        (
            {"store": "cookie", "secret_key_base": SECRET, "samesite": "Lax"},
            r"does not take samesite: did you mean same_site\?$",
        ),
        ({"store": "table", "table": "a", "lifetime": 60}, r"did you mean idle_timeout or absolute_timeout\?"),
        ({"store": TableStore(MemoryTable()), "cookie_name": "a"}, r"did you mean key\?"),
        ({"store": "table", "table": "a", "lifetme": 60}, r"did you mean idle_timeout or absolute_timeout\?"),
        ({"store": "table", "table": "a", "stroe": 1}, r"did you mean store\?"),
        ({"store": "cookie", "secret_key_base": SECRET, "https_onyl": True}, r"did you mean secure\?"),
        ({"store": "cookie", "secret_key_base": SECRET, "also_read": "flask"}, "a list of formats, such as"),
        ({"store": "table", "table": "a", "migrate_from": "flask"}, "a list of sources, such as"),
        ({"store": "cookie", "tabel": "a"}, r'did you mean table, an option of store="table"\?'),
        ({"store": "table", "table": "a", "zzzzzzzz": 1}, r"does not take zzzzzzzz\. It takes absolute_timeout, "),
        ({"store": "cookie", "secret_key_base": SECRET, "format": "plug", "sale": 1}, "did you mean"),
        (
            {"store": "table", "table": "a", "samesite": "Lax", "zzzzzzzz": 1},
            r"samesite: did you mean same_site\? .* does not take zzzzzzzz\. It takes absolute_timeout, ",
        ),
        ({"store": "table", "table": ""}, "the table has no name"),
        ({"store": "memory://"}, "the table has no name"),
        ({"store": "table", "table": "a", "carry": ["cart"], "principal_key": None}, "carry= .* principal_key=None"),
        ({"store": "table", "table": "a", "record_client": True, "principal_key": None}, "principal_key=None means no"),
        ({"store": "cookie", "secret_key_base": SECRET, "record_client": True}, "a cookie keeps no rows"),
        ({"store": CookieStore(NativeFormat(SECRET)), "record_client": True}, "CookieStore keeps no rows"),
        ({"store": "cookie", "secret_key_base": SECRET, "on_lost_write": "raise"}, "needs sessions in a table"),
        ({"store": CookieStore(NativeFormat(SECRET)), "on_lost_write": "raise"}, "needs sessions in a table"),
        ({"store": "cookie", "secret_key_base": SECRET, "same_site": "None"}, "set secure=True"),
        ({"store": "table"}, "needs a table"),
        ({"store": "table", "table": "gopher://x"}, "no table is known for gopher://. Choose one of: .*memory://"),
        (
            {"store": "table", "table": "rdis://x"},
            r"known for rdis://: did you mean redis://\? Choose one of: ",
        ),
        ({"store": "postgrsql://u@h/d"}, r"did you mean postgresql://\?"),
        ({"store": "tabel"}, 'Write store="table"'),
        ({"store": "table", "table": "sessions.db"}, "looks like a path .*: write a path as sqlite:///path"),
        ({"store": "table", "table": "/var/sessions"}, "looks like a path"),
        ({"store": "table", "table": "redis:localhost"}, "and an address with its scheme and ://"),
        ({"store": "cookie", "secret_key_base": SECRET, "fallbacks": OTHER}, "fallbacks is one secret: pass a list"),
        ({"store": "table", "table": "session", "carry": "cart"}, r"carry='cart' is one key: .* \['cart'\]"),
        ({"store": MemoryTable()}, r"a MemoryTable is not a store: pass a table as Sessions\(TableStore\(table\), …\)"),
        ({"store": "table", "table": "session", "encrypted": True}, 'store="table" does not take encrypted'),
        ({"store": "table", "table": MemoryTable()}, r"pass a MemoryTable as Sessions\(TableStore\(table\)"),
        ({"store": TableStore(MemoryTable()), "table": "session"}, "a store passed as an object does not take table"),
        ({"store": "table", "table": "session", "key": "a b"}, "cannot be a cookie's name"),
        ({"store": "table", "table": "session", "on_lost_write": "ignore"}, "neither 'report' nor 'raise'"),
        (
            {"store": "table", "table": "session", "old_keys": "_old"},
            r"is one name: pass a list of them, \['_old'\]",
        ),
        ({"store": "table", "table": "session", "old_keys": ["_shop"]}, "has the present key='_shop'"),
        ({"store": "table", "table": "session", "old_keys": ["a b"]}, "key='a b' cannot be a cookie's name"),
        (
            {"store": "table", "table": "session", "old_keys": {"_old": {"samesite": "Lax"}}},
            "a cookie in old_keys does not take samesite. It takes .*same_site",
        ),
        *(
            ({"store": "table", "table": "session", "principal_key": key}, "not a session key, a list of keys")
            for key in (7, "", b"user", [], [""], ["user", 7], True)
        ),
        ({"store": "memory://session", "table": "session"}, "store= is a table's URL already: leave out table="),
    ],
)
def test_invalid_settings_are_refused_at_startup(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Sessions(**{"key": "_shop", **options})


@pytest.mark.parametrize("name", ["idle_timeout", "absolute_timeout"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("7 days", "not a timedelta, a number of whole seconds, or None"),
        (1.5, "not a timedelta"),
        (True, "not a timedelta"),
        (0, "use at least 1"),
        (-1, "use at least 1"),
        (timedelta(milliseconds=999), "use at least 1"),
        (10**30, "use None for no limit"),
        (-(10**30), "use at least 1"),
        (timedelta.max, "use None for no limit"),
    ],
)
def test_cve_2026_107275_an_invalid_duration_is_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}.*{message}"):
        Sessions("table", key="sid", table="session", **{name: value})


@pytest.mark.parametrize("value", [1, timedelta(seconds=1), timedelta(days=36525), None])
def test_a_duration_is_a_timedelta_or_whole_seconds_or_none(value: Any) -> None:
    sessions = Sessions("table", key="sid", table="session", idle_timeout=value, absolute_timeout=value)

    assert visit(sessions, user=7)[1]


def test_an_async_table_in_a_sync_adapter_is_refused_and_its_twin_named() -> None:
    sessions = Sessions(TableStore(AsyncMemoryTable(MemoryTable())), key="sid")

    sessions.prepare("async")
    refusal = "AsyncMemoryTable is async, which this adapter cannot use: use its sync version, MemoryTable"
    with pytest.raises(ConfigurationError, match=refusal):
        sessions.prepare("sync")


def test_a_table_given_by_url_is_opened_in_the_form_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = MemoryTable()
    asked = []

    def opener(url: str, form: str, clock: Callable[[], datetime], create: bool) -> MemoryTable | AsyncMemoryTable:
        asked.append((url, form))
        return rows if form == "sync" else AsyncMemoryTable(rows)

    monkeypatch.setitem(tables._OPENERS, "twin", opener)
    sessions = Sessions("table", key="sid", table="twin://somewhere", encrypt=False)

    _, cookie = visit(sessions, user=7)

    assert asyncio.run(visit_async(sessions, cookie))[0] == {"user": 7}
    assert asked == [("twin://somewhere", "sync"), ("twin://somewhere", "async")]


def test_the_repr_of_sessions_shows_only_their_name() -> None:
    assert repr(Sessions("cookie", key="_shop", secret_key_base=SECRET)) == "<Sessions _shop>"


# Clock and randomness.


def test_a_fixed_clock_and_randomness_make_it_deterministic() -> None:
    def run() -> list[str]:
        count = iter(range(100))

        def random(length: int) -> bytes:
            return next(count).to_bytes(length, "big")

        clock = FakeClock(datetime(2030, 1, 1, tzinfo=UTC))
        made = Sessions("cookie", key="_shop", secret_key_base=SECRET, clock=clock, random=random)
        table = TableStore(MemoryTable(clock=clock), random=random, encrypt=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.urandom", bytes)
            return [visit(made, user=7)[1], visit(Sessions(table, key="sid", clock=clock), user=7)[1]]

    assert run() == run()


def test_times_come_from_the_clock(clock: FakeClock) -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, clock=clock, idle_timeout=60)
    _, cookie = visit(sessions, user=7)

    session = sessions.resume(cookie)

    assert (session.created, session.expires) == (clock(), clock() + timedelta(seconds=60))


def test_no_cookie_means_no_session() -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET)

    assert sessions.resume(None).is_new
    assert sessions.resume("").is_new


def test_a_table_without_events_needs_no_listener(clock: FakeClock) -> None:
    class Silent(MemoryTable):
        listen = None  # type: ignore[assignment]  # as in a third-party table

    sessions = Sessions(TableStore(Silent(clock=clock)), key="sid", clock=clock, on_event=print)

    assert visit(sessions, user=7)[1]


def test_expired_rows_are_swept(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(MemoryTable(clock=clock)), key="sid", clock=clock, idle_timeout=60)
    for _ in range(3):
        visit(sessions, user=7)
    clock.advance(timedelta(minutes=1))

    assert [sessions.sweep(2), sessions.sweep(), sessions.sweep()] == [2, 1, 0]


# Async.


@pytest.mark.parametrize(
    "table",
    [
        lambda clock: TableStore(as_async(MemoryTable(clock=clock))),
        lambda clock: TableStore(MemoryTable(clock=clock)),
        lambda clock: TableStore(WaitingTable(clock, reads=True, writes=True)),
    ],
)
def test_expired_rows_are_swept_by_an_async_adapter(table: Callable[[FakeClock], Any], clock: FakeClock) -> None:
    sessions = Sessions(table(clock), key="sid", clock=clock, idle_timeout=60)

    async def sweeps() -> list[int]:
        for _ in range(3):
            await visit_async(sessions, user=7)
        clock.advance(timedelta(minutes=1))
        return [await sessions.sweep_async(2), await sessions.sweep_async(), await sessions.sweep_async()]

    assert asyncio.run(sweeps()) == [2, 1, 0]


def test_cookies_need_no_sweep() -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET)

    assert sessions.sweep() == 0
    assert asyncio.run(sessions.sweep_async()) == 0


def test_an_async_tables_events_are_reported_as_well(clock: FakeClock) -> None:
    events: list[Event] = []
    store = TableStore(as_async(MemoryTable(max_rows=1, clock=clock)))
    sessions = Sessions(store, key="sid", clock=clock, on_event=events.append)

    for _ in range(2):
        asyncio.run(visit_async(sessions, user=7))

    assert [event.name for event in events] == ["created", "evicted", "created"]


@pytest.mark.parametrize(
    "store",
    [
        lambda clock: CookieStore(NativeFormat(SECRET)),
        lambda clock: TableStore(MemoryTable(clock=clock)),
        lambda clock: TableStore(AsyncMemoryTable(MemoryTable(clock=clock))),
        lambda clock: TableStore(WaitingTable(clock, reads=True, writes=True)),
        lambda clock: TableStore(WaitingTable(clock, reads=False, writes=True)),
    ],
)
def test_the_async_twin_does_the_same(store: Callable[[FakeClock], Any], clock: FakeClock) -> None:
    sessions = Sessions(store(clock), key="sid", clock=clock, principal_key="user")

    async def visits() -> None:
        saw, cookie = await visit_async(sessions, cart=1)
        assert saw == {}
        saw, renewed = await visit_async(sessions, cookie, user=7)
        assert saw == {"cart": 1}
        assert renewed != cookie
        assert (await visit_async(sessions, renewed))[0] == {"cart": 1, "user": 7}
        session = await sessions.fetch_async(f"sid={renewed}")
        session.configure(drop=True)
        await sessions.abandon_async(session)

    asyncio.run(visits())


@pytest.mark.parametrize(
    ("reads", "writes", "in_main_thread"),
    [
        (False, True, {"read": True, "insert": False, "replace": False, "remove": False}),
        (True, True, {"read": False, "insert": False, "replace": False, "remove": False}),
        (False, False, {"read": True, "insert": True, "replace": True, "remove": True}),
    ],
)
def test_only_blocking_calls_run_in_a_thread(
    clock: FakeClock, reads: bool, writes: bool, in_main_thread: dict[str, bool]
) -> None:
    table = WaitingTable(clock, reads=reads, writes=writes)
    sessions = Sessions(TableStore(table), key="sid", clock=clock, principal_key="user")

    async def visits() -> None:
        _, cookie = await visit_async(sessions, cart=1)
        _, cookie = await visit_async(sessions, cookie, cart=2)
        await visit_async(sessions, cookie, user=7)

    asyncio.run(visits())

    assert dict(table.ran) == in_main_thread
    assert sessions.prepare("async").waits is (reads or writes)


def test_a_blocking_store_is_not_called_without_a_cookie(clock: FakeClock) -> None:
    table = WaitingTable(clock, reads=True, writes=True)
    sessions = Sessions(TableStore(table), key="sid", clock=clock)

    asyncio.run(visit_async(sessions))

    assert table.ran == []


def test_a_session_cannot_be_used_before_it_is_loaded_and_is_then_read_once(clock: FakeClock) -> None:
    table = WaitingTable(clock, reads=True, writes=True)
    sessions = Sessions(TableStore(table), key="sid", clock=clock)

    async def request() -> None:
        _, cookie = await visit_async(sessions, user=7)
        session = sessions.unfetched(f"sid={cookie}")
        with pytest.raises(SessionNotFetchedError):
            session.get("user")
        await sessions.load_async(session)
        await sessions.load_async(session)
        assert session["user"] == 7

    asyncio.run(request())

    assert [verb for verb, _ in table.ran] == ["insert", "read"]


def test_an_unfetched_and_unused_session_ends_silently(clock: FakeClock) -> None:
    sessions = Sessions(TableStore(WaitingTable(clock, reads=True, writes=True)), key="sid", clock=clock)
    session = sessions.unfetched("sid=" + "A" * 40)

    answer = asyncio.run(sessions.commit_async(session))

    assert (answer.cookies, answer.vary) == ((), "")


# Errors.


def test_a_failing_backend_is_an_error_and_not_an_empty_session() -> None:
    class Unreachable(MemoryTable):
        def read(self, digest: bytes) -> Row | None:
            msg = "no answer"
            raise StoreError(msg)

    sessions = Sessions(TableStore(Unreachable()), key="sid")
    session = sessions.fetch("sid=" + "A" * 40)

    with pytest.raises(StoreError, match="no answer"):
        session.get("user")


def test_a_lost_write_can_be_an_error(clock: FakeClock) -> None:
    sessions = Sessions("table", key="sid", table="lost", clock=clock, on_lost_write="raise")
    _, cookie = visit(sessions, user=7)
    session = sessions.fetch(f"sid={cookie}")
    session["cart"] = 1
    other = sessions.fetch(f"sid={cookie}")
    other.configure(drop=True)
    sessions.commit(other)

    with pytest.raises(LostWriteError, match="the client should retry"):
        sessions.commit(session)


def test_every_store_refuses_a_value_that_cannot_be_stored_when_it_is_put() -> None:
    for sessions in (
        Sessions("cookie", key="_shop", secret_key_base=SECRET),
        Sessions("table", key="_shop", table="refuses"),
    ):
        sessions.prepare("sync")
        with pytest.raises(TypeError, match=r"session\['a'\]\[0\] cannot be stored"):
            sessions.fetch()["a"] = [object()]


def test_a_store_without_an_early_check_raises_at_the_write() -> None:
    class Opaque:
        def seal(self, record: Record, *, key: str) -> str:
            raise TypeError(record.data["a"])

        def open(self, cookie: str, *, key: str) -> Record | None:
            return None

    sessions = Sessions(CookieStore(Opaque()), key="_shop")
    sessions.prepare("sync")
    session = sessions.fetch()
    session["a"] = ["refused late"]

    with pytest.raises(TypeError, match="refused late"):
        sessions.commit(session)


def test_adapters_can_make_their_own_kind_of_session() -> None:
    class FrameworkSession(Session):
        __slots__ = ()

    sessions = Sessions("table", key="sid", table="kinds")

    assert type(sessions.fetch(session_type=FrameworkSession)) is FrameworkSession
    assert type(sessions.resume("x", session_type=FrameworkSession)) is FrameworkSession
    assert type(asyncio.run(sessions.fetch_async(session_type=FrameworkSession))) is FrameworkSession


@pytest.mark.parametrize(
    "option", ["record_login", "record_client", "save_on_error", "allow_public", "http_only", "partitioned"]
)
@pytest.mark.parametrize("value", ["no", "false", 0, 1, None])
def test_a_flag_must_be_a_bool_and_not_text(option: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}={value!r} is neither True nor False"):
        Sessions("table", key="sid", table="session", **{option: value})


@pytest.mark.parametrize("option", ["valid_since", "cookie_options", "on_event", "clock", "random"])
def test_a_callback_must_be_a_function(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}=3 is not a function"):
        Sessions("table", key="sid", table="session", **{option: 3})  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("option", ["old_keys", "carry", "delete_at_logout"])
def test_a_list_option_refuses_a_number(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}=3 is not a list"):
        Sessions("table", key="sid", table="session", **{option: 3})  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("option", ["encrypt", "compress", "generations", "weak_secrets"])
def test_a_cookies_flag_must_be_a_bool_and_not_text(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}='no' is neither True nor False"):
        Sessions("cookie", key="sid", secret_key_base=SECRET, **{option: "no"})  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        ({"app_name": 3}, "app_name=3 is not text"),
        ({"revocable": 3}, "revocable=3 is neither a table nor the URL of one"),
        ({"overflow": 3}, "overflow=3 is neither a table nor the URL of one"),
    ],
)
def test_options_of_text_or_a_table_refuse_a_number(options: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=refusal):
        Sessions("cookie", key="sid", secret_key_base=SECRET, **options)
