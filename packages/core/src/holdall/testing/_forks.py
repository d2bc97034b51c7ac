"""Fork processes from a test."""

import ctypes
import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import NoReturn

import pytest

__all__ = ["exit_code", "forked"]

_PATIENCE_SECONDS = 30


def forked(work: Callable[[], object], *, hooks: bool = False) -> int:
    """
    Run *work* in a forked process, and return its process ID.

    Args:
        hooks: Run Python's fork hooks. Without them, it forks as uWSGI does.
    """
    child: int = os.fork() if hooks else ctypes.PyDLL(None).fork()
    if child == 0:
        _work_and_exit(work)  # pragma: no cover  # runs in the forked process, where coverage is not measured
    return child


def _work_and_exit(work: Callable[[], object]) -> NoReturn:  # pragma: no cover  # runs in the child, unmeasured
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # the forked process must end here, whatever was raised
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(child: int) -> int:
    """Wait for a forked process, and return its exit code: 0 if its work raised no exception."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:  # pragma: no cover  # runs only if the work hangs, which is a failure
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail(f"the forked process hung for {_PATIENCE_SECONDS} s")
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])
