"""Run the command as a separate program."""

import io
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest import mock

from holdall._command import main

#: Python's warnings are errors here too.
HOLDALL = [sys.executable, "-W", "error", "-m", "holdall"]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with *arguments* and without a terminal, and return its result."""
    variables = environment(options.pop("env", {}))
    return subprocess.run(
        [*HOLDALL, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **({} if "input" in options else {"stdin": subprocess.DEVNULL}),
        **options,
    )


def call(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Do the same as ``run`` in this process, for a part of the command that many tests use."""
    # The command raises both limits for itself, which would affect the tests that follow.
    stack, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    with (
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
        mock.patch.dict(os.environ, environment(env or {}), clear=True),
        mock.patch.object(sys, "stdin", io.StringIO()),
    ):
        try:
            code = main(arguments)
        except SystemExit as exc:
            code = int(exc.code or 0)
        finally:
            sys.setrecursionlimit(stack)
            sys.set_int_max_str_digits(digits)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def run_on_terminal(*arguments: str, keys: str = "", env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run the command on a terminal where a user types *keys*; return its exit code and everything shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*HOLDALL, *arguments],
        env=environment(env or {}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    typed = not keys
    try:
        while True:
            if not typed and b": " in seen:
                os.write(ours, keys.encode())
                typed = True
            try:
                part = os.read(ours, 4096)
            except OSError:
                # On Linux, this is the only sign that the other end is closed.
                part = b""
            if not part:
                return process.wait(120), seen.decode()
            seen += part
    finally:
        os.close(ours)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return our environment with no variables of ours except *variables*."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("HOLDALL_")}
    return {**others, "PYTHONIOENCODING": "utf-8", **variables}
