"""
The packages as a user installs them: imported, exercised, and used by a third party.

``nox -s wheels`` runs a copy of this file outside the checkout, with the built wheels and no other code of ours.
"""

import importlib.metadata
import importlib.resources
import subprocess
import sys

import pytest
from fastapi import FastAPI
from flask import Flask, session

from holdall import MemoryTable, Sessions
from holdall.testing import Browser, Request, TableConformance, as_async, asgi_client, wsgi_client
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_flask import Holdall

SECRET = "9a4d17c0e8b35f62-d07c41e95ab8263f"
PACKAGES = {
    "holdall": "holdall",
    "holdall_flask": "holdall-flask",
    "holdall_fastapi": "holdall-fastapi",
    "holdall_django": "holdall-django",
}

DJANGO = """
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from holdall import TableStore
from holdall.testing import Browser, Request, wsgi_client
from holdall_django.table import DjangoTable

settings.configure(
    SECRET_KEY="the secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["holdall_django.SessionMiddleware"],
    SESSION_ENGINE="holdall_django.engine",
    INSTALLED_APPS=["holdall_django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    HOLDALL={"key": "_shop", OPTIONS},
)

def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse(str(request.session["count"]))

urlpatterns = [path("", count)]
application = get_wsgi_application()
call_command("migrate", verbosity=0)
browser = Browser(wsgi_client(application))
print(*(browser.send(Request("POST", "/")).body.decode() for _ in range(3)))
"""


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(store="cookie", key="_shop", secret_key_base=SECRET)


def counts(browser: Browser) -> list[bytes]:
    return [browser.send(Request("POST", "/")).body for _ in range(3)]


@pytest.mark.parametrize("imported", PACKAGES)
def test_a_package_is_complete(imported: str) -> None:
    about = importlib.metadata.metadata(PACKAGES[imported])

    assert importlib.resources.files(imported).joinpath("py.typed").is_file()
    assert about["Version"] == importlib.metadata.version("holdall")
    assert about["License-Expression"] == "MIT"
    assert about["Description"].startswith(f"# {PACKAGES[imported]}\n")


def test_flask_counts(sessions: Sessions) -> None:
    app = Flask("shop")
    Holdall(app, sessions)

    @app.post("/")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    assert counts(Browser(wsgi_client(app))) == [b"1", b"2", b"3"]


def test_fastapi_counts(sessions: Sessions) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.post("/")
    async def count(session: SessionDep) -> int:
        session["count"] = session.get("count", 0) + 1
        return session["count"]

    assert counts(Browser(asgi_client(app))) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    "options",
    [
        f'"store": "cookie", "secret_key_base": "{SECRET}"',
        '"store": "table", "table": "django"',
        '"store": TableStore(DjangoTable())',
    ],
)
def test_django_counts(options: str) -> None:
    # Django can be set up once in a process.
    project = DJANGO.replace("OPTIONS", options).replace("the secret", SECRET)
    ran = subprocess.run([sys.executable, "-W", "error", "-c", project], capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ("1 2 3\n", "")


class TestTableOfAThirdParty(TableConformance):
    @pytest.fixture
    def table(self, clock):
        return as_async(MemoryTable(clock=clock))
