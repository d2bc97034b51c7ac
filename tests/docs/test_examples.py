"""Test that the examples of the README and the other pages run, and do what the page says."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from docs.blocks import ROOT, compiled, python_blocks
from docs.projects import pasted
from docs.recipes import write
from holdall.testing import Browser, Request, asgi_client, wsgi_client
from holdall_flask import configured_sessions

SECRET = "9a4d17c0e8b35f62-d07c41e95ab8263f"

VIEWS = """
from django.http import JsonResponse


def cart(request):
    return JsonResponse({"user": request.session.get("user_id"), "cart": request.session.get("cart", [])})
"""

SESSION_MIDDLEWARE = "django.contrib.sessions.middleware.SessionMiddleware"

PAGES = [
    "README.md",
    "docs/tour.md",
    "docs/comparison.md",
    "docs/reference.md",
    "docs/moving.md",
    "docs/peers.md",
    "docs/guides/device_bound.md",
    *(str(page.relative_to(ROOT)) for page in ROOT.glob("packages/*/README.md")),
]


def names_of(page: str) -> dict[str, Any]:
    """Run the blocks of *page* in order, and return the names that they define."""
    names: dict[str, Any] = {"__name__": "__main__"}
    if not page.endswith("README.md"):
        # A README's code is pasted as it is; the other pages leave the source of the secret to the reader.
        names["SECRET"] = SECRET
    for line, source in python_blocks(page):
        if source.startswith("# settings.py\n"):
            # It goes at the end of a new project's settings.
            names |= {"INSTALLED_APPS": ["django.contrib.sessions"], "MIDDLEWARE": [SESSION_MIDDLEWARE]}
        exec(compiled(page, line, source), names)
    return names


def block_called(title: str, page: str = "README.md") -> str:
    """Return the block of *page* that begins with the comment *title*."""
    (found,) = (source for _, source in python_blocks(page) if source.startswith(f"# {title}\n"))
    return found


@pytest.fixture(autouse=True)
def secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    monkeypatch.setenv("OLD_SECRET", "3f81ab07d9e24c65-8be0547c12d6f93a")


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page: str) -> None:
    assert python_blocks(page)
    names_of(page)


@pytest.mark.parametrize(("title", "name"), [("shop.py", "app"), ("api.py", "api")])
def test_a_block_of_the_readme_is_a_whole_file(title: str, name: str, tmp_path: Path) -> None:
    (tmp_path / title).write_text(block_called(title), encoding="utf-8")
    run = [sys.executable, "-c", f"import {title.removesuffix('.py')} as made; print(type(made.{name}).__name__)"]

    ran = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ran.stdout, ran.stderr) == ({"app": "Flask\n", "api": "FastAPI\n"}[name], "")


def test_the_readmes_three_frameworks_share_one_session(tmp_path: Path) -> None:
    names = names_of("README.md")
    visitor = Browser(wsgi_client(names["app"]))
    visitor.send(Request("POST", "/login/7"))
    visitor.send(Request("POST", "/cart/apples"))
    visitor.send(Request("POST", "/cart/pears"))
    expected = {"user": 7, "cart": ["apples", "pears"]}
    request = Request("GET", "/cart", [("Cookie", visitor.header())])

    in_fastapi = asgi_client(names["api"])(request)
    assert json.loads(in_fastapi.body) == expected

    # Django can be set up once in a process.
    blocks = {
        "shop/settings.py": f"{block_called('settings.py')}\nALLOWED_HOSTS = ['*']\n",
        "shop/urls.py": "import views\nurlpatterns += [path('cart', views.cart)]\n",
        "views.py": VIEWS,
    }
    write(pasted(blocks), tmp_path)
    (tmp_path / "ask.py").write_text(
        "import os, sys\n"
        "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "from holdall.testing import Request, wsgi_client\n"
        "request = Request('GET', '/cart', [('Cookie', sys.argv[1])], https=True)\n"
        "print(wsgi_client(get_wsgi_application())(request).body.decode())\n",
        encoding="utf-8",
    )
    in_django = subprocess.run(
        [sys.executable, "ask.py", request.headers[0][1]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert in_django.stderr == ""
    assert json.loads(in_django.stdout) == expected


def test_the_tours_session_can_be_renewed_and_ended() -> None:
    names = names_of("docs/tour.md")
    sessions = names["sessions"]
    browser = Browser()

    def answer(act: Any) -> dict[str, Any]:
        session = sessions.fetch(browser.header())
        act(session)
        browser.keep([str(cookie) for cookie in sessions.commit(session).cookies])
        return dict(session)

    answer(lambda session: session.update(user_id=7, cart=["apples"]))
    before = answer(lambda session: None)
    answer(names["checkout"])
    ordered = answer(lambda session: None)
    answer(names["leave"])
    left = answer(lambda session: None)

    assert before == {"user_id": 7, "cart": ["apples"]}
    assert ordered == {"user_id": 7, "last_order": ["apples"]}
    assert left == {}


def test_the_tours_listener_receives_events() -> None:
    names = names_of("docs/tour.md")
    session = names["watched"].fetch()
    session["a"] = 1

    names["watched"].commit(session)

    assert names["seen"] == {"created": 1}


def test_the_tours_five_line_suite_passes(tmp_path: Path) -> None:
    (tmp_path / "test_my_table.py").write_text(block_called("test_my_table.py", "docs/tour.md"), encoding="utf-8")
    # The suite tries this table at its full size elsewhere.
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import settings\n"
        "settings.register_profile('few', max_examples=5, deadline=None)\n"
        "settings.load_profile('few')\n",
        encoding="utf-8",
    )

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        # Other plugins take long to load.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout
    assert "passed" in ran.stdout


def test_the_applications_that_move_sessions_encrypt_their_rows_and_keep_flasks_lifetime() -> None:
    names = names_of("docs/moving.md")
    sessions = configured_sessions(names["app"])

    assert sessions.settings.idle_timeout == timedelta(days=31).total_seconds()
    for each in (sessions, names["api"], names["shop"]):
        assert "encrypted under the ID and the secret" in str(each.describe())


def test_the_feed_in_fastapis_readme_is_only_for_its_own_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient
    from starlette.websockets import WebSocketDisconnect

    monkeypatch.chdir(tmp_path)
    names = names_of("packages/fastapi_adapter/README.md")
    client = TestClient(names["app"])

    with client.websocket_connect("/feed", headers={"Origin": "http://testserver"}) as feed:
        feed.close()
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/feed", headers={"Origin": "https://elsewhere.example"}),
    ):
        pass
