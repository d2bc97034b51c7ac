"""``holdall sweep``: remove expired rows in batches, so that no request has to wait for long."""

import argparse
import sys
import time
from typing import Any

from holdall._command._output import complain, say
from holdall._command._tables import add_url, opened

__all__ = ["add"]

# Applies if the output is not a terminal, so that the log of a long sweep stays short.
_BATCHES_PER_LINE = 100


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sweep",
        help="remove expired sessions from a table",
        description="Remove expired sessions from a table, in batches, until none is left. "
        "Tables also do this by themselves, a little with each write: use it for a table that is no longer written to.",
        allow_abbrev=False,
    )
    add_url(parser)
    parser.add_argument("--batch", type=_count, default=250, metavar="N", help="rows in a batch (%(default)s)")
    parser.add_argument(
        "--pause",
        type=_seconds,
        default=0.003,
        metavar="SECONDS",
        help="pause between two batches, which lets waiting writes through (%(default)s)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    progress = _Progress()
    try:
        with progress, opened(options.url) as table:
            while (removed := table.sweep(options.batch)) == options.batch:
                progress.add(removed)
                time.sleep(options.pause)
            progress.add(removed)
    except KeyboardInterrupt:
        complain(f"stopped after {_rows(progress.removed)} had been removed.")
        raise
    say(f"Removed {_rows(progress.removed)}.")
    return 0


class _Progress:
    """A display of how many rows have been removed: one line on a terminal, otherwise a new line from time to time."""

    def __init__(self) -> None:
        self.removed = 0
        self._batches = 0
        self._is_seen = sys.stderr.isatty()
        self._line = ""

    def __enter__(self) -> None:
        pass

    def add(self, removed: int) -> None:
        """Show that a batch has been removed."""
        self.removed += removed
        self._batches += 1
        if self._is_seen:
            self._line = f"{_rows(self.removed)} removed"
            print(f"\r{self._line}", end="", file=sys.stderr, flush=True)
        elif self._batches % _BATCHES_PER_LINE == 0:
            print(f"{_rows(self.removed)} removed", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        # The next output starts on a line of its own.
        if self._line:
            print("\r" + " " * len(self._line), end="\r", file=sys.stderr, flush=True)


def _rows(count: int) -> str:
    return f"{count:,} expired row{'' if count == 1 else 's'}"


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        msg = f"{text!r} is not a whole number from 1 to 1000000"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        msg = f"{text!r} is not a number from 0 to 3600"
        raise argparse.ArgumentTypeError(msg)
    return seconds
