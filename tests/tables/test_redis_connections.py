"""The connections to Redis that are used: those to the right server, from this process and event loop."""

import asyncio
import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from holdall import ConfigurationError, Sessions, StoreError
from holdall.sources.flask_session import FlaskSessionSource
from holdall.tables import Replacement
from holdall.tables.redis import AsyncRedisTable, Keys, RedisTable
from holdall.testing import FakeClock, as_async
from servers.forward import Forward, forwarding
from servers.processes import free_port, wait_until
from servers.redis import IN_MEMORY, RedisServer, redis_program, valkey_program
from tables import forms, rows
from tables.forms import FORMS, settled
from tables.rows import DAY, DIGEST

_DONE = Replacement.REPLACED

new_row = partial(rows.new_row, principal="7")
opened = partial(forms.opened, (RedisTable, AsyncRedisTable))


@pytest.fixture(params=["valkey", "old redis"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """Start two servers, for a test that makes one of them useless."""
    program = valkey_program() if request.param == "valkey" else redis_program()
    pair = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        pair.append(RedisServer(program, folder, *IN_MEMORY))
    try:
        for server in pair:
            server.start()
        yield pair[0], pair[1]
    finally:
        for server in pair:
            server.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], RedisServer]]:
    started = []

    def start() -> RedisServer:
        server = RedisServer(valkey_program(), tmp_path, *IN_MEMORY)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.thaw()
        server.stop()


# A failover.


def fail_over(old: RedisServer, new: RedisServer) -> None:
    """Turn the *old* primary into a replica of the *new* one, which has its data."""
    old.client.wait(1, 5000)
    new.client.execute_command("REPLICAOF NO ONE")
    old.client.execute_command("REPLICAOF", "127.0.0.1", new.port)


@pytest.mark.parametrize("given", ["url", "client"])
@pytest.mark.parametrize("form", FORMS)
def test_after_a_failover_every_connection_leads_to_the_new_primary(
    servers: tuple[RedisServer, RedisServer], form: str, given: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    old, new = servers
    new.client.execute_command("REPLICAOF", "127.0.0.1", old.port)
    wait_until("the replica follows", lambda: new.client.info("replication")["master_link_status"] == "up")
    digests = [bytes([number]) * 32 for number in range(4)]

    async def use(table: Any, version: int) -> None:
        async def write(digest: bytes) -> None:
            row = new_row(clock, b"%d" % version, version + 1)
            assert await table.replace(digest, row, version=version) is _DONE

        # Concurrently, and so over several connections if it is async.
        await asyncio.gather(*map(write, digests))

    with forwarding(old.port) as forward:
        url = f"redis://127.0.0.1:{forward.port}/0"
        module: Any = redis if form == "sync" else redis.asyncio
        options = {"retry": Retry(NoBackoff(), 0) if form == "sync" else redis.asyncio.retry.Retry(NoBackoff(), 0)}
        source = url if given == "url" else module.Redis.from_url(url, **options)
        with opened(form, source, clock, runner) as table:
            for digest in digests:
                assert runner.run(table.insert(digest, new_row(clock)))
            runner.run(use(table, 1))

            fail_over(old, new)
            forward.to = new.port
            runner.run(use(table, 2))

            # Reads have left the old primary too.
            assert new.client.hget(f"holdall:session:{digests[0].hex()}", "v") == b"3"
            before = old.client.info("commandstats")["cmdstat_evalsha"]["calls"]
            runner.run(use(table, 3))
            assert old.client.info("commandstats")["cmdstat_evalsha"]["calls"] == before
        if given == "client":
            runner.run(_closed(source))


async def _closed(client: Any) -> None:
    await settled(client.aclose() if hasattr(client, "aclose") else client.close())


def lacks_replicas(server: RedisServer) -> None:
    server.client.config_set("min-replicas-to-write", 1)


def lost_its_primary(server: RedisServer) -> None:
    server.client.config_set("replica-serve-stale-data", "no")
    server.client.execute_command("REPLICAOF", "127.0.0.1", free_port())


@pytest.mark.parametrize("form", FORMS)
def test_a_clear_whose_scan_is_refused_starts_again_on_the_right_server(
    servers: tuple[RedisServer, RedisServer], form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    useless, other = servers
    with opened("sync", other.url, clock, runner) as table:
        for number in range(3):
            assert runner.run(table.insert(number.to_bytes(32, "big"), new_row(clock)))
    with (
        forwarding(useless.port) as forward,
        opened(form, f"redis://127.0.0.1:{forward.port}/0", clock, runner) as table,
    ):
        assert runner.run(table.read(DIGEST)) is None
        lost_its_primary(useless)
        forward.to = other.port

        assert runner.run(table.clear(clock())) == 3
        assert runner.run(table.clear(clock())) == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_scan_refused_half_way_starts_again_on_the_right_server(
    servers: tuple[RedisServer, RedisServer],
    form: str,
    clock: FakeClock,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("holdall.tables.redis._SCANNED", 2)
    useless, other = servers
    names = {b"session:%d" % number for number in range(50)}
    for server in servers:
        server.client.mset(dict.fromkeys(names, 1))

    async def scan(forward: Forward, server: Any) -> set[bytes]:
        keys = Keys("session:*")
        assert len(await settled(keys.on(server))) == 2
        lost_its_primary(useless)
        forward.to = other.port
        found: set[bytes] = set()
        while some := await settled(keys.on(server)):
            found.update(some)
        return found

    with (
        forwarding(useless.port) as forward,
        opened(form, f"redis://127.0.0.1:{forward.port}/0", clock, runner) as table,
    ):
        assert runner.run(scan(forward, table._server)) == names


@pytest.mark.parametrize(
    ("make_useless", "name"),
    [(lacks_replicas, "NOREPLICAS"), (lost_its_primary, "(MasterDownError|READONLY|MASTERDOWN)")],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_refuses_is_left_once_and_then_is_a_store_error(
    servers: tuple[RedisServer, RedisServer],
    make_useless: Callable[[RedisServer], None],
    name: str,
    form: str,
    clock: FakeClock,
    runner: asyncio.Runner,
) -> None:
    useless, other = servers
    with (
        forwarding(useless.port) as forward,
        opened(form, f"redis://127.0.0.1:{forward.port}/0", clock, runner) as table,
    ):
        assert runner.run(table.insert(DIGEST, new_row(clock)))
        make_useless(useless)
        connections = useless.client.info("stats")["total_connections_received"]

        with pytest.raises(StoreError, match=name):
            runner.run(table.replace(DIGEST, new_row(clock, version=2), version=1))

        assert useless.client.info("stats")["total_connections_received"] - connections == 1
        forward.to = other.port
        assert runner.run(table.insert(DIGEST, new_row(clock)))


def test_a_refusal_by_a_whole_cluster_is_a_store_error(cluster: Any, clock: FakeClock) -> None:
    with redis.RedisCluster("127.0.0.1", cluster.port) as client:
        table = RedisTable(client, prefix="refused:", clock=clock)
        for server, _ in cluster.servers:
            lacks_replicas(server)
        try:
            with pytest.raises(StoreError, match=r"^Redis failed: ResponseError \(NOREPLICAS\)\.$"):
                table.insert(DIGEST, new_row(clock))
        finally:
            for server, _ in cluster.servers:
                server.client.config_set("min-replicas-to-write", 0)

        assert table.insert(DIGEST, new_row(clock))


def test_a_source_leaves_a_demoted_server_too(
    servers: tuple[RedisServer, RedisServer], clock: FakeClock, runner: asyncio.Runner
) -> None:
    old, new = servers
    for server in servers:
        server.client.set(f"session:{'a' * 43}", b'{"n": 1}')

    def use(forward: Forward, form: Any) -> None:
        source: Any = FlaskSessionSource(f"redis://127.0.0.1:{forward.port}/0", clock=clock).opened(form)
        read = as_async(source) if form == "sync" else source
        forward.to = old.port
        assert runner.run(settled(read.read("a" * 43))).data == {"n": 1}
        forward.to = new.port
        runner.run(settled(source.delete("a" * 43)))
        assert new.client.dbsize() == 0
        runner.run(settled(source.close() if form == "sync" else source.aclose()))
        new.client.set(f"session:{'a' * 43}", b'{"n": 1}')

    old.client.execute_command("REPLICAOF", "127.0.0.1", free_port())
    with forwarding(old.port) as forward:
        use(forward, "sync")
        use(forward, "async")


def test_a_connection_that_cannot_be_reopened_goes_back_to_the_pool(
    servers: tuple[RedisServer, RedisServer], clock: FakeClock, runner: asyncio.Runner
) -> None:
    useless, other = servers
    for form in FORMS:
        with (
            forwarding(useless.port) as forward,
            opened(form, f"redis://127.0.0.1:{forward.port}/0?max_connections=1&timeout=1", clock, runner) as table,
        ):
            assert runner.run(table.insert(form.encode().ljust(32), new_row(clock)))
            lacks_replicas(useless)
            forward.to = free_port()
            for _ in range(3):
                with pytest.raises(StoreError, match="ConnectionError"):
                    runner.run(table.touch(form.encode().ljust(32), clock() + DAY, seen=clock()))
            forward.to = other.port
            assert runner.run(table.insert(form.encode().ljust(32), new_row(clock)))
            useless.client.config_set("min-replicas-to-write", 0)


# Waiting.


@pytest.mark.parametrize("form", FORMS)
def test_a_frozen_server_is_a_store_error_within_the_limit_and_is_used_again(
    start: Callable[[], RedisServer], form: str, clock: FakeClock, runner: asyncio.Runner
) -> None:
    server = start()
    with opened(form, server.url, clock, runner, timeout=timedelta(seconds=1)) as table:
        assert runner.run(table.insert(DIGEST, new_row(clock)))

        server.freeze()
        # The first call uses the open connection, and the second a new one.
        for _ in range(2):
            with pytest.raises(StoreError, match="TimeoutError"):
                runner.run(asyncio.wait_for(table.read(DIGEST), 4))
        server.thaw()

        assert runner.run(table.read(DIGEST)) == new_row(clock)


# Event loops.


def sockets() -> set[Any]:
    gc.collect()
    return {
        (each.laddr, each.raddr) for each in psutil.Process().net_connections("inet") if each.status == "ESTABLISHED"
    }


@pytest.mark.parametrize("given", ["url", "client", "pool", "blocking pool"])
def test_each_event_loop_has_its_own_connections_which_end_with_it(
    valkey: RedisServer, clock: FakeClock, given: str
) -> None:
    pool = redis.asyncio.BlockingConnectionPool if given == "blocking pool" else redis.asyncio.ConnectionPool
    source: Any = {
        "url": lambda: valkey.url,
        "client": lambda: redis.asyncio.Redis.from_url(valkey.url),
        "pool": lambda: pool.from_url(valkey.url),
        "blocking pool": lambda: pool.from_url(valkey.url),
    }[given]()
    table = AsyncRedisTable(source, prefix=f"{given}:", clock=clock)
    before = sockets()

    async def use() -> None:
        await table.remove(DIGEST)
        assert await table.insert(DIGEST, new_row(clock))
        assert await asyncio.gather(*(table.read(DIGEST) for _ in range(4))) == [new_row(clock)] * 4

    async def use_first() -> None:
        await use()
        # Other tasks at the same time, each in its thread.
        for _ in range(3):
            await asyncio.to_thread(asyncio.run, use())
        await use()
        if given != "url":
            await _closed(source)

    asyncio.run(use_first())
    for _ in range(3):
        asyncio.run(use())

    assert sockets() - before == set()


# The driver and the loop's transport warn about connections that they find open.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_connections_of_a_loop_that_ended_without_cleanup_are_left_to_the_collector(
    valkey: RedisServer, clock: FakeClock
) -> None:
    table = AsyncRedisTable(valkey.url, prefix="abrupt:", clock=clock)
    before = sockets()
    abrupt = asyncio.new_event_loop()
    abrupt.run_until_complete(table.insert(DIGEST, new_row(clock)))
    client = weakref.ref(abrupt.run_until_complete(table._server.client()))
    abrupt.close()
    assert client() is not None
    assert sockets() - before != set()

    async def use_elsewhere() -> None:
        assert await table.read(DIGEST) == new_row(clock)

    asyncio.run(use_elsewhere())
    gc.collect()

    assert client() is None
    assert sockets() - before == set()


def test_a_clusters_client_in_another_event_loop_is_refused(cluster: Any, clock: FakeClock) -> None:
    async def use(client: Any) -> None:
        table = AsyncRedisTable(client, prefix="loops:", clock=clock)
        await table.insert(DIGEST, new_row(clock))

        async def use_elsewhere() -> None:
            with pytest.raises(ConfigurationError, match="RedisCluster belongs to another event loop"):
                await table.read(DIGEST)

        await asyncio.to_thread(asyncio.run, use_elsewhere())
        await client.aclose()

    async def main() -> None:
        await use(await redis.asyncio.RedisCluster("127.0.0.1", cluster.port))

    asyncio.run(main())


# The URL.


def test_two_applications_share_a_server_with_different_prefixes_in_their_urls(
    valkey: RedisServer, clock: FakeClock
) -> None:
    shop, admin = (
        Sessions("table", table=f"{valkey.url}?prefix={name}%3A&socket_timeout=5", key="sid", clock=clock)
        for name in ("shop", "admin")
    )
    session = shop.fetch()
    session["seen"] = 1
    cookie = shop.commit(session).cookie

    assert dict(shop.resume(cookie)) == {"seen": 1}
    assert dict(admin.resume(cookie)) == {}
    assert len(list(valkey.client.scan_iter(match="shop:session:*"))) == 1
    shop.close()
    admin.close()


@pytest.mark.parametrize("url", ["redis://:12#hunter2@localhost", "redis://u:12/hunter2@localhost"])
def test_an_unquoted_password_is_neither_ignored_nor_shown(url: str) -> None:
    for kind in (RedisTable, AsyncRedisTable):
        with pytest.raises(ConfigurationError, match="redis://user:password@host") as caught:
            kind(url)

        assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://h/0?timout=2", r"^the URL does not take timout: did you mean timeout\?$"),
        ("valkey://u:hunter2@h/0?socket_timeout=2&prefx=shop:", r"does not take prefx: did you mean prefix\?$"),
        ("unix:///run/redis.sock?soket_timeout=2", r"did you mean socket_timeout\?$"),
        (
            "redis://u:hunter2@h?zzz=2",
            r"not take zzz\. It takes prefix, timeout, .*, and the parameters of redis-py\.$",
        ),
        ("redis://h?ssl_ca_certs=ca.pem", "does not take ssl_ca_certs"),
        ("redis://h?decode_responses=True", "does not take decode_responses"),
        ("redis://u:hunter2@h?timeout=abc", "^redis-py cannot parse the value of timeout= in the URL"),
        (
            "redis://u:hunter2@h/abc",
            r"^the URL has a fragment \(#\), or its path is not the number of a database: write redis://user:",
        ),
        ("redis://u:6379?hunter=2@h", "write %3F for a"),
    ],
)
def test_an_invalid_parameter_is_refused_at_setup_and_named(url: str, words: str) -> None:
    for form in ("sync", "async"):
        with pytest.raises(ConfigurationError, match=words) as caught:
            Sessions(url, key="sid").prepare(form)

        said = "".join(traceback.format_exception(caught.value))
        assert "hunter" not in said.replace(repr(url), "")


def test_a_source_names_an_invalid_parameter_too() -> None:
    source = FlaskSessionSource("redis://localhost/0?timout=2")

    with pytest.raises(ConfigurationError, match=r"does not take timout: did you mean timeout\?"):
        Sessions("table", table="moving", key="sid", migrate_from=[source]).prepare("sync")


@pytest.mark.parametrize("query", ["ssl_ca_certs=ca.pem&db=2", "max_connections=3&client%5Fname=shop"])
def test_every_parameter_of_the_driver_is_accepted(query: str) -> None:
    for form in ("sync", "async"):
        assert Sessions(f"rediss://localhost?{query}", key="sid").prepare(form)


def test_a_failure_shows_no_key(valkey: RedisServer, clock: FakeClock) -> None:
    table = RedisTable(valkey.url, prefix="wrong:", clock=clock)
    valkey.client.set(f"wrong:session:{DIGEST.hex()}", "not a hash")

    with pytest.raises(StoreError, match=r"Redis at 127\.0\.0\.1:\d+/0 failed: ResponseError\.") as caught:
        table.read(DIGEST)

    assert caught.value.__cause__ is caught.value.__context__ is None
    table.close()
