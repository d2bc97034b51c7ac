"""Create ``Sessions`` from the arguments of Starlette's own middleware and options of ``Sessions``."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from starlette.datastructures import Secret

from holdall import ConfigurationError, CookieOptions, Event, Sessions, Store, formats
from holdall.adapters import (
    Clock,
    OldKeys,
    PresetName,
    TableStoreOptions,
    ValidSince,
    naming,
    permanent_max_age,
    reading_framework_cookies,
    with_cookie_settings,
    with_timeouts,
)
from holdall.device_bound import DeviceBound
from holdall.tables import AsyncTable, Table

__all__ = ["Arguments", "sessions_by_arguments"]


class Arguments(CookieOptions, TableStoreOptions, total=False):
    """The arguments of ``SessionMiddleware`` that replace ``sessions``: Starlette's, and options of ``Sessions``."""

    secret_key: str | Secret | None
    session_cookie: str
    https_only: bool
    also_read: Iterable[formats.Format]
    rewrite_on: Literal["write", "read"]
    store: Store | str
    old_keys: OldKeys
    idle_timeout: timedelta | int | None
    absolute_timeout: timedelta | int | None
    timeouts: PresetName
    principal_key: str | Iterable[str] | None
    carry: Iterable[str] | None
    delete_at_logout: Iterable[str] | Mapping[str, CookieOptions]
    transport: str
    record_client: bool
    record_login: bool
    max_sessions: int | None
    when_full: Literal["end_oldest", "refuse"]
    valid_since: ValidSince | None
    revocable: str | Table | AsyncTable
    when_unreachable: Literal["refuse", "trust"]
    overflow: str | Table | AsyncTable
    device_bound: DeviceBound | bool
    allow_public: bool
    save_on_error: bool
    on_lost_write: Literal["report", "raise"]
    on_event: Callable[[Event], None] | None
    clock: Clock
    random: Callable[[int], bytes]


def sessions_by_arguments(
    *,
    read_framework_cookies: bool,
    secret_key: str | Secret | None = None,
    session_cookie: str = "session",
    max_age: timedelta | int | None = 14 * 24 * 60 * 60,
    https_only: bool = False,
    **options: Any,
) -> Sessions:
    """
    Return sessions configured by the arguments of Starlette's ``SessionMiddleware`` and by *options* of ``Sessions``.

    Raises:
        ConfigurationError: The arguments are invalid; the message says what to do.
    """
    if isinstance(max_age, timedelta):
        max_age = int(max_age.total_seconds())
    if not isinstance(max_age, int | None):
        msg = f"max_age={max_age!r} is not a number of whole seconds, a timedelta, or None."
        raise ConfigurationError(msg)
    idle_timeout = None if max_age is None else timedelta(seconds=max(max_age, 1))
    cookie = {
        "max_age": max_age if max_age is None or max_age < 1 else permanent_max_age(max_age),
        # False is Starlette's default and not a choice, so Secure follows the request.
        "secure": https_only or "auto",
    }
    given = with_timeouts({"store": "cookie", "key": session_cookie, **options}, idle_timeout)
    given = with_cookie_settings(given, cookie)
    if secret_key is not None or given["store"] == "cookie":
        # The secret seals cookies, and rows of a table that leave the process.
        given.setdefault("secret_key_base", "" if secret_key is None else str(secret_key))
    names = {"secret": "secret_key"}
    if "secret_key_base" not in options:
        names |= {"secret_key_base": "secret_key"}
    if "key" not in options:
        names |= {"key": "session_cookie"}
    try:
        with naming(names):
            if read_framework_cookies:
                weak_secrets = given.get("weak_secrets", False)
                theirs = formats.StarletteFormat(str(secret_key or ""), max_age=max_age, weak_secrets=weak_secrets)
                given = reading_framework_cookies(given, theirs)
            return Sessions(**given)
    except ConfigurationError as exc:
        exc.add_note("SessionMiddleware takes sessions=Sessions(…), or the arguments of Starlette's: secret_key=…")
        raise
