"""
How much the tests try: a few minutes' worth, or with ``HOLDALL_FULL=1`` as much as the documentation states.

A test that could go on indefinitely gives both numbers itself: ``sized(30, 500)``.
"""

import os

__all__ = ["EXAMPLES", "FULL", "FUZZED", "load_profile", "sized"]

FULL = bool(os.environ.get("HOLDALL_FULL"))


def sized(quick: int, full: int) -> int:
    """Return how often to try."""
    return full if FULL else quick


#: The number of sessions that Hypothesis generates for each property of a format; the environment can change it.
EXAMPLES = int(os.environ.get("HOLDALL_EXAMPLES", sized(40, 2000)))

#: The number of tokens and terms that are mutated for each format.
FUZZED = int(os.environ.get("HOLDALL_FUZZED", sized(2000, 50_000)))


def load_profile() -> None:
    """Make this the default number for Hypothesis, and let it wait for a busy machine."""
    from hypothesis import settings

    settings.register_profile("holdall", deadline=None, max_examples=max(1, EXAMPLES // 4))
    settings.load_profile("holdall")
