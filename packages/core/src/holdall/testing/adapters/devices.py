"""What a session is known by to its owner, and that it ends when its owner says so."""

from collections.abc import Callable
from typing import Any

import pytest

from holdall.sessions import Sessions
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing.adapters.suite import KEY, AdapterSuite, Mount
from holdall.testing.adapters.visitor import Visitor
from holdall.testing.clients import Request, Response
from holdall.testing.clock import FakeClock

__all__ = ["DeviceTests"]

Owned = tuple[Visitor, Sessions]


class DeviceTests(AdapterSuite, sealed=True):
    """Sessions that are listed and ended by whose they are."""

    @pytest.fixture
    def owned(self, mount: Mount, table: MemoryTable, clock: FakeClock) -> Callable[..., Owned]:
        """Return a visitor and the sessions that the application keeps."""

        def owned(user_agent: str | None = None, **options: Any) -> Owned:
            sessions = Sessions(TableStore(table), key=KEY, clock=clock, principal_key="user_id", **options)
            client = mount(sessions)

            def with_user_agent(request: Request) -> Response:
                return client(request) if user_agent is None else client(_named(request, user_agent))

            return Visitor(with_user_agent, clock), sessions

        return owned

    @pytest.mark.parametrize("user_agent", ["Shopper/1.0 (of no system)", None])
    def test_a_session_is_known_by_what_it_was_begun_with(
        self, owned: Callable[..., Owned], user_agent: str | None
    ) -> None:
        visitor, sessions = owned(user_agent, record_client=True)
        visitor.does(["login", 7])

        (device,) = sessions.list(7)

        assert device.user_agent == user_agent
        assert device.address == "127.0.0.1"

    def test_what_a_session_was_begun_with_is_nobodys_concern_unless_switched_on(
        self, owned: Callable[..., Owned]
    ) -> None:
        visitor, sessions = owned("Shopper/1.0")
        visitor.does(["login", 7])

        (device,) = sessions.list(7)

        assert (device.user_agent, device.address) == (None, None)

    def test_who_is_revoked_is_logged_out(self, owned: Callable[..., Owned]) -> None:
        visitor, sessions = owned()
        other = visitor.another()
        for each, user_id in ((visitor, 7), (other, 8)):
            each.does(["login", user_id])

        assert sessions.revoke(7) == 1

        assert visitor.does(["ask", "principal"]).results == [None]
        assert other.does(["ask", "principal"]).results == ["8"]


def _named(request: Request, user_agent: str) -> Request:
    headers = [*request.headers, ("User-Agent", user_agent)]
    return Request(request.method, request.path, headers, request.body, request.https)
