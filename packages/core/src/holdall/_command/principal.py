"""``holdall list`` and ``holdall revoke``: list a principal's sessions, and end them."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from holdall._clients import SessionInfo, info_of
from holdall._clock import utc_now
from holdall._command._output import printable, say
from holdall._command._tables import add_url, opened
from holdall._command._times import utc
from holdall._errors import ConfigurationError
from holdall.steps import run
from holdall.stores import _principals as principals
from holdall.tables import Table

__all__ = ["add"]

# The names of the JSON fields; the printed table's header shows them in capitals.
_COLUMNS: dict[str, Callable[[SessionInfo], str | None]] = {
    "handle": lambda info: info.handle,
    "began": lambda info: utc(info.created),
    "seen": lambda info: None if info.seen is None else utc(info.seen),
    "ends": lambda info: utc(info.expires),
    "address": lambda info: info.address,
    "user agent": lambda info: info.user_agent,
}


def add(commands: Any) -> None:
    """Add both commands."""
    listing = _add_one(
        commands,
        "list",
        "list a principal's sessions",
        "List a principal's sessions, oldest first. A handle identifies a session here and cannot open it.",
        _list,
    )
    _add_principal(listing, required=True)
    _add_key(listing, required=True)
    listing.add_argument("--json", action="store_true", help="print JSON")
    revoking = _add_one(
        commands,
        "revoke",
        "end a principal's sessions",
        "End a principal's sessions, selected by --handle, --all-but or --all. "
        "With --everybody, end all sessions in the table.",
        _revoke,
    )
    whose = revoking.add_mutually_exclusive_group(required=True)
    _add_principal(whose)
    _add_key(revoking)
    whose.add_argument("--everybody", action="store_true", help="end all sessions in the table")
    some = revoking.add_mutually_exclusive_group()
    some.add_argument("--handle", metavar="H", help="end the session with this handle")
    some.add_argument("--all-but", metavar="H", help="end all but the session with this handle")
    some.add_argument("--all", action="store_true", help="end all of the principal's sessions")


def _add_one(
    commands: Any, name: str, help: str, description: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=description, allow_abbrev=False)
    add_url(parser)
    parser.add_argument("--app-name", default="", metavar="A", help="the application's name, if it sets app_name=")
    parser.set_defaults(run=run)
    return parser


def _add_principal(parser: Any, **options: Any) -> None:
    parser.add_argument(
        "--principal", type=_text, metavar="P", help="the value under principal_key, as text", **options
    )


def _add_key(parser: Any, **options: Any) -> None:
    parser.add_argument(
        "--key", action="append", metavar="K", help="the cookie's name; repeat it for each old name", **options
    )


def _owners(options: argparse.Namespace) -> list[str]:
    return [principals.owner(options.principal, options.app_name, key) for key in options.key]


def _list(options: argparse.Namespace) -> int:
    with opened(options.url) as table:
        found = run(principals.list_rows(table, _owners(options)))
    rows = [{name: value(info_of(row)) for name, value in _COLUMNS.items()} for row in found]
    if options.json:
        text = json.dumps([{name.replace(" ", "_"): value for name, value in row.items()} for row in rows], indent=2)
        # The only control character that json.dumps does not escape.
        print(text.replace("\x7f", r"\u007f"))
    elif rows:
        cells = [[printable(value or "-") for value in row.values()] for row in rows]
        _print_table([[name.upper() for name in _COLUMNS], *cells])
    else:
        say("No sessions.")
    return 0


def _print_table(lines: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        say("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _revoke(options: argparse.Namespace) -> int:
    handle = options.handle if options.handle is not None else options.all_but
    if options.everybody and (handle is not None or options.all):
        msg = "--everybody ends all sessions: leave out --handle, --all-but and --all, or name a --principal."
        raise ConfigurationError(msg)
    if not options.everybody and options.key is None:
        msg = "--principal needs the name of the cookie too: pass it with --key."
        raise ConfigurationError(msg)
    if not options.everybody and handle is None and not options.all:
        # A script that forgets an option must not end all sessions.
        msg = "no sessions were selected: name one with --handle, keep one with --all-but, or pass --all."
        raise ConfigurationError(msg)
    with opened(options.url) as table:
        if options.everybody:
            say(f"Removed {_count(run(principals.revoke_all(table, utc_now())), 'row')}.")
        else:
            say(f"Ended {_count(_end(table, handle, options), 'session')}.")
    return 0


def _end(table: Table, handle: str | None, options: argparse.Namespace) -> int:
    owners = _owners(options)
    spared = None
    if handle is not None:
        digests = [each.digest for owner in owners for each in table.find(owner) if each.handle == handle]
        if not digests:
            # With --all-but, a mistyped handle would end them all.
            msg = f"this principal has no session with the handle {handle!r}: nothing was ended."
            raise ConfigurationError(msg)
        spared = digests[0] if options.handle is None else None
    return run(principals.revoke(table, owners, keep=spared, handle=options.handle))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _text(argument: str) -> str:
    if not argument:
        msg = "it is empty: name a principal"
        raise argparse.ArgumentTypeError(msg)
    argument.encode()  # raises a ValueError for text that is not UTF-8, which the parser reports
    return argument
