"""
``holdall inspect``: identify a cookie without revealing it.

A cookie is as good as a password while its session lives. The command reads the cookie and the secret from standard
input, or prompts for them on a terminal, because arguments are visible in the process list and stay in the shell's
history. The cookie may be passed as an argument, but the secret may not. The session's data is printed only on request,
and only if the secret opened the cookie.
"""

import argparse
import os
import pprint
import sys
import warnings
from datetime import UTC, datetime
from getpass import getpass
from inspect import signature
from time import time
from typing import Any

from holdall._clock import FOREVER
from holdall._command._detect import FORMATS, SID, CookieKind, detect
from holdall._command._output import say
from holdall._command._times import utc
from holdall._cookies import MAX_COOKIE_BYTES
from holdall._errors import ConfigurationError
from holdall._keys import WeakSecretWarning
from holdall.formats import Format, Record

__all__ = ["add"]

_VARIABLE = "HOLDALL_SECRET"

# The longest line that a terminal accepts on Linux and the BSDs.
_TERMINAL_LINE = 4095
_MAX_LINE = 2**20
_STACK = 20_000

# A format uses its clock as the creation time of a cookie that has none.
_UNKNOWN = datetime.fromtimestamp(0, UTC)

# The formats' options, with their arguments for argparse.
_OPTIONS: dict[str, dict[str, Any]] = {
    "app_name": {"help": "holdall: the application's name"},
    "signing_salt": {"metavar": "SALT", "help": "holdall, Plug"},
    "encryption_salt": {"metavar": "SALT", "help": "holdall, Plug"},
    "key_iterations": {"type": int, "metavar": "N", "help": "Plug"},
    "key_length": {"type": int, "metavar": "N", "help": "Plug"},
    "key_digest": {"metavar": "DIGEST", "help": "Plug"},
    "serializer": {"choices": ("external_term_format", "json"), "help": "Plug"},
    "salt": {"help": "Flask, Django"},
    "key_derivation": {"metavar": "HOW", "help": "Flask"},
    "digest": {"help": "Flask"},
    "max_age": {"type": int, "metavar": "SECONDS", "help": "Flask, Starlette, Django: how long a cookie is valid"},
}


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inspect",
        help="identify a cookie",
        description="Identify a cookie, and show whether a secret opens it and how long it is valid. "
        "On a terminal the command prompts for both; otherwise the first line of standard input is the cookie and the "
        f"second the secret, unless the environment variable {_VARIABLE} contains it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "cookie",
        nargs="?",
        metavar="COOKIE",
        help="its value, or name=value; better omitted, because the process list shows arguments",
    )
    parser.add_argument("--key", metavar="NAME", help="the cookie's name, if COOKIE is a bare value")
    parser.add_argument(
        "--secret-env", metavar="NAME", help=f"the environment variable that contains the secret ({_VARIABLE})"
    )
    parser.add_argument("--data", action="store_true", help="also print the session's data")
    parser.add_argument("--format", choices=FORMATS, help="recognize this format only")
    group = parser.add_argument_group("options of the format", "if the application sets them")
    for name, about in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **about)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    is_read = options.cookie in (None, "-")
    key, cookie = _name_and_value(_cookie_from_input() if is_read else options.cookie)
    key = options.key or key
    kinds = detect(cookie, (options.format,) if options.format else FORMATS)
    if not kinds:
        is_sid = options.format is None and SID.fullmatch(cookie)
        _say("format", "the ID of a session in a table" if is_sid else "unknown")
        _say("size", _size(cookie))
        return 0 if is_sid else 1
    secret = _secret(options.secret_env, may_read=is_read)
    opened = None if secret is None else _open(kinds, cookie, key, secret, _given(options, kinds))
    if opened is None:
        _say("format", ", or ".join(kind.details(cookie) for kind in kinds))
        _say("size", _size(cookie))
        _say("secret", "none given" if secret is None else "does not open it")
        return 0 if secret is None else 1
    kind, record = opened
    _say("format", kind.details(cookie))
    _say("size", _size(cookie))
    _say("secret", "opens it")
    _say("made", "not recorded" if record.created == 0 else _utc(record.created))
    _say("ends", _end(record.expires))
    _say("log id", record.log_id)
    if options.data:
        _say("data", _pretty(record.data).replace("\n", f"\n{'':8}"))
    return 0


def _cookie_from_input() -> str:
    if not sys.stdin.isatty():
        return os.fsdecode(_line())
    text = _typed("Cookie (input is hidden): ")
    if len(text) >= _TERMINAL_LINE:
        msg = f"the terminal cuts off lines at {_TERMINAL_LINE} characters: pipe in a cookie this long instead."
        raise ConfigurationError(msg)
    return text


def _line() -> bytes:
    # Bytes, because a cookie or a secret need not be text. Neither is ever longer than this.
    return sys.stdin.buffer.readline(_MAX_LINE).rstrip(b"\r\n")


def _typed(prompt: str) -> str:
    try:
        return getpass(prompt)
    except EOFError:
        return ""


def _name_and_value(text: str) -> tuple[str | None, str]:
    """Return the name of a cookie, if *text* contains it, and its value."""
    # Drop the attributes of a Set-Cookie header.
    text = text.partition(";")[0].strip()
    # A value may contain "=" too, but then it looks like a cookie, and name=value does not.
    if detect(text) or "=" not in text:
        return None, text
    key, _, value = text.partition("=")
    return key.strip(), value.strip()


def _secret(variable: str | None, *, may_read: bool) -> bytes | None:
    """Return the secret, if there is one; it *may* be read from standard input if the cookie was."""
    found = os.environ.get(variable or _VARIABLE)
    if found:
        # The original bytes, even if they are not text.
        return os.fsencode(found)
    if variable is not None:
        msg = "the environment variable that --secret-env names is unset or empty."
        raise ConfigurationError(msg)
    if sys.stdin.isatty():
        return os.fsencode(_typed("Secret (input is hidden; leave it empty to continue without one): ")) or None
    return (_line() or None) if may_read else None


def _given(options: argparse.Namespace, kinds: list[CookieKind]) -> dict[str, Any]:
    """Return the format options that were set, if a format of *kinds* takes each of them."""
    given = {name: value for name, value in vars(options).items() if name in _OPTIONS}
    taken = {name for kind in kinds for name in signature(kind.make).parameters}
    for name in given:
        if name not in taken:
            msg = f"--{name.replace('_', '-')} is not an option of this cookie's format."
            raise ConfigurationError(msg)
    return given


def _open(
    kinds: list[CookieKind], cookie: str, key: str | None, secret: bytes, given: dict[str, Any]
) -> tuple[CookieKind, Record] | None:
    """Return the kind and the record that *secret* opens."""
    if key is None:
        msg = "a cookie opens only under its own name: pass it with --key, or write name=value."
        raise ConfigurationError(msg)
    for kind in kinds:
        record = _set_up(kind, secret, given).open(cookie, key=key)
        if record is not None:
            return kind, record
    return None


def _set_up(kind: CookieKind, secret: bytes, given: dict[str, Any]) -> Format:
    for name in kind.needs:
        if name not in given:
            msg = f"this cookie needs --{name.replace('_', '-')}, as set in the application."
            raise ConfigurationError(msg)
    parameters = signature(kind.make).parameters
    options = {name: value for name, value in given.items() if name in parameters}
    if "clock" in parameters:
        options["clock"] = lambda: _UNKNOWN
    with warnings.catch_warnings():
        # The application itself warns of a weak secret.
        warnings.simplefilter("ignore", WeakSecretWarning)
        return kind.make(secret, weak_secrets=True, **{**options, **kind.options})


def _size(cookie: str) -> str:
    count = len(cookie.encode("utf-8", "surrogateescape"))
    too_large = f", more than the {MAX_COOKIE_BYTES} that browsers keep" if count > MAX_COOKIE_BYTES else ""
    return f"{count} bytes{too_large}"


def _end(expires: int) -> str:
    if expires == FOREVER:
        return "not recorded"
    return f"{_utc(expires)}{' (expired)' if expires <= time() else ''}"


def _utc(seconds: int) -> str:
    return utc(datetime.fromtimestamp(seconds, UTC))


def _pretty(data: dict[str, Any]) -> str:
    # A Phoenix session can be nested deeper, and contain longer numbers, than Python shows by default.
    sys.setrecursionlimit(_STACK)
    sys.set_int_max_str_digits(0)
    return pprint.pformat(data)


def _say(what: str, value: str) -> None:
    say(f"{what:8}{value}")
