"""Starlette's cookies, compared with its own middleware in both directions."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from formats.records import record
from formats.secret import SECRET
from formats.sessions_of import json_sessions
from formats.vectors import alike
from holdall._clock import NEVER
from holdall.formats import StarletteFormat
from holdall.formats._exact import EXACT_KEY
from holdall.testing import Request, asgi_client
from sizes import EXAMPLES


async def act(request: StarletteRequest) -> PlainTextResponse:
    request.session.update(await request.json())
    return PlainTextResponse(repr(dict(request.session)))


APP = Starlette(
    routes=[Route("/", act, methods=["POST"])], middleware=[Middleware(SessionMiddleware, secret_key=SECRET)]
)
SIGNER = SessionMiddleware(APP, SECRET).signer
FORMAT = StarletteFormat(SECRET)


@settings(max_examples=EXAMPLES, deadline=None)
@given(json_sessions())
def test_we_read_starlettes_sessions_and_starlette_reads_ours(data: dict[str, Any]) -> None:
    text = b64encode(json.dumps(data).encode("utf-8"))
    opened = FORMAT.open(SIGNER.sign(text).decode(), key="session")

    ours = SIGNER.unsign(FORMAT.seal(record(data, expires=NEVER), key="session"), max_age=60)

    assert opened is not None
    assert alike(opened.data, data)
    assert ours == text
    assert alike(json.loads(b64decode(ours)), data)


def test_a_session_goes_from_starlette_to_us_and_back_over_http() -> None:
    client = asgi_client(APP)
    answer = client(Request(body=b'{"user_id": 7}'))
    cookie = answer.all("Set-Cookie")[0].partition(";")[0].removeprefix("session=")

    opened = FORMAT.open(cookie, key="session")
    assert opened is not None
    assert opened.data == {"user_id": 7}
    sealed = FORMAT.seal(opened._replace(data={**opened.data, "name": "Zoë"}), key="session")
    answer = client(Request(headers=[("Cookie", f"session={sealed}")], body=b'{"more": true}'))

    assert b"'user_id': 7" in answer.body
    assert "'name': 'Zoë'" in answer.body.decode()
    back = FORMAT.open(answer.all("Set-Cookie")[0].partition(";")[0].removeprefix("session="), key="session")
    assert back is not None
    assert back.data == {"user_id": 7, "name": "Zoë", "more": True}
    assert (back.created, back.log_id) == (opened.created, opened.log_id)


@pytest.mark.parametrize("cookie", ["null", "", "null.null.null"])
def test_a_cleared_session_opens_nothing(cookie: str) -> None:
    assert FORMAT.open(cookie, key="session") is None


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {True: {None: (1.5,)}}, Markup("<b>"), "\ud800\udc00"], ids=ascii)
def test_values_that_starlette_converts_are_converted_for_starlette_and_exact_for_us(value: Any) -> None:
    cookie = FORMAT.seal(record({"a": [value], "plain": 1}, expires=NEVER), key="session")

    theirs = json.loads(b64decode(SIGNER.unsign(cookie)))
    opened = FORMAT.open(cookie, key="session")

    assert theirs.pop(EXACT_KEY)
    assert theirs == json.loads(json.dumps({"a": [value], "plain": 1}))
    assert opened is not None
    assert alike(opened.data, {"a": [value], "plain": 1})
    FORMAT.check("a", value)


@pytest.mark.parametrize("value", [b"a", {1}, {(1,): 2}, datetime(2026, 1, 1, tzinfo=UTC)], ids=repr)
def test_values_on_which_starlette_fails_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"session\['a'\]\[0\] cannot be stored: "):
        FORMAT.check("a", [value])
