"""
Create ``Sessions`` from Flask's settings and the options of ``Holdall``.

An application may change its settings while it runs, as tests do. So each request checks them, and creates new
``Sessions`` if they differ.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from secrets import token_hex
from typing import Any, NamedTuple

from flask import Flask
from flask.sessions import SecureCookieSessionInterface, SessionInterface

from holdall import ConfigurationError, Sessions, formats
from holdall.adapters import (
    SessionGroup,
    naming,
    reading_framework_cookies,
    with_cookie_settings,
    with_timeouts,
)

__all__ = ["Configuration"]

_settings_of = SessionInterface()

# Flask's settings, by the options that they become.
_NAMES = {
    **dict.fromkeys(("secret_key_base", "secret"), "SECRET_KEY"),
    "fallbacks": "SECRET_KEY_FALLBACKS",
    "idle_timeout": "PERMANENT_SESSION_LIFETIME",
    "key": "SESSION_COOKIE_NAME",
    "domain": "SESSION_COOKIE_DOMAIN",
    "path": "SESSION_COOKIE_PATH",
    "http_only": "SESSION_COOKIE_HTTPONLY",
    "secure": "SESSION_COOKIE_SECURE",
    "same_site": "SESSION_COOKIE_SAMESITE",
    "partitioned": "SESSION_COOKIE_PARTITIONED",
}


class _Settings(NamedTuple):
    secret: str | bytes | None
    fallbacks: Iterable[str | bytes]
    weak_secrets: bool
    lifetime: timedelta
    refresh: bool
    cookie: dict[str, Any]

    @classmethod
    def of(cls, app: Flask) -> "_Settings":
        config = app.config
        fallbacks = config.get("SECRET_KEY_FALLBACKS") or ()
        try:
            lifetime = app.permanent_session_lifetime
        except TypeError as exc:
            given = config["PERMANENT_SESSION_LIFETIME"]
            msg = f"PERMANENT_SESSION_LIFETIME={given!r} is not a timedelta or a number of seconds."
            raise ConfigurationError(msg) from exc
        return cls(
            app.secret_key,
            fallbacks if isinstance(fallbacks, str) else tuple(fallbacks),
            app.debug or app.testing,
            lifetime,
            config["SESSION_REFRESH_EACH_REQUEST"],
            {
                "key": _settings_of.get_cookie_name(app),
                # Browsers ignore a leading dot (RFC 6265, section 5.2.3), and Flask leaves it out.
                "domain": (_settings_of.get_cookie_domain(app) or "").lstrip(".") or None,
                "path": _settings_of.get_cookie_path(app),
                "http_only": _settings_of.get_cookie_httponly(app),
                # False is Flask's default and not a choice, so Secure follows the request.
                "secure": _settings_of.get_cookie_secure(app) or "auto",
                "same_site": _settings_of.get_cookie_samesite(app) or "Lax",
                "partitioned": config.get("SESSION_COOKIE_PARTITIONED", False),
            },
        )


class Configuration:
    """
    The sessions of an application, configured by its settings.

    Args:
        options: Options of ``Sessions`` that override Flask's settings.
        framework: The interface whose cookies are also read; ``None`` to read only ours.
        also: Additional ``Sessions``.
    """

    def __init__(
        self, options: Mapping[str, Any], framework: SessionInterface | None, also: tuple[Sessions, ...]
    ) -> None:
        self._options = {"store": "cookie", **options}
        if isinstance(framework, SecureCookieSessionInterface) or framework is None:
            self._framework = framework
        else:
            self._framework = SecureCookieSessionInterface()
        self._also = also
        self._made: tuple[_Settings, SessionGroup] | None = None

    def group(self, app: Flask) -> SessionGroup | None:
        """
        Return the sessions of *app*; ``None`` if there is no secret for them.

        Raises:
            ConfigurationError: The settings are invalid; the message says what to do.
        """
        settings = _Settings.of(app)
        made = self._made
        if made is None or made[0] != settings:
            if not settings.secret and self._options["store"] == "cookie" and "secret_key_base" not in self._options:
                return None
            made = self._made = settings, SessionGroup(self._make(settings), self._also, form="sync")
        return made[1]

    def check(self, app: Flask) -> None:
        """
        Report errors in the settings and options of *app* at setup. A secret may still be set later.

        Raises:
            ConfigurationError: The settings or options are invalid.
            ModuleNotFoundError: A table needs a driver.
        """
        settings = _Settings.of(app)
        if settings.secret or "secret_key_base" in self._options:
            self.group(app)
            return
        # Everything else can be checked with any secret.
        with self._make(settings._replace(secret=token_hex(32))) as sessions:
            SessionGroup(sessions, self._also, form="sync")

    def _make(self, settings: _Settings) -> Sessions:
        given = self._options
        options: dict[str, Any] = {}
        if isinstance(given["store"], str):
            if "secret_key_base" not in given and (settings.secret or given["store"] == "cookie"):
                # The secret seals cookies, and rows of a table that leave the process.
                options |= {"secret_key_base": settings.secret, "fallbacks": settings.fallbacks}
            options["weak_secrets"] = settings.weak_secrets
        options = with_timeouts({**options, **given}, settings.lifetime, refresh=settings.refresh)
        options = with_cookie_settings(options, settings.cookie)
        with naming({option: name for option, name in _NAMES.items() if option not in given}):
            if self._framework is not None:
                options = reading_framework_cookies(options, _framework_format(self._framework, settings))
            sessions = Sessions(**options)
            sessions.prepare("sync")
        return sessions


def _framework_format(interface: SecureCookieSessionInterface, settings: _Settings) -> formats.Format:
    return formats.FlaskFormat(
        settings.secret or "",
        settings.fallbacks,
        salt=interface.salt,
        key_derivation=interface.key_derivation,  # type: ignore[arg-type]  # a str to Flask
        digest=interface.digest_method().name,
        max_age=settings.lifetime,
        weak_secrets=settings.weak_secrets,
    )
