"""``holdall list`` and ``holdall revoke``: what sessions a principal has, and their end."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from holdall.command._tables import add_url, opened
from holdall.command._times import utc
from holdall.errors import ConfigurationError
from holdall.tables import Listed, Table

__all__ = ["add"]


def add(commands: Any) -> None:
    """Add both commands."""
    listing = _add_one(
        commands,
        "list",
        "list a principal's sessions",
        "List a principal's sessions, oldest first. A handle names one here, and opens nothing.",
        _list,
    )
    listing.add_argument("--json", action="store_true", help="for machines")
    revoking = _add_one(
        commands,
        "revoke",
        "end a principal's sessions",
        "End a principal's sessions: all of them, or those that --handle or --all-but choose.",
        _revoke,
    )
    some = revoking.add_mutually_exclusive_group()
    some.add_argument("--handle", metavar="H", help="end this one")
    some.add_argument("--all-but", metavar="H", help="end all but this one")


def _add_one(
    commands: Any, name: str, help: str, description: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=description, allow_abbrev=False)
    add_url(parser)
    parser.add_argument(
        "--principal", required=True, type=_text, metavar="P", help="whose: the value under principal_key, as text"
    )
    parser.set_defaults(run=run)
    return parser


def _list(options: argparse.Namespace) -> int:
    with opened(options.url) as table:
        found = table.find(options.principal)
    rows = [{"handle": each.handle, "began": utc(each.created), "ends": utc(each.expires)} for each in found]
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(f"{'HANDLE':16}  {'BEGAN':20}  {'ENDS':20}")
        for row in rows:
            print("  ".join(row.values()))
    else:
        print("No sessions.")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    with opened(options.url) as table:
        ended = _end(table, options)
    print(f"Ended {ended} session{'' if ended == 1 else 's'}.")
    return 0


def _end(table: Table, options: argparse.Namespace) -> int:
    found = table.find(options.principal)
    handle = options.handle if options.handle is not None else options.all_but
    if handle is not None and handle not in (each.handle for each in found):
        # With --all-but a slip of the pen would end them all.
        msg = f"this principal has no session with the handle {handle!r}: nothing was ended."
        raise ConfigurationError(msg)

    def is_chosen(each: Listed) -> bool:
        return (each.handle == handle) is (options.handle is not None)

    total = 0
    # Looked for again until none is left: one that was renewed meanwhile stands under another digest.
    while ended := sum(table.delete(each.digest) is not None for each in found if is_chosen(each)):
        total += ended
        found = table.find(options.principal)
    return total


def _text(argument: str) -> str:
    argument.encode()  # what is not UTF-8 is a ValueError here, and the parser says so
    return argument
