"""What every adapter must do: the same requests to each framework, the same cookies and headers back."""

from holdall.testing.adapters.atomic import AtomicTests
from holdall.testing.adapters.attributes import CookieAttributesTests
from holdall.testing.adapters.awaited import AwaitingTests, WebSocketTests
from holdall.testing.adapters.caches import CacheTests
from holdall.testing.adapters.cookies import CookieTests
from holdall.testing.adapters.devices import DeviceTests
from holdall.testing.adapters.ended import EndedTests
from holdall.testing.adapters.failures import FailureTests
from holdall.testing.adapters.identity import IdentityTests
from holdall.testing.adapters.incoming import IncomingCookieTests
from holdall.testing.adapters.listing import ListingTests
from holdall.testing.adapters.logins import LoginTests
from holdall.testing.adapters.names import OldNameTests, OldPlaceTests
from holdall.testing.adapters.requests import RequestTests
from holdall.testing.adapters.responses import ResponseTests
from holdall.testing.adapters.several import MountedTests, SeveralTests
from holdall.testing.adapters.streaming import StreamingTests
from holdall.testing.adapters.transports import HeaderTests

__all__ = ["AdapterConformance", "CookieConformance"]


class AdapterConformance(
    RequestTests,
    ResponseTests,
    CookieTests,
    IdentityTests,
    ListingTests,
    LoginTests,
    AtomicTests,
    FailureTests,
    StreamingTests,
    EndedTests,
    CacheTests,
    DeviceTests,
    HeaderTests,
    AwaitingTests,
    WebSocketTests,
    SeveralTests,
    MountedTests,
):
    """
    The suite for adapters.

    Subclass it and give it ``mount``, a fixture::

        class TestFlask(AdapterConformance):
            @pytest.fixture
            def mount(self):
                def mount(sessions, also=()):
                    app = Flask(__name__)
                    Holdall(app, sessions, also=also)
                    named = {each.key: each for each in also}

                    @app.route("/", methods=METHODS, defaults={"path": ""})
                    @app.route("/<path:path>", methods=METHODS)
                    def act(path):
                        script = request.get_json()
                        result, status = perform(session, script, lambda key: fetch_session(named[key]))
                        return result, status, script.get("headers", {})

                    @app.post("/stream")
                    def streamed():
                        main = fetch_session()
                        find = main.exchange.session_of
                        return Response(stream(main, request.get_json(), lambda key: find(named[key])))

                    return wsgi_client(app)

                return mount

    The application takes a request with a script at every path, by each of ``METHODS``, performs it on the request's
    session, and answers with the result as JSON, the status, and the script's headers; with 204 and 304, no body is
    looked at. An async handler awaits ``perform_async``. At ``/stream`` it
    answers with what ``stream`` gives.
    A mount that declares ``websockets`` has a WebSocket at ``/ws`` too: before it accepts, the application performs the
    script in the header ``X-Script``, and then that in each text that comes, and sends the result of each as JSON.
    Each of these is given a function that returns the session of one of *also* by its key.
    The application has no handler of errors, and its framework's debug mode is off.

    Attributes:
        streams: The framework can send a body piece by piece.
        in_process: The client of ``mount`` is ``wsgi_client`` or ``asgi_client``, and no server is between it and the
            application.
        answers_failures: Its response to an exception that no handler took passes through the adapter, which can add
            headers to it.
        passes_control_characters: The client of ``mount`` gets headers with control characters through to the
            application; many servers refuse such a request themselves.
        keeps_several: It can keep several sessions; if not, ``mount`` takes no *also*.
        carries_headers: It sends a session in another header than Set-Cookie where ``transport=`` says so, and finds it
            there.
        awaits_tables: It can use a table that is awaited, and the client of ``mount`` is ``asgi_client``: then requests
            are cancelled at every wait, in asyncio and in trio.
        runs_in_trio: So can its framework.
        websockets: ``mount`` has a WebSocket, and its client is ``asgi_client``.
        binds_devices: It answers the requests of a browser that binds sessions to its device.
    """


class CookieConformance(CookieAttributesTests, IncomingCookieTests, OldNameTests, OldPlaceTests):
    """
    The suite for what the core makes of cookies: every option, every odd header, every old name and place.

    It takes the same ``mount`` as ``AdapterConformance``, which tries one of each kind. An adapter that hands Cookie
    headers to the core as they come, and sends its Set-Cookie lines as they are, needs no more than that; one that
    parses or writes cookies by itself needs this suite too.
    """
