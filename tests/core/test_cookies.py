"""Parsing the Cookie header, and writing the Set-Cookie header."""

import re
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from secrets import token_hex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall import ConfigurationError, CookieOverflowError, CookieStore, Event, Sessions, SetCookie, _exposed
from holdall._cookie_header import OldCookie, cookie_finder
from holdall._cookies import MAX_COOKIE_BYTES, CookieAttributes, check_key
from holdall._exposed import warn_if_exposed
from holdall.formats import (
    DjangoFormat,
    DynamoFormat,
    FlaskFormat,
    Format,
    NativeFormat,
    PlugFormat,
    Record,
    StarletteFormat,
)
from holdall.stores import NotFound

NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
SECRET = "6f1d2c93a8e04b57bb0f1e6d7c5a49382f6b0e1d4c7a85930f2e6b1d8c4a7590"


# Finding our cookie.


@pytest.mark.parametrize(
    ("header", "values"),
    [
        ("", []),
        ("_shop=a", ["a"]),
        ("x=1; _shop=a; y=2", ["a"]),
        ("x=1;_shop=a;y=2", ["a"]),
        (" \t_shop = a \t; y", ["a"]),
        ("_shop=a; _shop=b", ["a", "b"]),
        ("_shop=b; _shop=a; _shop=b", ["b", "a"]),
        ("_shop=", [""]),
        ("_shop=;_shop=a", ["", "a"]),
        ('_shop="a"', ["a"]),
        ('x="1"; _shop = "a" ; y', ["a"]),
        ('_shop=a; _shop="a"', ["a"]),
        ('_shop=""', [""]),
        ('_shop="', ['"']),
        ('_shop="a', ['"a']),
        ('_shop=a"', ['a"']),
        ('_shop=""a""', ['"a"']),
        ("_shop='a'", ["'a'"]),
        ('$Version="1"; _shop="a"; $Path="/"; $Domain="x"', ["a"]),
        ("_shop=a=b==", ["a=b=="]),
        ("_shop", []),
        ("my_shop=a; _shop2=b; _Shop=c; -_shop=d; _shop[]=e", []),
        ("x=_shop=a", []),
        ("x=y _shop=a", []),
        ("=_shop=a", []),
        ("_shop =a; _shop=b", ["a", "b"]),
        ("_shop =a", ["a"]),
        ("_shop; _shop=a", ["a"]),
        ("_shop=_shop=a", ["_shop=a"]),
        # Unicode's spaces and control characters are not spaces in HTTP.
        ("\xa0_shop=a; \x0b_shop=b; _shop\xa0=c; \u2003_shop=d; \x85_shop=e; \x1c_shop=f", []),
        ("_shop=a\xa0; _shop=\x0ba", ["a\xa0", "\x0ba"]),
        ("_shop=\u2003a\xa0", ["\u2003a\xa0"]),
        # As servers join two headers.
        ("x=1,_shop=a", ["a"]),
        ("x=1, _shop=a, y=2", ["a"]),
        ("_shop=a,y=2", ["a"]),
        ("_shop=a, y=2; z", ["a"]),
        ("_shop=a,_shop=b", ["a", "b"]),
        ("_shop=a,x=1,_shop=b", ["a", "b"]),
        ('x="1,2",_shop="a",y=3', ["a"]),
        ("$Version=1,_shop=a,$Path=/", ["a"]),
        ("x=1,_shop=a; y=2,_shop=b", ["a", "b"]),
        (",_shop=a", ["a"]),
        ("_shop=a,", ["a"]),
        # Text inside another cookie's value does not count next to our own cookie, and never counts inside quotes.
        ("x=1,_shop=evil; _shop=a", ["a"]),
        ("_shop=a; x=1,_shop=evil", ["a"]),
        (",_shop=evil; _shop=a", ["a"]),
        ('x="1,_shop=evil"', []),
        ('x="1,_shop=evil,"; y="2"', []),
        ("x=1,=_shop=evil", []),
        ("x=1,y_shop=evil,_Shop=evil", []),
        (";;; ;_shop=a;;", ["a"]),
        ("_shop=caf\xe9", ["caf\xe9"]),
    ],
)
def test_our_cookie_is_found_and_no_other(header: str, values: list[str]) -> None:
    assert cookie_finder("_shop")(header) == values


def test_several_headers_are_read_as_one() -> None:
    find = cookie_finder("_shop")

    assert find(["x=1; _shop=a", "_shop=b", "_shop=a"]) == ["a", "b"]
    assert find([]) == find(["", "x=1"]) == []


@pytest.mark.parametrize("look_alike", ["__HoSt-sid", "__host-sid", "__HOST-sid"])
def test_a_look_alike_of_a_prefix_is_another_cookie(look_alike: str) -> None:
    assert cookie_finder("__Host-sid")(f"{look_alike}=forged; __Host-sid=ours") == ["ours"]


def test_a_nameless_cookie_that_mimics_ours_is_not_ours() -> None:
    assert cookie_finder("__Host-sid")("=__Host-sid=forged; x=__Host-sid=forged") == []


@pytest.mark.parametrize("key", ["__Host-sid", "__Secure-sid", "__Http-sid", "__Host-Http-sid"])
def test_a_cookie_after_a_comma_cannot_have_a_prefix(key: str) -> None:
    find = cookie_finder(key)

    # A browser lets any host or script set x, but only our host set our cookie.
    assert find(f"x=1,{key}=evil") == find(f"x=1, {key}=evil; y=2") == find(f",{key}=evil") == []
    assert find(f'x="1; y=2,{key}=evil"') == find(f"$Version=1,{key}=evil") == []
    assert find(f"{key}=ours; x=1,{key}=evil") == ["ours"]
    assert find(f"{key}=ours,x=1") == find(f'{key}="ours", x=1') == ["ours"]
    assert find(f"{key}=older,{key}=newer") == ["older", "newer"]


def test_an_unclosed_quote_does_not_extend_past_a_semicolon() -> None:
    # As a browser sends cookies of which another host has set the first and the last.
    assert cookie_finder("__Host-sid")('x="1; __Host-sid=ours; y=2"') == ["ours"]


FORMATS = {
    "native": NativeFormat(SECRET),
    "signed": NativeFormat(SECRET, encrypt=False),
    "plug": PlugFormat(SECRET * 2, signing_salt="salt"),
    "plug, encrypted": PlugFormat(SECRET * 2, signing_salt="salt", encryption_salt="vault"),
    "dynamo": DynamoFormat(SECRET * 2),
    "flask": FlaskFormat(SECRET),
    "django": DjangoFormat(SECRET),
    "starlette": StarletteFormat(SECRET),
}


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize(
    "header", ["_shop={}", 'a=1; _shop="{}"', "a=1,_shop={},b=2", 'a="1", _shop="{}", b=2', "_shop = {} ; b=2"]
)
@pytest.mark.parametrize("length", range(4))
def test_a_cookie_sealed_by_any_format_is_found_in_any_notation(format: Format, header: str, length: int) -> None:
    data = {"text": "\xff~>?" * length, "n": [1, None]}
    value = format.seal(Record(data, NOON, NOON + 7 * 24 * 60 * 60, "0123456789abcdef"), key="_shop")

    # RFC 6265, section 4.1.1.
    assert re.fullmatch(r"[!#-+\--:<-\[\]-~]+", value)
    assert cookie_finder("_shop")(header.format(value)) == [value]


def test_a_name_is_not_a_pattern() -> None:
    assert cookie_finder("a.b*c|d")("aXbbc=1; d=2; a.b*c|d=3") == ["3"]


def test_cookies_under_an_old_name_come_after_those_under_the_present_one() -> None:
    find = cookie_finder("_shop", ["_new", "_old", "_shop", "_old"])

    assert find("_old=a; _shop=b; x_old=c; _new=d; _old=e") == [
        "b", OldCookie("_new", "d"), OldCookie("_old", "a"), OldCookie("_old", "e")
    ]  # fmt: skip
    assert find(["_old=a", "_shop=b"]) == ["b", OldCookie("_old", "a")]
    assert find("") == []


@given(st.text(), st.lists(st.text()))
def test_any_header_can_be_searched(header: str, headers: list[str]) -> None:
    find = cookie_finder("_shop")

    assert all(isinstance(value, str) and ";" not in value for value in find(header) + find(headers))


def test_a_long_header_is_searched_in_one_pass() -> None:
    find = cookie_finder("_shop")

    # A pattern that backtracks would take minutes.
    assert find("; _shop " * 20_000 + " \t" * 20_000) == []
    assert find('_shop="' + '",' * 50_000 + '"') == [""]
    assert find("x=" + '"' * 100_001 + ",_shop=a") == ["a"]


# The attributes.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": ""}, "cannot be a cookie's name: use letters"),
        ({"key": "a b"}, "cannot be a cookie's name"),
        ({"key": "a=b"}, "cannot be a cookie's name"),
        ({"key": "a;b"}, "cannot be a cookie's name"),
        ({"key": "caf\xe9"}, "cannot be a cookie's name"),
        ({"key": "a\n"}, "cannot be a cookie's name"),
        ({"key": b"_shop"}, "cannot be a cookie's name"),
        ({"key": None}, "cannot be a cookie's name"),
        ({"same_site": "None"}, r"set secure=True"),
        ({"same_site": "none", "secure": False}, r"set secure=True"),
        ({"same_site": "Loose"}, r"not 'Lax', 'Strict', 'None' or None"),
        ({"same_site": True}, r"not 'Lax'"),
        ({"partitioned": True}, r"set secure=True"),
        ({"partitioned": True, "secure": False}, r"set secure=True"),
        ({"secure": "yes"}, "not True, False or 'auto'"),
        ({"secure": 1}, "not True, False or 'auto'"),
        ({"secure": None}, "not True, False or 'auto'"),
        ({"key": "__Host-sid", "domain": "example.org"}, "leave it out, or use '__Secure-'"),
        ({"key": "__Host-sid", "path": "/admin"}, "only kept with path='/', or use '__Secure-'"),
        ({"key": "__Host-sid", "secure": False}, "leave secure out, or choose another key"),
        ({"key": "__Secure-sid", "secure": False}, "leave secure out"),
        ({"key": "__Http-sid", "secure": False}, "leave secure out"),
        ({"key": "__Http-sid", "http_only": False}, "only kept with http_only=True"),
        ({"key": "__Host-Http-sid", "http_only": False}, "only kept with http_only=True"),
        ({"key": "__Host-Http-sid", "domain": "example.org"}, "leave it out"),
        ({"key": "__host-sid"}, "write it '__Host-'"),
        ({"key": "__SECURE-sid"}, "write it '__Secure-'"),
        ({"path": "admin"}, "a path begins with '/'"),
        ({"path": ""}, "a path begins with '/'"),
        ({"path": "/a;b"}, "path='/a;b' cannot stand in a cookie"),
        ({"path": "/\r\nSet-Cookie: a=b"}, "cannot stand in a cookie"),
        ({"path": "/" + "a" * 1024}, "1024 characters at most"),
        ({"path": None}, "cannot stand in a cookie"),
        ({"domain": "example.org; secure"}, "domain='example.org; secure' cannot stand"),
        ({"domain": "b\xfccher.example"}, "cannot stand in a cookie"),
        ({"extra": "Priority=High\r\n"}, "cannot stand in a cookie"),
        ({"max_age": 34_560_001}, "use at most 34560000"),
        ({"max_age": timedelta(days=401)}, "use at most 34560000"),
        ({"max_age": "3600"}, "not a number of whole seconds, a timedelta, or None"),
        ({"max_age": 1.5}, "not a number of whole seconds"),
        ({"max_age": True}, "not a number of whole seconds"),
    ],
)
def test_options_that_a_browser_would_refuse_are_refused_with_a_hint(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CookieAttributes(**{"key": "_shop", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"same_site": "None", "secure": True},
        {"partitioned": True, "secure": True},
        {"key": "__Host-sid", "same_site": "None", "partitioned": True},
        {"key": "__Secure-sid", "domain": "example.org", "path": "/admin"},
        {"key": "__Host-Http-sid"},
        {"max_age": 34_560_000},
        {"max_age": timedelta(days=400)},
        {"domain": ".example.org"},
        {"path": "/" + "a" * 1023},
        {"same_site": None},
    ],
)
def test_options_that_a_browser_accepts_are_accepted(options: dict[str, Any]) -> None:
    attributes = CookieAttributes(**{"key": "_shop", **options})

    assert attributes.key in str(SetCookie("v", attributes, https=True, now=NOON))


@pytest.mark.parametrize("key", ["__Host-sid", "__Secure-sid", "__Http-sid", "__Host-Http-sid"])
def test_a_prefix_turns_secure_on(key: str) -> None:
    assert CookieAttributes(key).secure is True


def test_same_site_may_be_written_in_any_case() -> None:
    assert CookieAttributes("_shop", same_site="strict").same_site == "Strict"  # type: ignore[arg-type]  # on purpose


def test_changes_are_merged_and_checked_again() -> None:
    attributes = CookieAttributes("_shop", domain="example.org")

    changed = attributes.changed({"path": "/admin"})

    assert changed.place == ("_shop", "/admin", "example.org")
    assert attributes.changed({}) is attributes
    with pytest.raises(ConfigurationError, match="leave it out"):
        attributes.changed({"key": "__Host-sid"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({}, {"secure": True, "http_only": False, "same_site": "Strict", "max_age": 1, "extra": "a=b"}, True),
        ({"domain": "example.org"}, {"domain": ".EXAMPLE.org"}, True),
        ({}, {"domain": "example.org"}, False),
        ({}, {"path": "/a"}, False),
        ({}, {"partitioned": True, "secure": True}, False),
    ],
)
def test_a_browser_distinguishes_cookies_by_their_place(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    places = [CookieAttributes("_shop", **options).place for options in (one, other)]

    assert (places[0] == places[1]) is same


def test_attributes_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        CookieAttributes("_shop").path = "/admin"  # type: ignore[misc]  # on purpose


def test_check_key_returns_a_valid_name() -> None:
    assert check_key("!#$%&'*+-.^_`|~09AZaz") == "!#$%&'*+-.^_`|~09AZaz"


# Setting the cookie.


def test_a_cookie_is_written_as_in_plug() -> None:
    attributes = CookieAttributes(
        "_shop",
        domain="example.org",
        max_age=3600,
        same_site="Strict",
        partitioned=True,
        secure=True,
        extra="Priority=High",
    )

    line = str(SetCookie("value", attributes, https=False, now=NOON, max_age=3600))

    assert line == (
        "_shop=value; path=/; domain=example.org; expires=Sun, 01 Mar 2026 13:00:00 GMT; Max-Age=3600"
        "; secure; HttpOnly; SameSite=Strict; partitioned; Priority=High"
    )


@given(st.integers(0, 2**32 - 1))
def test_a_time_is_written_in_http_format(now: int) -> None:
    line = str(SetCookie("value", CookieAttributes("_shop"), https=False, now=now, max_age=0))

    assert f"; expires={format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)}; " in line


@pytest.mark.parametrize("day", range(0, 366, 29))
def test_every_month_and_weekday_has_its_name(day: int) -> None:
    then = datetime(2028, 1, 1, tzinfo=UTC) + timedelta(days=day)
    line = str(SetCookie("value", CookieAttributes("_shop"), https=False, now=int(then.timestamp()), max_age=0))

    assert f"; expires={format_datetime(then, usegmt=True)}; " in line


def test_by_default_it_is_kept_until_the_browser_closes() -> None:
    cookie = SetCookie("value", CookieAttributes("_shop"), https=False, now=NOON)

    assert str(cookie) == "_shop=value; path=/; HttpOnly; SameSite=Lax"
    assert (cookie.max_age, cookie.expires) == (None, None)


@pytest.mark.parametrize(
    ("secure", "https", "is_secure"),
    [("auto", True, True), ("auto", False, False), (True, False, True), (False, True, False)],
)
def test_secure_auto_follows_the_scheme(secure: Any, https: bool, is_secure: bool) -> None:
    cookie = SetCookie("value", CookieAttributes("_shop", secure=secure), https=https, now=NOON)

    assert cookie.secure is is_secure
    assert ("; secure" in str(cookie)) is is_secure


@pytest.mark.parametrize("options", [{"key": "__Host-doubted"}, {"key": "doubted", "secure": True}])
def test_a_secure_cookie_sent_over_http_is_logged_once(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    attributes = CookieAttributes(**options)

    for https in (True, False, False):
        SetCookie("value", attributes, https=https, now=NOON)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"the cookie {attributes.key} is Secure" in record.getMessage()
    assert "X-Forwarded-Proto" in record.getMessage()


def test_a_cookie_whose_secure_follows_the_request_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    for https in (True, False):
        SetCookie("value", CookieAttributes("undoubted"), https=https, now=NOON)

    assert caplog.records == []


@pytest.mark.parametrize("host", ["shop.example", "192.0.2.1:8000", "localhost.example", "[2001:db8::1]:80", "127.1.x"])
@pytest.mark.parametrize("options", [{"https": False}, {"https": True, "secure": False}])
def test_a_login_without_secure_is_logged_once(
    host: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    https, key = options["https"], f"login-{token_hex(4)}"
    attributes = CookieAttributes(key, secure=options.get("secure", "auto"))

    for _ in range(2):
        warn_if_exposed([SetCookie("v", attributes, https=https, now=NOON, login=True)], host)

    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"the cookie {key} of a logged-in user was sent without Secure" in record.getMessage()


@pytest.mark.parametrize(
    ("host", "https", "login"),
    [
        ("shop.example", True, True),
        ("shop.example", False, False),
        (None, False, True),
        ("", False, True),
        ("localhost", False, True),
        ("LocalHost.:8000", False, True),
        ("shop.localhost:8000", False, True),
        ("testserver", False, True),
        ("127.0.0.1:5000", False, True),
        ("127.1.2.3", False, True),
        ("[::1]:8000", False, True),
        ("[::1", False, True),
    ],
)
def test_no_other_cookie_is_logged(
    host: str | None, https: bool, login: bool, caplog: pytest.LogCaptureFixture
) -> None:
    attributes = CookieAttributes(f"no-login-{token_hex(4)}")

    warn_if_exposed([SetCookie("v", attributes, https=https, now=NOON, login=login)], host)

    assert caplog.records == []


def test_a_host_that_is_longer_than_a_name_can_be_is_not_kept() -> None:
    cookie = SetCookie("v", CookieAttributes(f"login-{token_hex(4)}"), https=False, now=NOON, login=True)
    _exposed._is_this_machine.cache_clear()

    for end in ("a", "b"):
        warn_if_exposed([cookie], "x" * 10_000 + end)

    assert _exposed._is_this_machine.cache_info().currsize == 1


def test_an_age_over_400_days_is_cut_as_browsers_do() -> None:
    cookie = SetCookie("v", CookieAttributes("_shop"), https=True, now=NOON, max_age=10**9)

    assert cookie.max_age == 34_560_000
    assert cookie.expires == NOON + 400 * 24 * 60 * 60


def test_a_deletion_carries_the_same_attributes_with_max_age_0() -> None:
    attributes = CookieAttributes("__Secure-sid", domain="example.org", path="/a", max_age=3600, extra="Priority=High")

    cookie = SetCookie(None, attributes, https=False, now=NOON, max_age=3600)

    assert str(cookie) == (
        "__Secure-sid=; path=/a; domain=example.org; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
        "; secure; HttpOnly; SameSite=Lax; Priority=High"
    )
    assert (cookie.value, cookie.max_age) == (None, 0)


def test_its_repr_does_not_show_the_value() -> None:
    assert repr(SetCookie("value", CookieAttributes("_shop"), https=False, now=NOON)) == "<SetCookie _shop>"


# The limit.


def commit_cookie_of(length: int) -> tuple[str, list[str]]:
    """Commit a session whose cookie has *length* bytes; return the Set-Cookie header and the names of the events."""
    data = {"cart": ["x" * 2000], "name": "y" * 300, "n": 1, "lang": "en"}

    def commit(**options: Any) -> tuple[str, list[str]]:
        events: list[Event] = []
        sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, on_event=events.append, **options)
        session = sessions.fetch()
        session.update(data)
        (cookie,) = sessions.commit(session).cookies
        return str(cookie), [event.name for event in events]

    without, _ = commit()
    return commit(extra="z" * (length - len(without) - len("; ")))


def test_4096_bytes_are_accepted() -> None:
    line, events = commit_cookie_of(4096)

    assert len(line) == MAX_COOKIE_BYTES == 4096
    assert events == ["created"]


def test_4097_bytes_are_refused_and_the_largest_keys_are_named() -> None:
    message = (
        r"would have 4097 bytes, and browsers keep 4096\. The largest of its keys: "
        r"'cart' \(about 2004 bytes\), 'name' \(about 302 bytes\), 'lang' \(about 4 bytes\)\. "
        r"Store less, or keep sessions in a table"
    )

    with pytest.raises(CookieOverflowError, match=message):
        commit_cookie_of(4097)


def test_after_an_overflow_the_session_can_be_cleared_and_sent() -> None:
    events: list[Event] = []
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET, on_event=events.append)
    session = sessions.fetch()
    session["cart"] = "x" * 4096
    with pytest.raises(CookieOverflowError):
        sessions.commit(session)

    session.clear()
    session["cart"] = "little"
    (cookie,) = sessions.commit(session).cookies

    assert sessions.resume(cookie.value)["cart"] == "little"
    assert [event.name for event in events] == ["cookie_too_large", "created"]
    assert "x" not in events[0].reason


def test_a_cookie_longer_than_we_send_is_not_opened() -> None:
    store = CookieStore(NativeFormat(SECRET))

    assert store.get("A" * 4097, key="_shop") == store.get("A" * 4096, key="_shop") == NotFound("unreadable")


def test_rack_session_61_a_value_needs_no_quoting_in_any_cookie() -> None:
    sessions = Sessions("cookie", key="_shop", secret_key_base=SECRET)
    session = sessions.fetch()
    session["text"] = 'quotes " ; , \\ \r\n caf\xe9 \0'

    (cookie,) = sessions.commit(session).cookies

    assert re.fullmatch(r"[A-Za-z0-9_-]+", cookie.value or "")
