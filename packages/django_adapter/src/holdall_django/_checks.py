"""
Check the session settings with Django's system checks, in ``manage.py check``.

Settings that cannot work are errors, which the middleware refuses too. Settings that work, but probably not as
intended, are warnings. ``check --deploy`` adds warnings that matter only in production.
"""

import difflib
import inspect
import warnings
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

from holdall import ConfigurationError, MemoryTable, Sessions, WeakSecretWarning
from holdall.adapters import Options, meant_by, several_workers
from holdall_django._configuration import ADAPTER_OPTIONS, configuration, options_given
from holdall_django._middleware_order import OUR_AUTH, middleware_order, session_middlewares

__all__ = ["check_deployment", "check_settings", "refuse_what_cannot_work"]

_ENGINE = "holdall_django.engine"
_AUTH_KEY = "_auth_user_id"


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Return the errors in the session settings."""
    return [*_faults(), *middleware_order(), *_misspelt(), *_options()]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Return the risks of the session settings in production."""
    try:
        return list(_risks())
    except (ConfigurationError, ImproperlyConfigured, ImportError):
        # check_settings reports the error.
        return []


def refuse_what_cannot_work() -> None:
    """
    Raise an error for settings with which sessions would only seem to work.

    Raises:
        ConfigurationError: The message says which setting, and what to set.
    """
    for fault in _faults():
        msg = f"{fault.msg} {fault.hint}"
        raise ConfigurationError(msg)


def _faults() -> Iterator[Error]:
    if not _is_ours(settings.SESSION_ENGINE):
        given = f"{settings.SESSION_ENGINE!r}" if settings.is_overridden("SESSION_ENGINE") else "not set"
        msg = f"SESSION_ENGINE is {given}, so Django's test client and other packages look for sessions elsewhere."
        yield Error(msg, hint=f"Set it to {_ENGINE!r}.", id="holdall_django.E001")
    ours, djangos = session_middlewares()
    if ours and djangos:
        msg = f"MIDDLEWARE has {djangos[0]!r} as well as {ours[0]!r}: each would give requests a session of its own."
        yield Error(msg, hint=f"Remove {djangos[0]!r}.", id="holdall_django.E002")
    if len(ours) > 1:
        msg = f"MIDDLEWARE has {ours[0]!r} and {ours[1]!r}, but a request has only one session."
        yield Error(msg, hint="Keep one of them.", id="holdall_django.E003")


def _is_ours(engine: str) -> bool:
    from holdall_django._session import DjangoSession

    store = getattr(import_module(engine), "SessionStore", None)
    return isinstance(store, type) and issubclass(store, DjangoSession)


def _misspelt() -> Iterator[CheckMessage]:
    for name in dir(settings):
        options = name.partition("_")[2].lower() if name.startswith("HOLDALL_") else ""
        if options or (name != "HOLDALL" and difflib.get_close_matches(name, ["HOLDALL"], cutoff=0.8)):
            hint = f"Write HOLDALL = {{{options!r}: …}}." if options else "Write HOLDALL = {…}."
            msg = f"The setting {name} has no effect: all of holdall's own options are in HOLDALL."
            yield CheckWarning(msg, hint=hint, id="holdall_django.W007")


def _options() -> Iterator[CheckMessage]:
    try:
        unknown = [] if "sessions" in (given := options_given()) else sorted(given.keys() - _known())
        for name in unknown:
            meant = " or ".join(map(repr, meant_by(str(name), _known())))
            hint = f"Did you mean {meant}?" if meant else f"Choose one of: {', '.join(sorted(_known()))}."
            yield Error(f"HOLDALL has an unknown option {name!r}.", hint=hint, id="holdall_django.E006")
        if not unknown:
            yield from _meant()
    except (ConfigurationError, ImproperlyConfigured, ImportError, TypeError) as exc:
        hint = " ".join(getattr(exc, "__notes__", ()))
        yield Error(f"HOLDALL cannot be used: {exc}", hint=hint or None, id="holdall_django.E007")


def _known() -> set[str]:
    own = inspect.signature(Sessions).parameters.keys() - {"options"}
    return {*own, *Options.__annotations__, *ADAPTER_OPTIONS}


def _meant() -> Iterator[CheckMessage]:
    with warnings.catch_warnings():
        # check --deploy reports a weak secret.
        warnings.simplefilter("ignore", WeakSecretWarning)
        configured = configuration()
        # Only an async project can use an async store.
        _ = configured.async_group if configured.awaited else configured.sync_group
    principals = configured.sessions.settings.principals
    if principals and _AUTH_KEY not in principals and apps.is_installed("django.contrib.auth"):
        keys = principals.keys[0] if len(principals.keys) == 1 else list(principals.keys)
        msg = (
            f"HOLDALL has principal_key={keys!r}, which django.contrib.auth does not write: its users' "
            "sessions can be neither listed nor revoked."
        )
        hint = f"Leave it out: {_AUTH_KEY!r} is known by default. If the project has its own login, silence W002."
        kind, code = (Error, "E008") if OUR_AUTH in settings.MIDDLEWARE else (CheckWarning, "W002")
        yield kind(msg, hint=hint, id=f"holdall_django.{code}")
    workers = several_workers()
    if workers is not None:
        yield from _in_memory(configured.all, f"{workers} asks for several workers")
    yield from _unused_serializer(configured.all)


def _unused_serializer(group: Iterable[Sessions]) -> Iterator[CheckWarning]:
    from holdall_django.sources import EngineSource

    given = settings.SESSION_SERIALIZER
    sources = (source for each in group for source in each.prepare("async").sources)
    # The previous engine reads its sessions with the serializer that wrote them.
    if given != global_settings.SESSION_SERIALIZER and not any(isinstance(each, EngineSource) for each in sources):
        msg = f"SESSION_SERIALIZER is {given!r}, but holdall does not use it to store sessions."
        hint = "Remove it. HOLDALL['serializer'] takes an object with dumps and loads."
        yield CheckWarning(msg, hint=hint, id="holdall_django.W008")


def _risks() -> Iterator[CheckMessage]:
    with warnings.catch_warnings(record=True) as weak:
        warnings.simplefilter("always", WeakSecretWarning)
        # Created again, because the warnings were emitted when the settings were first read.
        configured = configuration.__wrapped__()
        for sessions in configured.all:
            sessions.prepare("async")
    for each in weak:
        yield CheckWarning(f"A session secret is weak: {each.message}", id="holdall_django.W003")
    yield from _in_memory(configured.all, "a second worker would not find them")
    for sessions in configured.all:
        attributes = sessions.settings.attributes
        if attributes.secure is False:
            msg = f"The cookie {sessions.key!r} is also sent without HTTPS, where others on the network can read it."
            yield CheckWarning(msg, hint="Leave SESSION_COOKIE_SECURE and 'secure' out.", id="holdall_django.W005")
        if not attributes.http_only:
            msg = f"The cookie {sessions.key!r} can be read by scripts, and so by injected ones."
            yield CheckWarning(msg, hint="Leave SESSION_COOKIE_HTTPONLY at True.", id="holdall_django.W006")


def _in_memory(group: Iterable[Sessions], why: str) -> Iterator[CheckWarning]:
    for sessions in group:
        if isinstance(getattr(sessions.prepare("async"), "table", None), MemoryTable):
            msg = f"The sessions {sessions.key!r} are in the memory of one process, and {why}."
            hint = "Use a table that all processes can reach, such as 'django' or a URL."
            yield CheckWarning(msg, hint=hint, id="holdall_django.W004")
