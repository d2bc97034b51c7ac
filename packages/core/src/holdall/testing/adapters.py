"""What every adapter must do: the same requests to each framework, the same headers back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from holdall.events import Event
from holdall.formats import NativeFormat
from holdall.sessions import Sessions
from holdall.stores import CookieStore, TableStore
from holdall.tables import MemoryTable
from holdall.testing.browser import Browser
from holdall.testing.clients import Client, Request, Response
from holdall.testing.clock import FakeClock
from holdall.testing.suite import Suite

__all__ = ["AdapterConformance", "Answer", "Visitor"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"  # noqa: S105  # of no application
KEY = "_shop"

Mount = Callable[[Sessions], Client]


@dataclass(frozen=True)
class Answer:
    """What a visitor sees of a response."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def results(self) -> list[Any]:
        """What the script's actions returned, in their order."""
        results: list[Any] = json.loads(self.response.body.splitlines()[0])["results"]
        return results

    @property
    def later(self) -> dict[str, Any]:
        """What became of a streamed script's ``later``: its ``results`` or its ``error``."""
        later: dict[str, Any] = json.loads(self.response.body.splitlines()[1])
        return later

    @property
    def set_cookies(self) -> list[str]:
        return self.response.all("Set-Cookie")

    @property
    def vary(self) -> list[str]:
        """The names in the Vary headers, in lower case."""
        return _listed(self.response.all("Vary"))

    @property
    def cache_control(self) -> list[str]:
        return _listed(self.response.all("Cache-Control"))


class Visitor:
    """Somebody with a browser, who sends scripts to the application."""

    def __init__(self, client: Client, clock: FakeClock) -> None:
        self.client = client
        self.browser = Browser(client, clock=clock)

    def does(self, *actions: list[Any], path: str = "/", https: bool = False, **script: Any) -> Answer:
        """Send a script of *actions* with the browser's cookies."""
        return Answer(self.browser.send(_request(actions, path, https, [], script)))

    def sends(self, *headers: str, actions: list[list[Any]], https: bool = False) -> Answer:
        """Send *actions* with these Cookie *headers* and none of the browser's."""
        return Answer(self.client(_request(actions, "/", https, [("Cookie", each) for each in headers], {})))


def _request(actions: Any, path: str, https: bool, headers: list[tuple[str, str]], script: dict[str, Any]) -> Request:
    body = json.dumps({"actions": list(actions), **script}).encode()
    return Request("POST", path, [("Content-Type", "application/json"), *headers], body, https)


def _listed(values: list[str]) -> list[str]:
    return [name.strip().lower() for value in values for name in value.split(",")]


class AdapterConformance(Suite):
    """
    The suite for adapters.

    Subclass it and give it ``mount``, a fixture::

        class TestFlask(AdapterConformance):
            @pytest.fixture
            def mount(self):
                def mount(sessions):
                    app = Flask(__name__)
                    Holdall(app, sessions)

                    @app.post("/", defaults={"path": ""})
                    @app.post("/<path:path>")
                    def act(path):
                        script = request.get_json()
                        result, status = perform(session, script)
                        return result, status, script.get("headers", {})

                    @app.post("/stream")
                    def streamed():
                        return Response(stream(session._get_current_object(), request.get_json()))

                    return wsgi_client(app)

                return mount

    The application takes a POST of a script at every path, performs it on the request's session, and answers with the
    result as JSON, the status, and the script's headers. At ``/stream`` it answers with what ``stream`` gives.
    It has no handler of errors, and its framework's debug mode is off.

    Attributes:
        streams: The framework can send a body piece by piece.
    """

    streams = True

    @pytest.fixture
    def mount(self) -> Mount:
        msg = f"{type(self).__name__} needs a fixture `mount`: a function from Sessions to a Client."
        raise NotImplementedError(msg)

    @pytest.fixture
    def events(self) -> list[Event]:
        """Collect what ``Sessions`` reports."""
        return []

    @pytest.fixture
    def table(self, clock: FakeClock) -> MemoryTable:
        return MemoryTable(clock=clock)

    @pytest.fixture(params=["cookie", "table"])
    def store(self, request: pytest.FixtureRequest, table: MemoryTable) -> CookieStore | TableStore:
        return CookieStore(NativeFormat(SECRET)) if request.param == "cookie" else TableStore(table)

    @pytest.fixture
    def visit(
        self, mount: Mount, store: CookieStore | TableStore, clock: FakeClock, events: list[Event]
    ) -> Callable[..., Visitor]:
        """Make a visitor of an application whose ``Sessions`` has the options given."""

        def visit(store: Any = store, key: str = KEY, **options: Any) -> Visitor:
            sessions = Sessions(store, key=key, clock=clock, on_event=events.append, **options)
            return Visitor(mount(sessions), clock)

        return visit

    @pytest.fixture
    def visitor(self, visit: Callable[..., Visitor]) -> Visitor:
        return visit()

    def test_an_untouched_session_sends_nothing(self, visitor: Visitor) -> None:
        answer = visitor.does()

        assert (answer.status, answer.results) == (200, [])
        assert answer.set_cookies == []
        assert "cookie" not in answer.vary
        assert answer.cache_control == []

    def test_a_session_that_was_only_read_sends_vary_alone(self, visitor: Visitor) -> None:
        answer = visitor.does(["get", "cart"])

        assert answer.results == [None]
        assert answer.set_cookies == []
        assert "cookie" in answer.vary
        assert answer.cache_control == []

    def test_what_was_put_is_there_in_the_next_request(self, visitor: Visitor) -> None:
        visitor.does(["put", "cart", [7]])

        assert visitor.does(["get", "cart"]).results == [[7]]

    def test_a_change_after_the_response_started(self, visitor: Visitor) -> None:
        if not self.streams:
            pytest.skip("this framework does not stream")
        visitor.does(["put", "cart", [7]])

        answer = visitor.does(["get", "cart"], path="/stream", later=[["put", "cart", [8]]])

        assert answer.results == [[7]]
        assert answer.later
