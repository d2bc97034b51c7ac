"""Test that a principal's sessions are listed with what their clients said about themselves, and end when revoked."""

from collections.abc import Callable
from typing import Any

import pytest

from holdall._sessions import Sessions
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, SECRET, AdapterSuite, Mount
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clients import Request, Response
from holdall.testing._clock import FakeClock

__all__ = ["ListingTests"]

Owned = tuple[Visitor, Sessions]


class ListingTests(AdapterSuite, sealed=True):
    """Sessions that are listed and revoked by their principal."""

    @pytest.fixture(params=["table", "cookie"])
    def owned(
        self, request: pytest.FixtureRequest, mount: Mount, table: MemoryTable, clock: FakeClock
    ) -> Callable[..., Owned]:
        """Return a visitor and the sessions that the application keeps."""

        def owned(user_agent: str | None = None, **options: Any) -> Owned:
            store: Any = TableStore(table, encrypt=True)
            if request.param == "cookie":
                store = "cookie"
                options |= {"secret_key_base": SECRET, "revocable": table}
            sessions = Sessions(store, key=KEY, clock=clock, principal_key="user_id", **options)
            client = mount(sessions)

            def with_user_agent(request: Request) -> Response:
                return client(request) if user_agent is None else client(_named(request, user_agent))

            return Visitor(with_user_agent, clock), sessions

        return owned

    @pytest.mark.parametrize("user_agent", ["Shopper/1.0 (of no system)", None])
    def test_a_session_is_listed_with_the_client_that_began_it(
        self, owned: Callable[..., Owned], user_agent: str | None
    ) -> None:
        visitor, sessions = owned(user_agent, record_client=True)
        visitor.does(["login", 7])
        visitor.does(["put", "n", 1])

        (info,) = sessions.list(7)

        assert info.user_agent == user_agent
        assert info.address == "127.0.0.1"
        assert visitor.does(["get", "n"]).results == [1]

    def test_no_client_is_recorded_unless_enabled(self, owned: Callable[..., Owned]) -> None:
        visitor, sessions = owned("Shopper/1.0")
        visitor.does(["login", 7])

        (info,) = sessions.list(7)

        assert (info.user_agent, info.address) == (None, None)

    def test_a_visitor_whose_session_is_revoked_is_logged_out(self, owned: Callable[..., Owned]) -> None:
        visitor, sessions = owned()
        other = visitor.another()
        for each, user_id in ((visitor, 7), (other, 8)):
            each.does(["login", user_id])

        assert sessions.revoke(7) == 1

        assert visitor.does(["ask", "principal"]).results == [None]
        assert other.does(["ask", "principal"]).results == ["8"]

    def test_a_logout_ends_a_copy_of_the_cookie_too(self, owned: Callable[..., Owned]) -> None:
        visitor, sessions = owned()
        visitor.does(["login", 7])
        thief = visitor.another()
        for kept in visitor.browser.jar:
            thief.browser.keep([f"{kept.name}={kept.value}; path=/"])
        assert thief.does(["ask", "principal"]).results == ["7"]

        visitor.does(["logout"])

        assert thief.does(["ask", "principal"]).results == [None]
        assert sessions.list(7) == []


def _named(request: Request, user_agent: str) -> Request:
    headers = [*request.headers, ("User-Agent", user_agent)]
    return Request(request.method, request.path, headers, request.body, request.https)
