"""The table in Redis: the contract on every compatible server, and the behaviour with a remote server."""

import asyncio
import itertools
import secrets
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from holdall import AsyncTable, ConfigurationError, Event, Sessions, StoreError, TableStore
from holdall.tables import Replacement, Row, Tombstone
from holdall.tables.redis import AsyncRedisTable, RedisTable
from holdall.testing import FakeClock, InterleavingConformance, TableConformance, as_async
from holdall.testing._forks import exit_code, forked
from servers.processes import free_port, wait_until
from servers.redis import IN_MEMORY, ON_DISK, Cluster, RedisServer, valkey_program
from servers.tls import make_certificate, tls_front
from sizes import FULL
from tables.forms import FORMS, opened, settled
from tables.rows import DAY, DIGEST, new_row
from tables.stolen import traces

MINUTE = timedelta(minutes=1)
_DONE = Replacement.REPLACED

Start = Callable[..., RedisServer]
Open = Callable[..., Any]


def new_prefix() -> str:
    """Return an unused prefix."""
    return f"{secrets.token_hex(8)}:"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a server for one test."""
    servers = []

    def start(*options: str) -> RedisServer:
        server = RedisServer(valkey_program(), tmp_path, *options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(params=FORMS)
def open_table(request: pytest.FixtureRequest, clock: FakeClock, runner: asyncio.Runner) -> Iterator[Open]:
    """Open a table of either form as an async table."""
    kinds = RedisTable, AsyncRedisTable
    with ExitStack() as tables:
        yield lambda url, **options: tables.enter_context(opened(kinds, request.param, url, clock, runner, **options))


@pytest.fixture
def table(valkey: RedisServer, clock: FakeClock) -> Iterator[RedisTable]:
    table = RedisTable(valkey.url, prefix=new_prefix(), clock=clock)
    yield table
    table.close()


# The contract.


class OnServer(TableConformance):
    """Uses a server of its own kind, the fixture ``server``."""

    __test__ = False
    sweeps = False

    @pytest.fixture
    def table(self, server: RedisServer, clock: FakeClock) -> Iterator[AsyncTable]:
        table = RedisTable(server.url, prefix=new_prefix(), clock=clock)
        yield as_async(table)
        table.close()


class OnServerAsync(TableConformance):
    __test__ = False
    sweeps = False

    @pytest.fixture
    def table(self, server: RedisServer, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        table = AsyncRedisTable(server.url, prefix=new_prefix(), clock=clock)
        yield table
        runner.run(table.aclose())


class OnValkey:
    __test__ = True

    @pytest.fixture
    def server(self, valkey: RedisServer) -> RedisServer:
        return valkey


class OnOldRedis:
    __test__ = True

    @pytest.fixture
    def server(self, old_redis: RedisServer) -> RedisServer:
        return old_redis


class TestOnValkey(OnValkey, OnServer):
    """The server that most applications use."""

    @pytest.fixture
    def broken_table(self, clock: FakeClock) -> AsyncTable:
        return as_async(RedisTable(f"redis://127.0.0.1:{free_port()}/0", timeout=1, clock=clock))


class TestOnValkeyAsync(OnValkey, OnServerAsync):
    """The server that most applications use."""

    @pytest.fixture
    def broken_table(self, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        table = AsyncRedisTable(f"redis://127.0.0.1:{free_port()}/0", timeout=1, clock=clock)
        yield table
        runner.run(table.aclose())


class TestOnOldRedis(OnOldRedis, OnServer):
    """The oldest server that we support."""


class TestOnOldRedisAsync(OnOldRedis, OnServerAsync):
    """The oldest server that we support."""


class TestOnCluster(TableConformance):
    sweeps = False

    @pytest.fixture
    def table(self, cluster: Cluster, clock: FakeClock) -> Iterator[AsyncTable]:
        with redis.RedisCluster("127.0.0.1", cluster.port) as client:
            yield as_async(RedisTable(client, prefix=new_prefix(), clock=clock))


class TestOnClusterAsync(TableConformance):
    sweeps = False
    forks = loops = False  # the client that was passed in belongs to one event loop of one process

    @pytest.fixture
    def table(self, cluster: Cluster, clock: FakeClock, runner: asyncio.Runner) -> Iterator[AsyncTable]:
        async def connect() -> redis.asyncio.RedisCluster:
            return await redis.asyncio.RedisCluster("127.0.0.1", cluster.port)

        client = runner.run(connect())
        yield AsyncRedisTable(client, prefix=new_prefix(), clock=clock)
        runner.run(client.aclose())


class TestInterleavings(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, valkey: RedisServer) -> Iterator[Callable[[FakeClock], AsyncTable]]:
        with redis.Redis.from_url(valkey.url) as client:
            yield lambda clock: as_async(RedisTable(client, clock=clock))


class TestInterleavingsAsync(InterleavingConformance):
    triples = FULL

    @pytest.fixture
    def make_table(self, valkey: RedisServer, runner: asyncio.Runner) -> Iterator[Callable[[FakeClock], AsyncTable]]:
        client = redis.asyncio.Redis.from_url(valkey.url)
        yield lambda clock: AsyncRedisTable(client, clock=clock)
        runner.run(client.aclose())


# Setup.


def test_a_url_names_the_server(valkey: RedisServer) -> None:
    for url in (valkey.url, valkey.url.replace("redis://", "valkey://"), f"unix://{valkey.socket}?db=0"):
        sessions = Sessions("table", table=url, key="sid")
        session = sessions.fetch()
        session["seen"] = url
        cookie = sessions.commit(session).cookie

        other = Sessions("table", table=valkey.url, key="sid")
        assert dict(other.resume(cookie)) == {"seen": url}


def test_a_url_opens_the_async_table_for_an_async_adapter(valkey: RedisServer, runner: asyncio.Runner) -> None:
    sessions = Sessions("table", table=valkey.url, key="sid")

    async def visit() -> str | None:
        session = await sessions.fetch_async()
        session["seen"] = 1
        return (await sessions.commit_async(session)).cookie

    cookie = runner.run(visit())

    assert dict(sessions.resume(cookie)) == {"seen": 1}
    table = sessions.prepare("async").table
    assert isinstance(table, AsyncRedisTable)
    runner.run(table.aclose())


@pytest.mark.parametrize("url", ["localhost:6379", "redis://:hunter2/0@localhost", "redis://localhost?db=hunter2"])
@pytest.mark.parametrize("kind", [RedisTable, AsyncRedisTable])
def test_an_invalid_url_is_not_shown(kind: type, url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"redis://user:password@host|^redis-py cannot parse the value of db= in the"
    ) as caught:
        kind(url)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value, chain=True))


def test_rediss_uses_tls_and_checks_the_servers_certificate(
    clock: FakeClock, valkey: RedisServer, tmp_path: Path, runner: asyncio.Runner
) -> None:
    certificate = make_certificate(tmp_path)

    async def use(url: str) -> Row | None:
        table = AsyncRedisTable(url, prefix=prefix, clock=clock)
        try:
            return await table.read(DIGEST)
        finally:
            await table.aclose()

    with tls_front(valkey.port, certificate) as port:
        url, prefix = f"rediss://localhost:{port}/0", new_prefix()
        table = RedisTable(f"{url}?ssl_ca_certs={certificate}", prefix=prefix, clock=clock)
        assert table.insert(DIGEST, new_row(clock))
        assert runner.run(use(f"{url}?ssl_ca_certs={certificate}")) == new_row(clock)
        table.close()

        with pytest.raises(StoreError):
            RedisTable(url, clock=clock).read(DIGEST)
        with pytest.raises(StoreError):
            runner.run(use(url))


@pytest.mark.parametrize("given", ["client", "pool"])
def test_a_client_that_was_passed_in_stays_open(valkey: RedisServer, clock: FakeClock, given: str) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        table = RedisTable(client if given == "client" else client.connection_pool, prefix=new_prefix(), clock=clock)
        assert table.insert(DIGEST, new_row(clock))
        connection = client.connection_pool.get_connection()
        client.connection_pool.release(connection)

        table.close()

        assert connection._sock is not None
        assert table.read(DIGEST) == new_row(clock)


def test_an_async_client_that_was_passed_in_stays_open_too(
    valkey: RedisServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    async def use() -> None:
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            table = AsyncRedisTable(client.connection_pool, prefix=new_prefix(), clock=clock)
            assert await table.insert(DIGEST, new_row(clock))
            connection = await client.connection_pool.get_connection()
            await client.connection_pool.release(connection)

            await table.aclose()

            assert connection.is_connected
            assert await table.read(DIGEST) == new_row(clock)

    runner.run(use())


@pytest.mark.parametrize(
    ("client", "kind", "twin"),
    [
        (redis.asyncio.Redis(), RedisTable, "AsyncRedisTable"),
        (redis.asyncio.ConnectionPool(), RedisTable, "AsyncRedisTable"),
        (redis.Redis(), AsyncRedisTable, "RedisTable"),
        (redis.ConnectionPool(), AsyncRedisTable, "RedisTable"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_twin_for_the_other_kind_of_client_is_named(client: Any, kind: type, twin: str) -> None:
    with pytest.raises(ConfigurationError, match=f"pass it to {twin}, not to {kind.__name__}"):
        kind(client)


@pytest.mark.parametrize(("kind", "module"), [(RedisTable, redis), (AsyncRedisTable, redis.asyncio)])
def test_a_client_that_decodes_responses_is_refused(kind: type, module: Any) -> None:
    with pytest.raises(ConfigurationError, match="decode_responses"):
        kind(module.Redis(decode_responses=True))


def test_a_client_with_the_newer_protocol_works(valkey: RedisServer, clock: FakeClock) -> None:
    for protocol in (2, 3):
        with redis.Redis.from_url(valkey.url, protocol=protocol) as client:
            table = RedisTable(client, prefix=new_prefix(), clock=clock)
            table.insert(DIGEST, new_row(clock, principal="7"))

            assert table.read(DIGEST) == new_row(clock, principal="7")
            assert [each.digest for each in table.find("7")] == [DIGEST]
            assert table.remove(DIGEST, tombstone=Tombstone(clock() + DAY, b"")) == new_row(clock, principal="7")


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("holdall.tables.redis", "holdall.tables._redis_servers"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'holdall\[redis\]'"):
        Sessions("table", table="redis://localhost", key="sid").prepare("sync")


def test_a_forked_process_opens_its_own_connections(table: RedisTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))

    child = forked(lambda: table.replace(DIGEST, new_row(clock, b"child", 2), version=1), hooks=True)

    assert exit_code(child) == 0
    assert table.replace(DIGEST, new_row(clock, b"parent", 3), version=2) is _DONE


# Requests to the server.


def test_tables_with_different_prefixes_are_separate(valkey: RedisServer, clock: FakeClock) -> None:
    one, other = (RedisTable(valkey.url, prefix=new_prefix(), clock=clock) for _ in range(2))
    one.insert(DIGEST, new_row(clock, principal="7"))

    assert other.read(DIGEST) is None
    assert list(other.find("7")) == []
    assert other.insert(DIGEST, new_row(clock, b"other"))
    assert one.read(DIGEST) == new_row(clock, principal="7")


@pytest.mark.parametrize("ending", ["*", "?", "[a-z]", "[^x]", "\\", "\\*"])
def test_clear_removes_only_rows_under_its_own_prefix(valkey: RedisServer, clock: FakeClock, ending: str) -> None:
    prefix = new_prefix() + ending
    own, *others = (
        RedisTable(valkey.client, prefix=each, clock=clock)
        for each in (prefix, prefix[:-1], prefix[:-1] + "x", f"{prefix}session:")
    )
    for table in (own, *others):
        table.insert(DIGEST, new_row(clock, principal="7"))

    assert own.clear(clock()) == 1
    assert own.read(DIGEST) is None
    assert [table.read(DIGEST) for table in others] == [new_row(clock, principal="7")] * 3


def test_clear_removes_many_keys_in_each_round_trip(table: RedisTable, valkey: RedisServer, clock: FakeClock) -> None:
    for number in range(500):
        table.insert(number.to_bytes(32, "big"), new_row(clock))
    before = valkey.client.info("stats")["total_reads_processed"]

    assert table.clear(clock()) == 500
    # One more for the query itself.
    assert valkey.client.info("stats")["total_reads_processed"] - before < 50


def test_clear_continues_over_several_scans(
    open_table: Open, valkey: RedisServer, clock: FakeClock, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdall.tables.redis._SCANNED", 2)
    table = open_table(valkey.url, prefix=new_prefix())

    async def use() -> int:
        for number in range(5):
            await table.insert(number.to_bytes(32, "big"), new_row(clock))
        return await table.clear(clock())

    assert runner.run(use()) == 5


@pytest.mark.parametrize(
    ("principal", "listing"),
    [
        (None, []),
        # Its row is listed when it is inserted, and then once a day.
        ("7", ["EVALSHA"]),
    ],
)
def test_a_read_or_a_write_is_one_round_trip(
    open_table: Open,
    valkey: RedisServer,
    clock: FakeClock,
    runner: asyncio.Runner,
    principal: str | None,
    listing: list[str],
) -> None:
    table = open_table(valkey.url, prefix=new_prefix())
    later = clock() + 2 * DAY
    row = new_row(clock, principal=principal)._replace(seen=clock())

    async def use(digest: bytes) -> None:
        await table.insert(digest, row)
        await table.read(digest)
        await table.replace(digest, row._replace(version=2), version=1)
        await table.touch(digest, later, seen=clock())
        await table.remove(digest, tombstone=Tombstone(later, b""))

    # The first call connects, and loads the scripts if they are missing.
    runner.run(use(b"0" * 32))
    with redis.Redis.from_url(valkey.url) as other, valkey.client.monitor() as monitor:
        other.ping()
        runner.run(use(DIGEST))
        other.echo("end")
        seen = list(itertools.takewhile(lambda each: each["command"] != "ECHO end", monitor.listen()))

    sent = [each["command"].split()[0] for each in seen if each["client_type"] != "lua"]
    assert sent[sent.index("PING") + 1 :] == [*listing, "EVALSHA", "HMGET", "EVALSHA", "EVALSHA", "EVALSHA"]


def test_scripts_that_the_server_lost_are_loaded_again(
    open_table: Open, valkey: RedisServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(valkey.url, prefix=new_prefix())

    async def use() -> None:
        assert await table.insert(DIGEST, new_row(clock, principal="7"))
        valkey.client.script_flush()
        assert await table.replace(DIGEST, new_row(clock, version=2), version=1) is _DONE
        valkey.client.script_flush()
        assert await table.touch(DIGEST, clock() + 2 * DAY, seen=clock())
        valkey.client.script_flush()
        assert [each.digest for each in await table.find("7")] == [DIGEST]
        valkey.client.script_flush()
        assert await table.remove(DIGEST)

    runner.run(use())


def test_a_cluster_that_lost_its_scripts_loads_them_again(cluster: Cluster, clock: FakeClock) -> None:
    with redis.RedisCluster("127.0.0.1", cluster.port) as client:
        table = RedisTable(client, prefix=new_prefix(), clock=clock)
        for number in range(20):
            digest = bytes([number]) * 32
            assert table.insert(digest, new_row(clock))
            for server, _ in cluster.servers:
                server.client.script_flush()
            assert table.replace(digest, new_row(clock, version=2), version=1) is _DONE


def test_a_dump_of_the_server_shows_neither_ids_nor_data(start: Start, clock: FakeClock, tmp_path: Path) -> None:
    server = start(*ON_DISK)
    table = RedisTable(server.url, clock=clock)
    secrets_of_session = traces(Sessions(TableStore(table), key="sid", clock=clock))
    table.close()

    # Uncompressed, so that any secret in it can be found.
    server.client.config_set("rdbcompression", "no")
    server.client.save()
    everything = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert everything.count(b"holdall:session:") >= 2
    assert [each for each in secrets_of_session if each in everything] == []


def test_the_server_removes_a_row_an_hour_after_its_expiry(
    table: RedisTable, valkey: RedisServer, clock: FakeClock
) -> None:
    table.insert(DIGEST, new_row(clock, principal="7"))
    (key,) = valkey.client.scan_iter(match=f"{table._verbs._prefix}session:*")
    hour = 3600

    def lives(seconds: float) -> bool:
        return seconds - 5 < valkey.client.ttl(key) <= seconds

    assert lives(24 * hour + hour)
    table.touch(DIGEST, clock() + 2 * DAY, seen=clock())
    assert lives(48 * hour + hour)
    # This moves no expiry.
    table.touch(DIGEST, clock() + DAY, seen=clock())
    assert lives(48 * hour + hour)
    table.replace(DIGEST, new_row(clock, version=2), version=1)
    assert lives(24 * hour + hour)
    table.remove(DIGEST, tombstone=Tombstone(clock() + MINUTE, b""))
    assert lives(60 + hour)


# The index of principals.


def test_expired_rows_leave_the_index_when_it_is_read(table: RedisTable, valkey: RedisServer, clock: FakeClock) -> None:
    digests = [bytes([number]) * 32 for number in range(4)]
    for digest in digests:
        table.insert(digest, new_row(clock, principal="7"))
    table.remove(digests[0])
    table.remove(digests[1], tombstone=Tombstone(clock() + 5 * MINUTE, b""))
    valkey.client.delete(table._verbs._key(digests[2]))

    index = table._verbs._index("7")
    clock.advance(MINUTE)
    # Their rows might still be on their way.
    assert {each.digest for each in table.find("7")} == {digests[1], digests[3]}
    assert valkey.client.zcard(index) == 4
    clock.advance(MINUTE)
    # The tombstone has not expired yet.
    assert {each.digest for each in table.find("7")} == {digests[1], digests[3]}
    assert set(valkey.client.zrange(index, 0, -1)) == {digests[1], digests[3]}
    clock.advance(3 * MINUTE)
    assert [each.digest for each in table.find("7")] == [digests[3]]
    assert valkey.client.zrange(index, 0, -1) == [digests[3]]


def test_the_index_of_a_principal_with_many_logins_stays_short(
    table: RedisTable, valkey: RedisServer, clock: FakeClock
) -> None:
    lasting = [bytes([255, number]) * 16 for number in range(20)]
    for digest in lasting:
        table.insert(digest, new_row(clock, principal="7"))
    for number in range(300):
        clock.advance(MINUTE)
        digest = number.to_bytes(2, "big") * 16
        assert table.insert(digest, new_row(clock, principal="7"))
        table.remove(digest)

    assert valkey.client.zcard(table._verbs._index("7")) < 100
    assert {each.digest for each in table.find("7")} == set(lasting)


def test_an_unused_index_outlasts_the_longest_cookie_but_not_by_much(
    table: RedisTable, valkey: RedisServer, clock: FakeClock
) -> None:
    table.insert(DIGEST, new_row(clock, principal="7"))

    (key,) = valkey.client.scan_iter(match=f"{table._verbs._prefix}principal:*")
    # A browser keeps a cookie for 400 days at most, and its session is noted once a day.
    assert timedelta(days=401) < timedelta(seconds=valkey.client.ttl(key)) < timedelta(days=430)


@pytest.mark.parametrize(
    "use",
    [
        lambda table, row: table.replace(DIGEST, row._replace(version=2), version=1),
        lambda table, row: table.touch(DIGEST, row.expires, seen=row.seen),
    ],
    ids=["replace", "touch"],
)
def test_a_session_in_use_stays_listed_longer_than_its_index_lasts(
    table: RedisTable, valkey: RedisServer, clock: FakeClock, use: Callable[[RedisTable, Row], object]
) -> None:
    row = new_row(clock, principal="7")._replace(expires=clock() + 500 * DAY, seen=clock())
    table.insert(DIGEST, row)
    clock.advance(DAY)
    # The list has ended.
    valkey.client.delete(table._verbs._index("7"))

    use(table, row._replace(seen=clock()))

    assert [each.digest for each in table.find("7")] == [DIGEST]


# Failures.


def test_a_server_that_is_down_is_a_store_error_without_the_url(open_table: Open, runner: asyncio.Runner) -> None:
    table = open_table(f"redis://somebody:hunter2@127.0.0.1:{free_port()}")

    words = r"Redis at 127\.0\.0\.1:\d+/0 failed: ConnectionError, connection refused\."
    with pytest.raises(StoreError, match=words) as caught:
        runner.run(settled(table.read(DIGEST)))

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_is_a_store_error_without_it(open_table: Open, start: Start, runner: asyncio.Runner) -> None:
    server = start(*IN_MEMORY)
    table = open_table(f"redis://somebody:hunter2@127.0.0.1:{server.port}")

    with pytest.raises(StoreError, match=r"Redis at 127\.0\.0\.1:\d+/0 failed: AuthenticationError") as caught:
        runner.run(settled(table.read(DIGEST)))

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_a_cluster_that_is_down_is_a_store_error(tmp_path: Path, clock: FakeClock) -> None:
    cluster = Cluster(valkey_program(), tmp_path)
    try:
        cluster.start()
        with redis.RedisCluster("127.0.0.1", cluster.port, retry=Retry(NoBackoff(), 0)) as client:
            table = RedisTable(client, clock=clock)
            cluster.stop()

            with pytest.raises(StoreError):
                table.read(DIGEST)
            with pytest.raises(StoreError):
                table.insert(DIGEST, new_row(clock, principal="7"))
    finally:
        cluster.stop()


def test_every_acknowledged_write_outlives_a_server_that_is_killed(
    open_table: Open, start: Start, clock: FakeClock, runner: asyncio.Runner
) -> None:
    server = start(*ON_DISK)
    table = open_table(server.url)
    acknowledged: dict[bytes, int] = {}
    killing = threading.Thread(target=server.kill)

    async def write(digest: bytes) -> None:
        assert await table.insert(digest, new_row(clock))
        for version in itertools.count(1):
            acknowledged[digest] = version
            if sum(acknowledged.values()) == 200:
                killing.start()
            assert await table.replace(digest, new_row(clock, b"more", version + 1), version=version) is _DONE

    async def write_all() -> list[BaseException | None]:
        return await asyncio.gather(*(write(bytes([number]) * 32) for number in range(4)), return_exceptions=True)

    ends = runner.run(write_all())
    killing.join()

    assert [type(end) for end in ends] == [StoreError] * 4
    with pytest.raises(StoreError):
        runner.run(settled(table.read(DIGEST)))
    server.start()
    assert sum(acknowledged.values()) >= 200
    for digest, version in acknowledged.items():
        row = runner.run(settled(table.read(digest)))
        assert row is not None
        # One more may have been executed than was acknowledged.
        assert version <= row.version <= version + 1


def connections_to(server: RedisServer) -> list[Any]:
    """Return this process's connections to a server."""
    found = psutil.Process().net_connections("inet")
    return [each for each in found if each.status == "ESTABLISHED" and each.raddr.port == server.port]


def test_a_connection_closed_by_the_server_is_replaced(
    open_table: Open, valkey: RedisServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    table = open_table(valkey.url, prefix=new_prefix())
    assert runner.run(settled(table.insert(DIGEST, new_row(clock))))

    for _ in range(3):
        valkey.client.client_kill_filter(_type="normal", skipme=True)
        # Only the connection of this query is left.
        wait_until("the connections are closed", lambda: len(connections_to(valkey)) == 1)
        # An event loop notices it before it turns to the next request.
        runner.run(asyncio.sleep(0))
        assert runner.run(settled(table.touch(DIGEST, clock() + DAY, seen=clock())))


def test_a_server_that_does_not_respond_is_a_store_error_and_not_tried_again(
    open_table: Open, start: Start, clock: FakeClock, runner: asyncio.Runner
) -> None:
    server = start(*IN_MEMORY)
    table = open_table(f"{server.url}?socket_timeout=1")
    runner.run(settled(table.insert(DIGEST, new_row(clock))))
    connections = server.client.info("stats")["total_connections_received"]

    server.client.client_pause(60_000, all=False)
    with pytest.raises(StoreError, match="TimeoutError"):
        runner.run(settled(table.remove(DIGEST)))

    # A timeout closes the connection, because another try would take just as long.
    assert server.client.info("stats")["total_connections_received"] == connections
    server.client.client_unpause()
    assert runner.run(settled(table.insert(b"2" * 32, new_row(clock))))


def test_an_evicted_row_is_an_empty_session_and_a_lost_write(start: Start, clock: FakeClock) -> None:
    # With this many samples, the server always evicts the row that expires first: the session, because the others live
    # longer.
    server = start(*IN_MEMORY, "--maxmemory-policy", "volatile-ttl", "--maxmemory-samples", "64")
    table = RedisTable(server.url, clock=clock)
    events: list[Event] = []
    sessions = Sessions(TableStore(table), key="sid", clock=clock, on_event=events.append)
    session = sessions.fetch()
    session["seen"] = 1
    cookie = sessions.commit(session).cookie
    slow = sessions.resume(cookie)
    assert dict(slow) == {"seen": 1}

    server.client.config_set("maxmemory", server.client.info("memory")["used_memory"] + 1_000_000)
    for number in range(200):
        table.insert(number.to_bytes(32, "big"), new_row(clock, bytes(20_000))._replace(expires=clock() + 30 * DAY))
    assert dict(sessions.resume(cookie)) == {}

    slow["late"] = 1
    answer = sessions.commit(slow)

    assert answer.cookies == ()
    assert events[-1].name == "lost_write"
    assert dict(sessions.resume(cookie)) == {}
    table.close()


def test_a_full_server_refuses_new_rows_and_lets_old_ones_end(start: Start, clock: FakeClock) -> None:
    server = start(*IN_MEMORY)
    table = RedisTable(server.url, clock=clock)
    for digest in (DIGEST, b"2" * 32):
        table.insert(digest, new_row(clock))
    server.client.config_set("maxmemory", 1)

    with pytest.raises(StoreError, match="OutOfMemory"):
        table.insert(b"3" * 32, new_row(clock))
    with pytest.raises(StoreError, match="OutOfMemory"):
        table.replace(DIGEST, new_row(clock, version=2), version=1)

    assert table.read(DIGEST) == new_row(clock)
    assert table.remove(DIGEST) == new_row(clock)
    assert table.remove(b"2" * 32, tombstone=Tombstone(clock() + DAY, b"")) == new_row(clock)
    table.close()


def test_an_exhausted_pool_is_a_store_error_until_it_has_connections_again(table: RedisTable, clock: FakeClock) -> None:
    table.insert(DIGEST, new_row(clock))
    url = f"redis://127.0.0.1:{table._server.client.connection_pool.connection_kwargs['port']}"
    narrow = RedisTable(f"{url}?max_connections=1&timeout=0.05", prefix=table._verbs._prefix, clock=clock)
    pool = narrow._server.client.connection_pool
    taken = pool.get_connection()

    with pytest.raises(StoreError, match="ConnectionError"):
        narrow.read(DIGEST)

    pool.release(taken)
    assert narrow.read(DIGEST) == new_row(clock)
    narrow.close()


def test_an_exhausted_async_pool_is_a_store_error_until_it_has_connections_again(
    valkey: RedisServer, clock: FakeClock, runner: asyncio.Runner
) -> None:
    async def use() -> None:
        narrow = AsyncRedisTable(f"{valkey.url}?max_connections=1&timeout=0.05", prefix=new_prefix(), clock=clock)
        await narrow.insert(DIGEST, new_row(clock))
        pool = (await narrow._server.client()).connection_pool
        taken = await pool.get_connection()

        with pytest.raises(StoreError, match="ConnectionError"):
            await narrow.read(DIGEST)

        await pool.release(taken)
        assert await narrow.read(DIGEST) == new_row(clock)
        await narrow.aclose()

    runner.run(use())
