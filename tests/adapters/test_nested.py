"""Several adapters in one request: the inner one uses the outer one's session, or reports that it cannot."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import gc
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from a2wsgi import ASGIMiddleware, WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path as django_path
from fastapi import FastAPI, Request
from flask import Flask
from flask import request as flask_request
from flask import session as flask_session
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from holdall import ConfigurationError, ResponseStartedError, Sessions, TableStore
from holdall.adapters import SessionGroup
from holdall.nested import outer_session
from holdall.tables import MemoryTable
from holdall.testing import Request as Web
from holdall.testing import asgi_client
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_flask import Holdall, fetch_session

with warnings.catch_warnings():
    # Newer versions of Starlette advise against it.
    warnings.simplefilter("ignore")
    from starlette.middleware.wsgi import WSGIMiddleware as StarletteWSGIMiddleware

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

#: Returns a client of an ASGI application.
ClientOf = Callable[[Any], Any]


@pytest.fixture
def client_of() -> ClientOf:
    library = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx2")
    client: ClientOf = library.TestClient
    return client


@pytest.fixture(params=["cookie", "table"])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    if request.param == "cookie":
        return Sessions("cookie", key="_shop", secret_key_base=SECRET, principal_key="user_id")
    return Sessions(TableStore(MemoryTable()), key="_shop", principal_key="user_id")


def flask_app(sessions: Sessions, *also: Sessions) -> Flask:
    """Return an application that puts the value in its path, and shows the session."""
    app = Flask(__name__)
    Holdall(app, sessions, also=also)

    @app.route("/put/<key>/<int:value>", methods=["GET", "POST"])
    def put(key: str, value: int) -> dict[str, Any]:
        flask_session[key] = value
        return dict(flask_session)

    @app.get("/login/<int:user>")
    def login(user: int) -> dict[str, Any]:
        flask_session.permanent = True
        fetch_session().login(user)
        return dict(flask_session)

    @app.get("/")
    def show() -> dict[str, Any]:
        return dict(flask_session)

    return app


def starlette_app(*routes: Any, **options: Any) -> Starlette:
    async def put(request: Request) -> JSONResponse:
        request.session[request.path_params["key"]] = request.path_params["value"]
        return JSONResponse(dict(request.session))

    async def show(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.session))

    app = Starlette(routes=[Route("/put/{key}/{value:int}", put), Route("/", show), *routes])
    app.add_middleware(SessionMiddleware, **options)
    return app


class Noting:
    """A middleware between the session's and the application that writes before and after the inner application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["before"] = True

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                scope["session"]["after"] = scope["session"].get("n")
            await send(message)

        await self.app(scope, receive, noting)


BRIDGES: dict[str, Callable[[Any], Any]] = {
    "a2wsgi": WSGIMiddleware,
    "starlette": StarletteWSGIMiddleware,
    "asgiref": WsgiToAsgi,
}


@pytest.fixture(params=BRIDGES)
def bridge(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return BRIDGES[request.param]


@pytest.fixture
def mounted(sessions: Sessions, bridge: Callable[[Any], Any], client_of: ClientOf) -> Any:
    """Visit a Flask application mounted in FastAPI, whose middleware writes too."""
    app = FastAPI()
    app.mount("/legacy", bridge(flask_app(sessions)))
    app.add_middleware(Noting)
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def show(session: SessionDep) -> dict[str, Any]:
        return dict(session)

    return client_of(app)


def test_flask_inside_fastapi_writes_to_the_same_session(mounted: Any) -> None:
    answer = mounted.get("/legacy/put/n/1")

    assert answer.json() == {"before": True, "n": 1}
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert answer.headers.get_list("vary") == ["Cookie"]
    assert mounted.get("/").json() == {"before": True, "n": 1, "after": 1}


def test_what_is_sync_within_reads_the_session_that_nothing_has_fetched(client_of: ClientOf) -> None:
    table = MemoryTable()
    table.blocking_reads = table.blocking_writes = True
    sessions = Sessions(TableStore(table), key="_shop", principal_key="user_id")
    app = FastAPI()
    app.mount("/legacy", WSGIMiddleware(flask_app(sessions)))
    app.add_middleware(SessionMiddleware, sessions=sessions, fetch="explicit")
    client = client_of(app)
    client.get("/legacy/put/n/1")

    assert client.get("/legacy/").json() == {"n": 1}


def test_a_login_within_is_not_lost(mounted: Any) -> None:
    mounted.get("/legacy/put/n/1")
    before = dict(mounted.cookies)

    answer = mounted.get("/legacy/login/7")

    assert len([line for line in answer.headers.get_list("set-cookie") if "Max-Age=0" not in line]) == 1
    assert len(mounted.cookies) == 1
    assert dict(mounted.cookies) != before
    assert mounted.get("/").json()["user_id"] == 7
    assert mounted.get("/legacy/").json()["user_id"] == 7


def test_another_in_process_request_by_a_handler_has_its_own_session(sessions: Sessions, client_of: ClientOf) -> None:
    legacy = flask_app(sessions)
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/{path:path}")
    def proxy(path: str, session: SessionDep) -> dict[str, Any]:
        session["mine"] = 1
        other = legacy.test_client().get("/put/theirs/1")
        return {"mine": dict(session), "theirs": other.json, "cookies": len(other.headers.getlist("Set-Cookie"))}

    client = client_of(app)

    for _ in range(2):
        assert client.get("/elsewhere").json() == {"mine": {"mine": 1}, "theirs": {"theirs": 1}, "cookies": 1}


def test_a_starlette_application_inside_another_can_have_its_own_middleware(
    sessions: Sessions, client_of: ClientOf
) -> None:
    inner = starlette_app(sessions=sessions)
    client = client_of(starlette_app(Mount("/inner", inner), sessions=sessions))

    answer = client.get("/inner/put/n/1")

    assert len(answer.headers.get_list("set-cookie")) == 1
    assert client.get("/").json() == client.get("/inner/").json() == {"n": 1}


def test_the_middleware_may_be_added_twice(sessions: Sessions, client_of: ClientOf) -> None:
    app = starlette_app(sessions=sessions)
    app.add_middleware(SessionMiddleware, sessions=sessions)

    answer = client_of(app).get("/put/n/1")

    assert len(answer.headers.get_list("set-cookie")) == 1


def test_added_twice_with_a_secret_it_explains_what_to_do(client_of: ClientOf) -> None:
    app = starlette_app(secret_key=SECRET)
    app.add_middleware(SessionMiddleware, secret_key=SECRET)

    with pytest.raises(ConfigurationError, match="'session': pass both the same Sessions object"):
        client_of(app).get("/put/n/1")


@pytest.mark.parametrize("options", [{"session_cookie": "other"}, {"path": "/inner"}])
def test_sessions_with_different_cookies_are_separate(options: dict[str, str], client_of: ClientOf) -> None:
    inner = starlette_app(secret_key=SECRET, **options)
    client = client_of(starlette_app(Mount("/inner", inner), secret_key=SECRET))
    client.get("/put/n/1")

    client.get("/inner/put/m/2")

    assert client.get("/").json() == {"n": 1}


def test_flask_inside_flask_uses_the_outer_session(sessions: Sessions) -> None:
    inner, outer = flask_app(sessions), flask_app(sessions)

    @outer.get("/inner/<path:path>")
    def pass_on(path: str) -> Any:
        flask_session["before"] = True
        environ = {**flask_request.environ, "PATH_INFO": f"/{path}", "SCRIPT_NAME": "/inner"}
        body, status, headers = run_wsgi_app(inner, environ, buffered=True)
        flask_session["after"] = flask_session["n"]
        return b"".join(body), status, headers

    client = outer.test_client()

    answer = client.get("/inner/put/n/1")

    assert answer.json == {"before": True, "n": 1}
    assert len(answer.headers.getlist("Set-Cookie")) == 1
    assert client.get("/").json == {"before": True, "n": 1, "after": 1}


def test_an_application_that_passed_a_request_on_keeps_no_session_for_it(sessions: Sessions) -> None:
    first, second = Flask("first"), flask_app(sessions)
    Holdall(first, sessions)
    first.before_request(lambda: flask_session.update(first=True))

    def one_after_the_other(environ: Any, start_response: Any) -> Any:
        _, status, _ = run_wsgi_app(first, environ, buffered=True)
        assert status.startswith("404")
        return second(environ, start_response)

    client = Client(one_after_the_other)

    answer = client.get("/put/n/1")

    assert answer.json == {"n": 1}
    assert len(answer.headers.getlist("Set-Cookie")) == 1


def test_after_an_application_with_other_sessions_the_outer_session_is_shared_again(sessions: Sessions) -> None:
    outer = flask_app(sessions)
    others = Sessions("cookie", key="_other", secret_key_base=SECRET)

    @outer.get("/both")
    def both() -> dict[str, Any]:
        environ = flask_request.environ
        for each, path in ((others, "/put/n/1"), (sessions, "/put/m/2")):
            environ["PATH_INFO"] = path
            _, status, _ = run_wsgi_app(flask_app(each), environ)
            assert status == "200 OK"
        return dict(flask_session)

    client = outer.test_client()

    assert client.get("/both").json == {"m": 2}
    assert client.get("/").json == {"m": 2}


def test_an_ended_request_shares_nothing(sessions: Sessions) -> None:
    group = SessionGroup(sessions, form="sync")
    exchange = group.begin()
    exchange.close()

    assert outer_session(exchange, group) is None


def test_flask_applications_side_by_side_share_the_session(sessions: Sessions) -> None:
    client = Client(DispatcherMiddleware(flask_app(sessions), {"/admin": flask_app(sessions)}))
    client.get("/put/n/1")

    client.get("/admin/put/m/2")

    assert client.get("/").json == client.get("/admin/").json == {"n": 1, "m": 2}


def test_fastapi_inside_flask_writes_to_the_same_session(sessions: Sessions) -> None:
    inner = ASGIMiddleware(starlette_app(sessions=sessions))
    outer = flask_app(sessions)

    @outer.get("/inner/<path:path>")
    def pass_on(path: str) -> Any:
        flask_session["before"] = True
        environ = {**flask_request.environ, "PATH_INFO": f"/{path}", "SCRIPT_NAME": ""}
        body, status, headers = run_wsgi_app(inner, environ, buffered=True)
        return b"".join(body), status, headers

    client = outer.test_client()

    answer = client.get("/inner/put/n/1")

    assert answer.json == {"before": True, "n": 1}
    assert len(answer.headers.getlist("Set-Cookie")) == 1
    assert client.get("/").json == {"before": True, "n": 1}


def test_the_outer_ones_additional_sessions_can_be_the_inner_ones_main_sessions(
    sessions: Sessions, client_of: ClientOf
) -> None:
    cart = Sessions(TableStore(MemoryTable()), key="_cart")
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, also=[cart])
    app.mount("/wsgi", WSGIMiddleware(flask_app(cart)))
    app.mount("/asgi", starlette_app(sessions=cart))
    client = client_of(app)

    first = client.get("/wsgi/put/n/1")
    client.get("/asgi/put/m/2")

    assert [line.partition("=")[0] for line in first.headers.get_list("set-cookie")] == ["_cart"]
    assert client.get("/wsgi/").json() == client.get("/asgi/").json() == {"n": 1, "m": 2}


@pytest.mark.parametrize("framework", ["flask", "starlette"])
def test_additional_sessions_that_only_the_inner_one_has_are_refused(
    sessions: Sessions, framework: str, client_of: ClientOf
) -> None:
    cart = Sessions(TableStore(MemoryTable()), key="_cart")
    inner = (
        WSGIMiddleware(flask_app(sessions, cart))
        if framework == "flask"
        else starlette_app(sessions=sessions, also=[cart])
    )
    client = client_of(starlette_app(Mount("/inner", inner), sessions=sessions))

    if framework == "flask":
        assert client.get("/inner/").status_code == 500
    else:
        with pytest.raises(ConfigurationError, match="all sessions that the inner one keeps"):
            client.get("/inner/")


def test_the_outer_application_ends_the_session(sessions: Sessions, client_of: ClientOf) -> None:
    kept: list[Any] = []
    legacy = flask_app(sessions)

    @legacy.get("/keep")
    def keep() -> str:
        flask_session["n"] = 1
        kept.append(flask_session._get_current_object())
        return "kept"

    app = FastAPI()
    app.mount("/legacy", WSGIMiddleware(legacy))
    app.add_middleware(SessionMiddleware, sessions=sessions)
    client_of(app).get("/legacy/keep")

    with pytest.raises(ResponseStartedError):
        kept[0]["n"] = 2


def test_the_borrowed_session_has_the_attributes_that_flask_needs(sessions: Sessions, client_of: ClientOf) -> None:
    found: dict[str, Any] = {}
    legacy = flask_app(sessions)

    @legacy.get("/look")
    def look() -> dict[str, Any]:
        found.update(new=flask_session.new, permanent=flask_session.permanent, accessed=flask_session.accessed)
        found.update(modified=flask_session.modified, thread=threading.current_thread())
        flask_session["list"] = [1]
        del flask_session["list"]
        flask_session.modified = True
        flask_session.accessed = True
        found.update(after=flask_session.modified, has="list" in flask_session, size=len(flask_session))
        found.update(principal=fetch_session().principal, repr=repr(fetch_session()))
        flask_session.clear()
        flask_session.setdefault("n", 1)
        return dict(flask_session)

    app = FastAPI()
    app.mount("/legacy", WSGIMiddleware(legacy))
    app.add_middleware(SessionMiddleware, sessions=sessions)
    client = client_of(app)

    assert client.get("/legacy/look").json() == {"n": 1}
    assert found.pop("thread") is not threading.current_thread()
    assert found == {
        "new": True,
        "permanent": False,
        "accessed": True,
        "modified": False,
        "after": True,
        "has": False,
        "size": 0,
        "principal": None,
        "repr": "<AsyncSession (in use)>",
    }


def test_a_context_made_from_the_requests_environ_has_the_same_session(sessions: Sessions) -> None:
    app = flask_app(sessions)

    @app.get("/again")
    def again() -> dict[str, Any]:
        flask_session["n"] = 1
        environ = EnvironBuilder.from_environ(flask_request.environ).get_environ()
        with app.request_context({**flask_request.environ, **environ}):
            flask_session["m"] = 2
        return dict(flask_session)

    client = app.test_client()

    assert client.get("/again").json == {"n": 1, "m": 2}
    assert client.get("/").json == {"n": 1, "m": 2}


# Django, whose session is a separate object with the outer one's state.


@pytest.fixture(params=["asgi", "wsgi"])
def django_app(request: pytest.FixtureRequest, sessions: Sessions) -> Iterator[Any]:
    with override_settings(HOLDALL={"sessions": sessions}, MIDDLEWARE=["holdall_django.SessionMiddleware"]):
        yield ASGIHandler() if request.param == "asgi" else WSGIMiddleware(WSGIHandler())


def django_script(*actions: Any) -> dict[str, Any]:
    return {"actions": list(actions)}


def test_django_inside_fastapi_writes_to_the_same_session(
    sessions: Sessions, django_app: Any, client_of: ClientOf
) -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def show(session: SessionDep) -> dict[str, Any]:
        return dict(session)

    app.mount("/django", django_app)
    client = client_of(app)

    answer = client.post("/django/page", json=django_script(["put", "n", 1], ["login", 7]))

    assert answer.status_code == 200
    (line,) = answer.headers.get_list("set-cookie")
    assert line.partition("=")[0].partition(".")[0] == "_shop"
    assert client.get("/").json() == {"n": 1, "user_id": 7}


def test_a_session_that_an_outer_middleware_only_reads_stays_djangos(
    sessions: Sessions, django_app: Any, client_of: ClientOf
) -> None:
    class Reading(Noting):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scope["session"].get("n")
            await self.app(scope, receive, send)

    app = FastAPI()
    app.mount("/django", django_app)
    app.add_middleware(Reading)
    app.add_middleware(SessionMiddleware, sessions=sessions)
    client = client_of(app)
    for n in range(2):
        answer = client.post("/django/page", json=django_script(["put", "n", n]))
        assert answer.status_code == 200

    assert client.post("/django/page", json=django_script(["all"])).json()["results"] == [{"n": 1}]


def test_django_continues_with_an_outer_middlewares_changes(
    sessions: Sessions, django_app: Any, client_of: ClientOf
) -> None:
    app = FastAPI()
    app.mount("/django", django_app)
    app.add_middleware(Noting)
    app.add_middleware(SessionMiddleware, sessions=sessions)
    client = client_of(app)

    answer = client.post("/django/page", json=django_script(["put", "n", 1], ["all"]))

    assert answer.status_code == 200
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert answer.json()["results"][-1] == {"before": True, "n": 1}
    (seen,) = client.post("/django/page", json=django_script(["all"])).json()["results"]
    assert seen.items() >= {"before": True, "n": 1}.items()


def test_flask_inside_django_writes_to_the_same_session(sessions: Sessions) -> None:
    inner = flask_app(sessions)

    def pass_on(request: Any, path: str) -> HttpResponse:
        request.session["before"] = True
        environ = {**request.META, "PATH_INFO": f"/{path}", "SCRIPT_NAME": "/inner"}
        body, status, headers = run_wsgi_app(inner, environ, buffered=True)
        response = HttpResponse(b"".join(body), status=int(status.split()[0]))
        for name, value in headers:
            response[name] = value
        return response

    urls = (django_path("inner/<path:path>", pass_on),)
    with override_settings(
        HOLDALL={"sessions": sessions}, MIDDLEWARE=["holdall_django.SessionMiddleware"], ROOT_URLCONF=urls
    ):
        client = Client(WSGIHandler())
        answer = client.get("/inner/put/n/1")
        again = client.get("/inner/put/m/2")

    assert answer.json == {"before": True, "n": 1}
    assert len(answer.headers.getlist("Set-Cookie")) == 1
    assert again.json == {"before": True, "n": 1, "m": 2}


def test_fastapi_leaves_nothing_for_the_garbage_collector(sessions: Sessions) -> None:
    kept: list[Any] = []
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions)

    @app.get("/")
    async def show(session: SessionDep) -> dict[str, Any]:
        session["n"] = 1
        kept.append(weakref.ref(session))
        return dict(session)

    client = asgi_client(app)
    client(Web("GET", "/"))

    gc.disable()
    try:
        client(Web("GET", "/"))
        assert kept[-1]() is None
    finally:
        gc.enable()
