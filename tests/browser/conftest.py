"""Chromium, as a visitor would have it, if it is installed."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from servers.tls import make_certificate

Visit = Callable[[dict[str, ASGIApp]], "Visited"]

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Visited:
    """A browser window for some sites."""

    def __init__(self, context: Any, port: int) -> None:
        self.context = context
        self._port = port

    def at(self, other: "Visited") -> "Visited":
        """Return this window for another server's sites: to a browser, a cookie does not depend on the port."""
        return Visited(self.context, other._port)

    def address(self, host: str, path: str = "/") -> str:
        return f"https://{host}:{self._port}{path}"

    def tab(self, host: str, path: str = "/") -> Any:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.goto(self.address(host, path))
        return page

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies that the browser keeps, as it reports them."""
        return self.context.cookies()


def _program(driver: Any) -> str | None:
    """Return the Chromium named in the environment, found on PATH, or installed by Playwright."""
    brought: str = driver.chromium.executable_path
    found = os.environ.get("HOLDALL_CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
    return found or (brought if Path(brought).exists() else None)


def chromium_program(driver: Any) -> str:
    """Return the installed Chromium, or skip the test."""
    program = _program(driver)
    if program is None:
        pytest.skip(
            "Chromium is missing: install one (apt-get install chromium), let Playwright bring one "
            f"({sys.executable} -m playwright install --with-deps chromium), or name it in HOLDALL_CHROMIUM"
        )
    return program


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """Start Playwright, which can run only once in a thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install playwright")
    with playwright.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(driver: Any) -> Iterator[Any]:
    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP * 127.0.0.1",
        "--ignore-certificate-errors",
        "--disable-background-networking",
        "--disable-component-update",
    ]
    browser = driver.chromium.launch(executable_path=chromium_program(driver), args=arguments)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def visit(chromium: Any, certificate: Path) -> Iterator[Visit]:
    from tests.browser.sites import serving

    # Windows are closed before any site ends, because one may show several.
    with ExitStack() as served, ExitStack() as opened:

        def visit(sites: dict[str, ASGIApp]) -> Visited:
            port = served.enter_context(serving(sites, certificate))
            return Visited(opened.enter_context(chromium.new_context(ignore_https_errors=True)), port)

        yield visit
