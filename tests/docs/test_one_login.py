"""Test the recipe "One login for three frameworks", on real servers, in every direction."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sys import stdlib_module_names
from typing import Any
from urllib.parse import urlencode

import pytest

from docs.recipes import running, stages
from holdall.testing import Browser, Client, Request, Response

pytest.importorskip("flask_login")

FRAMEWORKS = ("django", "flask", "api")

PASSWORD = "analytical-engine"
MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"
# The user that the page's own command creates.
ADA = "1"
# A user that Django does not have.
GRACE = "7"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("shop")
    environment = {
        "SECRET_KEY": "5Hx2kQ0vY8mJr1Wc7ZtB4pLs9NfDa3GeUi6ToRXbVqMyKwEjCnPhSgAzFdIuOl",
        "SHOP_SECRET": "9a4d17c0e8b35f62-d07c41e95ab8263f",
        "SHOP_DATABASE": str(folder / "shop.db"),
        "SHOP_SESSIONS": f"sqlite:///{folder / 'sessions.db'}",
    }
    page = stages("one-login.md")["The applications"]
    # Hashing a password takes longer than everything else.
    quick = {"shop/settings.py": f"{page.files['shop/settings.py']}\nPASSWORD_HASHERS = ['{MD5}']\n"}
    with running(page._replace(files={**page.files, **quick}), folder / "files", environment) as client:
        yield client


class Visitor:
    """A visitor with a browser."""

    def __init__(self, shop: Client) -> None:
        self.browser = Browser(shop)

    def posts(self, path: str, **fields: str) -> Response:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        if path.startswith("/django/"):
            self.browser.send(Request("GET", "/django/who"))
            headers.append(("X-CSRFToken", self.browser["csrftoken"]))
        answer = self.browser.send(Request("POST", path, headers, urlencode(fields).encode()))
        assert answer.status in (200, 302), answer.body
        return answer

    def gets(self, path: str) -> Any:
        return json.loads(self.browser.send(Request("GET", path)).body)

    def logs_in(self, framework: str, user: str = ADA, *, password: str = PASSWORD) -> None:
        if framework == "django":
            assert self.posts("/django/login/", username="ada", password=password).status == 302
        else:
            self.posts(f"/{framework}/login/{user}")

    def logs_out(self, framework: str) -> None:
        self.posts(f"/{framework}/logout{'/' if framework == 'django' else ''}")

    def is_seen(self) -> set[str | None]:
        """Return the user that each framework sees."""
        return {self.gets(f"/{framework}/who")["user"] for framework in FRAMEWORKS}


def test_the_page_lists_what_to_install() -> None:
    page = stages("one-login.md")
    files, commands = page["The applications"].files, page["The applications"].commands
    said = {word for line in page["What to install"].commands for word in line.partition("#")[0].split()[2:]}
    # In a project's settings, a package is named in a string.
    used = set(re.findall(r'^(?:from|import) (\w+)|"(holdall_\w+)', "\n".join(files.values()), re.MULTILINE))
    modules = {module or named for module, named in used} - stdlib_module_names - {Path(name).stem for name in files}
    programs = {command.split()[0].removesuffix("-serve") for command in commands if ".py " not in command}
    # The adapters bring these.
    assert {module.replace("_", "-") for module in modules} - {
        "holdall",
        "django",
        "flask",
        "fastapi",
    } | programs == said


@pytest.fixture
def visitor(shop: Client) -> Visitor:
    return Visitor(shop)


@pytest.mark.parametrize("leaves", FRAMEWORKS)
@pytest.mark.parametrize("comes", FRAMEWORKS)
def test_a_login_or_logout_in_one_framework_takes_effect_in_all(
    shop: Client, visitor: Visitor, comes: str, leaves: str
) -> None:
    assert visitor.is_seen() == {None}
    visitor.logs_in(comes)
    cookie = visitor.browser["_shop"]
    assert visitor.is_seen() == {ADA}

    copy = Visitor(shop)
    copy.browser.keep([f"_shop={cookie}; path=/"])
    visitor.logs_out(leaves)

    assert visitor.is_seen() == {None}
    assert copy.is_seen() == {None}
    assert "_shop" not in visitor.browser


@pytest.mark.parametrize("first", FRAMEWORKS)
@pytest.mark.parametrize("second", ["flask", "api"])
def test_the_last_login_determines_the_user(visitor: Visitor, first: str, second: str) -> None:
    visitor.logs_in(first)
    assert visitor.is_seen() == {ADA}

    visitor.logs_in(second, GRACE)

    # Django does not have her.
    assert [visitor.gets(f"/{framework}/who")["user"] for framework in FRAMEWORKS] == [None, GRACE, GRACE]
    visitor.logs_in("django")
    assert visitor.is_seen() == {ADA}


@pytest.mark.parametrize("comes", FRAMEWORKS)
def test_a_new_password_in_django_ends_all_other_sessions(shop: Client, visitor: Visitor, comes: str) -> None:
    others = [Visitor(shop) for _ in range(2)]
    for each in (visitor, *others):
        each.logs_in(comes)
    # One visitor has been to all of them, and one only where they logged in.
    assert others[0].is_seen() == {ADA}

    new = {"new_password1": "difference-engine", "new_password2": "difference-engine"}
    assert visitor.posts("/django/password_change/", old_password=PASSWORD, **new).status == 302

    assert visitor.is_seen() == {ADA}
    for other in others:
        assert [other.gets(f"/{framework}/who")["user"] for framework in ("flask", "api", "django")] == [None] * 3
    old = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    visitor.posts("/django/password_change/", old_password="difference-engine", **old)


@pytest.mark.parametrize("comes", FRAMEWORKS)
def test_a_signed_out_device_is_signed_out_everywhere(shop: Client, visitor: Visitor, comes: str) -> None:
    lost = Visitor(shop)
    visitor.logs_in("api")
    lost.logs_in(comes)
    assert lost.is_seen() == {ADA}
    (handle,) = (each["handle"] for each in lost.gets("/api/devices") if each["is_current"])

    visitor.posts(f"/api/devices/{handle}/end")

    assert lost.is_seen() == {None}
    assert visitor.is_seen() == {ADA}
    assert handle not in [each["handle"] for each in visitor.gets("/api/devices")]


def test_a_logout_counts_although_django_learns_of_the_login_at_the_same_time(shop: Client) -> None:
    for number in range(12):
        visitor = Visitor(shop)
        visitor.logs_in("flask")
        cookie = visitor.browser["_shop"]

        def asks(method: str, path: str, cookie: str = cookie) -> list[str]:
            answer = shop(Request(method, path, [("Cookie", f"_shop={cookie}")]))
            return [value for name, value in answer.headers if name.lower() == "set-cookie"]

        with ThreadPoolExecutor() as pool:
            # Django writes its keys into the row that Flask ends.
            learning = [pool.submit(asks, "GET", "/django/who") for _ in range(2)]
            leaving = pool.submit(asks, "POST", f"/{('flask', 'api')[number % 2]}/logout")
        answers = [each.result() for each in (*learning, leaving)]

        for order in (answers, answers[::-1]):
            late = Visitor(shop)
            late.browser.keep([f"_shop={cookie}; path=/"])
            for set_cookies in order:
                late.browser.keep(set_cookies)
            assert late.is_seen() == {None}
