"""Convert a session into a cookie's value and back: formats compared with the lower bound and with other libraries."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import Any

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measuring import Effort, figure, ratio, rotate
from bench.reporting import Cell, Table
from bench.samples import PAYLOADS, SECRET
from holdall.formats import Format, NativeFormat, PlugFormat
from holdall.formats._contract import Record
from holdall.msgspec_json import FastTaggedJSON

__all__ = ["tables"]

LIMIT = "the limit: JSON, AES-256-GCM, base64"

# Converts data to a cookie's value and back.
_RoundTrip = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]

#: The target: at most this multiple of the lower bound, by size.
_TARGETS = {
    "holdall": (1.25, 1.15, 1.10),
    "holdall[fast]": (0.75, 0.70, 0.65),
}


def tables(effort: Effort) -> Iterator[Table]:
    """Measure all formats with each payload."""
    codecs = _codecs()
    acts = {
        (name, size): _act(round_trip, data) for name, round_trip in codecs.items() for size, data in PAYLOADS.items()
    }
    taken = rotate(acts, effort)
    sizes = dict.fromkeys(PAYLOADS, "x")
    yield Table(
        "A round trip, against the limit",
        dict.fromkeys(PAYLOADS, "x"),
        {
            name: {
                size: ratio(taken[name, size], taken[LIMIT, size], at_most=target)
                for size, target in zip(sizes, _TARGETS.get(name, (None,) * len(sizes)), strict=True)
            }
            for name in codecs
        },
        "The limit does only what any encrypted cookie needs: JSON with a reused encoder of the standard library, "
        "AES-GCM with one key and 12 random bytes, and base64.",
    )
    yield Table(
        "A round trip",
        dict.fromkeys(PAYLOADS, "µs"),
        {name: {size: figure(taken[name, size], scale=1e6) for size in PAYLOADS} for name in codecs},
    )
    lengths: dict[str, dict[str, Cell]] = {
        name: {size: figure([len(round_trip(data)[0])]) for size, data in PAYLOADS.items()}
        for name, round_trip in codecs.items()
    }
    yield Table(
        "The length of the value",
        dict.fromkeys(PAYLOADS, "B"),
        lengths,
        "Browsers accept cookies of up to 4096 bytes, including the name and the attributes.",
    )


def _codecs() -> dict[str, _RoundTrip]:
    salts = {"signing_salt": "signing", "encryption_salt": "encryption"}
    return {
        LIMIT: _limit(),
        "holdall": _format(NativeFormat(SECRET)),
        "holdall[fast]": _format(NativeFormat(SECRET, serializer=FastTaggedJSON())),
        "holdall, encrypt=False": _format(NativeFormat(SECRET, encrypt=False)),
        "holdall, Plug's format": _format(PlugFormat(SECRET, **salts)),
        "Fernet, JSON": _fernet(),
        "Starlette": _starlette(),
        "starsessions": _starsessions(),
        "Django, signed_cookies": _django(),
        "Flask": _flask(),
    }


def _act(round_trip: _RoundTrip, data: dict[str, Any]) -> Callable[[], object]:
    _, opened = round_trip(data)
    if opened != data:
        msg = "the data does not come back unchanged"
        raise AssertionError(msg)
    return lambda: round_trip(data)


def _limit() -> _RoundTrip:
    aes = AESGCM(AESGCM.generate_key(256))
    encode = json.JSONEncoder(separators=(",", ":")).encode
    decode = json.JSONDecoder().decode

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        nonce = os.urandom(12)
        sealed = nonce + aes.encrypt(nonce, encode(data).encode(), b"session")
        value = base64.urlsafe_b64encode(sealed).decode("ascii")
        token = base64.urlsafe_b64decode(value)
        return value, decode(aes.decrypt(token[:12], token[12:], b"session").decode())

    return round_trip


def _format(format: Format) -> _RoundTrip:
    now = int(time())
    expires = now + 7 * 24 * 60 * 60

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        value = format.seal(Record(data, now, expires, "0123456789abcdef"), key="session")
        record = format.open(value, key="session")
        return value, {} if record is None else record.data

    return round_trip


def _fernet() -> _RoundTrip:
    fernet = Fernet(Fernet.generate_key())

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        value = fernet.encrypt(json.dumps(data, separators=(",", ":")).encode())
        return value.decode(), json.loads(fernet.decrypt(value, ttl=3600))

    return round_trip


def _starlette() -> _RoundTrip:
    # As in starlette.middleware.sessions, which does it within a request.
    from itsdangerous import TimestampSigner

    signer = TimestampSigner(SECRET)

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        value = signer.sign(base64.b64encode(json.dumps(data).encode()))
        return value.decode(), json.loads(base64.b64decode(signer.unsign(value, max_age=3600)))

    return round_trip


def _starsessions() -> _RoundTrip:
    from starsessions import CookieStore, JsonSerializer

    store, serializer = CookieStore(SECRET), JsonSerializer()

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        value = _result(store.write("", serializer.serialize(data), 3600, 3600))
        return value, serializer.deserialize(_result(store.read(value, 3600)))

    return round_trip


def _result(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    msg = "it waits"
    raise RuntimeError(msg)


def _django() -> _RoundTrip:
    from bench.apps.django import set_up

    set_up(Path())

    from django.contrib.sessions.backends.signed_cookies import SessionStore
    from django.core import signing

    serializer = SessionStore().serializer
    salt = "django.contrib.sessions.backends.signed_cookies"

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        value = signing.dumps(data, compress=True, salt=salt, serializer=serializer)
        return value, signing.loads(value, serializer=serializer, max_age=3600, salt=salt)

    return round_trip


def _flask() -> _RoundTrip:
    import flask
    from flask.sessions import SecureCookieSessionInterface

    app = flask.Flask(__name__)
    app.secret_key = SECRET
    interface = SecureCookieSessionInterface()

    def round_trip(data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        # Flask makes a new serializer for each use.
        value = interface.get_signing_serializer(app).dumps(data)
        return value, interface.get_signing_serializer(app).loads(value, max_age=3600)

    return round_trip
