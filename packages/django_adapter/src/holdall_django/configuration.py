"""
What Django's settings say about sessions.

``HOLDALL`` holds the options of ``Sessions``, or names a ``Sessions`` made elsewhere. Django's own settings say what it
leaves out. All is read once, and again when a test overrides a setting; from then on the setting shows no secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

from django.conf import global_settings, settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from holdall import ConfigurationError, Session, Sessions, formats
from holdall.adapters import (
    SessionGroup,
    absolute_timeout,
    check_keys,
    naming,
    permanent_max_age,
    reading_framework_cookies,
    state_of,
    with_cookie_settings,
)
from holdall_django.cookie_name import is_named, name_the_cookie
from holdall_django.options import HiddenOptions, hide_options
from holdall_django.test_client import are_tests_running

__all__ = ["ADAPTER_OPTIONS", "Configuration", "configuration", "configured_sessions", "options_given"]

#: Keys of ``HOLDALL`` that are not options of ``Sessions``.
ADAPTER_OPTIONS = ("sessions", "also", "fetch", "read_framework_cookies")

# Django's settings, by the options that are made of them.
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


@dataclass(frozen=True)
class Configuration:
    """
    The settings, understood.

    Attributes:
        sessions: Those that ``request.session`` is one of.
        also: Further ones that the project keeps.
        fetches: The middleware reads a session that has to be awaited; ``False`` leaves that to ``afetch_session``.
        uses_always: Every request that brings a session counts as its use (``SESSION_SAVE_EVERY_REQUEST``).
    """

    sessions: Sessions
    also: tuple[Sessions, ...]
    fetches: bool
    uses_always: bool

    @cached_property
    def all(self) -> tuple[Sessions, ...]:
        """The sessions, and then the further ones."""
        return self.sessions, *self.also

    @cached_property
    def sync_group(self) -> SessionGroup:
        """What a sync middleware begins its exchanges with."""
        return SessionGroup(self.sessions, self.also, form="sync")

    @cached_property
    def async_group(self) -> SessionGroup:
        """What an async middleware begins its exchanges with."""
        return SessionGroup(self.sessions, self.also, form="async")

    @cached_property
    def has_devices(self) -> bool:
        """Whether some of them are bound to the visitors' devices."""
        return any(each.device_bound is not None for each in self.all)

    @cached_property
    def awaited(self) -> frozenset[Sessions]:
        """Those whose store cannot be used but by awaiting it."""
        return frozenset(each for each in self.all if _is_awaited(each))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of their cookies."""
        return tuple(each.key for each in self.all)

    def sessions_of(self, session: Session) -> Sessions:
        """Return those that *session* is one of."""
        return next((each for each in self.all if each.settings is state_of(session).backend.settings), self.sessions)


def _is_awaited(sessions: Sessions) -> bool:
    try:
        sessions.prepare("sync")
    except ConfigurationError:
        return True
    return False


def configured_sessions() -> Sessions:
    """
    Return the ``Sessions`` that the settings describe.

    Raises:
        ConfigurationError: The settings cannot be used; the message says what to do.
    """
    return configuration().sessions


def options_given() -> HiddenOptions:
    """
    Return the options in the setting ``HOLDALL``.

    Raises:
        ConfigurationError: It is of another type.
    """
    given = getattr(settings, "HOLDALL", {})
    if isinstance(given, Sessions):
        given = {"sessions": given}
    if not isinstance(given, Mapping):
        msg = f"HOLDALL is of type {type(given).__qualname__}: give a dict of options, or a Sessions."
        raise ConfigurationError(msg)
    return HiddenOptions(given)


@cache
def configuration() -> Configuration:
    """Return what the settings say."""
    hide_options()
    options = options_given()
    fetch = options.pop("fetch", "auto")
    if fetch not in ("auto", "explicit"):
        msg = f"HOLDALL has fetch={fetch!r}, which is neither 'auto' nor 'explicit'."
        raise ConfigurationError(msg)
    also = options.pop("also", ())
    if isinstance(also, str | Sessions):
        msg = "HOLDALL['also'] is one alone: give a list of Sessions or of their dotted paths."
        raise ConfigurationError(msg)
    sessions = _given(options) if "sessions" in options else _by_settings(options)
    others = tuple(_found(each, "also") for each in also)
    check_keys((sessions, *others))
    name_the_cookie(sessions.key)
    return Configuration(
        sessions,
        others,
        fetches=fetch == "auto",
        uses_always=settings.SESSION_SAVE_EVERY_REQUEST,
    )


def _forget(*, setting: str, **kwargs: object) -> None:
    if setting in ("HOLDALL", "SECRET_KEY", "SECRET_KEY_FALLBACKS", "DEBUG") or setting.startswith("SESSION_"):
        configuration.cache_clear()


setting_changed.connect(_forget)


def _given(options: HiddenOptions) -> Sessions:
    sessions = options.pop("sessions")
    if options:
        msg = f"HOLDALL has 'sessions', which is made already: give {', '.join(sorted(options))} to that Sessions."
        raise ConfigurationError(msg)
    return _found(sessions, "sessions")


def _found(sessions: object, option: str) -> Sessions:
    # A URL is shown neither by our message nor by import_string's: it may have a password in it.
    path = sessions if isinstance(sessions, str) and sessions.replace(".", "").isidentifier() else None
    try:
        found = sessions if path is None else import_string(path)
    except ImportError as exc:
        msg = f"HOLDALL[{option!r}] has {path!r}, which cannot be imported: {exc}."
        raise ConfigurationError(msg) from exc
    if not isinstance(found, Sessions):
        shown = f"a {type(sessions).__qualname__}" if path is None else repr(path)
        msg = f"HOLDALL[{option!r}] has {shown}, which is neither a Sessions nor the dotted path of one."
        raise ConfigurationError(msg)
    return found


def _by_settings(options: HiddenOptions) -> Sessions:
    """Return sessions with these *options*, and with Django's settings for what they leave out."""
    names = {option: name for option, name in _NAMES.items() if option not in options}
    options.setdefault("store", "cookie")
    if isinstance(options["store"], str):
        if "secret_key_base" not in options:
            # It seals cookies, and the rows of a table that leaves the process.
            options["secret_key_base"] = settings.SECRET_KEY
            options.setdefault("fallbacks", settings.SECRET_KEY_FALLBACKS)
        options.setdefault("weak_secrets", _weak_secrets())
    if options["store"] == "cookie" and are_tests_running():
        # Django's test client looks for the cookie under SESSION_COOKIE_NAME alone.
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
    if "timeouts" not in options:
        # A preset outranks Django's default.
        options["idle_timeout"] = idle_timeout
        options.setdefault("absolute_timeout", absolute_timeout(idle_timeout))
    if isinstance(idle_timeout, timedelta):
        idle_timeout = int(idle_timeout.total_seconds())
    if not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        cookie["max_age"] = permanent_max_age(idle_timeout)
    try:
        return _made(HiddenOptions(with_cookie_settings(options, cookie)), names)
    except ConfigurationError as exc:
        exc.add_note("The options come from HOLDALL, and from SECRET_KEY… and SESSION_COOKIE_… where it lacks them.")
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
