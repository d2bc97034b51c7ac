"""
Measure tables with a million rows: fill one, use it, sweep it.

A clock that is weeks behind writes the rows, so that all of them have expired for every client whose clock is right,
such as the command that sweeps.
"""

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any, Protocol

import psutil

from bench.measuring import Effort, Figure, Rounds, compare, figure, latencies, quantile, ratio
from bench.reporting import Cell, Table
from bench.samples import digest, long_ago, row
from holdall._clock import Clock, utc_now
from holdall.tables import MemoryTable
from holdall.tables.postgres import PostgresTable
from holdall.tables.redis import RedisTable
from holdall.tables.sqlite import SQLiteTable
from servers.postgres import running_postgres
from servers.redis import IN_MEMORY, RedisServer, running, valkey_program

__all__ = ["tables"]

_FEW = 100
_CALLS_PER_BURST = 500
# Approximately how many rows a write to each table also sweeps.
_SWEPT_PER_WRITE = 4
# The slowest rate at which a server can be told when its keys expire.
_EXPIRED_PER_SECOND = 20_000

# A table of any kind, with the clock that it was opened with.
_Table = Any


class Engine(Protocol):
    """
    A kind of table under test.

    Attributes:
        clients: How many threads fill it: more than one if each waits for a network.
        waits: Its calls wait for a disk or a network.
        longest: The target: the longest wait of a request for a sweep, in milliseconds.
    """

    name: str
    clients: int = 1
    waits: bool = True
    longest: float | None = None
    sweeps_by_itself: bool = True

    def open(self, number: int, clock: Clock) -> _Table:
        """Open table *number*, 0 or 1."""
        ...

    def size(self) -> int:
        """Return the size of table 0 in bytes."""
        ...

    def rows(self) -> int:
        """Return the number of rows in table 0."""
        ...

    def expire(self, rows: int) -> None:
        """Make this many rows expire, if our clock does not."""

    def sweep(self) -> None:
        """Sweep table 0 at once, instead of leaving it to later writes."""
        ...


class _Memory(Engine):
    name = "MemoryTable"
    waits = False
    longest = 2

    def __init__(self, place: ExitStack) -> None:
        self._tables = [MemoryTable(max_rows=10**8, max_bytes=10**12) for _ in range(2)]

    def open(self, number: int, clock: Clock) -> MemoryTable:
        table = self._tables[number]
        table.clock = clock
        return table

    def size(self) -> int:
        return psutil.Process().memory_info().rss

    def rows(self) -> int:
        return len(self._tables[0])

    def sweep(self) -> None:
        while self._tables[0].sweep():
            pass


class _SQLite(Engine):
    name = "SQLiteTable"
    longest = 20

    def __init__(self, place: ExitStack) -> None:
        folder = Path(place.enter_context(tempfile.TemporaryDirectory()))
        self._paths = [folder / f"{number}.db" for number in range(2)]

    def open(self, number: int, clock: Clock) -> SQLiteTable:
        return SQLiteTable(self._paths[number], clock=clock)

    def size(self) -> int:
        path = self._paths[0]
        # Checkpoints keep the log small, however large the table.
        return path.stat().st_size if path.exists() else 0

    def rows(self) -> int:
        with sqlite3.connect(self._paths[0]) as connection:
            ((rows,),) = connection.execute("SELECT count(*) FROM session")
        connection.close()
        return int(rows)

    def sweep(self) -> None:
        _run_the_sweep(f"sqlite:///{self._paths[0]}")


class _Redis(Engine):
    name = "RedisTable (Valkey)"
    clients = 4
    sweeps_by_itself = False

    def __init__(self, place: ExitStack) -> None:
        folder = Path(place.enter_context(tempfile.TemporaryDirectory()))
        self._server = place.enter_context(running(RedisServer(valkey_program(), folder, *IN_MEMORY)))

    def open(self, number: int, clock: Clock) -> RedisTable:
        return RedisTable(f"redis://127.0.0.1:{self._server.port}/{number}", clock=clock)

    def size(self) -> int:
        return int(self._server.client.info("memory")["used_memory"])

    def rows(self) -> int:
        return self._server.client.dbsize()

    def expire(self, rows: int) -> None:
        client = self._server.client
        self._left = self._expired() + rows
        # Time enough to set all expiries before the first is reached.
        due = int(time.time()) + 1 + rows // _EXPIRED_PER_SECOND
        keys = (f"holdall:session:{digest(number).hex()}" for number in range(rows))
        while some := list(islice(keys, 1000)):
            pipeline = client.pipeline(transaction=False)
            for key in some:
                pipeline.expireat(key, due)
            pipeline.execute()
        time.sleep(max(due - time.time(), 0))

    def sweep(self) -> None:
        """Wait until the server has removed the expired rows."""
        while self._expired() < self._left:
            time.sleep(0.02)

    def _expired(self) -> int:
        return int(self._server.client.info("stats")["expired_keys"])


class _Postgres(Engine):
    name = "PostgresTable"
    clients = 4

    def __init__(self, place: ExitStack) -> None:
        self._server = place.enter_context(running_postgres())
        self._urls = [self._server.new_url() for _ in range(2)]

    def open(self, number: int, clock: Clock) -> PostgresTable:
        return PostgresTable(self._urls[number], clock=clock)

    def size(self) -> int:
        (size,) = self._ask("SELECT pg_total_relation_size(to_regclass('holdall_session'))")
        return size or 0

    def rows(self) -> int:
        (rows,) = self._ask("SELECT count(*) FROM holdall_session")
        return rows

    def sweep(self) -> None:
        _run_the_sweep(self._urls[0])

    def _ask(self, question: str) -> Any:
        return self._server.ask(question, self._urls[0])[0]


_ENGINES = (_Memory, _SQLite, _Redis, _Postgres)


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each engine in turn."""
    use: dict[str, dict[str, Cell]] = {}
    waits: dict[str, dict[str, Cell]] = {}
    for make in _ENGINES:
        with ExitStack() as place:
            engine = make(place)
            use[engine.name] = _fill_and_use(engine, effort)
            waits[engine.name] = _sweep(engine, effort)
    yield Table(
        f"{effort.rows:,} sessions: filling a table and using it",
        {
            "filled": "/s",
            "per session": "B",
            "read p50": "µs",
            "read p99": "µs",
            "read, against an empty table": "x",
            "write p50": "µs",
            "write p99": "µs",
            "write, against an empty table": "x",
        },
        use,
        "Rows with 300 bytes of data; every tenth has a user. One client fills the tables in this process, and four "
        "clients those behind a network; the latencies are those of one client.",
    )
    yield Table(
        f"{effort.rows:,} expired sessions: the longest wait of a request while they are removed",
        {
            "no sweep": "ms",
            "writes sweep": "ms",
            "a job sweeps": "ms",
            "p99.9 during the job": "ms",
            "swept by the job": "/s",
            "all gone after": "s",
        },
        waits,
        "One client reads, changes and begins sessions without a pause. The table shows its longest call with nothing "
        "to sweep, while its own writes sweep, and during a sweeping job. For MemoryTable, the first two are CPU "
        "time. The job is a thread for MemoryTable, the command `holdall sweep` for SQLite and PostgreSQL, and the "
        "server's own expiry for Redis.",
    )


def _fill_and_use(engine: Engine, effort: Effort) -> dict[str, Cell]:
    before = engine.size()
    full = engine.open(0, long_ago)
    seconds = _fill(full, effort.rows, engine.clients)
    used = engine.size() - before
    few = engine.open(1, long_ago)
    _fill(few, _FEW, 1)
    return {
        "filled": figure([effort.rows / seconds]),
        "per session": figure([used / effort.rows]),
        **_latencies(full, few, effort),
    }


def _fill(table: _Table, rows: int, clients: int) -> float:
    """Insert this many rows, and return how many seconds that took."""
    now = long_ago()

    def work(first: int) -> None:
        for number in range(first, rows, clients):
            table.insert(digest(number), row(number, now))

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(work, range(clients)))
    return time.perf_counter() - began


def _latencies(full: _Table, few: _Table, effort: Effort) -> dict[str, Cell]:
    """Read and write at random, alternating between the full table and one with a few rows."""
    places = {"full": (_Client(full, long_ago), effort.rows), "few": (_Client(few, long_ago), _FEW)}
    taken: dict[str, Rounds] = {}

    def burst(verb: str, place: str) -> float:
        client, rows = places[place]
        prepare = client.read if verb == "read" else client.change
        times = latencies(prepare(random.randrange(rows)) for _ in range(_CALLS_PER_BURST))
        taken.setdefault(f"{verb} {place}", []).extend(times)
        return quantile(times, 0.5)

    bursts: dict[str, Callable[[], float]] = {
        f"{verb} {place}": partial(burst, verb, place) for verb in ("read", "write") for place in places
    }
    medians = compare(bursts, effort)
    cells: dict[str, Cell] = {}
    for verb in ("read", "write"):
        cells[f"{verb} p50"] = figure(medians[f"{verb} full"], scale=1e6)
        cells[f"{verb} p99"] = figure([quantile(taken[f"{verb} full"], 0.99)], scale=1e6)
        cells[f"{verb}, against an empty table"] = ratio(medians[f"{verb} full"], medians[f"{verb} few"])
    return cells


def _sweep(engine: Engine, effort: Effort) -> dict[str, Cell]:
    # For a clock that is behind, nothing has expired.
    calls = _Client(engine.open(0, long_ago), long_ago).calls()
    quiet = latencies(calls, seconds=effort.seconds, waits=engine.waits)
    client = _Client(engine.open(0, utc_now), utc_now)
    calls = client.calls()
    cells: dict[str, Cell] = {"no sweep": _longest(quiet)}
    if engine.sweeps_by_itself:
        # Leave most rows to the job.
        some = islice(calls, effort.rows // (4 * _SWEPT_PER_WRITE))
        cells["writes sweep"] = _longest(latencies(some, seconds=effort.seconds, waits=engine.waits), engine.longest)
    engine.expire(effort.rows)
    rows = engine.rows() - client.begun
    job = threading.Thread(target=engine.sweep)
    began = time.perf_counter()
    job.start()
    meanwhile = latencies(calls, until=lambda: not job.is_alive())
    job.join()
    rate = (rows + client.begun - engine.rows()) / (time.perf_counter() - began)
    cells["a job sweeps"] = _longest(meanwhile, engine.longest)
    cells["p99.9 during the job"] = figure([quantile(meanwhile, 0.999)], scale=1e3)
    cells["swept by the job"] = figure([rate])
    cells["all gone after"] = figure([effort.rows / rate])
    return cells


def _longest(times: Rounds, target: float | None = None) -> Figure:
    return figure([max(times)], scale=1e3, at_most=target)


class _Client:
    """A client that prepares calls to a table: reading, changing and beginning sessions."""

    def __init__(self, table: _Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock
        self._versions: dict[int, int] = {}
        #: How many sessions the client has begun.
        self.begun = 0

    def calls(self) -> Iterator[Callable[[], object]]:
        """Yield calls of all three kinds in turn, for the client's own sessions."""
        # Far from the numbers of existing sessions and of other clients.
        begun = count(random.randrange(10**12, 10**15))
        own = [next(begun) for _ in range(_FEW)]
        yield from map(self.begin, own)
        while True:
            yield self.read(random.choice(own))
            yield self.change(random.choice(own))
            yield self.begin(next(begun))

    def read(self, number: int) -> Callable[[], object]:
        return partial(self._table.read, digest(number))

    def change(self, number: int) -> Callable[[], object]:
        before = self._versions.get(number, 1)
        self._versions[number] = before + 1
        changed = row(number, self._clock(), version=before + 1)
        return partial(self._table.replace, digest(number), changed, version=before)

    def begin(self, number: int) -> Callable[[], object]:
        self.begun += 1
        return partial(self._table.insert, digest(number), row(number, self._clock()))


def _run_the_sweep(url: str) -> None:
    command = [sys.executable, "-m", "holdall", "sweep"]
    subprocess.run(command, env=os.environ | {"HOLDALL_TABLE": url}, capture_output=True, check=True)
