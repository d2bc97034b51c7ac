"""Plug's cookies: Phoenix's cookies are read correctly, and Phoenix could have written ours."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from formats.records import BEGAN, END, START, record
from formats.secret import OTHER, SECRET
from formats.vectors import PLUG_CRYPTO_1, VECTORS, alike, payload_of, term_of
from holdall import ConfigurationError, CookieStore, Sessions
from holdall._base64url import from_text
from holdall._clock import FOREVER, NEVER
from holdall._keys import WeakSecretWarning
from holdall.etf import Atom, AtomKey, MapKey, dumps, loads
from holdall.formats import PlugFormat
from holdall.formats._xchacha import decrypt, encrypt, hchacha20
from holdall.serializers import TaggedJSON
from holdall.testing import FakeClock

OPTIONS = ("signing_salt", "encryption_salt", "key_iterations", "key_length", "key_digest", "serializer")
PLUGS = [vector for vector in VECTORS if vector["kind"] != "dynamo"]
VALID = [vector for vector in PLUGS if vector["valid"]]


#: The cookies by the length of their keys and of the message's own key.
V1 = {(each["key_length"], each["message_key_length"]): each["cookie"] for each in PLUG_CRYPTO_1["cookies"]}


def plug(vector: dict[str, Any], **options: Any) -> PlugFormat:
    """Return the format that a vector was made with."""
    given = {name: vector[name] for name in OPTIONS if name in vector}
    return PlugFormat(vector["secret_key_base"], **given, **options)


def store(vector: dict[str, Any]) -> CookieStore:
    rotated = [plug({**vector, **options}) for options in vector.get("rotating_options", ())]
    return CookieStore(plug(vector), also_read=rotated)


@pytest.mark.parametrize("vector", VALID, ids=lambda vector: vector["id"])
def test_opens_every_valid_vector_as_its_term(vector: dict[str, Any]) -> None:
    assert alike(store(vector).get(vector["cookie"], key="_key").data, term_of(vector["term"]))


@pytest.mark.parametrize("vector", [v for v in PLUGS if not v["valid"]], ids=lambda vector: vector["id"])
def test_opens_no_invalid_vector(vector: dict[str, Any]) -> None:
    assert plug(vector).open(vector["cookie"], key="_key") is None


@pytest.mark.parametrize("vector", PLUGS, ids=lambda vector: vector["id"])
def test_a_visitor_with_a_vector_as_cookie_has_its_session_or_an_empty_one(vector: dict[str, Any]) -> None:
    session = Sessions(store(vector), key="_key").fetch(f"_key={vector['cookie']}")

    assert alike(dict(session), term_of(vector["term"]) if vector["valid"] else {})
    assert session.is_new is not vector["valid"]


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VALID if vector.get("reencode") not in (None, "no")],
    ids=lambda vector: vector["id"],
)
def test_writes_the_same_payload_again(vector: dict[str, Any]) -> None:
    otp = 25 if vector["reencode"] == "otp25" else 26
    again = plug(vector, otp=otp)

    cookie = again.seal(record(term_of(vector["term"]), expires=NEVER), key="_key")

    assert again._box.open(cookie) == payload_of(vector)
    if vector["kind"] == "signed" and vector["cookie"].startswith("SFMyNTY."):
        assert cookie == vector["cookie"]


def test_writes_an_encrypted_cookie_byte_by_byte_under_the_same_nonce() -> None:
    vector = next(vector for vector in PLUGS if vector["id"] == "pub-encrypted-phoenix")
    nonce = (from_text(vector["cookie"].removeprefix("XCP.")) or b"")[:24]

    cookie = plug(vector, random=lambda length: nonce).seal(record(term_of(vector["term"]), expires=NEVER), key="_key")

    assert cookie == vector["cookie"]


@pytest.mark.parametrize("encryption_salt", [None, "vault"])
@pytest.mark.parametrize("serializer", ["external_term_format", "json", TaggedJSON()])
def test_a_session_comes_back_with_its_times(encryption_salt: str | None, serializer: Any) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", encryption_salt=encryption_salt, serializer=serializer)
    given = record({"user_id": 7, "cart": [{"sku": "A1"}], "name": "Zoë"})

    cookie = format.seal(given, key="_key")

    assert format.open(cookie, key="_key") == given
    assert format.open(cookie, key="_other") is None


def test_the_times_are_under_one_reserved_key_and_only_with_a_limit() -> None:
    format = PlugFormat(SECRET, signing_salt="salt", serializer="json")

    limited = format._box.open(format.seal(record({"a": 1}), key="_key"))
    unlimited = format._box.open(format.seal(record({"a": 1}, expires=NEVER), key="_key"))

    assert limited == b'{"a":1,"_holdall":[1767268800,1767873600,"0123456789abcdef","_key"]}'
    assert unlimited == b'{"a":1}'


def test_a_session_begun_by_phoenix_counts_as_begun_now_without_an_end() -> None:
    format = PlugFormat(SECRET, signing_salt="salt", clock=lambda: START + timedelta(microseconds=5))
    cookie = format.seal(record({"a": 1}, expires=NEVER), key="_key")

    opened = format.open(cookie, key="_key")

    assert opened is not None
    assert (opened.data, opened.created, opened.expires) == ({"a": 1}, BEGAN, FOREVER)
    assert len(bytes.fromhex(opened.log_id)) == 8
    assert opened.log_id == format.open(cookie, key="_key").log_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "times",
    [
        None,
        [],
        [1, 2, "0123456789abcdef"],
        ["1", 2, "0123456789abcdef", "_key"],
        [1, 2, "0123456789ABCDEF", "_key"],
        [1, 2, "0123456789abcdef", "_key", 1, 2],
        [-1, 2, "0123456789abcdef", "_key"],
        [1, 2**32, "0123456789abcdef", "_key"],
    ],
)
def test_a_value_that_is_not_times_is_the_applications_own(times: Any) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", serializer="json", clock=lambda: START)

    opened = format.open(format._box.seal(json.dumps({"_holdall": times}).encode()), key="_key")

    assert opened is not None
    assert (opened.data, opened.expires) == ({"_holdall": times}, FOREVER)


@pytest.mark.parametrize("expires", [END, NEVER])
@pytest.mark.parametrize("value", [None, 7, [1, 2, "0123456789abcdef", "_key"], [1, 2, "0123456789abcdef", "_key", 3]])
def test_an_application_may_use_the_reserved_key_itself(expires: datetime, value: Any) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", clock=lambda: START)
    given = record({"_holdall": value, "a": 1}, expires=expires)

    opened = format.open(format.seal(given, key="_key"), key="_key")

    assert opened is not None
    assert opened[:3] == given[:3]


@pytest.mark.parametrize(
    ("serializer", "value", "message"),
    [
        ("external_term_format", [{1}], r"session\['a'\]\[0\] cannot be stored: it is of type set"),
        ("json", [{1}], r"session\['a'\]\[0\] cannot be stored: it is of type set"),
        ("json", {"b": (1,)}, r"session\['a'\]\['b'\] cannot be stored: it is of type tuple"),
        ("json", {1: 2}, r"session\['a'\] cannot be stored: one of its keys is of type int"),
        ("json", float("nan"), r"session\['a'\] cannot be stored: Out of range"),
        ("json", "\ud800", r"session\['a'\] cannot be stored: 'utf-8' codec"),
    ],
)
def test_unsupported_values_are_named_when_they_are_put_and_when_they_are_sealed(
    serializer: Any, value: Any, message: str
) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", serializer=serializer)

    with pytest.raises(TypeError, match=message):
        format.check("a", value)
    with pytest.raises(TypeError, match=message):
        format.seal(record({"fine": [1], "a": value}), key="_key")


def test_atoms_come_back_as_atoms() -> None:
    format = PlugFormat(SECRET, signing_salt="salt")

    opened = format.open(format.seal(record({"role": Atom("admin")}), key="_key"), key="_key")

    assert opened is not None
    assert type(opened.data["role"]) is Atom


@pytest.mark.parametrize("payload", [b"[1]", b"{", b"\xff", b'{"a":NaN}', b'{"a":' + b"[" * 100000])
def test_an_authentic_cookie_without_a_session_opens_nothing(payload: bytes) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", serializer="json")

    assert format.open(format._box.seal(payload), key="_key") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: ["", *parts[1:]],
        lambda parts: parts[:4],
        lambda parts: [*parts, parts[4]],
        lambda parts: ["QTEyOEdDTR", *parts[1:]],
        lambda parts: [parts[0], parts[1] + "AAAA", *parts[2:]],
        lambda parts: [*parts[:2], parts[2] + "AAAA", *parts[3:]],
        lambda parts: [*parts[:4], parts[4] + "AAAA"],
        lambda parts: [parts[0], parts[1][:-1] + "A", *parts[2:]],
        lambda parts: [*parts[:3], "AAAA" + parts[3][4:], parts[4]],
    ],
)
def test_an_older_cookie_is_read_whole_or_not_at_all(change: Callable[[list[str]], list[str]]) -> None:
    vector = next(vector for vector in VECTORS if vector["kind"] == "encrypted_legacy_v1")
    parts = vector["cookie"].split(".")

    assert plug(vector).open(".".join(change(parts)), key="_key") is None


@pytest.mark.parametrize("cookie", ["", ".", "..", "XCP.", "XCP.AAAA", "SFMyNTY..", "é.é.é", "SFMyNTY.é", "XCP.é"])
@pytest.mark.parametrize("encryption_salt", [None, "vault"])
def test_text_that_is_not_a_cookie_opens_nothing(cookie: str, encryption_salt: str | None) -> None:
    assert PlugFormat(SECRET, signing_salt="salt", encryption_salt=encryption_salt).open(cookie, key="_key") is None


@pytest.mark.parametrize(("length", "own"), V1)
def test_a_cookie_of_plug_crypto_1_is_read_with_every_key_length_that_it_allowed(length: int, own: int) -> None:
    options = {"signing_salt": "salt", "encryption_salt": "vault"}
    format = PlugFormat(SECRET, **options, key_length=length)

    opened = format.open(V1[length, own], key="_key")

    assert opened is not None
    assert opened.data == {"user_id": 7}
    others = [PlugFormat(SECRET, **options, key_length=other) for other in (16, 24, 32, 48, 64) if other != length]
    assert not any(other.open(V1[length, own], key="_key") for other in others)
    # Written in the format of plug_crypto 2, which supports only 32 bytes.
    assert PlugFormat(SECRET, **options).open(format.seal(opened, key="_key"), key="_key") is not None


@pytest.mark.parametrize("encryption_salt", [None, "vault"])
def test_map_keys_that_only_erlang_supports_are_in_the_session(encryption_salt: str | None) -> None:
    format = PlugFormat(SECRET, signing_salt="salt", encryption_salt=encryption_salt)
    nested: Any = 1
    for _ in range(200):
        nested = {"d": (nested,)}
    data = {
        "user": "text",
        AtomKey("user"): "atom",
        "both": {AtomKey("a"): 1, "a": 2},
        "numbers": {1: "integer", MapKey(1.0): "float"},
        "set": {Atom("__struct__"): Atom("Elixir.MapSet"), Atom("map"): {MapKey([1]): []}},
        "nested": nested,
    }
    sessions = Sessions(CookieStore(format), key="_key", idle_timeout=None, absolute_timeout=None)

    session = sessions.fetch(f"_key={format._box.seal(dumps(data))}")
    session["more"] = 1
    cookie = sessions.commit(session).cookie

    assert session["user"] == "text"
    assert session["both"]["a"] == 2
    assert session["both"][AtomKey("a")] == 1
    assert cookie is not None
    assert alike(loads(format._box.open(cookie) or b""), loads(dumps({**data, "more": 1})))


def test_an_atom_key_is_not_found_by_its_text_and_is_kept() -> None:
    format = PlugFormat(SECRET, signing_salt="salt")
    session = Sessions(CookieStore(format), key="_key").fetch(f"_key={format._box.seal(dumps({Atom('user'): 1}))}")

    assert "user" not in session
    assert dict(session) == {AtomKey("user"): 1}


@pytest.mark.parametrize("payload", [b"\x83j", b"\x83t\0\0\0\x01a\x01a\x02", b"hello"])
def test_an_authentic_term_that_is_not_a_map_of_names_opens_nothing(payload: bytes) -> None:
    format = PlugFormat(SECRET, signing_salt="salt")

    assert format.open(format._box.seal(payload), key="_key") is None


def test_salts_may_be_functions_or_bytes() -> None:
    written = PlugFormat(SECRET, signing_salt="salt", encryption_salt="vault")
    read = PlugFormat(SECRET.encode(), signing_salt=b"salt", encryption_salt=lambda: "vault")
    given = record({"a": 1})

    assert read.open(written.seal(given, key="_key"), key="_key") == given


def test_an_empty_encryption_salt_encrypts() -> None:
    cookie = PlugFormat(SECRET, signing_salt="", encryption_salt="").seal(record({}), key="_key")

    assert cookie.startswith("XCP.")


def test_an_encrypting_format_reads_no_signed_cookie_and_vice_versa() -> None:
    signing = PlugFormat(SECRET, signing_salt="salt")
    encrypting = PlugFormat(SECRET, signing_salt="salt", encryption_salt="salt")

    assert encrypting.open(signing.seal(record({}), key="_key"), key="_key") is None
    assert signing.open(encrypting.seal(record({}), key="_key"), key="_key") is None


@pytest.mark.parametrize(
    "options",
    [
        {"signing_salt": None},
        {"key_digest": "md5"},
        {"key_iterations": 0},
        {"key_iterations": 1.5},
        {"key_length": 0},
        {"key_length": 1},
        {"key_length": 15},
        {"key_length": 16.0},
        {"key_length": 20, "encryption_salt": "vault"},
        {"key_length": 31, "encryption_salt": "vault"},
        {"signing_salt": 8},
        {"signing_salt": lambda: None},
        {"signing_salt": "\ud800"},
        {"encryption_salt": 8},
        {"serializer": "pickle"},
        {"otp": 24},
    ],
)
def test_an_option_that_plug_could_not_use_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        PlugFormat(SECRET, **{"signing_salt": "salt", **options})


def test_a_secret_under_64_bytes_is_refused_or_causes_a_warning() -> None:
    with pytest.raises(ConfigurationError, match="64"):
        PlugFormat(SECRET[:63], signing_salt="salt")
    with pytest.warns(WeakSecretWarning):
        PlugFormat(SECRET[:63], signing_salt="salt", weak_secrets=True)


def test_sessions_accept_it_by_name() -> None:
    clock = FakeClock()
    sessions = Sessions(
        "cookie", key="_key", format="plug", secret_key_base=SECRET, signing_salt="salt", encryption_salt="vault",
        fallbacks=[OTHER], clock=clock,
    )  # fmt: skip
    old = PlugFormat(OTHER, signing_salt="salt", encryption_salt="vault")

    session = sessions.fetch("_key=" + old.seal(record({"a": 1}, expires=NEVER), key="_key"))
    session["b"] = 2
    written = str(sessions.commit(session).cookies[0])

    assert written.startswith("_key=XCP.")
    assert dict(sessions.fetch(written.partition(";")[0])) == {"a": 1, "b": 2}
    assert session.created == clock.now


def test_sessions_refuse_another_formats_option() -> None:
    with pytest.raises(ConfigurationError, match='format="plug" does not take encrypt'):
        Sessions("cookie", key="_key", format="plug", secret_key_base=SECRET, signing_salt="salt", encrypt=True)


def test_sessions_accept_a_serializer_by_name_only_for_plug() -> None:
    sessions = Sessions(
        "cookie", key="_key", format="plug", secret_key_base=SECRET, signing_salt="salt", serializer="json"
    )
    session = sessions.fetch()
    session["a"] = 1
    written = sessions.commit(session).cookie

    assert written is not None
    assert (from_text(written.split(".")[1]) or b"").startswith(b'{"a":1,')
    with pytest.raises(ConfigurationError, match="serializer='json'"):
        Sessions("cookie", key="_key", secret_key_base=SECRET, serializer="json")
    with pytest.raises(ConfigurationError, match="serializer='json'"):
        Sessions("table", key="_key", table="session", serializer="json")


# XChaCha20-Poly1305, draft-irtf-cfrg-xchacha-03.


def test_hchacha20_gives_the_drafts_key() -> None:
    """See section 2.2.1 of the draft."""
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")

    assert hchacha20(key, nonce).hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"


def test_the_drafts_message_is_sealed_and_opened() -> None:
    """See appendix A.3.1 of the draft."""
    message = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    associated = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x58))
    sealed = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52e"
        "c0875924c1c7987947deafd8780acf49"
    )

    assert encrypt(key, nonce, message, associated) == sealed
    assert decrypt(key, nonce, sealed, associated) == message
    assert decrypt(key, nonce, sealed, b"") is None
