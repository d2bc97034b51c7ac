"""Test that each guide builds what it says: started as the page shows, behind a proxy, and visited by two browsers."""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import metadata
from pathlib import Path
from typing import NamedTuple

import pytest

from docs.blocks import ROOT
from docs.guides import Visitor, commands_of, shop, smallest, text_of
from docs.recipes import running, started, write
from holdall.testing import Browser, Client, Request
from servers.processes import free_port
from servers.proxy import tls_proxy
from servers.tls import make_certificate
from servers.web import http_client

#: The guides, and what a machine needs for those with requirements that our other tests lack.
GUIDES = {"flask.md": "flask_login", "fastapi.md": "fastapi.testclient", "django.md": "django"}

#: The visitors' address: different from the proxy's, on systems where every 127.x.y.z is this machine.
HOME = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"

#: Calls a page's ``close_account`` from outside requests.
CLOSE_ACCOUNT = "from jobs import close_account; print('ended', close_account('ada'))"


@pytest.fixture(scope="module", params=GUIDES)
def page(request: pytest.FixtureRequest) -> str:
    page: str = request.param
    pytest.importorskip(GUIDES[page], exc_type=(ImportError, RuntimeError))
    return page


def environment(folder: Path) -> dict[str, str]:
    """Return the environment variables that the guides require, with databases in *folder*."""
    return {
        "SHOP_SECRET": "9a4d17c0e8b35f62-d07c41e95ab8263f",
        "SHOP_SESSIONS": f"sqlite:///{folder / 'sessions.db'}",
        "SHOP_DATABASE": str(folder / "shop.db"),
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }


class Shop(NamedTuple):
    """
    A running shop.

    Attributes:
        client: A client of the proxy in front of it.
        origin: The proxy's address.
    """

    page: str
    folder: Path
    client: Client
    origin: str

    def visitor(self, name: str) -> Visitor:
        return Visitor(self.client, self.page, name, self.origin)

    def runs(self, command: str, **variables: str) -> str:
        """Run *command* in a shell in the shop's folder, and return its output."""
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        ran = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env={**os.environ, **environment(self.folder), **variables, "PATH": programs},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def opened(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("guide") / "shop"
    certificate = make_certificate(folder.parent)
    trust = ssl.create_default_context(cafile=certificate)
    with started(shop(page), folder, environment(folder)) as ports, tls_proxy(*ports.values(), certificate) as front:
        yield Shop(page, folder, http_client(front, trust, source=HOME), f"https://localhost:{front}")


def test_a_guides_shop_serves_its_visitors(opened: Shop) -> None:
    laptop, phone = opened.visitor("laptop"), opened.visitor("phone")

    # An anonymous visitor has a cart.
    assert laptop.posts("/cart/hat").status == 200
    before = laptop.browser["__Host-shop"]
    assert laptop.sees("/cart") == {"cart": {"hat": 1}, "messages": ["Added hat"]}

    # A wrong password opens nothing, even if it is text that UTF-8 cannot encode.
    for wrong in ("byron", "\ud800"):
        assert laptop.logs_in(wrong).status in (200, 401)  # Django shows its form again
        assert not laptop.is_known()

    # A login changes the ID and keeps the cart.
    welcome = laptop.logs_in()
    (cookie,) = (line for line in welcome.all("Set-Cookie") if line.startswith("__Host-shop="))
    assert {"secure", "httponly", "samesite=lax", "path=/"} <= set(cookie.lower().split("; "))
    assert welcome.all("Cache-Control")
    assert laptop.browser["__Host-shop"] != before
    assert laptop.sees("/cart") == {"cart": {"hat": 1}, "messages": []}

    # Of four concurrent requests for a coupon, three succeed.
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(laptop.posts, ["/coupon"] * 4))
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 409]

    # None of the concurrent additions to a cart is lost.
    with ThreadPoolExecutor() as threads:
        list(threads.map(laptop.posts, ["/cart/hat/more"] * 4))
    assert laptop.sees("/cart") == {"cart": {"hat": 5}, "messages": []}

    # A body's changes are visible to the next request, including those of a new visitor.
    reports = [phone.posts("/report").body for _ in range(2)]
    assert reports == [b"bought\nreport 1\n", b"bought\nreport 2\n"]

    # A device is signed out from another, then all others, then all of them from outside.
    phone.logs_in()
    listed = {each["browser"]: each for each in laptop.sees("/devices")}
    assert {browser: each["here"] for browser, each in listed.items()} == {"laptop": True, "phone": False}
    assert {each["from"] for each in listed.values()} == {HOME}
    laptop.posts(f"/devices/{listed['phone']['handle']}/sign-out")
    assert (laptop.is_known(), phone.is_known()) == (True, False)
    phone.logs_in()
    assert json.loads(laptop.posts("/sign-out-others").body) == {"ended": 1}
    assert (laptop.is_known(), phone.is_known()) == (True, False)
    setup = "import django; django.setup(); " if opened.page == "django.md" else ""
    assert "ended 1\n" in opened.runs(f'python -c "{setup}{CLOSE_ACCOUNT}"', SHOP_COOKIE="__Host-shop")
    assert (laptop.is_known(), phone.is_known()) == (False, False)

    # A user signs out on all devices, this one included, and sees a message about it.
    laptop.logs_in()
    phone.logs_in()
    assert laptop.posts("/sign-out-everywhere").status == 200
    assert (laptop.is_known(), phone.is_known()) == (False, False)
    assert laptop.sees("/cart") == {"cart": {}, "messages": ["Signed out on all devices"]}

    # After a logout, a copy of the cookie opens nothing.
    laptop.logs_in()
    laptop.posts("/cart/scarf")
    copy = laptop.browser["__Host-shop"]
    laptop.posts("/logout")
    assert laptop.sees("/cart") == {"cart": {}, "messages": []}
    laptop.browser.keep([f"__Host-shop={copy}; path=/; secure"], https=True)
    assert not laptop.is_known()

    # A page of another site cannot send anything on the visitor's behalf.
    if opened.page != "django.md":
        assert laptop.sends("POST", "/cart/hat", b"", ("Sec-Fetch-Site", "same-site")).status == 403

    # The log reports it, and names no live session.
    log = (opened.folder / "log").read_text()
    assert "revoked" in log
    assert copy not in log


def test_a_guides_own_tests_and_checks_pass(opened: Shop) -> None:
    (tests,) = (line for line in commands_of(opened.page) if line.endswith(("pytest", "manage.py test")))
    # Without the plugins of our own tests, which take longer to load than these take to run.
    said = opened.runs(tests, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert re.search(r"\b(?:6|10) passed|Ran 2 tests", said)
    for check in re.findall(r"^\* \[ \] `((?:python|flask) [^`]+)`", text_of(opened.page), re.MULTILINE):
        assert "COOKIE" not in opened.runs(check, SHOP_COOKIE="__Host-shop")


def test_a_guides_smallest_application_counts_visits(page: str, tmp_path: Path) -> None:
    with running(smallest(page), tmp_path / "hello", environment(tmp_path)) as client:
        browser = Browser(client)
        visits = [browser.send(Request("GET")).body for _ in range(2)]
    assert [visit.strip(b'"\n') for visit in visits] == [b"Visit 1", b"Visit 2"]


@pytest.mark.parametrize(
    ("page", "words"),
    [("flask.md", b"Please try again in a moment."), ("fastapi.md", b"Service Unavailable")],
    indirect=["page"],
)
def test_the_shop_reports_a_table_that_is_down(page: str, words: bytes, tmp_path: Path) -> None:
    away = {"SHOP_SESSIONS": f"redis://127.0.0.1:{free_port()}"}
    with running(shop(page), tmp_path / "shop", environment(tmp_path) | away) as client:
        answer = client(Request("POST", "/coupon"))
    assert (answer.status, answer.body) == (503, words)


def test_a_guide_installs_our_packages(page: str) -> None:
    named = re.findall(r"pip install (holdall[\w-]*)", text_of(page))
    folders = re.findall(r"\./(packages/\w+)", text_of(page))
    assert named
    assert all(metadata(name)["Name"] == name for name in named)
    assert folders
    assert all((ROOT / folder / "pyproject.toml").is_file() for folder in folders)


#: How a program accesses the application of a guide that keeps two sessions, including the one mounted in it.
STREETS = {
    "flask.md": "from street import app; client = wsgi_client(app)",
    "fastapi.md": "from street import app; client = asgi_client(app)",
    "django.md": "from django.core.wsgi import get_wsgi_application; client = wsgi_client(get_wsgi_application())",
}

#: Makes the given visits, each list with a new browser, and prints the responses and the cookies that are kept.
PASSER_BY = """
import json, sys
from holdall.testing import Browser, Request, asgi_client, wsgi_client

{street}

def passes(visits):
    browser = Browser(client, host="localhost")
    bodies = []
    for visit in visits:
        method, path = visit.split()
        if method == "POST" and "{page}" == "django.md":
            browser.send(Request("GET", f"{{root}}/", [("Host", "localhost")], root=root))
        tokens = [("X-CSRFToken", each.value) for each in browser.jar if each.name == "csrftoken"]
        headers = [("Host", "localhost"), *tokens]
        answer = browser.send(Request(method, path, headers, root=root))
        assert answer.status == 200, answer
        bodies.append(answer.body.decode().strip())
    kept = sorted(f"{{kept.name}} for {{kept.path}}" for kept in browser.jar if kept.name != "csrftoken")
    return [*bodies, ", ".join(kept)]

root, browsers = sys.argv[1:]
print(json.dumps([passes(visits) for visits in json.loads(browsers)]))
"""


def passing_by(
    page: str, folder: Path, *browsers: list[str], root: str = "", settings: str = "looks_settings"
) -> list[list[str]]:
    """Return the responses of the two-session application of *page*, and the cookies that each of *browsers* keeps."""
    write(shop(page).files, folder)
    ran = subprocess.run(
        [sys.executable, "-c", PASSER_BY.format(street=STREETS[page], page=page), root, json.dumps(browsers)],
        cwd=folder,
        env={**os.environ, **environment(folder), "DJANGO_SETTINGS_MODULE": settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told: list[list[str]] = json.loads(ran.stdout)
    return told


#: Logs in and out with a theme.
LOOKS = ["POST /enter/ada", "POST /theme/dark", "GET /", "POST /leave", "GET /"]

#: The same with an application mounted under a path, whose session is its own.
DESK = ["POST /enter/ada", "POST /desk/enter/eve", "GET /", "GET /desk/"]


@pytest.fixture(scope="module")
def passed(page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return what visitors of both kinds saw."""
    # Django's settings hold for a whole process.
    if page == "django.md":
        desk = ["POST /desk/enter/ada", "POST /desk/theme/dark", "GET /desk/"]
        (looks,) = passing_by(page, tmp_path_factory.mktemp("street"), LOOKS)
        (desk,) = passing_by(page, tmp_path_factory.mktemp("desk"), desk, root="/desk", settings="desk_settings")
    else:
        looks, desk = passing_by(page, tmp_path_factory.mktemp("street"), LOOKS, DESK)
    return {"looks": looks, "desk": desk}


def test_a_separate_session_outlives_a_logout(passed: dict[str, list[str]]) -> None:
    *_, before, _, after, cookies = passed["looks"]

    assert json.loads(before) == {"user": "ada", "theme": "dark"}
    assert json.loads(after) == {"user": None, "theme": "dark"}
    assert cookies == "_looks for /"


def test_an_application_mounted_under_a_path_keeps_its_own(page: str, passed: dict[str, list[str]]) -> None:
    *_, shop, desk, cookies = passed["desk"]
    if page == "django.md":
        assert json.loads(desk) == {"user": "ada", "theme": "dark"}
        assert cookies == "_desk for /desk, _looks for /"
        return

    assert json.loads(shop) == {"user": "ada", "theme": "light"}
    assert json.loads(desk) == {"clerk": "eve"}
    assert cookies == "_desk for /desk, _visit for /"
