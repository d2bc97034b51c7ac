"""Open the table that a command works on, by its URL."""

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from holdall._clock import utc_now
from holdall._errors import ConfigurationError, SessionError, StoreError
from holdall.tables import MemoryTable, Table, table_opener

__all__ = ["add_url", "opened"]

_VARIABLE = "HOLDALL_TABLE"


def add_url(parser: argparse.ArgumentParser) -> None:
    """Add the argument for a table's URL to *parser*."""
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="the table, such as sqlite:///sessions.db; the default is the environment variable HOLDALL_TABLE, which "
        "keeps a password out of the process list",
    )


@contextmanager
def opened(url: str | None) -> Iterator[Table]:
    """Open the table at *url* while the command uses it."""
    url = url or os.environ.get(_VARIABLE)
    if url is None:
        msg = f"no table was named: pass its URL, or set the environment variable {_VARIABLE}."
        raise ConfigurationError(msg)
    try:
        table = _open(url)
        try:
            yield table
        finally:
            table.close()
    except SessionError as exc:
        message = _without_password(str(exc), url)
        if isinstance(exc, StoreError):
            message = _with_place(message, url)
        raise type(exc)(message) from exc


# Not urlsplit, because its error for a URL that it cannot parse may show a password.
_PASSWORD = re.compile(r"://[^:/@]*:([^/?#]*)@|[?&]password=([^&]*)")
_PLACE = re.compile(r"://(?:[^/?#]*@)?+(([^/?#:]+)[^?#]*)")


def _without_password(message: str, url: str) -> str:
    passwords = (each for found in _PASSWORD.findall(url) for each in found if each)
    for secret in {form for each in passwords for form in (each, unquote(each))}:
        message = message.replace(secret, "***")
    return message


def _with_place(message: str, url: str) -> str:
    """Return *message* with the host, port and database in *url*, unless the message names the host itself."""
    found = _PLACE.search(url)
    return message if found is None or found[2] in message else f"{message} The table is at {found[1]}."


def _open(url: str) -> Any:
    try:
        # Do not create the table, because a new one would be empty.
        table = table_opener(url, clock=utc_now, create=False)("sync")
    except ModuleNotFoundError as exc:
        # The message names the missing driver, and how to install it.
        raise ConfigurationError(str(exc)) from exc
    if isinstance(table, MemoryTable):
        msg = "a table in memory belongs to its own process: use another table, such as sqlite:///sessions.db."
        raise ConfigurationError(msg)
    return table
