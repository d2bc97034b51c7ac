"""Test that an object with a secret keeps it: it cannot be pickled or copied, and its repr hides the secret."""

import copy
import hashlib
import hmac
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from formats.secret import OTHER, SECRET
from holdall import ConfigurationError, CookieStore, Sessions
from holdall._keys import derive_key
from holdall.formats import DjangoFormat, DynamoFormat, FlaskFormat, NativeFormat, PlugFormat, StarletteFormat

FORMATS: dict[str, Any] = {
    "native": NativeFormat(SECRET),
    "native, signed": NativeFormat(SECRET, encrypt=False),
    "plug": PlugFormat(SECRET, signing_salt="salt", encryption_salt="vault"),
    "plug, signed": PlugFormat(SECRET, signing_salt="salt"),
    "dynamo": DynamoFormat(SECRET),
    "flask": FlaskFormat(SECRET, [OTHER], key_derivation="none"),
    "starlette": StarletteFormat(SECRET, [OTHER]),
    "django": DjangoFormat(SECRET, [OTHER]),
}
WAYS: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "pickle 0": lambda value: pickle.dumps(value, 0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}

#: As text, and as bytes shown in hexadecimal.
SHOWN = (SECRET[:12], OTHER[:12], SECRET[:12].encode().hex())


def shown_by(value: Any, depth: int = 6) -> str:
    """Return everything shown by a tool that walks through attributes."""
    attributes = vars(value) if depth and hasattr(value, "__dict__") and not isinstance(value, type) else {}
    return repr(value) + "".join(f"{name} {shown_by(each, depth - 1)}" for name, each in attributes.items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_neither_pickled_nor_copied(name: str, way: str) -> None:
    with pytest.raises(TypeError, match=r"holds a secret and cannot be pickled or copied") as refusal:
        WAYS[way](FORMATS[name])

    assert not any(each in str(refusal.value) for each in SHOWN)


@pytest.mark.filterwarnings(
    "ignore:Pickle, copy, and deepcopy support:DeprecationWarning"
)  # itertools.count, before 3.14
@pytest.mark.parametrize("name", FORMATS)
def test_an_object_that_contains_a_format_is_neither_pickled_nor_deeply_copied(name: str) -> None:
    for whole in (CookieStore(FORMATS[name]), [FORMATS[name]], vars(FORMATS[name])):
        for way in ("pickle", "deepcopy"):
            with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
                WAYS[way](whole)


@pytest.mark.parametrize("name", FORMATS)
def test_no_attribute_of_a_format_shows_its_secret(name: str) -> None:
    for whole in (FORMATS[name], CookieStore(FORMATS[name]), Sessions(CookieStore(FORMATS[name]), key="_key")):
        shown = shown_by(whole)

        assert not any(each in shown for each in SHOWN)


def test_no_attribute_of_a_format_shows_a_derived_key() -> None:
    derived = hashlib.pbkdf2_hmac("sha256", SECRET.encode(), b"salt", 1000, 32)
    signed = derive_key(SECRET.encode(), "holdall 1\0sign\0\0\0key")
    flask = hmac.digest(SECRET.encode(), b"cookie-session", "sha1")

    for format, key in (
        (PlugFormat(SECRET, signing_salt="salt"), derived),
        (PlugFormat(SECRET, signing_salt="a", encryption_salt="salt"), derived),
        (NativeFormat(SECRET, encrypt=False), signed),
        (FlaskFormat(SECRET), flask),
    ):
        assert repr(key)[2:-1] not in shown_by(format)


@pytest.mark.parametrize("store", ["cookie", "table"])
def test_sessions_cannot_be_pickled(store: str) -> None:
    options = {"secret_key_base": SECRET} if store == "cookie" else {"table": "session"}
    sessions = Sessions(store, key="_key", **options)  # type: ignore[arg-type]

    for way in ("pickle", "deepcopy"):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            WAYS[way](sessions)


@pytest.mark.parametrize(
    "make",
    [
        NativeFormat,
        lambda secret: PlugFormat(secret, signing_salt="salt"),
        DynamoFormat,
        FlaskFormat,
        DjangoFormat,
        StarletteFormat,
        lambda secret: FlaskFormat(SECRET, [secret]),
    ],
)
@pytest.mark.parametrize("secret", ["hunter2", "hunter2 hunter2 hunter2", "hunter2\ud800" * 20, None, 7, b""])
def test_a_refused_secret_is_not_in_the_error(make: Callable[[Any], object], secret: Any) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        make(secret)

    assert "hunter2" not in repr(refusal.value)
    assert "hunter2" not in str(pickle.dumps(refusal.value))
    assert refusal.value.__cause__ is None
