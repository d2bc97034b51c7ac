"""
Threads: how much more several of them do than one, with the interpreter's global lock and without it.

Each interpreter runs this module as a program: the one that runs the benchmarks, and every free-threaded one on the
PATH, which needs nothing but the core.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

from bench.measuring import Effort, Rounds, compare, figure, in_threads, ratio
from bench.reporting import Cell, Table
from bench.samples import SMALL
from holdall import MemoryTable, Sessions, TableStore
from holdall.tables.sqlite import SQLiteTable
from holdall.wsgi import SessionMiddleware, fetch_session

__all__ = ["tables"]

_ROOT = Path(__file__).parents[2]
_THREADS = (1, 2, 4)
_FREE_THREADED = ("python3.13t", "python3.14t", "python3.15t")


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each interpreter that there is, and a free-threaded one with its lock and without."""
    yield _table(f"Python {sys.version.split()[0]}", _measured(sys.executable, effort))
    for name in filter(shutil.which, _FREE_THREADED):
        for lock, said in (("1", "with"), ("0", "without")):
            yield _table(f"{name}, {said} its lock", _measured(name, effort, PYTHON_GIL=lock))


def _table(title: str, taken: dict[str, dict[str, Rounds]]) -> Table:
    rows: dict[str, dict[str, Cell]] = {}
    for use, by_threads in taken.items():
        one = by_threads["1"]
        rows[use] = {"one thread": figure(one, scale=1e6)}
        rows[use] |= {f"{threads} threads": ratio(one, by_threads[str(threads)]) for threads in _THREADS[1:]}
    columns = {"one thread": "µs", **{f"{threads} threads": "x" for threads in _THREADS[1:]}}
    return Table(
        title, columns, rows, "A request over WSGI; with several threads, how many they process while one does one."
    )


def _measured(python: str, effort: Effort, **environment: str) -> dict[str, dict[str, Rounds]]:
    """Run this module in another interpreter, and return the seconds per request by use and by number of threads."""
    paths = os.pathsep.join(map(str, (_ROOT, _ROOT / "packages/core/src")))
    command = [python, "-W", "error", "-m", __name__, str(effort.rounds), str(effort.burst)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths, **environment}, cwd=_ROOT, stdout=subprocess.PIPE, check=True
    )
    taken: dict[str, dict[str, Rounds]] = json.loads(done.stdout)
    return taken


def main(rounds: str, burst: str) -> None:
    """Measure this interpreter, and print what each use took."""
    effort = Effort(rounds=int(rounds), burst=float(burst), rows=0, seconds=0, sites=0)
    with tempfile.TemporaryDirectory() as folder:
        bursts: dict[tuple[str, int], Callable[[], float]] = {}
        for name, table in (("memory", MemoryTable()), ("SQLite", SQLiteTable(Path(folder) / "sessions.db"))):
            app = SessionMiddleware(_application, Sessions(TableStore(table, encrypt=False), key="session"))
            for page in ("read", "write"):
                for threads in _THREADS:
                    requests = [_request(app, page) for _ in range(threads)]
                    bursts[f"{name}, {page}", threads] = partial(in_threads, requests, effort)
        taken = compare(bursts, effort)
    by_use: dict[str, dict[int, Rounds]] = {}
    for (use, threads), measured in taken.items():
        by_use.setdefault(use, {})[threads] = measured
    json.dump(by_use, sys.stdout)


def _request(app: Any, page: str) -> Callable[[], object]:
    """Return a function that makes the request *page* of a visitor of its own."""
    cookies: SimpleCookie = SimpleCookie()

    def start_response(status: str, headers: Iterable[tuple[str, str]], exc_info: object = None) -> None:
        for name, value in headers:
            if name == "Set-Cookie":
                cookies.load(value)

    environ: dict[str, Any] = {"PATH_INFO": "/begin"}
    setup_testing_defaults(environ)
    b"".join(app(dict(environ), start_response))
    environ |= {"PATH_INFO": f"/{page}", "HTTP_COOKIE": f"session={cookies['session'].value}"}
    return lambda: b"".join(app(dict(environ), start_response))


def _application(environ: Any, start_response: Any) -> Iterable[bytes]:
    session = fetch_session(environ)
    match environ["PATH_INFO"]:
        case "/begin":
            session.update(SMALL)
        case "/read":
            session["user_id"]
        case "/write":
            session["theme"] = "light"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


if __name__ == "__main__":
    main(*sys.argv[1:])
