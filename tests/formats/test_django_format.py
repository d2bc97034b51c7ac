"""Django's signed cookies, compared with Django itself in both directions."""

import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

import pytest
from django.core.signing import JSONSerializer, TimestampSigner, b62_decode, b62_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.records import record
from formats.secret import OTHER, SECRET
from formats.sessions_of import json_sessions
from formats.vectors import alike
from holdall._clock import NEVER
from holdall.formats import DjangoFormat
from holdall.formats._exact import EXACT_KEY
from sizes import EXAMPLES

SALT = "django.contrib.sessions.backends.signed_cookies"
ORACLE = TimestampSigner(key=SECRET, salt=SALT, fallback_keys=[])
FORMAT = DjangoFormat(SECRET)


class Size(IntEnum):
    LARGE = 3


def django_loads(cookie: str, oracle: TimestampSigner = ORACLE) -> Any:
    return oracle.unsign_object(cookie, serializer=JSONSerializer, max_age=60)


def django_dumps(data: dict[str, Any], oracle: TimestampSigner = ORACLE) -> str:
    return oracle.sign_object(data, serializer=JSONSerializer, compress=True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(json_sessions())
def test_we_read_djangos_sessions_and_django_reads_ours(data: dict[str, Any]) -> None:
    theirs, ours = django_dumps(data), FORMAT.seal(record(data, expires=NEVER), key="sessionid")
    opened = FORMAT.open(theirs, key="sessionid")

    assert opened is not None
    assert alike(opened.data, data)
    assert alike(django_loads(ours), data)
    assert ours.split(":")[0] == theirs.split(":")[0]


@given(st.integers(0, 2**32 - 1))
def test_stamps_are_djangos(stamp: int) -> None:
    written = FORMAT._signer.sign("body", stamp).split(":")[1]

    assert written == b62_encode(stamp)
    assert b62_decode(written) == stamp
    assert FORMAT._signer.unsign(FORMAT._signer.sign("body", stamp)) == ("body", stamp)


ENGINE = """
import json, sys
from django.conf import settings
secret, fallbacks, cookie = json.load(sys.stdin)
settings.configure(SECRET_KEY=secret, SECRET_KEY_FALLBACKS=fallbacks)
from django.contrib.sessions.backends.signed_cookies import SessionStore
session = SessionStore(cookie)
read = dict(session.items())
session["text"] = "a" * 200
session.save()
print(json.dumps([read, session.session_key]))
"""


def engine(secret: str, fallbacks: list[str], cookie: str | None) -> Any:
    """Return the data that Django's own engine reads from a cookie, and the cookie that it writes."""
    asked = json.dumps([secret, fallbacks, cookie])
    answer = subprocess.run([sys.executable, "-c", ENGINE], input=asked, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout)


def test_a_session_goes_from_djangos_engine_to_us_and_back() -> None:
    _, first = engine(OTHER, [], None)
    opened = DjangoFormat(SECRET, [OTHER]).open(first, key="sessionid")
    assert opened is not None
    assert opened.data == {"text": "a" * 200}

    sealed = DjangoFormat(OTHER).seal(opened._replace(data={**opened.data, "user_id": 7}), key="sessionid")
    read, again = engine(SECRET, [OTHER], sealed)

    assert (read["user_id"], read["text"]) == (7, "a" * 200)
    back = FORMAT.open(again, key="sessionid")
    assert back is not None
    assert back.data == {"text": "a" * 200, "user_id": 7}
    assert (back.created, back.log_id) == (opened.created, opened.log_id)


def test_another_salt_is_for_another_purpose() -> None:
    oracle = TimestampSigner(key=SECRET, salt="of our own", fallback_keys=[])
    cookie = django_dumps({"a": 1}, oracle)

    assert FORMAT.open(cookie, key="sessionid") is None
    opened = DjangoFormat(SECRET, salt="of our own").open(cookie, key="sessionid")
    assert opened is not None
    assert opened.data == {"a": 1}


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: 2}, {True: {None: (1.5,)}}, {1: 2, "1": 3}, "\ud800\udc00", Size.LARGE, {"a": {0.5: math.nan}}],
)
def test_values_that_django_converts_are_converted_for_django_and_exact_for_us(value: Any) -> None:
    cookie = FORMAT.seal(record({"a": [value], "plain": 1}, expires=NEVER), key="sessionid")

    theirs = django_loads(cookie)
    opened = FORMAT.open(cookie, key="sessionid")

    theirs.pop(EXACT_KEY, None)
    assert repr(theirs) == repr(django_loads(django_dumps({"a": [value], "plain": 1})))
    assert opened is not None
    assert opened.data == {"a": [value], "plain": 1} or repr(opened.data) == repr({"a": [value], "plain": 1})
    FORMAT.check("a", value)


@pytest.mark.parametrize("value", [b"a", {1}, {(1,): 2}, datetime(2026, 1, 1, tzinfo=UTC), ...], ids=repr)
def test_values_on_which_django_fails_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"session\['a'\]\[0\] cannot be stored"):
        FORMAT.check("a", [value])
