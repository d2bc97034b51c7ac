"""Test that each recipe works: a browser goes from the old application to the new one, and stays logged in."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from docs.blocks import ROOT, compiled, python_blocks
from docs.recipes import Stage, running, stages
from formats.vectors import VECTORS, alike, term_of
from holdall import etf
from holdall.formats import PlugFormat
from holdall.testing import Browser, Request
from holdall.testing._browser import KeptCookie

PAGES = sorted(page.name for page in (ROOT / "docs" / "recipes").glob("*.md"))

MOVES = [
    ("starlette.md", "Before", "After"),
    ("starlette.md", "Before", "Or, with a secret of their own"),
    ("flask.md", "Before", "After"),
    ("flask-to-fastapi.md", "Before", "After"),
    ("django.md", "Before, with `signed_cookies`", "After, with encrypted cookies"),
    ("django.md", "Before, with `db`", "After, with a table"),
    ("secret.md", "Before", "After"),
    ("secret.md", "Before", "Or, with a new salt"),
    ("cookie-name.md", "Before", "After"),
    ("table.md", "Before", "After"),
]

PHOENIX = next(vector for vector in VECTORS if vector["id"] == "pub-encrypted-phoenix")

ENVIRONMENT = {
    "SECRET_KEY": "5Hx2kQ0vY8mJr1Wc7ZtB4pLs9NfDa3GeUi6ToRXbVqMyKwEjCnPhSgAzFdIuOl",
    "SHOP_SECRET": "9a4d17c0e8b35f62-d07c41e95ab8263f",
    "OLD_SECRET": "3f81ab07d9e24c65-8be0547c12d6f93a",
    "SECRET_KEY_BASE": PHOENIX["secret_key_base"],
}


@pytest.fixture
def open_shop(tmp_path: Path) -> Any:
    """Return a function that runs a stage's applications, and lets a browser visit them."""
    folders = (tmp_path / str(number) for number in range(9))
    files = {"SHOP_DATABASE": str(tmp_path / "shop.db"), "SHOP_SESSIONS": f"sqlite:///{tmp_path / 'sessions.db'}"}

    @contextmanager
    def open_shop(stage: Stage, browser: Browser) -> Iterator[Browser]:
        with running(stage, next(folders), {**ENVIRONMENT, **files}) as client:
            yield browser.at(client)

    return open_shop


def posts(browser: Browser, path: str) -> None:
    answer = browser.send(Request("POST", path))
    if answer.status == 403:
        # The Django project's, which issues a token with its pages.
        browser.send(Request("GET", "/cart"))
        answer = browser.send(Request("POST", path, [("X-CSRFToken", browser["csrftoken"])]))
    assert answer.status == 200


def sessions_in(browser: Browser) -> list[KeptCookie]:
    """Return the cookies in *browser*, except for those of Django's forms."""
    return [cookie for cookie in browser.jar if cookie.name != "csrftoken"]


def sees(browser: Browser) -> Any:
    return json.loads(browser.send(Request("GET", "/cart")).body)


@pytest.mark.parametrize(("page", "before", "after"), MOVES, ids=[f"{page}: {after}" for page, _, after in MOVES])
def test_a_user_logged_in_before_stays_logged_in_with_all_data(
    page: str, before: str, after: str, open_shop: Any
) -> None:
    said, browser = stages(page), Browser()

    with open_shop(said[before], browser) as old_shop:
        posts(old_shop, "/login/7")
        posts(old_shop, "/cart/apples")
        assert sees(old_shop) == {"user_id": 7, "cart": ["apples"]}
        old = sessions_in(browser)
        with open_shop(said[after], browser) as shop:
            assert sees(shop) == {"user_id": 7, "cart": ["apples"]}
            posts(shop, "/cart/pears")
            assert sees(shop) == {"user_id": 7, "cart": ["apples", "pears"]}

        # Moved permanently, and no cookie is left behind.
        (cookie,) = sessions_in(browser)
        assert cookie.value != old[0].value
        assert sees(old_shop) == {"user_id": None, "cart": []}


def visited_between_phoenix_and_python(open_shop: Any) -> bytes:
    """Send a cookie of the real Plug to the page's application, and return the term in the cookie that comes back."""
    browser = Browser()
    browser.keep([f"_shop_key={PHOENIX['cookie']}; path=/; HttpOnly; SameSite=Lax"])
    token = dict(PHOENIX["term"]["$map"])["user_token"]["$binary_b64"]

    with open_shop(stages("phoenix.md")["In Python"], browser) as shop:
        assert sees(shop) == {"token": b64decode(token).hex(), "cart": []}
        assert browser["_shop_key"] == PHOENIX["cookie"]
        posts(shop, "/cart/apples")
        assert sees(shop)["cart"] == ["apples"]

    options = {name: PHOENIX[name] for name in ("signing_salt", "encryption_salt")}
    payload = PlugFormat(PHOENIX["secret_key_base"], **options)._box.open(browser["_shop_key"])
    assert payload is not None
    return payload


def test_a_user_logged_in_with_phoenix_is_logged_in_here_and_phoenix_can_read_the_result(open_shop: Any) -> None:
    payload = visited_between_phoenix_and_python(open_shop)

    expected = {**term_of(PHOENIX["term"]), "cart": ["apples"]}
    assert alike(etf.loads(payload), dict(sorted(expected.items())))


def test_erlang_reads_the_cookie_for_phoenix(open_shop: Any, erlang: Callable[[bytes], bytes]) -> None:
    payload = visited_between_phoenix_and_python(open_shop)

    assert etf.loads(erlang(payload)) == etf.loads(payload)


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_is_an_applications_file_or_runs_by_itself(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", ENVIRONMENT["SHOP_SECRET"])
    for line, source in python_blocks(f"docs/recipes/{page}"):
        code = compiled(f"docs/recipes/{page}", line, source)
        if not source.startswith("# "):
            exec(code, {})


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "recipes" / "README.md").read_text(encoding="utf-8")

    assert all(f"]({page})" in index for page in PAGES if page != "README.md")
