"""Sessions in cookies: what their generations, their rows and their compression cost, each against doing without it."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

from bench.measuring import Effort, figure, ratio, rotate
from bench.reporting import Cell, Table
from bench.samples import SECRET, SMALL
from holdall import MemoryTable, Session, Sessions
from holdall.formats import NativeFormat, Record
from holdall.tables.sqlite import SQLiteTable

__all__ = ["tables"]

_PLAIN = "one name (generations=False)"
_LARGE = ("overflow, a table in memory", "overflow, SQLite")
_USES: dict[str, Callable[[Session], Any]] = {
    "read": lambda session: session.get("user_id"),
    "write": lambda session: session.put("n", session.get("n", 0) + 1),
}


def tables(effort: Effort) -> Iterator[Table]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _requests(effort, Path(folder))
    yield from _compression(effort)


def _requests(effort: Effort, folder: Path) -> Iterator[Table]:
    in_file = SQLiteTable(str(folder / "logins.db"))
    kinds: dict[str, dict[str, Any]] = {
        _PLAIN: {"generations": False},
        "generations, the default": {},
        "revocable, a table in memory": {"revocable": MemoryTable()},
        "revocable, SQLite": {"revocable": in_file},
        "overflow, what fits": {"overflow": MemoryTable()},
        "overflow, a table in memory": {"overflow": MemoryTable()},
        "overflow, SQLite": {"overflow": in_file},
    }
    acts = {
        (f"{name}{whose}", use): _act(options, act, logs_in=not whose, is_large=name in _LARGE)
        for name, options in kinds.items()
        for whose in ("", ", anonymous")
        if not whose or "overflow" not in name
        for use, act in _USES.items()
    }
    taken = rotate(acts, effort, waits=lambda key: "SQLite" in key[0])
    names = dict.fromkeys(name for name, _ in acts)
    costs = {name: {use: figure(taken[name, use], scale=1e6) for use in _USES} for name in names}
    yield Table(
        "A request with a session in a cookie, without a framework",
        dict.fromkeys(_USES, "µs"),
        costs,
        "Each request parses the header, opens the session, reads or writes it, and creates the response's header. A "
        "logged-in session with `revocable=` also reads one row; an anonymous one does not use the table. With "
        "`overflow=`, only a session that does not fit has a row, here of 8 KB, which is read and written.",
    )
    ratios: dict[str, dict[str, Cell]] = {
        name: {
            use: ratio(taken[name, use], taken[_PLAIN + (", anonymous" if "anonymous" in name else ""), use])
            for use in _USES
        }
        for name in names
        if not name.startswith(_PLAIN)
    }
    yield Table("The same, compared with a single cookie name", dict.fromkeys(_USES, "x"), ratios)
    in_file.close()


def _act(
    options: dict[str, Any], act: Callable[[Session], Any], *, logs_in: bool, is_large: bool
) -> Callable[[], object]:
    sessions = Sessions("cookie", key="__Host-sid", secure=True, secret_key_base=SECRET, **options)
    session = sessions.fetch(https=True)
    session.update({name: value for name, value in SMALL.items() if logs_in or name != "user_id"})
    if is_large:
        session["note"] = "a" * 8000
    (cookie,) = sessions.commit(session).cookies
    header = f"{cookie.attributes.key}={cookie.value}"

    def request() -> object:
        session = sessions.fetch(header, https=True)
        act(session)
        return sessions.commit(session)

    return request


def _compression(effort: Effort) -> Iterator[Table]:
    now = int(time())
    formats = {"plain": NativeFormat(SECRET), "compress=True": NativeFormat(SECRET, compress=True)}
    records = {
        f"a cart of {count}" if count else "a small session": Record(
            SMALL | {"cart": _cart(count)}, now, now + 7 * 24 * 60 * 60, "0123456789abcdef", 5, b"line"
        )
        for count in (0, 5, 20, 100)
    }
    acts = {
        (name, kind): _round_trip(format, record)
        for name, record in records.items()
        for kind, format in formats.items()
    }
    taken = rotate(acts, effort)
    columns = {f"{what}, {kind}": unit for kind in formats for what, unit in (("length", "B"), ("round trip", "µs"))}
    rows: dict[str, dict[str, Cell]] = {
        name: {
            f"{what}, {kind}": figure([len(format.seal(record, key="sid"))])
            if what == "length"
            else figure(taken[name, kind], scale=1e6)
            for kind, format in formats.items()
            for what in ("length", "round trip")
        }
        for name, record in records.items()
    }
    note = "Browsers accept cookies of up to 4096 bytes, including the name and the attributes."
    yield Table("Compression, by size", columns, rows, note)


def _cart(lines: int) -> list[dict[str, Any]]:
    return [
        {"sku": f"A-{1000 + number * 7919 % 9000}", "title": f"Thing no. {number}", "count": number % 3 + 1}
        for number in range(lines)
    ]


def _round_trip(format: NativeFormat, record: Record) -> Callable[[], object]:
    return lambda: format.open(format.seal(record, key="sid"), key="sid")
