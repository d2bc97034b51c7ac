"""Flask's cookies, compared with Flask itself in both directions."""

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import flask
import pytest
from flask.sessions import SecureCookieSessionInterface
from hypothesis import given, settings
from markupsafe import Markup

from formats.records import record
from formats.secret import OTHER, SECRET
from formats.sessions_of import flask_sessions
from formats.vectors import alike
from holdall._base64url import to_text
from holdall._clock import NEVER
from holdall.formats import FlaskFormat
from holdall.formats._exact import EXACT_KEY
from holdall.testing import Request, wsgi_client
from sizes import EXAMPLES


def flask_app(secret: str | bytes = SECRET, **attributes: Any) -> flask.Flask:
    app = flask.Flask("shop")
    app.secret_key = secret
    app.session_interface = type("Interface", (SecureCookieSessionInterface,), attributes)()

    @app.post("/")
    def act() -> Any:
        flask.session.update(flask.json.loads(flask.request.data))
        return repr(dict(flask.session))

    return app


def flasks(app: flask.Flask) -> Any:
    """Return the serializer with which Flask itself seals and opens cookies."""
    return app.session_interface.get_signing_serializer(app)


ORACLE = flasks(flask_app())
FORMAT = FlaskFormat(SECRET)


@settings(max_examples=EXAMPLES, deadline=None)
@given(flask_sessions())
def test_we_read_flasks_sessions_and_flask_reads_ours(data: dict[str, Any]) -> None:
    opened = FORMAT.open(ORACLE.dumps(data), key="session")

    assert opened is not None
    assert alike(opened.data, data)
    assert alike(ORACLE.loads(FORMAT.seal(record(data, expires=NEVER), key="session")), data)


@settings(max_examples=EXAMPLES // 10 + 1, deadline=None)
@given(flask_sessions())
def test_the_text_is_what_flask_writes(data: dict[str, Any]) -> None:
    ours = FORMAT.seal(record(data, expires=NEVER), key="session")

    assert ours.rsplit(".", 2)[0] == ORACLE.dumps(data).rsplit(".", 2)[0]


def test_a_session_goes_from_flask_to_us_and_back_over_http() -> None:
    client = wsgi_client(flask_app())
    answer = client(Request(body=b'{"user_id": 7}'))
    cookie = answer.all("Set-Cookie")[0].partition(";")[0].removeprefix("session=")

    opened = FORMAT.open(cookie, key="session")
    assert opened is not None
    assert opened.data == {"user_id": 7}
    sealed = FORMAT.seal(opened._replace(data={**opened.data, "pair": (1, b"\xff")}), key="session")
    answer = client(Request(headers=[("Cookie", f"session={sealed}")], body=b'{"more": true}'))

    assert b"'user_id': 7" in answer.body
    assert rb"'pair': (1, b'\xff')" in answer.body
    back = FORMAT.open(answer.all("Set-Cookie")[0].partition(";")[0].removeprefix("session="), key="session")
    assert back is not None
    assert back.data == {"user_id": 7, "pair": (1, b"\xff"), "more": True}
    assert (back.created, back.log_id) == (opened.created, opened.log_id)


@pytest.mark.parametrize("key_derivation", ["hmac", "django-concat", "concat", "none"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("salt", ["cookie-session", "of our own"])
def test_an_applications_own_settings_are_options(key_derivation: Any, digest: str, salt: str) -> None:
    digest_method = staticmethod(getattr(hashlib, digest))
    app = flask_app(SECRET.encode(), salt=salt, key_derivation=key_derivation, digest_method=digest_method)
    format = FlaskFormat(SECRET, salt=salt, key_derivation=key_derivation, digest=digest)

    opened = format.open(flasks(app).dumps({"a": (1,)}), key="session")

    assert opened is not None
    assert opened.data == {"a": (1,)}
    assert flasks(app).loads(format.seal(record({"a": (1,)}, expires=NEVER), key="session")) == {"a": (1,)}


@pytest.mark.skipif("SECRET_KEY_FALLBACKS" not in flask.Flask.default_config, reason="Flask rotates since 3.1")
def test_a_rotated_secret_works_the_same_in_both() -> None:
    app = flask_app()
    app.config["SECRET_KEY_FALLBACKS"] = [OTHER]
    format = FlaskFormat(SECRET, [OTHER])
    theirs, ours = flasks(flask_app(OTHER)).dumps({"a": 1}), FlaskFormat(OTHER).seal(record({"a": 1}), key="session")

    assert format.open(theirs, key="session") is not None
    assert flasks(app).loads(ours)["a"] == 1


class Html:
    def __repr__(self) -> str:
        # The address would give the test another name in each worker.
        return "Html()"

    def __html__(self) -> str:
        return "<b>"


@dataclass
class Point:
    x: int
    tag: Any = (1, Decimal(1))


EAST = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (datetime(2026, 1, 1, 0, 0, 0, 5, UTC), ...),
        (datetime(2026, 1, 1), ...),  # noqa: DTZ001  # Flask interprets it as UTC
        (datetime(2026, 1, 1, tzinfo=EAST), ...),
        (datetime(50, 1, 1, tzinfo=UTC), ...),
        (date(2026, 1, 1), ...),
        (Decimal("1.10"), ...),
        ({7: "apples", 8: {True: None}}, ...),
        ({1.5: 1}, ...),
        ({None: (1, 2)}, ...),
        ("\ud800\udc00", ...),
        ({1: Html()}, {1: Markup("<b>")}),
        (Point(1, Point(2, ())), {"x": 1, "tag": {"x": 2, "tag": ()}}),
        (Point(1), {"x": 1, "tag": (1, Decimal(1))}),
        ({7: math.nan}, ...),
    ],
    ids=ascii,
)
def test_values_that_flask_converts_are_converted_for_flask_and_exact_for_us(value: Any, ours: Any) -> None:
    ours = value if ours is ... else ours
    cookie = FORMAT.seal(record({"a": [value], "plain": 1}, expires=NEVER), key="session")

    theirs = ORACLE.loads(cookie)
    opened = FORMAT.open(cookie, key="session")

    theirs.pop(EXACT_KEY, None)
    # Flask writes a dataclass's content without tags; here it is the dict that it comes back as.
    given = ours if isinstance(value, Point) else value
    assert repr(theirs) == repr(ORACLE.loads(ORACLE.dumps({"a": [given], "plain": 1})))
    assert opened is not None
    assert repr(opened.data) == repr({"a": [ours], "plain": 1})
    FORMAT.check("a", value)


@pytest.mark.parametrize("value", [5, "", "x", "e30", "AAAA", "!", ["a"], {1: 2}])
def test_an_application_may_use_our_key_itself(value: Any) -> None:
    ours, theirs = FORMAT.seal(record({EXACT_KEY: value, "a": 1}), key="session"), ORACLE.dumps({EXACT_KEY: value})

    opened, opened_theirs = FORMAT.open(ours, key="session"), FORMAT.open(theirs, key="session")

    assert opened is not None
    assert opened.data == {EXACT_KEY: value, "a": 1}
    assert opened_theirs is not None
    assert opened_theirs.data in ({EXACT_KEY: value}, {EXACT_KEY: {"1": 2}}, {})


def test_a_later_change_by_flask_is_read_as_flask_wrote_it() -> None:
    theirs = ORACLE.loads(FORMAT.seal(record({"a": {1: 2}, "b": {3: 4}, "c": {5: 6}}, expires=NEVER), key="session"))
    assert EXACT_KEY in theirs
    theirs["a"]["1"] = 9
    del theirs["b"]

    opened = FORMAT.open(ORACLE.dumps(theirs), key="session")

    assert opened is not None
    assert opened.data == {"a": {"1": 9}, "c": {5: 6}}


@pytest.mark.parametrize(
    "value",
    [
        ...,
        {(1, 2): 3},
        {1, 2},
        Point,
        Point(1, {1}),
        datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001
        datetime(1, 1, 1, tzinfo=EAST),
        time(12),
    ],
    ids=repr,
)
def test_values_that_flask_cannot_write_or_restore_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"session\['a'\]\[0\].* cannot be stored: "):
        FORMAT.check("a", [value])


@pytest.mark.parametrize(
    "tagged",
    [
        {" t": 5},
        {" b": [1]},
        {" b": "a"},
        {" u": 7},
        {" u": "x"},
        {" d": "yesterday"},
        {" d": "Thu, 01 Jan 1970 00:00:00 +99999999999999999999"},
        {" m": None},
        {" di": {}},
        {" di": [1]},
    ],
    ids=str,
)
def test_a_tag_that_flask_does_not_write_opens_nothing(tagged: Any) -> None:
    body = to_text(json.dumps({"a": tagged, "b": 1}).encode())

    assert FORMAT.open(FORMAT._signer.sign(body, 1), key="session") is None


def test_every_tag_in_flasks_own_documentation_is_read() -> None:
    body = (
        b'{"t":{" t":[1]},"b":{" b":"/w=="},"m":{" m":"<b>"},"u":{" u":"00000000000000000000000000000007"},'
        b'"d":{" d":"Thu, 01 Jan 2026 00:00:00 GMT"},"n":{" d":"Thu, 01 Jan 2026 00:00:00 -0000"},'
        b'"di":{" di":{" t__":1}},"other":{" x":1}}'
    )

    opened = FORMAT.open(FORMAT._signer.sign(to_text(body), 1), key="session")

    assert opened is not None
    assert alike(
        opened.data,
        {
            "t": (1,),
            "b": b"\xff",
            "m": Markup("<b>"),
            "u": UUID(int=7),
            "d": datetime(2026, 1, 1, tzinfo=UTC),
            "n": datetime(2026, 1, 1, tzinfo=UTC),
            "di": {" t": 1},
            "other": {" x": 1},
        },
    )


@pytest.mark.parametrize("age", [0, 60, 61])
def test_flask_and_we_keep_it_for_the_same_time(age: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app = flask_app()
    app.permanent_session_lifetime = timedelta(seconds=60)
    written = 1_767_268_800
    format = FlaskFormat(SECRET, max_age=60, clock=lambda: datetime.fromtimestamp(written, UTC))
    cookie = format.seal(record({"a": 1}, expires=NEVER), key="session")
    opened = format.open(cookie, key="session")
    assert opened is not None
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: written + age)

    with app.test_request_context(headers={"Cookie": f"session={cookie}"}):
        in_flask = bool(flask.session)

    assert in_flask == (opened.expires > written + age)
