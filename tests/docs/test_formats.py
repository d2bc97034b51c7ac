"""Test that ``docs/formats.md``, the vectors and the code agree with each other."""

import inspect
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from docs.blocks import ROOT, compiled, python_blocks
from holdall import MemoryTable, TableStore
from holdall.formats import (
    DjangoFormat,
    DynamoFormat,
    FlaskFormat,
    NativeFormat,
    PlugFormat,
    Record,
    StarletteFormat,
)
from holdall.serializers import _FROM_TAG, TaggedJSON
from holdall.steps import run
from holdall.stores import Changes, Write

# The vectors' secret is published, and therefore refused anywhere else.
pytestmark = pytest.mark.filterwarnings("ignore::holdall._keys.WeakSecretWarning")

PAGE = "docs/formats.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
VECTORS = json.loads((ROOT / "tests" / "vectors" / "native.json").read_text(encoding="utf-8"))
COOKIES = {vector["id"]: vector for vector in VECTORS["cookies"]}
READ = COOKIES | {vector["id"]: vector for vector in VECTORS["compressed"]}
REFUSED = [{**READ[vector["like"]], **vector} for vector in VECTORS["refused"]]

SETTINGS = ("encrypt", "app", "signing_salt", "encryption_salt")

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Return the names that the page's own code defines."""
    names: dict[str, Any] = {}
    for line, source in python_blocks(PAGE):
        exec(compiled(PAGE, line, source), names)
    return names


def drawing(*pieces: str) -> Callable[[int], bytes]:
    """Return a source of randomness that yields these pieces and no more."""
    left = [bytes.fromhex(piece) for piece in pieces]

    def random(length: int) -> bytes:
        piece = left.pop(0)
        assert len(piece) == length
        return piece

    return random


def native(vector: dict[str, Any]) -> NativeFormat:
    nonce = vector.get("nonce", "")
    settings = {name: vector[name] for name in SETTINGS if name != "app"}
    settings |= {"app_name": vector["app"], "weak_secrets": True}
    return NativeFormat(vector["secret_key_base"], random=drawing(nonce[:24], nonce[24:]), **settings)


def record(vector: dict[str, Any]) -> Record:
    data = TaggedJSON().loads(vector["data"].encode()) if vector["data"] else {}
    created, expires, log_id, generation = (vector[name] for name in ("created", "expires", "log_id", "generation"))
    return Record(data, created, expires, log_id, generation, bytes.fromhex(vector["lines"]), ended=not vector["data"])


def read_as_described(described: dict[str, Any], vector: dict[str, Any]) -> Any:
    settings = {name: vector[name] for name in SETTINGS}
    secret = vector["secret_key_base"].encode()
    return described["open_cookie"](vector["cookie"], secret, name=vector["cookie_name"], **settings)


def read_row(described: dict[str, Any], vector: dict[str, Any]) -> Any:
    secret = vector["secret_key_base"]
    return described["open_row"](
        bytes.fromhex(vector["row"]),
        vector["cookie"],
        None if secret is None else secret.encode(),
        name=vector["cookie_name"],
        version=1,
        **{name: vector[name] for name in ("created", "app", "principal")},
    )


by_id = pytest.mark.parametrize("vector", COOKIES.values(), ids=COOKIES)
by_cookie = pytest.mark.parametrize("vector", READ.values(), ids=READ)
by_fault = pytest.mark.parametrize("vector", REFUSED, ids=[f"{each['like']}: {each['why']}" for each in REFUSED])
by_row = pytest.mark.parametrize("vector", VECTORS["rows"], ids=[each["id"] for each in VECTORS["rows"]])


@by_id
def test_a_session_is_sealed_exactly_as_in_the_vector(vector: dict[str, Any]) -> None:
    assert native(vector).seal(record(vector), key=vector["cookie_name"]) == vector["cookie"]


@by_cookie
def test_a_cookie_opens_to_the_original_session(vector: dict[str, Any]) -> None:
    assert native(vector).open(vector["cookie"], key=vector["cookie_name"]) == record(vector)


@by_cookie
def test_the_page_reads_a_cookie_as_the_code_does(described: dict[str, Any], vector: dict[str, Any]) -> None:
    inside = tuple(vector[name] for name in ("created", "expires", "log_id", "generation", "lines", "data"))

    assert read_as_described(described, vector) == inside


@by_fault
def test_the_code_refuses_invalid_cookies(vector: dict[str, Any]) -> None:
    assert native(vector).open(vector["cookie"], key=vector["cookie_name"]) is None


@by_fault
def test_the_page_refuses_the_same_cookies(described: dict[str, Any], vector: dict[str, Any]) -> None:
    assert read_as_described(described, vector) is None


@by_row
def test_a_row_is_written_exactly_as_in_the_vector(vector: dict[str, Any]) -> None:
    data = TaggedJSON().loads(vector["data"].encode())
    created, ends, app, principal = (vector[name] for name in ("created", "ends", "app", "principal"))
    table = MemoryTable(clock=lambda: datetime.fromtimestamp(created, UTC))
    store = TableStore(
        table,
        encrypt=True,
        secret_key_base=vector["secret_key_base"],
        app_name=app,
        weak_secrets=True,
        random=drawing(vector["sid"], vector["nonce"]),
    )
    whose = principal and principal.removeprefix(f"{app}\x1f{vector['cookie_name']}\x1f")
    write = Write(data, Changes(data), created, ends, created, whose, vector["client"], ends=ends)

    stored = run(store.put(None, write, key=vector["cookie_name"]))

    assert (stored.cookie, stored.log_id) == (vector["cookie"], vector["log_id"])
    row = table.read(bytes.fromhex(vector["digest"]))
    assert row is not None
    assert (row.data.hex(), row.principal) == (vector["row"], principal)


@by_row
def test_the_page_reads_a_row_as_the_code_does(described: dict[str, Any], vector: dict[str, Any]) -> None:
    assert described["digest_of"](vector["cookie"]).hex() == vector["digest"]
    assert read_row(described, vector) == (vector["data"], vector["ends"])


@by_row
@pytest.mark.parametrize(
    "change",
    [
        {"secret_key_base": "another secret, of 32 bytes or more"},
        {"cookie": "A" * 40},
        {"cookie_name": "sid2"},
        {"created": 1},
        {"app": "another"},
        {"principal": "eve"},
        {"row": "00" * 60},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_page_refuses_a_row_that_is_out_of_place(
    described: dict[str, Any], vector: dict[str, Any], change: dict[str, Any]
) -> None:
    assert read_row(described, {**vector, **change}) is None


def test_the_page_shows_every_tag_as_it_is_written() -> None:
    shown = re.findall(r"^\| `(\$\w+)` \| `(.+?)` \|", TEXT, re.MULTILINE)

    assert {tag for tag, _ in shown} == _FROM_TAG.keys()
    for tag, value in shown:
        text = json.dumps({"value": {tag: json.loads(value)}}, separators=(",", ":"))
        assert TaggedJSON().dumps(TaggedJSON().loads(text.encode())).decode() == text


def test_the_example_is_the_first_vector(described: dict[str, Any]) -> None:
    vector = COOKIES["encrypted"]
    shown = dict(re.findall(r"^\| ([\w ]+) \| `(.+)` \|$", TEXT.partition("## 5.")[2], re.MULTILINE))
    secret, use = vector["secret_key_base"].encode(), b"holdall 1\0encrypt\0\0"
    token = described["base64"].urlsafe_b64decode(vector["cookie"] + "==")
    times = vector["created"].to_bytes(4, "big") + vector["expires"].to_bytes(4, "big")
    derived = described["AESGCM"](bytes.fromhex(shown["derived key"]))
    associated = bytes.fromhex(shown["associated data"])

    assert shown["secret"] == vector["secret_key_base"]
    assert shown["cookie name"] == vector["cookie_name"]
    assert shown["key id"] == described["hkdf"](secret, use + b"\0key id", 4).hex()
    assert shown["key"] == described["hkdf"](secret, use + b"\0key", 32).hex()
    assert shown["nonce"] == vector["nonce"]
    assert shown["data"] == vector["data"]
    assert shown["cookie"] == vector["cookie"]
    place = vector["generation"].to_bytes(4, "big") + b"\1" + bytes.fromhex(vector["lines"])
    assert shown["body"] == (times + bytes.fromhex(vector["log_id"]) + place + vector["data"].encode()).hex()
    assert derived.decrypt(token[17:29], token[29:], associated).hex() == shown["body"]
    assert associated == token[:5] + b"holdall\0session\0\0_shop"


#: Settings of other libraries that an application does not need to copy.
OURS = {"weak_secrets", "clock", "random"}


@pytest.mark.parametrize("format", [PlugFormat, DynamoFormat, FlaskFormat, StarletteFormat, DjangoFormat])
def test_the_page_says_what_each_option_of_a_foreign_format_corresponds_to(format: type[Any]) -> None:
    (section,) = re.findall(rf"^### .*: `{format.__name__}`\n(.*?)^###", TEXT, re.DOTALL | re.MULTILINE)
    _, _, options = section.partition("| option |")

    assert re.findall(r"^\| `(\w+)` \|", options, re.MULTILINE) == [
        name for name in inspect.signature(format).parameters if name not in OURS
    ]


def test_the_times_are_where_the_page_says() -> None:
    places = re.findall(r"^\| (\d) \|", TEXT.partition("### Timeouts")[2], re.MULTILINE)
    data = {"a": 1, "_holdall": "the application's"}
    sealed = PlugFormat("5Hx2kQ0vY8mJr1Wc" * 4, signing_salt="", serializer="json").seal(
        Record(data, int(START.timestamp()), int(END.timestamp()), "00112233445566ff"), key="_shop"
    )
    payload = sealed.split(".")[1]
    times = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["_holdall"]

    assert len(times) == len(places)
    assert times == [int(START.timestamp()), int(END.timestamp()), "00112233445566ff", "_shop", "the application's"]
