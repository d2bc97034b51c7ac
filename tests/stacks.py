"""Little room on the stack, as far down in an application."""

import sys
from collections.abc import Callable
from typing import TypeVar

__all__ = ["at_depth"]

R = TypeVar("R")


def at_depth(call: Callable[[], R], *, left: int = 60) -> R:
    """Return what *call* returns where only so many calls are *left* before Python ends with a ``RecursionError``."""
    depth = 0
    frame = sys._getframe()
    while (outer := frame.f_back) is not None:
        frame, depth = outer, depth + 1
    return _below(call, sys.getrecursionlimit() - depth - left)


def _below(call: Callable[[], R], levels: int) -> R:
    return call() if levels <= 0 else _below(call, levels - 1)
