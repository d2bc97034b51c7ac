"""Growth: what becomes of the cost as sessions, a session, its keys, or the secrets to try get more."""

import math
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.apps import cookie_header
from bench.measuring import Effort, Figure, Rounds, figure, rotate
from bench.reporting import Cell, Table
from bench.samples import SECRET, SMALL, digest, row
from holdall import MemoryTable, Sessions, TableStore
from holdall.tables.sqlite import SQLiteTable

__all__ = ["tables"]

#: What a curve's exponent is at most, where the cost shall not grow, and where it shall grow as fast as the number.
_CONSTANT, _LINEAR = 0.15, 1.1

Acts = Mapping[tuple[str, int], Callable[[], object]]


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each way to grow."""
    curves: dict[str, dict[str, Cell]] = {}

    def grown(title: str, along: str, acts: Acts, limit: float) -> Table:
        taken = rotate(acts, effort, waits=lambda key: "SQLite" in key[0])
        rows: dict[str, dict[str, Cell]] = {}
        for name in dict.fromkeys(name for name, _ in acts):
            curve = {place: rounds for (other, place), rounds in taken.items() if other == name}
            rows[name] = {f"{place:,}": figure(rounds, scale=1e6) for place, rounds in curve.items()}
            curves[f"{name}, by {along}"] = {"exponent": _exponent(curve, limit)}
        return Table(title, {f"{place:,}": "µs" for _, place in acts}, rows, along=along)

    with tempfile.TemporaryDirectory() as folder:
        yield grown("Sessions in a table", "sessions", _by_sessions(effort, Path(folder)), _CONSTANT)
    yield grown("A larger session", "bytes of JSON", _by_bytes(), _LINEAR)
    yield grown("More keys in a session", "keys in the session", _by_keys(), _LINEAR)
    yield grown("More secrets to open with", "secrets", _by_secrets(), _CONSTANT)
    yield Table(
        "How the cost grows",
        {"exponent": ""},
        curves,
        "With the exponent 0 the cost stays as it is, with 1 it grows as the number does: the slope of the straight "
        "line through the points, both axes logarithmic. All of a session is read and written, so a larger one costs "
        "more.",
    )


def _by_sessions(effort: Effort, folder: Path) -> Acts:
    acts: dict[tuple[str, int], Callable[[], object]] = {}
    now = datetime.now(UTC)
    for sessions in (effort.rows // 1000, effort.rows // 100, effort.rows // 10, effort.rows):
        memory, sqlite = MemoryTable(max_rows=10**8), SQLiteTable(folder / f"{sessions}.db")
        for each in range(sessions):
            memory.insert(digest(each), row(each, now))
        # A file of a million rows takes minutes to fill; of a tenth it shows the same.
        tables: dict[str, Any] = {"MemoryTable": memory}
        if sessions <= effort.rows // 10:
            for each in range(sessions):
                sqlite.insert(digest(each), row(each, now))
            tables["SQLiteTable"] = sqlite
        digests = [digest(each) for each in range(0, sessions, max(sessions // 5000, 1))]
        for name, table in tables.items():
            acts[f"{name}, read", sessions] = _reading(table, digests)
            acts[f"{name}, write", sessions] = _writing(table, digests, now)
    return acts


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
        sessions = Sessions(TableStore(MemoryTable(), sealed=True), key="session")
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
