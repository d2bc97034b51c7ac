"""Django, where a session is ``request.session``."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.apps import BARE, our_sessions
from bench.apps.wsgi import WSGISite
from bench.samples import SECRET, SMALL

__all__ = ["LOCMEM", "OWN", "create_the_table", "set_up", "sites"]

OWN = "Django, signed_cookies"
LOCMEM = "Django, cache (locmem)"

_BACKENDS = "django.contrib.sessions.backends"
_THEIRS = {
    OWN: "signed_cookies",
    LOCMEM: "cache",
    "Django, cached_db (locmem, SQLite)": "cached_db",
    "Django, db (SQLite)": "db",
}


def sites(folder: Path) -> tuple[dict[str, WSGISite], Callable[[str], None]]:
    """
    Return the sites by where they keep their sessions, and a function that sets Django up for one of them.

    Django has one set of settings per process, so only the site that is set up can be used. *folder* has the database.
    """
    set_up(folder)
    create_the_table()
    variants: dict[str, dict[str, Any]] = {BARE: {"MIDDLEWARE": []}}
    for name, sessions in our_sessions().items():
        ours = {"MIDDLEWARE": ["holdall_django.SessionMiddleware"], "SESSION_ENGINE": "holdall_django.engine"}
        variants[name] = ours | {"HOLDALL": {"sessions": sessions}}
    for name, backend in _THEIRS.items():
        middleware = "django.contrib.sessions.middleware.SessionMiddleware"
        variants[name] = {"MIDDLEWARE": [middleware], "SESSION_ENGINE": f"{_BACKENDS}.{backend}"}

    def switch(name: str) -> None:
        for setting, value in variants[name].items():
            setattr(settings, setting, value)
            setting_changed.send(None, setting=setting, value=value, enter=True)

    made: dict[str, WSGISite] = {}
    for name in variants:
        switch(name)
        made[name] = WSGISite(WSGIHandler())
    return made, switch


def set_up(folder: Path) -> None:
    """Set Django up with a database in *folder*; later calls in the process keep the first database."""
    if settings.configured:
        return
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "django.db", "CONN_MAX_AGE": None}
    settings.configure(
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.sessions"],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        DATABASES={"default": database},
        SESSION_COOKIE_NAME="session",
        LOGGING_CONFIG=None,
    )
    django.setup()


def create_the_table() -> None:
    """Create the session table in the database, if it does not exist."""
    from django.contrib.sessions.models import Session
    from django.db import connection

    if Session._meta.db_table in connection.introspection.table_names():
        return
    with connection.schema_editor() as editor:
        editor.create_model(Session)


def _answer(request: HttpRequest, page: str) -> HttpResponse:
    session: Any = getattr(request, "session", None)
    if session is not None:
        _use(session, page)
    return HttpResponse("ok", headers={"Content-Length": "2"})


def _use(session: Any, page: str) -> None:
    match page:
        case "read":
            session["user_id"]
        case "write":
            session["theme"] = "light"
        case "nested":
            session["cart"][0] += 1
            if settings.SESSION_ENGINE.startswith(_BACKENDS):
                session.modified = True
        case "begin":
            # A new value, as in a real application: one that other code holds would be watched from then on.
            session.update(deepcopy(SMALL))


urlpatterns = [path("<page>", _answer)]
