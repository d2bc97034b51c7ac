"""Sessions in a header instead of a cookie, beyond what the adapter suite tests."""

from datetime import timedelta
from typing import Any

import pytest

from holdall import ConfigurationError, CookieOverflowError, MemoryTable, Sessions, TableStore
from holdall._migrate import reading_framework_cookies
from holdall._transport import HeaderTransport
from holdall.adapters import SessionGroup, merged_vary, with_cookie_settings
from holdall.device_bound import DeviceBound
from holdall.formats import FlaskFormat, NativeFormat
from holdall.nested import outer_session
from holdall.sources.cookie import CookieSource
from holdall.stores import CookieStore
from holdall.stores._migration import MigratingStore
from holdall.testing import FakeClock, init_test_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"


def in_header(name: str = "Authorization", key: str = "_shop", **options: Any) -> Sessions:
    return Sessions("cookie", key=key, secret_key_base=SECRET, transport=name, **options)


@pytest.mark.parametrize(
    "name",
    ["", "header", "cookie", "Cookie", "Set-Cookie", "Host", "content-length", "X_Session", "X Session", "X:", "é", 7],
)
def test_a_header_that_cannot_carry_a_session_is_refused(name: Any) -> None:
    if name == "cookie":
        assert in_header(name).transport is None
        return
    with pytest.raises(ConfigurationError, match="transport="):
        in_header(name)


@pytest.mark.parametrize(
    "options",
    [
        {"path": "/"},
        {"max_age": None, "secure": False},
        {"old_keys": ["_old"]},
        {"delete_at_logout": ["remember_token"]},
        {"device_bound": True},
        {"device_bound": DeviceBound()},
        {"cookie_options": lambda request: {}},
    ],
)
def test_cookie_options_have_no_effect_and_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=", ".join(options)):
        in_header(**options)


def test_sessions_from_cookies_cannot_be_moved() -> None:
    source = CookieSource(FlaskFormat(SECRET), key="session")
    moving: Any = MigratingStore(TableStore(MemoryTable()), [source])

    for store, options in ((moving, {}), ("table", {"table": "moved", "migrate_from": [source]})):
        with pytest.raises(ConfigurationError, match="migrate_from"):
            Sessions(store, key="_shop", transport="Authorization", **options)
    with pytest.raises(ConfigurationError, match="transport="):
        reading_framework_cookies({"store": "cookie", "transport": "X-Session"}, FlaskFormat(SECRET))


def test_a_frameworks_cookie_settings_are_ignored() -> None:
    cookie = {"key": "session", "path": "/shop", "secure": "auto"}

    assert with_cookie_settings({"path": "/"}, cookie) == {"key": "session", "path": "/", "secure": "auto"}
    assert with_cookie_settings({"transport": "cookie"}, cookie) == {"transport": "cookie", **cookie}
    assert with_cookie_settings({"transport": "X-A"}, cookie) == {"transport": "X-A", "key": "session"}


def test_two_sessions_cannot_share_a_header_but_may_share_a_name_with_a_cookie() -> None:
    main = in_header("X-Session")

    with pytest.raises(ConfigurationError, match="read the header x-session"):
        SessionGroup(main, [in_header("x-session", key="_cart")], form="sync")
    group = SessionGroup(main, [in_header("cookie")], form="sync")
    assert group.request_headers == {"cookie", "x-session"}


def test_two_adapters_of_one_request_cannot_share_a_header() -> None:
    outer = SessionGroup(in_header(), form="sync").begin()

    with pytest.raises(ConfigurationError, match="two adapters"):
        outer_session(outer, SessionGroup(in_header(key="_cart"), form="sync"))
    assert outer_session(outer, SessionGroup(in_header("X-Session"), form="sync")) is None


def test_a_session_can_be_driven_by_hand_with_its_headers_values() -> None:
    sessions = in_header()
    session = sessions.fetch()
    session["n"] = 1

    (header,) = sessions.commit(session).cookies

    assert (header.header, header.line, str(header)) == ("Authorization", header.line, header.line)
    assert header.line.startswith("Session 0.")
    assert header.size == len(header.line)
    for given in (header.line, [header.line], ["Basic dTpw", header.line], lambda name: [header.line]):
        assert sessions.fetch(given)["n"] == 1


def test_an_unread_session_marked_as_modified_gets_its_number_from_the_request() -> None:
    sessions = in_header()
    held = init_test_session(sessions, {"n": 1, "user_id": 7})
    session = sessions.fetch(held)
    session.modified = True
    session.configure(drop=True)

    (header,) = sessions.commit(session).cookies

    assert header.line.startswith("Session 8.")
    assert dict(sessions.fetch(header.line)) == {}


def test_a_test_gets_the_headers_value() -> None:
    sessions, plain = in_header(), in_header("X-Session")

    assert init_test_session(sessions, {}) == ""
    assert init_test_session(sessions, {"n": 1}).startswith("Session ")
    assert plain.fetch(init_test_session(plain, {"m": 2}, init_test_session(plain, {"n": 1}))) == {"n": 1, "m": 2}


def test_values_from_before_a_change_of_formats_are_read() -> None:
    flask, native = FlaskFormat(SECRET), NativeFormat(SECRET)
    before = Sessions(CookieStore(flask), key="_shop", transport="X-Session")
    old = init_test_session(before, {"n": 1})
    now = Sessions(CookieStore(native, also_read=[flask]), key="_shop", transport="X-Session")
    back = Sessions(CookieStore(flask, also_read=[native]), key="_shop", transport="X-Session")
    session = now.fetch(old)
    session["m"] = 2

    (header,) = now.commit(session).cookies

    assert header.line.partition(".")[0] == "0"
    assert dict(back.fetch(header.line)) == {"n": 1, "m": 2}


def test_a_value_that_was_outdated_on_arrival_does_not_end_the_valid_one() -> None:
    sessions = in_header()
    old = init_test_session(sessions, {"n": 1})
    session = sessions.fetch(old)
    session.login(7)
    (now,) = sessions.commit(session).cookies

    both = sessions.fetch([old, now.line])
    assert both.principal == "7"
    answer = sessions.commit(both)

    assert (answer.cookies, answer.vary) == ((), "Authorization")


def test_the_end_of_a_session_that_no_response_could_restore_has_no_value() -> None:
    clock = FakeClock()
    sessions = in_header(clock=clock)
    session = sessions.fetch(init_test_session(sessions, {"n": 1}))
    session["n"] = 2
    state: Any = session._state
    state.lifetime_of = lambda data, usual: usual._replace(ends=int(clock().timestamp()))
    session.configure(drop=True)
    state.lifetime_before = state.lifetime

    (header,) = sessions.commit(session).cookies

    assert (header.value, header.line) == (None, "Session")


def test_an_oversized_session_names_the_header() -> None:
    sessions = in_header()
    session = sessions.fetch()
    session["big"] = "x" * 5000

    with pytest.raises(CookieOverflowError, match="header would have"):
        sessions.commit(session)


def test_the_session_of_a_recorded_login_is_carried_too() -> None:
    sessions = in_header(record_login=True)
    session = sessions.fetch()
    session.login(7)

    (header,) = sessions.commit(session).cookies

    assert sessions.fetch(header.line).require_fresh(timedelta(minutes=5)) is None


def test_a_save_before_a_failure_varies_by_everything_that_was_used() -> None:
    group = SessionGroup(in_header("X-Main"), [in_header("X-Cart", key="_cart")], form="sync")
    exchange = group.begin()
    exchange.session_of(group.also[0])

    assert exchange.error_headers().vary == "X-Main, X-Cart"


@pytest.mark.parametrize(
    ("present", "vary", "merged"),
    [
        ([], "X-A, Cookie", "X-A, Cookie"),
        (["Accept", "cookie"], "X-A, Cookie", "Accept, cookie, X-A"),
        (["cookie, x-a"], "X-A, Cookie", None),
        (["*"], "X-A, Cookie", None),
        (["Cookie"], "X-A", "Cookie, X-A"),
    ],
)
def test_vary_names_each_header_once(present: list[str], vary: str, merged: str | None) -> None:
    assert merged_vary(present, vary) == merged


def test_the_format_of_a_value() -> None:
    assert [HeaderTransport(name, "_shop").text("v") for name in ("authorization", "X-A")] == ["Session v", "v"]


def test_a_description_says_that_there_is_no_cookie() -> None:
    text = str(in_header().describe())

    assert "Authorization" in text
    assert "SameSite" not in text
    assert "__Host-" not in text
