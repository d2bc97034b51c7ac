"""
Process requests in several threads: ``python -m bench.threads ROUNDS BURST``, run by the suite of that name.

It needs nothing but the core, so that interpreters for which the peers have no wheels can run it too.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

from bench.measuring import Effort, Rounds, compare, in_threads
from bench.samples import SMALL
from holdall import MemoryTable, Sessions, TableStore
from holdall.tables.sqlite import SQLiteTable
from holdall.wsgi import SessionMiddleware, fetch_session

__all__ = ["THREADS", "main"]

THREADS = (1, 2, 4)


def main(rounds: str, burst: str) -> None:
    """Measure this interpreter, and print what each use took."""
    effort = Effort(rounds=int(rounds), burst=float(burst), rows=0, seconds=0, sites=0)
    with tempfile.TemporaryDirectory() as folder:
        bursts: dict[tuple[str, int], Callable[[], float]] = {}
        for name, table in (("memory", MemoryTable()), ("SQLite", SQLiteTable(Path(folder) / "sessions.db"))):
            app = SessionMiddleware(_application, Sessions(TableStore(table, encrypt=False), key="session"))
            for page in ("read", "write"):
                for threads in THREADS:
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
