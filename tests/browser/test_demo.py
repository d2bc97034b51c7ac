"""The demo's pages in a real browser: with sessions in a cookie and in a table, over HTTP and HTTPS."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from demo.servers import running
from demo.settings import FRAMEWORKS, hosts

Demo = Callable[[str, str], dict[str, str]]

pytestmark = pytest.mark.parametrize("scheme", ["http", "https"])


class Device:
    """A separate browser and the page that it shows."""

    def __init__(self, context: Any, urls: dict[str, str]) -> None:
        self._context = context
        self._urls = urls
        self.complaints: list[str] = []
        context.on("console", lambda message: self.complaints.append(message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("requestfailed", lambda request: self.complaints.append(f"{request.url}: {request.failure}"))
        self.page = context.new_page()

    def opens(self, framework: str, path: str = "/") -> None:
        self.page.goto(self._urls[framework] + path)

    def presses(self, name: str, role: str = "button") -> None:
        """Press the button whose name begins with this text, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role(role, name=re.compile(f"^{name}")).click()

    def logs_in(self, name: str) -> None:
        self.page.get_by_label("Name").fill(name)
        self.presses("Log in")

    def reads(self, *whats: str) -> list[list[str]]:
        """Return the page's values by name: the user, the cart and so on."""
        return _read(self.page, whats)

    def reads_in_frames(self) -> list[list[list[str]]]:
        """Return the user and the cart as each framework shows them in its frame of the page."""
        return [_read(frame, ("framework", "user", "item")) for frame in self.page.frames[1:]]

    def cookies(self) -> list[dict[str, Any]]:
        """Return the session cookies that the browser keeps, as it reports them."""
        # A capable browser may also bind the session to the device.
        return [each for each in self._context.cookies() if not each["name"].endswith(("-bound", "-device"))]


def _read(page: Any, whats: tuple[str, ...]) -> list[list[str]]:
    return [page.locator(f"[itemprop={what}]").all_inner_texts() for what in whats]


@pytest.fixture(scope="module")
def demo(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with ExitStack() as started:

        @cache
        def demo(store: str, scheme: str) -> dict[str, str]:
            """Return each framework's address."""
            told = hosts(store, str(tmp_path_factory.mktemp(store)))
            return started.enter_context(running(told, certificate=certificate if scheme == "https" else None)).urls

        yield demo


@pytest.fixture
def devices(chromium: Any, demo: Demo, store: str, scheme: str) -> Iterator[tuple[Device, Device]]:
    """Two devices of one user."""
    with ExitStack() as opened:
        contexts = [opened.enter_context(chromium.new_context(ignore_https_errors=True)) for _ in range(2)]
        here, there = (Device(context, demo(store, scheme)) for context in contexts)
        yield here, there
        assert here.complaints + there.complaints == []


@pytest.mark.parametrize("store", ["cookie", "sqlite"])
def test_all_three_frameworks_see_one_session(devices: tuple[Device, Device], store: str, scheme: str) -> None:
    here, there = devices
    flask, fastapi, django = FRAMEWORKS

    here.opens(fastapi)
    assert here.reads("framework", "scheme", "user", "item") == [[fastapi], [scheme.upper()], [], []]
    assert here.cookies() == []

    here.presses("Tea")
    (anonymous,) = here.cookies()
    here.opens(flask)
    here.logs_in("Ada")
    (kept,) = here.cookies()
    assert kept["value"] != anonymous["value"]
    # Without a table, the session's cookie alternates between several names.
    assert kept["name"].partition(".")[0] == ("__Host-_demo" if scheme == "https" else "_demo")
    assert kept["domain"] == ("localhost" if scheme == "https" else "127.0.0.1")
    assert kept["secure"] is (scheme == "https")
    assert (kept["path"], kept["httpOnly"], kept["sameSite"]) == ("/", True, "Lax")

    for framework, items in zip(FRAMEWORKS, (["Tea"], ["Tea", "Bread"], ["Tea", "Bread", "Bread"]), strict=True):
        here.opens(framework)
        assert here.reads("framework", "scheme", "user", "item") == [[framework], [scheme.upper()], ["Ada"], items]
        assert here.reads_in_frames() == [[[each], ["Ada"], items] for each in FRAMEWORKS]
        here.presses("Bread")
    here.presses("Remove Tea")
    assert here.reads("user", "item") == [["Ada"], ["Bread"] * 3]

    there.opens(flask)
    assert there.reads("user", "item") == [[], []]

    here.opens(django)
    here.presses("Log out")
    assert here.reads("user", "item") == [[], []]
    assert here.reads_in_frames() == [[[each], [], []] for each in FRAMEWORKS]
    # Without a table, a cookie marks the end, so that no late response brings the session back. Where sessions can be
    # bound, as over HTTPS, the cookie has one name and no such mark.
    assert len(here.cookies()) == ((store, scheme) == ("cookie", "http"))


@pytest.mark.parametrize("store", ["sqlite"])
def test_devices_are_listed_and_signed_out(devices: tuple[Device, Device]) -> None:
    here, there = devices
    for each in devices:
        each.opens("Flask")
    here.logs_in("Bob")

    for framework in FRAMEWORKS:
        for button in ("Sign out Chrome", "Sign out all others"):
            there.logs_in("Bob")
            there.presses("My devices", role="link")
            here.opens(framework, "/devices")
            assert here.reads("current", "handle") == there.reads("handle", "current")
            assert here.page.locator(".devices strong").all_inner_texts() == ["Chrome on Linux"] * 2
            here.presses(button)
            assert here.reads("user", "handle") == [["Bob"], []]
            there.opens(framework)
            assert there.reads("user") == [[]]

    here.opens("Flask")
    assert here.reads("user") == [["Bob"]]


@pytest.mark.parametrize("store", ["cookie"])
def test_a_store_that_cannot_list_devices_says_so(devices: tuple[Device, Device]) -> None:
    here, _ = devices
    here.opens("Flask")
    here.logs_in("Ada")
    for framework in FRAMEWORKS:
        here.opens(framework, "/devices")
        ((note,),) = here.reads("note")
        assert "the server cannot list or end them" in note
