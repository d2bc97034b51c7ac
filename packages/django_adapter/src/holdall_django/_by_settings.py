"""Create ``Sessions`` from ``HOLDALL``, with Django's own settings as defaults."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import global_settings, settings

from holdall import ConfigurationError, Sessions, formats
from holdall.adapters import (
    naming,
    permanent_max_age,
    reading_framework_cookies,
    with_cookie_settings,
    with_timeouts,
)
from holdall_django._cookie_name import is_named
from holdall_django._options import HiddenOptions
from holdall_django._test_client import are_tests_running

__all__ = ["sessions_by_settings"]

# Django's settings, by the options that they become.
_NAMES = {
    **dict.fromkeys(("secret_key_base", "secret"), "SECRET_KEY"),
    "fallbacks": "SECRET_KEY_FALLBACKS",
    "idle_timeout": "SESSION_COOKIE_AGE",
    "key": "SESSION_COOKIE_NAME",
    "domain": "SESSION_COOKIE_DOMAIN",
    "path": "SESSION_COOKIE_PATH",
    "http_only": "SESSION_COOKIE_HTTPONLY",
    "secure": "SESSION_COOKIE_SECURE",
    "same_site": "SESSION_COOKIE_SAMESITE",
}


def sessions_by_settings(options: HiddenOptions) -> Sessions:
    """Return sessions with these *options*, and with Django's settings as defaults."""
    names = {option: name for option, name in _NAMES.items() if option not in options}
    options.setdefault("store", "cookie")
    if isinstance(options["store"], str):
        if "secret_key_base" not in options:
            # The secret seals cookies, and rows of a table that leave the process.
            options["secret_key_base"] = settings.SECRET_KEY
            options.setdefault("fallbacks", settings.SECRET_KEY_FALLBACKS)
        options.setdefault("weak_secrets", _weak_secrets())
    if options["store"] == "cookie" and are_tests_running():
        # Django's test client looks for the cookie only under SESSION_COOKIE_NAME.
        options.setdefault("generations", False)
    options.setdefault("key", settings.SESSION_COOKIE_NAME if is_named() else global_settings.SESSION_COOKIE_NAME)
    cookie: dict[str, Any] = {
        "path": settings.SESSION_COOKIE_PATH,
        "domain": settings.SESSION_COOKIE_DOMAIN,
        "secure": settings.SESSION_COOKIE_SECURE if settings.is_overridden("SESSION_COOKIE_SECURE") else "auto",
        "http_only": settings.SESSION_COOKIE_HTTPONLY,
        # Django's False leaves the attribute out.
        "same_site": settings.SESSION_COOKIE_SAMESITE or None,
    }
    age = settings.SESSION_COOKIE_AGE
    idle_timeout = options.get("idle_timeout", timedelta(seconds=age) if isinstance(age, float) else age)
    options = HiddenOptions(with_timeouts(options, idle_timeout))
    if isinstance(idle_timeout, timedelta):
        idle_timeout = int(idle_timeout.total_seconds())
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        cookie["max_age"] = permanent_max_age(idle_timeout)
    try:
        return _made(HiddenOptions(with_cookie_settings(options, cookie)), names)
    except ConfigurationError as exc:
        exc.add_note("The options come from HOLDALL; for any others, from SECRET_KEY… and SESSION_COOKIE_….")
        raise


def _made(options: HiddenOptions, names: Mapping[str, str]) -> Sessions:
    with naming(names):
        if options.pop("read_framework_cookies", False):
            options = HiddenOptions(reading_framework_cookies(options, _djangos_format()))
        return Sessions(**options)


def _djangos_format() -> formats.Format:
    return formats.DjangoFormat(
        settings.SECRET_KEY,
        settings.SECRET_KEY_FALLBACKS,
        max_age=settings.SESSION_COOKIE_AGE,
        weak_secrets=_weak_secrets(),
    )


def _weak_secrets() -> bool:
    return settings.DEBUG or are_tests_running()
