"""Detect from inside the process whether it is one of several workers of a server."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["several_workers"]

# Servers whose command line sets the number of workers. A worker sees its server's command line.
_SERVERS = frozenset({"gunicorn", "uvicorn", "hypercorn", "granian", "fastapi"})
_OPTION = re.compile(r"(?:^|\s)(?:--workers[=\s]|-w[=\s]?)\s*['\"]?(\d+)")
_VARIABLES = ("WEB_CONCURRENCY", "UVICORN_WORKERS", "GRANIAN_WORKERS", "UWSGI_PROCESSES", "UWSGI_WORKERS")


def several_workers() -> str | None:
    """
    Return the setting that asks for more than one worker, such as ``"WEB_CONCURRENCY=4"``; ``None`` if none is found.

    Settings in a file, or made by a program that embeds the server, cannot be detected.
    """
    # The first one found counts, because an option overrides a variable.
    for where, workers in _asked():
        return where if workers > 1 else None
    return None


def _asked() -> Iterator[tuple[str, int]]:
    server = _server()
    if server is not None:
        yield from _options(f"the command line of {server}", " ".join(sys.argv[1:]))
    yield from _options("GUNICORN_CMD_ARGS", os.environ.get("GUNICORN_CMD_ARGS", ""))
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if value.isdecimal():
            yield f"{name}={value}", int(value)
    # This module exists only inside uWSGI.
    processes = getattr(sys.modules.get("uwsgi"), "numproc", None)
    if isinstance(processes, int):
        yield f"uWSGI with {processes} processes", processes


def _server() -> str | None:
    program = Path(sys.argv[0] if sys.argv else "")
    # ``python -m uvicorn`` appears as uvicorn/__main__.py.
    name = program.parent.name if program.name == "__main__.py" else program.stem
    return name if name in _SERVERS else None


def _options(where: str, arguments: str) -> Iterator[tuple[str, int]]:
    found = _OPTION.findall(arguments)
    if found:
        yield where, int(found[-1])
