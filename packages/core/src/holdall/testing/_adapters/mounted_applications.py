"""Test an application mounted under another's path: their sessions are independent of each other."""

import secrets
from dataclasses import replace

import pytest

from holdall._sessions import Sessions
from holdall.formats import NativeFormat
from holdall.stores import CookieStore, Store, TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Mount, cookie_store
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clients import Client, Request, Response
from holdall.testing._clock import FakeClock

__all__ = ["MountedTests"]


class MountedTests(AdapterSuite, sealed=True):
    """An application under another's path, each with its own sessions."""

    @pytest.fixture(params=[f"{kind} {key}" for kind in ("cookie", "table") for key in ("_admin", KEY)])
    def neighbour(self, request: pytest.FixtureRequest, mount: Mount, clock: FakeClock) -> Visitor:
        """Visit a shop and an application under its path ``/admin``, whose cookie has that path."""
        kind, key = request.param.split()
        if kind == "cookie":
            stores: list[Store] = [cookie_store(), CookieStore(NativeFormat(secrets.token_hex(32)))]
        else:
            stores = [TableStore(MemoryTable(clock=clock)) for _ in range(2)]
        shop, admin = (
            mount(Sessions(store, key=each, path=path, clock=clock, principal_key="user_id"))
            for store, each, path in zip(stores, (KEY, key), ("/", "/admin"), strict=True)
        )
        return Visitor(_under("/admin", admin, shop), clock)

    def test_a_mounted_application_has_its_own_data(self, neighbour: Visitor) -> None:
        neighbour.does(["put", "n", 1])
        neighbour.does(["put", "m", 2], path="/admin/page")

        assert neighbour.does(["all"]).results == [{"n": 1}]
        assert neighbour.does(["all"], path="/admin/").results == [{"m": 2}]

    def test_its_cookie_is_sent_only_to_its_path(self, neighbour: Visitor) -> None:
        answer = neighbour.does(["put", "n", 1], path="/admin/page")

        assert answer.cookie.attributes["path"] == "/admin"
        assert neighbour.browser.header("/shop") == ""

    def test_a_login_there_is_not_a_login_elsewhere(self, neighbour: Visitor) -> None:
        neighbour.does(["login", 7])
        neighbour.does(["login", 8], path="/admin/")

        assert neighbour.does(["ask", "principal"]).results == ["7"]
        assert neighbour.does(["ask", "principal"], path="/admin/page").results == ["8"]

    def test_the_end_of_its_session_leaves_the_others_alone(self, neighbour: Visitor) -> None:
        neighbour.does(["put", "n", 1])
        neighbour.does(["put", "m", 2], path="/admin/")
        before = {kept.place for kept in neighbour.browser.jar}

        neighbour.does(["logout"], path="/admin/page")

        assert [kept.path for kept in neighbour.browser.jar if kept.place in before] == ["/"]
        assert neighbour.does(["all"]).results == [{"n": 1}]
        assert neighbour.does(["all"], path="/admin/").results == [{}]


def _under(path: str, mounted: Client, rest: Client) -> Client:
    """Return a client that sends requests under *path* to *mounted*, and all others to *rest*."""

    def send(request: Request) -> Response:
        if f"{request.where}/".startswith(f"{path}/"):
            return mounted(replace(request, root=path))
        return rest(request)

    return send
