"""``holdall secret``: print a secret to derive keys from."""

import argparse
import secrets
from typing import Any

from holdall._command._output import say

__all__ = ["add"]

_LEAST_BYTES = 32


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "secret",
        help="print a new secret",
        description="Print a new secret, in characters that are safe in any shell, file or variable.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--bytes", type=_size, default=64, metavar="N", help="its number of random bytes, 32 or more (%(default)s)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    say(secrets.token_urlsafe(options.bytes))
    return 0


def _size(text: str) -> int:
    if not text.isdecimal() or not _LEAST_BYTES <= int(text) <= 1024:
        msg = f"{text!r} is not a whole number from {_LEAST_BYTES} to 1024"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
