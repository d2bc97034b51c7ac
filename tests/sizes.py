"""How much the tests try: as much as is quick, or with ``HOLDALL_FULL=1`` as much as is promised."""

import os

__all__ = ["FULL", "sized"]

FULL = bool(os.environ.get("HOLDALL_FULL"))


def sized(quick: int, full: int) -> int:
    """Return how often to try."""
    return full if FULL else quick
