"""The conformance suite for adapters: every framework gets the same requests and must send the same cookies."""

from holdall.testing._adapters.atomic import AtomicTests
from holdall.testing._adapters.attributes import CookieAttributesTests
from holdall.testing._adapters.awaited import AwaitingTests, WebSocketTests
from holdall.testing._adapters.caches import CacheTests
from holdall.testing._adapters.cookies import CookieTests
from holdall.testing._adapters.devices import DeviceTests
from holdall.testing._adapters.ended import EndedTests
from holdall.testing._adapters.failures import FailureTests
from holdall.testing._adapters.identity import IdentityTests
from holdall.testing._adapters.incoming import IncomingCookieTests
from holdall.testing._adapters.listing import ListingTests
from holdall.testing._adapters.logins import LoginTests
from holdall.testing._adapters.mounted_applications import MountedTests
from holdall.testing._adapters.names import OldNameTests, OldPlaceTests
from holdall.testing._adapters.requests import RequestTests
from holdall.testing._adapters.responses import ResponseTests
from holdall.testing._adapters.several import SeveralTests
from holdall.testing._adapters.streaming import StreamingTests
from holdall.testing._adapters.transports import HeaderTests

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

    Subclass it and provide the fixture ``mount``::

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

    The application accepts a request with a script at every path, with each of ``METHODS``, performs it on the
    request's session, and responds with the result as JSON, the status, and the script's headers; with 204 and 304, the
    body is ignored. An async handler awaits ``perform_async``. At ``/stream`` it responds with the result of
    ``stream``.
    A mount that declares ``websockets`` also has a WebSocket at ``/ws``: before it accepts, the application performs
    the script in the header ``X-Script``, then the script in each text received, and sends each result as JSON.
    Each of these takes a function that returns the session of one of *also* by its key.
    The application has no error handlers, and its framework's debug mode is off.

    Attributes:
        streams: The framework can send a body piece by piece.
        in_process: The client of ``mount`` is ``wsgi_client`` or ``asgi_client``, without a server between it and the
            application.
        answers_failures: The framework's response to an unhandled exception passes through the adapter, which can add
            headers to it.
        passes_control_characters: The client of ``mount`` can send headers with control characters to the
            application; many servers refuse such a request themselves.
        keeps_several: It can keep several sessions; otherwise ``mount`` takes no *also*.
        carries_headers: If ``transport=`` says so, it sends and reads the session in another header than the cookie's.
        awaits_tables: It supports async tables, and the client of ``mount`` is ``asgi_client``: then requests
            are cancelled at every wait, in asyncio and in trio.
        runs_in_trio: The framework supports trio too.
        websockets: ``mount`` has a WebSocket, and its client is ``asgi_client``.
        binds_devices: It handles the requests of a browser that binds sessions to its device.
    """


class CookieConformance(CookieAttributesTests, IncomingCookieTests, OldNameTests, OldPlaceTests):
    """
    The suite for the core's cookie handling: every option, every odd header, every old name and place.

    It uses the same ``mount`` as ``AdapterConformance``, which tries one of each kind. That is enough for an adapter
    that passes Cookie headers to the core unchanged and sends its Set-Cookie lines unchanged; one that parses or writes
    cookies itself needs this suite too.
    """
