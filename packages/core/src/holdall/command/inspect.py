"""
``holdall inspect``: what a cookie is, without giving it away.

Its secret comes from the environment or is asked for, and is never an argument: those stand in the list of processes
and in the shell's history. What is in the session is printed only if asked for, and only if the secret opened it.
"""

import argparse
import os
import pprint
import sys
import warnings
from datetime import UTC, datetime
from getpass import getpass
from inspect import signature
from typing import Any

from holdall.clock import NEVER, utc_now
from holdall.command._looks import FORMATS, SID, Look, looks_of
from holdall.command._times import utc
from holdall.cookies import MAX_COOKIE_BYTES
from holdall.errors import ConfigurationError
from holdall.formats import Format, Record
from holdall.keys import WeakSecretWarning

__all__ = ["add"]

_VARIABLE = "HOLDALL_SECRET"

# What a format takes for the time now is when a cookie that does not say its own was made.
_UNKNOWN = datetime.fromtimestamp(0, UTC)

# The formats' options by their flags, and what else argparse is to know of them.
_OPTIONS: dict[str, dict[str, Any]] = {
    "app": {"help": "holdall: the application's name"},
    "signing_salt": {"metavar": "SALT", "help": "holdall, Plug"},
    "encryption_salt": {"metavar": "SALT", "help": "holdall, Plug"},
    "key_iterations": {"type": int, "metavar": "N", "help": "Plug"},
    "key_length": {"type": int, "metavar": "N", "help": "Plug"},
    "key_digest": {"metavar": "DIGEST", "help": "Plug"},
    "serializer": {"choices": ("external_term_format", "json"), "help": "Plug"},
    "salt": {"help": "Flask, Django"},
    "key_derivation": {"metavar": "HOW", "help": "Flask"},
    "digest": {"help": "Flask"},
    "max_age": {"type": int, "metavar": "SECONDS", "help": "Flask, Starlette, Django: how long they read a cookie"},
}


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inspect",
        help="say what a cookie is",
        description="Say what a cookie is, whether a secret opens it, and how long it lives. "
        f"The secret is taken from the variable {_VARIABLE}, or asked for on a terminal.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "cookie", metavar="COOKIE", help="its value, or name=value, or - to read it from standard input"
    )
    parser.add_argument("--key", metavar="NAME", help="the cookie's name, if COOKIE does not say it")
    parser.add_argument("--secret-env", metavar="NAME", help=f"the variable that holds the secret ({_VARIABLE})")
    parser.add_argument("--data", action="store_true", help="print what is in the session, too")
    parser.add_argument("--format", choices=FORMATS, help="take it for a cookie of this format alone")
    group = parser.add_argument_group("options of the format", "where the application sets them")
    for name, about in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **about)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    key, cookie = _name_and_value(options.cookie)
    key = options.key or key
    looks = looks_of(cookie, (options.format,) if options.format else FORMATS)
    if not looks:
        is_sid = options.format is None and SID.fullmatch(cookie)
        _say("format", "the id of a session in a table" if is_sid else "not one that is known here")
        _say("size", _size(cookie))
        return 0 if is_sid else 1
    secret = _secret(options.secret_env)
    opened = None if secret is None else _open(looks, cookie, key, secret, _given(options, looks))
    if opened is None:
        _say("format", ", or ".join(look.details(cookie) for look in looks))
        _say("size", _size(cookie))
        _say("secret", "none given" if secret is None else "does not open it")
        return 0 if secret is None else 1
    look, record = opened
    _say("format", look.details(cookie))
    _say("size", _size(cookie))
    _say("secret", "opens it")
    _say("made", "it does not say" if record.created == _UNKNOWN else utc(record.created))
    _say("ends", _end(record.expires))
    _say("log id", record.log_id)
    if options.data:
        _say("data", pprint.pformat(record.data).replace("\n", f"\n{'':8}"))
    return 0


def _name_and_value(text: str) -> tuple[str | None, str]:
    """Return the name, if *text* says one, and the value of a cookie."""
    if text == "-":
        text = sys.stdin.readline()
    # Without the attributes of a Set-Cookie.
    text = text.partition(";")[0].strip()
    # Some formats write = too, but only where a name cannot end.
    if looks_of(text) or "=" not in text:
        return None, text
    key, _, value = text.partition("=")
    return key.strip(), value.strip()


def _secret(variable: str | None) -> bytes | None:
    """Return the secret, if there is one."""
    found = os.environ.get(variable or _VARIABLE)
    if found:
        # As the bytes that they are, text or not.
        return os.fsencode(found)
    if variable is not None:
        msg = "the variable that --secret-env names is not set, or empty."
        raise ConfigurationError(msg)
    if not sys.stdin.isatty():
        return None
    return getpass("Secret (it is not shown; none to go on without): ").encode() or None


def _given(options: argparse.Namespace, looks: list[Look]) -> dict[str, Any]:
    """Return the format's options that were given, if a format of *looks* takes each of them."""
    given = {name: value for name, value in vars(options).items() if name in _OPTIONS}
    taken = {name for look in looks for name in signature(look.make).parameters}
    for name in given:
        if name not in taken:
            msg = f"--{name.replace('_', '-')} is no option of the format that this cookie has."
            raise ConfigurationError(msg)
    return given


def _open(
    looks: list[Look], cookie: str, key: str | None, secret: bytes, given: dict[str, Any]
) -> tuple[Look, Record] | None:
    """Return what *secret* opens, and as what."""
    if key is None:
        msg = "a cookie opens under its own name alone: give it with --key, or write name=value."
        raise ConfigurationError(msg)
    for look in looks:
        record = _set_up(look, secret, given).open(cookie, key=key)
        if record is not None:
            return look, record
    return None


def _set_up(look: Look, secret: bytes, given: dict[str, Any]) -> Format:
    for name in look.needs:
        if name not in given:
            msg = f"this cookie needs --{name.replace('_', '-')}: the application knows it."
            raise ConfigurationError(msg)
    parameters = signature(look.make).parameters
    options = {name: value for name, value in given.items() if name in parameters}
    if "clock" in parameters:
        options["clock"] = lambda: _UNKNOWN
    with warnings.catch_warnings():
        # A weak secret is the application's to hear of.
        warnings.simplefilter("ignore", WeakSecretWarning)
        return look.make(secret, weak_secrets=True, **{**options, **look.options})


def _size(cookie: str) -> str:
    count = len(cookie.encode("utf-8", "surrogateescape"))
    too_large = f", more than the {MAX_COOKIE_BYTES} that a browser keeps" if count > MAX_COOKIE_BYTES else ""
    return f"{count} bytes{too_large}"


def _end(expires: datetime) -> str:
    if expires == NEVER:
        return "it does not say"
    return f"{utc(expires)}{' (it has)' if expires <= utc_now() else ''}"


def _say(what: str, value: str) -> None:
    print(f"{what:8}{value}")
