"""Growth: what becomes of the cost as sessions, a session, its keys, or the secrets to try get more."""

import math
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.apps import cookie_header
from bench.measuring import Effort, Figure, Rounds, figure, rotate
from bench.reporting import Cell, Table
from bench.samples import SECRET, SMALL, digest, row
from holdall import MemoryTable, Sessions, TableStore
from holdall.tables.postgres import PostgresTable
from holdall.tables.redis import RedisTable
from holdall.tables.sqlite import SQLiteTable
from servers.postgres import FAST, running_postgres
from servers.redis import IN_MEMORY, RedisServer, running, valkey_program

__all__ = ["tables"]

#: What a curve's exponent is at most, where the cost shall not grow, and where it shall grow as fast as the number.
_CONSTANT, _LINEAR = 0.15, 1.1
#: What waits for a disk or another process.
_WAITING = ("SQLiteTable", "RedisTable", "PostgresTable")

Acts = Mapping[tuple[str, int], Callable[[], object]]


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each way to grow."""
    curves: dict[str, dict[str, Cell]] = {}

    def grown(title: str, along: str, acts: Acts, limit: float, note: str = "") -> Table:
        taken = rotate(acts, effort, waits=lambda key: key[0].startswith(_WAITING))
        rows: dict[str, dict[str, Cell]] = {}
        for name in dict.fromkeys(name for name, _ in acts):
            curve = {place: rounds for (other, place), rounds in taken.items() if other == name}
            rows[name] = {f"{place:,}": figure(rounds, scale=1e6) for place, rounds in curve.items()}
            curves[f"{name}, by {along}"] = {"exponent": _exponent(curve, limit)}
        return Table(title, {f"{place:,}": "µs" for _, place in acts}, rows, note, along)

    with ExitStack() as here:
        yield grown(
            "Sessions in a table",
            "sessions",
            _by_sessions(effort, here),
            _CONSTANT,
            "Wall-clock time, except for MemoryTable. PostgreSQL's server does not wait for its disk.",
        )
    yield grown("A larger session", "bytes of JSON", _by_bytes(), _LINEAR)
    yield grown("More keys in a session", "keys in the session", _by_keys(), _LINEAR)
    yield grown("More secrets to open with", "secrets", _by_secrets(), _CONSTANT)
    yield Table(
        "How the cost grows",
        {"exponent": ""},
        curves,
        "With an exponent of 0, the cost is constant; with 1, it grows in proportion. The exponent is the slope of "
        "the straight line through the points on logarithmic axes. A session is always read and written as a whole, "
        "so a larger one costs more.",
    )


def _by_sessions(effort: Effort, here: ExitStack) -> Acts:
    acts: dict[tuple[str, int], Callable[[], object]] = {}
    now = datetime.now(UTC)
    open_others = _others(here)
    for sessions in (effort.rows // 1000, effort.rows // 100, effort.rows // 10, effort.rows):
        tables: dict[str, Any] = {"MemoryTable": MemoryTable(max_rows=10**8, max_bytes=10**12)}
        # To fill the others with a million rows takes minutes; with a tenth they show the same.
        if sessions <= effort.rows // 10:
            tables |= open_others(sessions)
        digests = [digest(each) for each in range(0, sessions, max(sessions // 5000, 1))]
        for name, table in tables.items():
            for each in range(sessions):
                table.insert(digest(each), row(each, now))
            acts[f"{name}, read", sessions] = _reading(table, digests)
            acts[f"{name}, write", sessions] = _writing(table, digests, now)
    return acts


def _others(here: ExitStack) -> Callable[[int], dict[str, Any]]:
    """Return a function that opens an empty table, one for each size, in each engine that is not this process."""
    folder = Path(here.enter_context(tempfile.TemporaryDirectory()))
    valkey = here.enter_context(running(RedisServer(valkey_program(), folder, *IN_MEMORY)))
    postgres = here.enter_context(running_postgres(*FAST))

    def open_others(sessions: int) -> dict[str, Any]:
        tables: dict[str, Any] = {
            "SQLiteTable": SQLiteTable(folder / f"{sessions}.db"),
            "RedisTable": RedisTable(valkey.url, prefix=f"{sessions}:"),
            "PostgresTable": PostgresTable(postgres.new_url()),
        }
        for table in tables.values():
            here.callback(table.close)
        return tables

    return open_others


def _reading(table: Any, digests: Sequence[bytes]) -> Callable[[], object]:
    places = cycle(digests)
    return lambda: table.read(next(places))


def _writing(table: Any, digests: Sequence[bytes], now: datetime) -> Callable[[], object]:
    places, rows = cycle(digests), cycle([row(number, now) for number in range(7)])
    return lambda: table.replace(next(places), next(rows), version=1)


def _by_bytes() -> Acts:
    return _requests({size: {"text": "n" * (size - 12)} for size in (100, 1000, 10_000, 100_000)})


def _by_keys() -> Acts:
    return _requests({keys: {f"key {number}": number for number in range(keys)} for keys in (10, 100, 1000)})


def _requests(sessions_data: Mapping[int, dict[str, Any]]) -> Acts:
    """Return requests that read and that write one key of sessions with this data."""
    acts: dict[tuple[str, int], Callable[[], object]] = {}
    for number, data in sessions_data.items():
        sessions = Sessions(TableStore(MemoryTable(), encrypt=True), key="session")
        begun = sessions.fetch()
        begun.update(data)
        (cookie,) = sessions.commit(begun).cookies
        header = cookie_header(str(cookie))
        acts["a request that reads", number] = _request(sessions, header, lambda session: session.get("text"))
        acts["a request that writes", number] = _request(sessions, header, lambda session: session.put("theme", "dark"))
    return acts


def _by_secrets() -> Acts:
    acts: dict[tuple[str, int], Callable[[], object]] = {}
    for number in (1, 2, 5, 10, 20):
        secrets = [f"{SECRET}{each}" for each in range(number)]
        sessions = Sessions("cookie", key="session", secret_key_base=secrets[0], fallbacks=secrets[1:])
        for name, secret in (("a cookie of the newest", secrets[0]), ("a cookie of the oldest", secrets[-1])):
            begun = Sessions("cookie", key="session", secret_key_base=secret)
            session = begun.fetch()
            session.update(SMALL)
            (cookie,) = begun.commit(session).cookies
            header = cookie_header(str(cookie))
            acts[name, number] = _request(sessions, header, lambda session: session["user_id"])
    return acts


def _request(sessions: Sessions, header: str, use: Callable[[Any], object]) -> Callable[[], object]:
    def act() -> None:
        session = sessions.fetch(header)
        use(session)
        sessions.commit(session)

    return act


def _exponent(curve: Mapping[int, Rounds], limit: float) -> Figure:
    """Return the slope of the straight line through the points of each round, both axes logarithmic."""
    places = [math.log(place) for place in curve]
    slopes = [
        statistics.linear_regression(places, [math.log(cost) for cost in costs]).slope
        for costs in zip(*curve.values(), strict=True)
    ]
    return figure(slopes, at_most=limit)
