"""What an application is given its sessions by."""

from collections.abc import Iterable
from typing import Any

import flask
from flask import Flask, current_app, has_request_context

from holdall import ConfigurationError, SessionError, Sessions
from holdall.adapters import SessionGroup, checked_list
from holdall_flask.answers import answer
from holdall_flask.configuration import Configuration
from holdall_flask.devices import device_answerer
from holdall_flask.interface import Interface
from holdall_flask.reports import hide_session
from holdall_flask.session import TemplateSession

__all__ = ["Holdall"]


class Holdall:
    """
    Keeps the sessions of Flask applications.

    Args:
        app: The application; or leave it out and call ``init_app`` once for each.
        sessions: Where and how sessions are kept. Left out, they are encrypted cookies by Flask's own settings:
            ``SECRET_KEY``, ``SECRET_KEY_FALLBACKS``, ``SESSION_COOKIE_*`` and ``PERMANENT_SESSION_LIFETIME``,
            as they stand at each request.
        read_framework_cookies: Read the cookies of Flask's own sessions too, so that logged-in visitors stay so.
        also: Further sessions that the application keeps, each with a cookie and a store of its own;
            ``fetch_session(cart)`` returns that of *cart*.
        options: Of ``Sessions``, instead of Flask's settings: ``store="table"``, ``principal_key="user_id"``.

    Raises:
        ConfigurationError: There are both *sessions* and options, the sessions' store is async, or those in *also*
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
                given = ", ".join(sorted({*options, *(["read_framework_cookies"] if read_framework_cookies else [])}))
                msg = f"Holdall(app, sessions) has its Sessions: give {given} to that, or leave it out."
                raise ConfigurationError(msg)
            self._group = SessionGroup(sessions, self._also, form="sync")
        self._reads_flasks = read_framework_cookies
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """
        Let *app* keep its sessions here.

        Raises:
            ConfigurationError: The settings that *app* has by now, or the options, cannot be used.
            ModuleNotFoundError: The table needs a driver that is not installed.
        """
        group = self._group
        flasks = app.session_interface if self._reads_flasks else None
        by_settings = Configuration(self._options, flasks, self._also)
        if group is None:
            by_settings.check(app)
        interface = Interface(by_settings.group if group is None else lambda app: group)
        app.session_interface = interface
        # It runs after all other teardown functions, so that their changes are saved.
        app.teardown_request_funcs.setdefault(None, []).insert(0, interface.end)
        app.context_processor(_for_templates)
        if self._options.get("device_bound") or (group is not None and group.devices is not None):
            app.before_request_funcs.setdefault(None, []).insert(0, device_answerer(interface.group_of))
        hide_session()
        # Registered for the common base, so that the application's own handler for either error comes first.
        app.register_error_handler(SessionError, answer)


# A view of the proxy, so that a template that does not look at the session does not use it.
_template_session = TemplateSession(flask.session)


def _for_templates() -> dict[str, Any]:
    """Return ``session`` as templates see it."""
    names = current_app.jinja_env.globals
    if names.get("session") is flask.session:
        # For templates that are imported without context.
        names["session"] = _template_session
    return {"session": _template_session} if has_request_context() else {}
