"""
Read Django's settings for sessions.

``HOLDALL`` contains the options of ``Sessions``, or names a ``Sessions`` created elsewhere. Django's own settings are
the defaults. Everything is read once, and again when a test overrides a setting; once it has been read, ``HOLDALL``
shows no secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from holdall import ConfigurationError, Session, Sessions
from holdall.adapters import (
    SessionGroup,
    check_keys,
    state_of,
)
from holdall_django._by_settings import sessions_by_settings
from holdall_django._cookie_name import name_the_cookie
from holdall_django._options import HiddenOptions, hide_options

__all__ = ["ADAPTER_OPTIONS", "Configuration", "configuration", "configured_sessions", "options_given"]

#: Keys of ``HOLDALL`` that are not options of ``Sessions``.
ADAPTER_OPTIONS = ("sessions", "also", "fetch", "read_framework_cookies")


@dataclass(frozen=True)
class Configuration:
    """
    The parsed settings.

    Attributes:
        sessions: The main ``Sessions``, for ``request.session``.
        also: Additional ``Sessions`` of the project.
        fetches: Whether the middleware reads an async session; ``False`` leaves that to ``afetch_session``.
        uses_always: Whether every request with a session counts as a use of it (``SESSION_SAVE_EVERY_REQUEST``).
    """

    sessions: Sessions
    also: tuple[Sessions, ...]
    fetches: bool
    uses_always: bool

    @cached_property
    def all(self) -> tuple[Sessions, ...]:
        """The main ``Sessions`` followed by the additional ones."""
        return self.sessions, *self.also

    @cached_property
    def sync_group(self) -> SessionGroup:
        """The group for a sync middleware."""
        return SessionGroup(self.sessions, self.also, form="sync")

    @cached_property
    def async_group(self) -> SessionGroup:
        """The group for an async middleware."""
        return SessionGroup(self.sessions, self.also, form="async")

    @cached_property
    def has_devices(self) -> bool:
        """Whether some sessions are bound to the visitors' devices."""
        return any(each.device_bound is not None for each in self.all)

    @cached_property
    def awaited(self) -> frozenset[Sessions]:
        """The ``Sessions`` whose store can only be used by awaiting it."""
        return frozenset(each for each in self.all if _is_awaited(each))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The names of their cookies."""
        return tuple(each.key for each in self.all)

    def sessions_of(self, session: Session) -> Sessions:
        """Return the ``Sessions`` that *session* belongs to."""
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
        ConfigurationError: The settings are invalid; the message says what to do.
    """
    return configuration().sessions


def options_given() -> HiddenOptions:
    """
    Return the options in the setting ``HOLDALL``.

    Raises:
        ConfigurationError: The setting has the wrong type.
    """
    given = getattr(settings, "HOLDALL", {})
    if isinstance(given, Sessions):
        given = {"sessions": given}
    if not isinstance(given, Mapping):
        msg = f"HOLDALL is of type {type(given).__qualname__}: use a dict of options, or a Sessions object."
        raise ConfigurationError(msg)
    return HiddenOptions(given)


@cache
def configuration() -> Configuration:
    """Return the parsed settings."""
    hide_options()
    options = options_given()
    fetch = options.pop("fetch", "auto")
    if fetch not in ("auto", "explicit"):
        msg = f"HOLDALL has fetch={fetch!r}, which is neither 'auto' nor 'explicit'."
        raise ConfigurationError(msg)
    also = options.pop("also", ())
    if isinstance(also, str | Sessions):
        msg = "HOLDALL['also'] is a single value: pass a list of Sessions or of their dotted paths."
        raise ConfigurationError(msg)
    sessions = _given(options) if "sessions" in options else sessions_by_settings(options)
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
        msg = f"HOLDALL has 'sessions', which already exists: pass {', '.join(sorted(options))} to that Sessions."
        raise ConfigurationError(msg)
    return _found(sessions, "sessions")


def _found(sessions: object, option: str) -> Sessions:
    # Neither our message nor import_string's may show a URL, because it may contain a password.
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
