"""
The baseline, line by line: how sessions behave in Plug and Dynamo, as far as Python allows.

The numbers are those of ``docs/behaviour.md``, which lists the lines that are not followed, or not exactly.
"""

import asyncio
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdall import (
    ConfigurationError,
    CookieOverflowError,
    MemoryTable,
    ResponseStartedError,
    SessionNotFetchedError,
    Sessions,
    TableStore,
)
from holdall.formats import NativeFormat
from holdall.testing import FakeClock

SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"
OLD = "d47c1f0b93e64a2f8b5d7e1c2a9f306854b1e07d9c3f8a62b5e4d1c0f7a69382"
DOCS = Path(__file__).parents[2] / "docs" / "behaviour.md"

Visit = Callable[[Sessions], Any]


class CountingTable(MemoryTable):
    """A table in memory that counts its calls."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.asked: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("read", "insert", "replace", "touch", "remove"):
            self.asked.append(name)
        return super().__getattribute__(name)


@pytest.fixture
def table(clock: FakeClock) -> CountingTable:
    return CountingTable(clock)


@pytest.fixture
def by_table(table: CountingTable, clock: FakeClock, visit: Visit) -> Any:
    """Return a visitor of an application that keeps sessions in a table."""
    sessions = Sessions(TableStore(table), key="_app", clock=clock)
    # The table is checked at startup too.
    sessions.prepare("sync")
    table.asked.clear()
    return visit(sessions)


@pytest.fixture
def by_cookie(clock: FakeClock, visit: Visit) -> Any:
    """Return a visitor of an application that keeps sessions in the cookie."""
    return visit(Sessions("cookie", key="_app", secret_key_base=SECRET, clock=clock))


@pytest.fixture(params=["by_cookie", "by_table"])
def visitor(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def begin(visitor: Any, **data: Any) -> str:
    """Begin a session that holds *data* and return its cookie."""
    with visitor.request() as session:
        session.update(data)
    cookie: str = visitor.browser["_app"]
    return cookie


def forge(visitor: Any, cookie: str = "forged") -> None:
    visitor.browser.keep([f"_app={cookie}; path=/"])


# 1. The session's life in one request.


def test_line_1_nothing_is_read_until_it_is_fetched(by_table: Any, table: CountingTable) -> None:
    begin(by_table, foo="bar")
    table.asked.clear()

    with by_table.request() as session:
        assert table.asked == []
        assert session["foo"] == "bar"
        assert table.asked == ["read"]


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.get("foo"),
        lambda session: session.put("foo", "bar"),
        lambda session: session.delete("foo"),
        lambda session: session.clear(),
        lambda session: session.configure(drop=True),
    ],
)
def test_line_3_any_use_before_the_fetch_is_an_error(visitor: Any, act: Callable[[Any], Any]) -> None:
    with pytest.raises(SessionNotFetchedError, match="has not been fetched"):
        act(visitor.sessions.unfetched())


def test_line_4_a_second_fetch_does_nothing(visitor: Any) -> None:
    begin(visitor, foo="bar")
    session = visitor.sessions.unfetched(visitor.browser.header())

    asyncio.run(visitor.sessions.load_async(session))
    session["foo"] = "baz"
    asyncio.run(visitor.sessions.load_async(session))

    assert dict(session) == {"foo": "baz"}


def test_line_5_without_a_cookie_the_session_is_empty_and_the_store_not_called(
    by_table: Any, table: CountingTable
) -> None:
    assert by_table.look() == {}
    assert table.asked == []


def test_line_8_a_default_applies_to_an_absent_key_and_not_to_a_stored_nil(visitor: Any) -> None:
    begin(visitor, nothing=None)

    with visitor.request() as session:
        assert session.get("nothing", "default") is None
        assert session.get("absent", "default") == "default"


def test_line_9_all_of_it_is_a_map_with_string_keys(visitor: Any) -> None:
    begin(visitor, foo="bar", baz=1)

    assert visitor.look() == {"foo": "bar", "baz": 1}


def test_line_11_a_plain_write_never_overrides_configure(visitor: Any) -> None:
    cookie = begin(visitor, foo="bar")

    with visitor.request() as session:
        session.configure(ignore=True)
        session["foo"] = "baz"

    assert visitor.set_cookies == []
    assert visitor.sessions.resume(cookie)["foo"] == "bar"


def test_line_12_clear_sends_an_empty_session_and_keeps_the_cookie(visitor: Any) -> None:
    begin(visitor, foo="bar")

    with visitor.request() as session:
        session.clear()

    assert "_app" in visitor.browser
    assert visitor.look() == {}
    assert not visitor.sessions.resume(visitor.browser["_app"]).is_new


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.put("foo", "baz"),
        lambda session: session.delete("foo"),
        lambda session: session.configure(renew=True),
    ],
)
def test_line_13_once_sent_it_can_be_read_but_not_changed(by_cookie: Any, act: Callable[[Any], Any]) -> None:
    begin(by_cookie, foo="bar")
    session = by_cookie.sessions.fetch(by_cookie.browser.header())
    assert len(session) == 1
    by_cookie.send(session)

    with pytest.raises(ResponseStartedError):
        act(session)
    assert session["foo"] == "bar"


def test_line_15_a_prepared_but_unsent_response_counts_as_unsent(visitor: Any) -> None:
    with visitor.request() as session:
        body = f"You have {len(session)} things."
        session["foo"] = body

    assert visitor.look() == {"foo": "You have 0 things."}


def test_line_16_a_streamed_response_ends_writing_when_its_headers_are_sent(by_cookie: Any) -> None:
    session = by_cookie.sessions.fetch()
    session["before"] = 1
    by_cookie.send(session)

    with pytest.raises(ResponseStartedError):
        session["after"] = 2
    assert by_cookie.look() == {"before": 1}


def test_line_18_fetched_and_untouched_it_sends_and_stores_nothing(by_table: Any, table: CountingTable) -> None:
    begin(by_table, foo="bar")
    table.asked.clear()

    assert by_table.look() == {"foo": "bar"}
    assert by_table.set_cookies == []
    assert table.asked == ["read"]


def test_line_20_a_bad_cookie_is_left_alone(visitor: Any) -> None:
    forge(visitor)

    assert visitor.look() == {}
    assert visitor.set_cookies == []
    assert visitor.browser["_app"] == "forged"


# 2. configure.


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"renew": True, "drop": True, "ignore": True}, {"foo": "new"}),
        ({"drop": True, "ignore": True}, {}),
        ({"ignore": True}, {"foo": "old"}),
        ({"renew": False, "drop": False, "ignore": False}, {"foo": "new"}),
    ],
)
def test_line_21_in_one_call_renew_beats_drop_beats_ignore(
    visitor: Any, options: dict[str, bool], seen: dict[str, str]
) -> None:
    begin(visitor, foo="old")

    with visitor.request() as session:
        session["foo"] = "new"
        session.configure(**options)

    assert visitor.look() == seen


@pytest.mark.parametrize(
    ("calls", "seen"),
    [
        (["drop", "renew"], {"foo": "new"}),
        (["drop", "ignore"], {"foo": "old"}),
        (["ignore", "drop"], {}),
        (["renew", "drop"], {}),
    ],
)
def test_line_22_over_several_calls_the_last_one_wins_and_false_undoes_nothing(
    visitor: Any, calls: list[str], seen: dict[str, str]
) -> None:
    begin(visitor, foo="old")

    with visitor.request() as session:
        session["foo"] = "new"
        for option in calls:
            session.configure(**{option: True})
        session.configure(**{calls[-1]: False})

    assert visitor.look() == seen


def test_line_23_renew_keeps_the_data_under_a_new_id(by_table: Any, table: CountingTable) -> None:
    before = begin(by_table, foo="bar")
    table.asked.clear()

    with by_table.request() as session:
        session.configure(renew=True)

    # The last read is for the tombstone, which is gone if all sessions were ended in the middle.
    assert table.asked == ["read", "remove", "insert", "read"]
    assert by_table.browser["_app"] != before
    assert by_table.look() == {"foo": "bar"}
    assert by_table.sessions.resume(before) == {}


def test_line_26_drop_deletes_the_session_and_expires_the_cookie(by_table: Any, table: CountingTable) -> None:
    cookie = begin(by_table, foo="bar")

    with by_table.request() as session:
        session["more"] = 1
        session.configure(drop=True)

    assert [line.split(";")[0] for line in by_table.set_cookies] == ["_app="]
    assert "_app" not in by_table.browser
    assert by_table.sessions.resume(cookie) == {}
    assert len(table) == 0


@pytest.mark.parametrize("cookie", [None, "forged", "A" * 40])
def test_line_27_drop_without_a_session_sends_nothing(visitor: Any, cookie: str | None) -> None:
    if cookie is not None:
        forge(visitor, cookie)

    with visitor.request() as session:
        session["foo"] = "bar"
        session.configure(drop=True)

    assert visitor.set_cookies == []


def test_line_28_after_a_drop_the_same_request_still_sees_the_data(visitor: Any) -> None:
    begin(visitor, foo="bar")

    with visitor.request() as session:
        session.configure(drop=True)
        session["more"] = 1
        assert dict(session) == {"foo": "bar", "more": 1}

    assert dict(session) == {"foo": "bar", "more": 1}


def test_line_29_ignore_stores_nothing_and_sends_nothing(visitor: Any) -> None:
    cookie = begin(visitor, foo="bar")

    with visitor.request() as session:
        session["foo"] = "baz"
        session.configure(ignore=True)
        assert session["foo"] == "baz"

    assert visitor.set_cookies == []
    assert visitor.sessions.resume(cookie) == {"foo": "bar"}


# 3. Cookies.


def test_line_30_cookie_options_go_to_the_cookie_and_all_others_to_the_store(clock: FakeClock, visit: Visit) -> None:
    cookie = {"domain": "example.org", "path": "/", "max_age": 60, "http_only": False, "extra": "Priority=High"}
    visitor = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, encrypt=False, clock=clock, **cookie))
    visitor.browser.host = "example.org"
    begin(visitor, foo="bar")

    assert "domain=example.org" in visitor.set_cookies[0]
    with pytest.raises(TypeError, match="store"):
        Sessions(key="_app")  # type: ignore[call-arg]  # on purpose
    with pytest.raises(TypeError, match="key"):
        Sessions("cookie", secret_key_base=SECRET)  # type: ignore[call-arg]  # on purpose


def test_line_31_the_header_has_plugs_form(clock: FakeClock, visit: Visit) -> None:
    options = {"domain": "localhost", "max_age": 60, "same_site": "Strict", "secure": True, "extra": "Priority=High"}
    sessions = Sessions("table", key="_app", table="line 31", clock=clock, **options)
    session = sessions.fetch()
    session["foo"] = "bar"

    (cookie,) = sessions.commit(session).cookies

    assert re.fullmatch(
        r"_app=[\w-]{40}; path=/; domain=localhost; expires=\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT; Max-Age=60"
        r"; secure; HttpOnly; SameSite=Strict; Priority=High",
        str(cookie),
    )


@pytest.mark.parametrize(("max_age", "kept"), [(None, None), (3600, timedelta(hours=1))])
def test_line_32_max_age_sets_max_age_and_expires(
    clock: FakeClock, visit: Visit, max_age: int | None, kept: timedelta | None
) -> None:
    visitor = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, max_age=max_age, clock=clock))
    begin(visitor, foo="bar")

    assert [each.expires for each in visitor.browser.jar] == [kept and clock() + kept]
    assert ("expires=" in visitor.set_cookies[0]) is ("Max-Age=3600" in visitor.set_cookies[0]) is (kept is not None)


@pytest.mark.parametrize(
    ("secure", "https", "sent"), [("auto", True, True), ("auto", False, False), (False, True, False)]
)
def test_line_33_https_adds_secure_by_default(
    clock: FakeClock, visit: Visit, secure: Any, https: bool, sent: bool
) -> None:
    visitor = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, secure=secure, clock=clock))
    with visitor.request(https=https) as session:
        session["foo"] = "bar"

    assert ("; secure" in visitor.set_cookies[0]) is sent


def test_line_34_a_deletion_carries_the_same_attributes(clock: FakeClock, visit: Visit) -> None:
    options = {"path": "/", "max_age": 60, "same_site": "Strict", "extra": "a=b"}
    visitor = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, clock=clock, **options))
    with visitor.request(https=True) as session:
        session["foo"] = "bar"
    with visitor.request(https=True) as session:
        session.configure(drop=True)

    # The other cookie marks the end of the session, which Plug does not do.
    assert [line for line in visitor.set_cookies if line.startswith("_app=")] == [
        "_app=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; secure; HttpOnly; SameSite=Strict; a=b"
    ]


@pytest.mark.parametrize(("length", "passes"), [(4096, True), (4097, False)])
def test_line_35_the_limit_is_4096_bytes_of_the_whole_header(length: int, passes: bool) -> None:
    def commit(extra: str) -> str:
        sessions = Sessions("cookie", key="_app", secret_key_base=SECRET, extra=extra)
        session = sessions.fetch()
        session["a"] = "x" * 2500
        return str(sessions.commit(session).cookies[0])

    extra = "y" * (length - len(commit("")) - 2)
    if passes:
        assert len(commit(extra)) == length
    else:
        with pytest.raises(CookieOverflowError):
            commit(extra)


def test_line_36_after_an_overflow_a_handler_may_clear_and_send(by_cookie: Any) -> None:
    session = by_cookie.sessions.fetch()
    session["a"] = "x" * 5000
    with pytest.raises(CookieOverflowError):
        by_cookie.send(session)

    session.clear()
    session["error"] = "too much"
    by_cookie.send(session)

    assert by_cookie.look() == {"error": "too much"}


@pytest.mark.parametrize("option", ["path", "domain", "extra"])
def test_line_37_a_newline_in_a_cookie_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot stand in a cookie"):
        Sessions("cookie", key="_app", secret_key_base=SECRET, **{option: "/a\r\nSet-Cookie: b"})


def test_quotes_around_a_value_are_not_part_of_it(visitor: Any) -> None:
    """In line 39, Plug takes them for part of it; some clients add them, as RFC 6265, section 4.1.1, allows."""
    forge(visitor, f'"{begin(visitor, foo="bar")}"')

    assert visitor.look() == {"foo": "bar"}


# 4. The cookie store.


@pytest.mark.parametrize(("encrypt", "readable"), [(True, False), (False, True)])
def test_line_40_cookies_are_encrypted_or_signed(encrypt: bool, readable: bool) -> None:
    sessions = Sessions("cookie", key="_app", secret_key_base=SECRET, encrypt=encrypt)
    session = sessions.fetch()
    session["foo"] = "bar"
    value = sessions.commit(session).cookie or ""

    assert (b"bar" in urlsafe_b64decode(value + "==")) is readable
    assert sessions.resume(value) == {"foo": "bar"}
    assert sessions.resume(value[:-2]) == {}


def test_line_41_keys_are_derived_once_at_startup(monkeypatch: pytest.MonkeyPatch, by_cookie: Any) -> None:
    monkeypatch.setattr("holdall.formats._native.derive_key", None)

    begin(by_cookie, foo="bar")

    assert by_cookie.look() == {"foo": "bar"}


def test_line_43_a_short_secret_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="needs at least"):
        Sessions("cookie", key="_app", secret_key_base=SECRET[:31])


def test_line_54_a_custom_serializer_can_be_given(clock: FakeClock, visit: Visit) -> None:
    class Repr:
        def dumps(self, data: Any, /) -> bytes:
            return repr(sorted(data.items())).encode()

        def loads(self, payload: bytes, /) -> dict[str, Any]:
            pairs = re.findall(rb"\('(\w+)', '(\w+)'\)", payload)
            if not pairs:
                raise ValueError(len(payload))
            return {key.decode(): value.decode() for key, value in pairs}

    visitor = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, serializer=Repr(), clock=clock))
    begin(visitor, foo="bar")
    assert visitor.look() == {"foo": "bar"}

    with visitor.request() as session:
        session.clear()
    assert visitor.look() == {}


def test_line_55_old_options_are_read_not_sent_again_and_replaced_by_a_write(clock: FakeClock, visit: Visit) -> None:
    old = visit(Sessions("cookie", key="_app", secret_key_base=OLD, clock=clock))
    new = visit(Sessions("cookie", key="_app", secret_key_base=SECRET, fallbacks=[OLD], clock=clock))
    forge(new, begin(old, foo="bar"))

    assert new.look() == {"foo": "bar"}
    assert new.set_cookies == []
    with new.request() as session:
        session["more"] = 1
    assert NativeFormat(SECRET).open(new.browser["_app"], key="_app") is not None


# 5. The ETS store, which our tables replace.


def test_line_60_an_unknown_id_is_empty_and_a_write_then_gets_a_new_one(by_table: Any) -> None:
    forge(by_table, "A" * 40)
    assert by_table.look() == {}

    assert begin(by_table, foo="bar") != "A" * 40


# 7. Dynamo.


@pytest.mark.parametrize(
    ("option", "value", "sent"),
    [("path", "/admin", "path=/admin"), ("secure", True, "; secure"), ("domain", "localhost", "domain=localhost")],
)
def test_line_68_one_option_per_call_applies_to_this_response(visitor: Any, option: str, value: Any, sent: str) -> None:
    begin(visitor, foo="bar")

    with visitor.request() as session:
        session.configure(option, value)
    assert visitor.set_cookies == []

    with visitor.request() as session:
        session.configure(option, value)
        session["foo"] = "baz"
    assert sent in visitor.set_cookies[-1]


def test_line_70_a_write_to_a_row_does_not_send_its_cookie_again(by_table: Any) -> None:
    begin(by_table, foo="bar")

    with by_table.request() as session:
        session["foo"] = "baz"

    assert by_table.set_cookies == []
    assert by_table.look() == {"foo": "baz"}


# The list of all lines.


def test_every_line_is_either_tested_or_explained_and_never_both() -> None:
    tested = {int(number) for name in globals() for number in re.findall(r"^test_line_(\d+)_", name)}
    explained: list[int] = []
    for first, last in re.findall(r"^\| (\d+)(?:\u2013(\d+))? \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE):
        explained += range(int(first), int(last or first) + 1)

    assert sorted(explained) == sorted(set(explained))
    assert tested.isdisjoint(explained)
    assert tested | set(explained) == set(range(1, 76))
