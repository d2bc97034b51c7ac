"""Define the Flask extension."""

from collections.abc import Iterable
from typing import Any

import flask
from flask import Flask, current_app, has_request_context

from holdall import ConfigurationError, SessionError, Sessions
from holdall.adapters import SessionGroup, checked_list, refuse_options
from holdall_flask._answers import answer
from holdall_flask._configuration import Configuration
from holdall_flask._devices import device_answerer
from holdall_flask._interface import Interface
from holdall_flask._reports import hide_session
from holdall_flask._session import TemplateSession

__all__ = ["Holdall"]


class Holdall:
    """
    The Flask extension that keeps the sessions of applications.

    Args:
        app: The application; alternatively call ``init_app`` for each application.
        sessions: The configuration of the main session. If left out, sessions are encrypted cookies, configured by
            Flask's own settings at the time of each request: ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS``,
            ``SESSION_COOKIE_*`` and ``PERMANENT_SESSION_LIFETIME``.
        read_framework_cookies: Also read the cookies of Flask's own sessions, so that users stay logged in.
        also: Additional sessions of the application, each with its own cookie and store;
            ``fetch_session(cart)`` returns the session of *cart*.
        options: Options of ``Sessions`` that override Flask's settings: ``store="table"``, ``principal_key="user_id"``.

    Raises:
        ConfigurationError: Both *sessions* and *options* are given, the sessions' store is async, or those in *also*
            are not independent of them.
    """

    def __init__(
        self,
        app: Flask | None = None,
        sessions: Sessions | None = None,
        *,
        read_framework_cookies: bool = False,
        also: Iterable[Sessions] = (),
        **options: Any,
    ) -> None:
        self._also = checked_list(also)
        self._group: SessionGroup | None = None
        if sessions is not None:
            if read_framework_cookies or options:
                given = {**options, **({"read_framework_cookies": True} if read_framework_cookies else {})}
                refuse_options("Holdall(app, sessions)", given, format="FlaskFormat")
            self._group = SessionGroup(sessions, self._also, form="sync")
        self._reads_flasks = read_framework_cookies
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """
        Set up *app* to keep its sessions with this extension.

        Raises:
            ConfigurationError: *app* is not an application, or its settings so far or the options are invalid.
            ModuleNotFoundError: The table needs a driver that is not installed.
        """
        if not isinstance(app, Flask):
            msg = f"Holdall needs a Flask application, not {type(app).__qualname__}: write Holdall(app, sessions)."
            raise ConfigurationError(msg)
        group = self._group
        flasks = app.session_interface if self._reads_flasks else None
        by_settings = Configuration(self._options, flasks, self._also)
        if group is None:
            by_settings.check(app)
        interface = Interface(by_settings.group if group is None else lambda app: group)
        app.session_interface = interface
        # Flask runs the first function last, so that the changes of all other teardown functions are saved.
        app.teardown_request_funcs.setdefault(None, []).insert(0, interface.end)
        app.context_processor(_for_templates)
        given = self._also if group is None else (group.main, *group.also)
        if self._options.get("device_bound") or any(each.device_bound is not None for each in given):
            app.before_request_funcs.setdefault(None, []).insert(0, device_answerer(interface.group_of))
        hide_session()
        # Registered for the common base class, so that the application's own handlers take precedence.
        app.register_error_handler(SessionError, answer)


# A view of the proxy, so that a template that does not use the session does not read it.
_template_session = TemplateSession(flask.session)


def _for_templates() -> dict[str, Any]:
    """Return ``session`` for templates."""
    names = current_app.jinja_env.globals
    if names.get("session") is flask.session:
        # For templates that are imported without context.
        names["session"] = _template_session
    return {"session": _template_session} if has_request_context() else {}
