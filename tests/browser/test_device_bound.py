"""Device-bound sessions in a Chromium that supports them (145 and later), with keys in software."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from demo.servers import running
from demo.settings import hosts
from holdall import CookieStore, Event, MemoryTable, Sessions, TableStore
from holdall.device_bound import DeviceBound
from holdall.formats import NativeFormat
from holdall_fastapi import SessionDep, SessionMiddleware
from servers.tls import make_authority, make_certificate
from servers.web import by_uvicorn
from tests.browser.conftest import chromium_program

HOST = "shop.example.com"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting",
    f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
]
SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"
# Browsers limit how often they sign, so a test cannot take less time, and makes few requests: Chromium renews a bound
# cookie at each request in its last two minutes, and six times at most.
SECONDS = 10


@dataclass
class Shop:
    """A shop that binds its sessions, with a record of its requests."""

    sessions: Sessions
    events: list[Event]
    asked: list[tuple[str, int]]
    port: int

    def address(self, path: str) -> str:
        return f"https://{HOST}:{self.port}{path}"

    @property
    def refused(self) -> list[str]:
        return [event.reason for event in self.events if event.name == "device_refused"]


class Profile:
    """A visitor's browser, with its own profile."""

    def __init__(self, context: Any, shop: Shop) -> None:
        self.context = context
        self.page = context.new_page()
        self.seen: list[dict[str, Any]] = []
        self._shop = shop
        tools = context.new_cdp_session(self.page)
        tools.send("Network.enable")
        tools.send("Network.enableDeviceBoundSessions", {"enable": True})
        tools.on("Network.deviceBoundSessionEventOccurred", self._note)

    def _note(self, event: dict[str, Any]) -> None:
        self.seen.append(event)

    def at(self, path: str) -> str:
        """Visit *path*, and return the page's text."""
        self.page.goto(self._shop.address(path))
        text: str = self.page.inner_text("body")
        return text

    def waits_for(self, kind: str) -> dict[str, Any]:
        """Return the browser's first event of this *kind*."""
        for _ in range(100):
            found = [event for event in self.seen if kind in event]
            if found:
                return found[0]
            self.page.wait_for_timeout(100)
        pytest.fail(f"no {kind}; seen were {self.seen}")


Open = Callable[[], Profile]


def application(sessions: Sessions, asked: list[tuple[str, int]]) -> Any:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/login")
    async def login(session: SessionDep) -> HTMLResponse:
        session["user_id"] = 7
        return HTMLResponse("welcome")

    @app.get("/busy")
    async def busy(session: SessionDep) -> HTMLResponse:
        return HTMLResponse("".join(f'<img src="/image?number={number}">' for number in range(6)))

    @app.get("/image")
    async def image(session: SessionDep, number: int) -> Response:
        session["seen"] = number
        return Response()

    @app.get("/logout")
    async def logout(session: SessionDep) -> HTMLResponse:
        session.logout()
        return HTMLResponse("bye")

    @app.get("/me")
    async def me(session: SessionDep) -> HTMLResponse:
        return HTMLResponse(f"{session.get('user_id')} {session.device_bound}")

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            if message["type"] == "http.response.start":
                asked.append((scope["path"], message["status"]))
            await send(message)

        await app(scope, receive, note)

    return noting


@pytest.fixture
def enforce() -> str:
    return "all"


@pytest.fixture
def cookie_max_age() -> int:
    return SECONDS


@pytest.fixture
def grace() -> int:
    return 0


@pytest.fixture
def store() -> CookieStore | TableStore:
    return TableStore(MemoryTable())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home directory in which Chromium trusts our certificate; otherwise it ignores the offer."""
    if shutil.which("certutil") is None:
        pytest.skip("certutil is missing: apt-get install libnss3-tools")
    home = tmp_path_factory.mktemp("home")
    authority = make_authority(home, HOST)
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    # make_certificate() would overwrite the file that make_authority() has written.
    (home / "localhost").mkdir()
    trusted = {"shop": authority, "demo": make_certificate(home / "localhost")}
    added = (("-A", "-t", "C,,", "-n", name, "-i", str(file)) for name, file in trusted.items())
    for arguments in (("-N", "--empty-password"), *added):
        subprocess.run(["certutil", "-d", f"sql:{database}", *arguments], check=True)
    return home


@pytest.fixture
def shop(home: Path, enforce: Any, cookie_max_age: int, grace: int, store: CookieStore | TableStore) -> Iterator[Shop]:
    events: list[Event] = []
    asked: list[tuple[str, int]] = []
    options = DeviceBound(cookie_max_age=cookie_max_age, grace=grace, enforce=enforce)
    sessions = Sessions(store, key="__Host-shop", device_bound=options, on_event=events.append)
    certificate = home / "certificate.pem"
    with by_uvicorn(application(sessions, asked), ssl_certfile=certificate, lifespan="off") as port:
        yield Shop(sessions, events, asked, port)


@pytest.fixture
def launch(driver: Any, home: Path, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Return a function that opens a browser with a new profile, as Playwright's context."""
    with ExitStack() as stack:
        program = chromium_program(driver)

        def launch() -> Any:
            context = driver.chromium.launch_persistent_context(
                str(tmp_path / str(len(list(tmp_path.iterdir())))),
                executable_path=program,
                headless=False,
                env={**os.environ, "HOME": str(home)},
                args=ARGUMENTS,
            )
            stack.callback(context.close)
            return context

        yield launch


@pytest.fixture
def opens(shop: Shop, launch: Callable[[], Any]) -> Open:
    # In this order, so that the browsers are closed before the shop, which waits for their connections.
    return lambda: Profile(launch(), shop)


@pytest.fixture
def visitor(opens: Open) -> Profile:
    visitor = opens()
    assert visitor.at("/login") == "welcome"
    created = visitor.waits_for("creationEventDetails")
    if not created["succeeded"]:
        pytest.fail(f"the browser did not accept the response to its registration: {created}")
    return visitor


def steal(visitor: Profile, thief: Profile) -> None:
    """Copy the cookies, with their attributes, to another profile."""
    thief.context.add_cookies(visitor.context.cookies())


def test_a_login_is_bound_and_refreshed_and_ends_with_a_logout(visitor: Profile, shop: Shop) -> None:
    assert visitor.at("/me") == "7 True"
    before = next(each["value"] for each in visitor.context.cookies() if each["name"] == "__Host-shop-bound")

    # By then the bound cookie has expired, and a page waits until the browser has a new one.
    visitor.page.wait_for_timeout((SECONDS + 2) * 1000)
    shop.asked.clear()
    assert visitor.at("/me") == "7 True"

    assert ("/device-bound-session/refresh", 200) in shop.asked
    now = next(each["value"] for each in visitor.context.cookies() if each["name"] == "__Host-shop-bound")
    assert now != before
    assert shop.refused == []
    assert visitor.at("/logout") == "bye"
    assert visitor.at("/me") == "None False"
    ended = visitor.waits_for("terminationEventDetails")
    assert ended["terminationEventDetails"]["deletionReason"] == "ServerRequested"


def test_a_revocation_on_another_device_ends_it_in_the_browser(visitor: Profile, shop: Shop) -> None:
    assert [info.device_bound for info in shop.sessions.list(7)] == [True]
    assert shop.sessions.revoke(7) == 1

    visitor.page.wait_for_timeout((SECONDS + 2) * 1000)

    assert visitor.at("/me") == "None False"
    visitor.waits_for("terminationEventDetails")
    assert shop.refused == []


@pytest.mark.parametrize(("enforce", "seen"), [("all", "None False"), ("report", "7 True")])
def test_a_thief_can_use_the_cookies_only_for_seconds(visitor: Profile, opens: Open, shop: Shop, seen: str) -> None:
    thief = opens()
    steal(visitor, thief)
    assert thief.at("/me") == "7 True"

    # The browser keeps the bound cookie this long, and the server accepts it half a minute longer.
    thief.page.wait_for_timeout((SECONDS + 2) * 1000)

    assert thief.at("/me") == seen
    assert set(shop.refused) == {"no bound cookie"}
    assert visitor.at("/me") == "7 True"


# Images that were requested before the registration arrive without the bound cookie, which is what grace is for.
@pytest.mark.parametrize("grace", [SECONDS])
@pytest.mark.parametrize("cookie_max_age", [600])
@pytest.mark.parametrize(
    "store", [CookieStore(NativeFormat(SECRET)), TableStore(MemoryTable())], ids=["cookie", "table"]
)
def test_pages_that_write_during_the_registration_bind_nothing_twice(opens: Open, shop: Shop) -> None:
    visitor = opens()
    visitor.at("/login")
    visitor.at("/busy")
    visitor.waits_for("creationEventDetails")
    visitor.at("/busy")
    # By then each page needs the bound cookie.
    visitor.page.wait_for_timeout((SECONDS + 2) * 1000)

    assert visitor.at("/me") == "7 True"
    assert [event.name for event in shop.events if event.name.startswith("device")] == ["device_bound"]


def test_the_demo_shows_the_binding_and_refuses_copied_cookies(
    launch: Callable[[], Any], home: Path, tmp_path: Path
) -> None:
    (tmp_path / "demo").mkdir()
    with running(
        hosts("sqlite", str(tmp_path / "demo")), certificate=home / "localhost" / "certificate.pem"
    ) as servers:
        page = launch().new_page()
        page.goto(servers.urls["Flask"])
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button", name="Log in").click()
        for url in servers.urls.values():
            page.goto(url)
            until(page, "bound", "bound to this device")
            page.get_by_role("button", name="Replay").click()
            until(page, "thief", "Refused: a copy of the cookies is not a login.")
            assert page.locator("[itemprop=user]").all_inner_texts() == ["Ada"]


def until(page: Any, what: str, text: str) -> None:
    """Reload the page until it shows the text."""
    for _ in range(50):
        page.wait_for_load_state()
        if page.locator(f"[itemprop={what}]").all_inner_texts() == [text]:
            return
        page.wait_for_timeout(100)
        page.reload()
    pytest.fail(f"the page does not show: {text}")
