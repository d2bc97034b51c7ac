"""What every adapter must do: the same requests to each framework, the same cookies and headers back."""

from holdall.testing.adapters.atomic import AtomicTests
from holdall.testing.adapters.attributes import CookieAttributesTests
from holdall.testing.adapters.devices import DeviceTests
from holdall.testing.adapters.failures import FailureTests
from holdall.testing.adapters.identity import IdentityTests
from holdall.testing.adapters.incoming import IncomingCookieTests
from holdall.testing.adapters.names import FormerNameTests
from holdall.testing.adapters.requests import RequestTests
from holdall.testing.adapters.streaming import StreamingTests

__all__ = ["AdapterConformance"]


class AdapterConformance(
    RequestTests,
    CookieAttributesTests,
    IncomingCookieTests,
    FormerNameTests,
    IdentityTests,
    DeviceTests,
    AtomicTests,
    FailureTests,
    StreamingTests,
):
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
    result as JSON, the status, and the script's headers. An async handler awaits ``perform_async``. At ``/stream`` it
    answers with what ``stream`` gives.
    It has no handler of errors, and its framework's debug mode is off.

    Attributes:
        streams: The framework can send a body piece by piece.
        answers_failures: Its answer to an exception that no handler took passes through the adapter, which can give it
            headers.
    """
