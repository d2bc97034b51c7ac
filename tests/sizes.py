"""
How much the tests try: as much as takes minutes, or with ``HOLDALL_FULL=1`` as much as is promised.

A test of what could go on for ever says both numbers itself, ``sized(30, 500)``.
"""

import os

from hypothesis import settings

__all__ = ["EXAMPLES", "FULL", "FUZZED", "load_profile", "sized"]

FULL = bool(os.environ.get("HOLDALL_FULL"))


def sized(quick: int, full: int) -> int:
    """Return how often to try."""
    return full if FULL else quick


#: Sessions that Hypothesis makes for each property of a format; the environment can ask for more, or for fewer.
EXAMPLES = int(os.environ.get("HOLDALL_EXAMPLES", sized(100, 2000)))

#: Tokens and terms that are mutated for each format.
FUZZED = int(os.environ.get("HOLDALL_FUZZED", sized(2000, 50_000)))


def load_profile() -> None:
    """Let Hypothesis try as much where a test does not say how much, and wait for a busy machine."""
    settings.register_profile("holdall", deadline=None, max_examples=max(1, EXAMPLES // 4))
    settings.load_profile("holdall")
