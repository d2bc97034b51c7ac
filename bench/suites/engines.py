"""Stores over SQLite, Redis and PostgreSQL: what they cost beyond the bare driver, and how they stand many clients."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path

from bench.clients import BARE, Clients, drivers_alone, sharing, stores
from bench.measuring import Act, Effort, compare, figure, in_threads, ratio, rotate
from bench.reporting import Cell, Table
from servers.postgres import running_postgres
from servers.redis import IN_MEMORY, RedisServer, running, valkey_program

__all__ = ["tables"]

_USES = ("get", "put")
_CLIENTS = 16
_PROCESSES = 4
#: Clients of ours that share one session, of the sixteen: nearly all writes of two or more meet another's.
_SHARERS = {"0 %": 0, "10 %": 2, "90 %": 14}
#: At most so many times what the bare driver takes.
_TARGETS = {"SQLite": 1.5, "PostgreSQL": 1.2, "Redis": 1.15}


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each engine in its turn."""
    many: dict[str, dict[str, Cell]] = {}
    with multiprocessing.get_context("spawn").Pool(_PROCESSES) as pool:
        # So long that each takes one, having imported what all of them need.
        pool.map(_wait_until, [time.time() + min(1.5, effort.seconds * 3)] * _PROCESSES, chunksize=1)
        for engine, opening in (("SQLite", _in_a_file), ("Redis", _on_valkey), ("PostgreSQL", _on_postgres)):
            with ExitStack() as here:
                place = opening(here)
                both = stores(engine, place)
                yield _one_client(engine, drivers_alone(engine, place) | both, effort)
                ours, *theirs = both
                conflicts = _conflicts(ours, place)
                many[ours] = _many_clients(engine, ours, both[ours], place, pool, effort, conflicts)
                for name in theirs:
                    many[name] = _many_clients(engine, name, both[name], place, pool, effort, {})
    yield Table(
        "Many clients: their total throughput, compared with one client",
        {column: "/s" if column.endswith("in all") else "x" for column in next(iter(many.values()))},
        many,
        f"{_CLIENTS} threads, or {_PROCESSES} processes. In the last columns, {_CLIENTS} threads write to our table, "
        "and the given share of them writes to one session, where concurrent writes are merged. The other libraries "
        "do not detect conflicts: the last write wins.",
    )


def _one_client(engine: str, clients: Mapping[str, Clients], effort: Effort) -> Table:
    made = {name: make() for name, make in clients.items()}
    acts = {(name, use): getattr(client, use) for name, client in made.items() for use in _USES}
    taken = rotate(acts, effort, waits=lambda _: True)
    cells: dict[str, dict[str, Cell]] = {}
    for name in made:
        target = _TARGETS[engine] if name.startswith("holdall") else None
        cells[name] = {
            f"{use}, against the driver": ratio(taken[name, use], taken[BARE, use], at_most=target) for use in _USES
        } | {f"{use}, µs": figure(taken[name, use], scale=1e6) for use in _USES}
    columns = {f"{use}, against the driver": "x" for use in _USES} | {f"{use}, µs": "" for use in _USES}
    return Table(
        f"{engine}, one client",
        columns,
        cells,
        "With a small session. The first line is the least that a driver can do: access a value by its key. The second "
        "line is the driver doing what our table does, in one round trip each: it reads a whole row, and overwrites "
        "the version that was read. The third line adds the least that a store needs if its rows reveal neither IDs "
        "nor data: a hash, a key, AES-256-GCM and JSON.",
    )


def _conflicts(name: str, place: str) -> dict[str, list[Act]]:
    """Return what sixteen writers do, by the share of them that have one session."""
    own, shared = sharing(place, name.partition(", ")[2])
    return {
        share: [shared().put for _ in range(sharers)] + [own().put for _ in range(_CLIENTS - sharers)]
        for share, sharers in _SHARERS.items()
    }


def _many_clients(
    engine: str,
    name: str,
    make: Clients,
    place: str,
    pool: Pool,
    effort: Effort,
    conflicts: Mapping[str, Sequence[Act]],
) -> dict[str, Cell]:
    bursts: dict[tuple[str, str], Callable[[], float]] = {}
    for use in _USES:
        acts = [getattr(make(), use) for _ in range(_CLIENTS)]
        bursts["one", use] = partial(in_threads, acts[:1], effort)
        bursts["threads", use] = partial(in_threads, acts, effort)
    bursts |= {(share, "put"): partial(in_threads, writers, effort) for share, writers in conflicts.items()}
    taken = compare(bursts, effort)
    cells: dict[str, Cell] = {}
    for use in _USES:
        cells[f"{use}, threads in all"] = figure([1 / each for each in taken["threads", use]])
        cells[f"{use}, threads"] = ratio(taken["one", use], taken["threads", use])
    cells |= {f"{use}, processes": figure([gain]) for use, gain in _processes(engine, name, place, pool, effort)}
    for share in conflicts:
        cells[f"put, {share} in conflict"] = ratio(taken["one", "put"], taken[share, "put"])
    return cells


def _processes(engine: str, name: str, place: str, pool: Pool, effort: Effort) -> Iterator[tuple[str, float]]:
    """Return for each use how much several processes do in all, against one."""

    def rate(use: str, processes: int, seconds: float, wait: float) -> float:
        # They begin together, when all of them are there.
        task = (engine, name, place, use, time.time() + wait, seconds)
        return sum(pool.starmap(_call_for, [task] * processes, chunksize=1))

    # Until they have imported what this store needs.
    rate("get", _PROCESSES, 0.01, wait=min(0.5, effort.seconds))
    for use in _USES:
        alone, together = (rate(use, number, effort.seconds / 4, wait=0.2) for number in (1, _PROCESSES))
        yield use, together / alone


def _call_for(engine: str, name: str, place: str, use: str, at: float, seconds: float) -> float:
    act = getattr(stores(engine, place)[name](), use)
    act()
    _wait_until(at)
    began = time.perf_counter()
    count = 0
    while (taken := time.perf_counter() - began) < seconds:
        act()
        count += 1
    return count / taken


def _wait_until(time_to_begin: float) -> None:
    time.sleep(max(0, time_to_begin - time.time()))


def _in_a_file(here: ExitStack) -> str:
    folder = Path(here.enter_context(tempfile.TemporaryDirectory()))
    return str(folder / "sessions.db")


def _on_valkey(here: ExitStack) -> str:
    folder = Path(here.enter_context(tempfile.TemporaryDirectory()))
    return here.enter_context(running(RedisServer(valkey_program(), folder, *IN_MEMORY))).url


def _on_postgres(here: ExitStack) -> str:
    return here.enter_context(running_postgres()).url
