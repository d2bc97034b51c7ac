"""When and how strongly a session's user was authenticated."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdall import ConfigurationError, LoginRequiredError, MemoryTable, ResponseStartedError, Session, Sessions
from holdall.adapters import SessionGroup, record_repeated_login
from holdall.formats import DjangoFormat, DynamoFormat, FlaskFormat, Format, NativeFormat, PlugFormat, StarletteFormat
from holdall.stores import CookieStore, TableStore
from holdall.testing import FakeClock

SECRET = "9c1f7b3ae5d80246-8e2d5f0a7c94b163-6b0e4d2f8a1c9375-f3a7e1d5c9b80264"
HOUR = timedelta(hours=1)

FORMATS: dict[str, Callable[..., Format]] = {
    "native": NativeFormat,
    "plug": lambda secret: PlugFormat(secret, signing_salt="salt", encryption_salt="another"),
    "dynamo": DynamoFormat,
    "flask": FlaskFormat,
    "django": DjangoFormat,
    "starlette": StarletteFormat,
}


class Visitor:
    """A browser without a framework."""

    def __init__(self, store: Any, clock: FakeClock, **options: Any) -> None:
        self.sessions = Sessions(store, key="sid", clock=clock, **{"record_login": True, **options})
        self.cookie: str | None = None

    def does(self, act: Callable[[Session], Any], status: int = 200) -> Any:
        session = self.sessions.resume(self.cookie)
        try:
            return act(session)
        finally:
            headers = self.sessions.commit(session, status=status)
            self.cookie = headers.cookie or self.cookie


@pytest.fixture(params=["table", *FORMATS])
def visitor(request: pytest.FixtureRequest, clock: FakeClock) -> Visitor:
    if request.param == "table":
        return Visitor(TableStore(MemoryTable(clock=clock), encrypt=True, secret_key_base=SECRET), clock)
    return Visitor(CookieStore(FORMATS[request.param](SECRET)), clock)


@pytest.fixture
def table(clock: FakeClock) -> Visitor:
    return Visitor(TableStore(MemoryTable(clock=clock)), clock)


def known(session: Session) -> tuple[Any, int, dict[str, Any]]:
    return session.authenticated_at, session.level, dict(session)


def test_a_login_is_recorded_in_every_format_and_outside_the_applications_data(
    visitor: Visitor, clock: FakeClock
) -> None:
    visitor.does(lambda session: session.update(theme="dark"))
    visitor.does(lambda session: session.login(7, level=2))
    came = clock()
    clock.advance(HOUR)
    visitor.does(lambda session: session.update(theme="light"))

    assert visitor.does(known) == (came, 2, {"user_id": 7, "theme": "light"})
    assert visitor.does(lambda session: (len(session), list(session), "_holdall_login" in session)) == (
        2,
        ["theme", "user_id"],
        False,
    )


def test_a_librarys_login_is_recorded(visitor: Visitor, clock: FakeClock) -> None:
    visitor.does(lambda session: session.update(_user_id="7"))

    assert visitor.does(known) == (clock(), 1, {"_user_id": "7"})


def test_flask_logins_remember_me_is_not_an_authentication(visitor: Visitor) -> None:
    visitor.does(lambda session: session.update(_user_id="7", _fresh=False))

    assert visitor.does(known)[:2] == (None, 1)


@pytest.mark.parametrize(
    "authenticate",
    [lambda session: session.login(7), lambda session: session.confirm_login()],
    ids=["login", "confirm"],
)
def test_who_was_remembered_and_then_authenticates_is_fresh(
    visitor: Visitor, clock: FakeClock, authenticate: Callable[[Session], None]
) -> None:
    visitor.does(lambda session: session.update(_user_id="7", _fresh=False))
    visitor.does(authenticate)

    assert visitor.does(known)[:2] == (clock(), 1)


def test_what_flask_login_calls_not_fresh_keeps_a_login_elsewhere(visitor: Visitor, clock: FakeClock) -> None:
    visitor.does(lambda session: session.login(7, level=2))
    came = clock()
    clock.advance(HOUR)
    visitor.does(lambda session: session.update(_user_id="7", _fresh=False))
    visitor.does(lambda session: session.configure(renew=True))

    assert visitor.does(known)[:2] == (came, 2)


def test_a_repeated_login_by_a_library_is_an_authentication(table: Visitor, clock: FakeClock) -> None:
    table.does(lambda session: session.update(_user_id="7"))
    before = table.cookie
    clock.advance(HOUR)
    table.does(lambda session: (session.update(_user_id="7"), record_repeated_login(session)))

    assert table.does(known) == (clock(), 1, {"_user_id": "7"})
    assert table.cookie != before


def test_without_the_option_a_repeated_login_by_a_library_keeps_the_id(clock: FakeClock) -> None:
    plain = Visitor(TableStore(MemoryTable(clock=clock)), clock, record_login=False)
    plain.does(lambda session: session.login(7))
    before = plain.cookie
    clock.advance(HOUR)
    plain.does(record_repeated_login)

    assert plain.cookie == before
    assert plain.does(lambda session: (dict(session), session.created)) == ({"user_id": 7}, clock() - HOUR)


def test_a_repeated_login_by_a_library_leaves_a_session_in_its_cookie_as_it_is(clock: FakeClock) -> None:
    store = CookieStore(NativeFormat(SECRET), clock=clock)
    plain = Visitor(store, clock, record_login=False)
    plain.does(lambda session: session.login(7))
    before = plain.cookie
    plain.does(record_repeated_login)

    assert plain.cookie == before


def test_a_login_that_a_library_reports_without_a_user_is_none(table: Visitor) -> None:
    table.does(record_repeated_login)

    assert table.cookie is None


def test_another_user_and_nobody_have_nothing_of_it(table: Visitor, clock: FakeClock) -> None:
    table.does(lambda session: session.login(7, level=3))
    clock.advance(HOUR)
    table.does(lambda session: session.update(user_id=8))
    assert table.does(known) == (clock(), 1, {"user_id": 8})
    table.does(lambda session: session.delete("user_id"))

    assert table.does(known) == (None, 0, {})


def test_a_login_that_was_not_recorded_is_not_fresh(clock: FakeClock) -> None:
    store = CookieStore(NativeFormat(SECRET))
    before = Visitor(store, clock, record_login=False)
    before.does(lambda session: session.login(7))
    visitor = Visitor(store, clock)
    visitor.cookie = before.cookie

    assert visitor.does(known) == (None, 1, {"user_id": 7})
    with pytest.raises(LoginRequiredError):
        visitor.does(lambda session: session.require_fresh(HOUR))


def test_a_confirmed_login_is_fresh_again_under_another_id_for_the_whole_absolute_timeout(
    table: Visitor, clock: FakeClock
) -> None:
    table.does(lambda session: session.login(7, level=2))
    clock.advance(HOUR)
    old = table.cookie
    table.does(lambda session: session.require_fresh(HOUR))
    clock.advance(timedelta(seconds=1))
    with pytest.raises(LoginRequiredError, match="at most 1:00:00 old"):
        table.does(lambda session: session.require_fresh(HOUR))
    table.does(lambda session: session.confirm_login())

    assert table.cookie != old
    assert table.does(lambda session: (session.created, *known(session)[:2])) == (clock(), clock(), 2)
    table.does(lambda session: session.require_fresh(HOUR))
    table.cookie = old
    assert table.does(known) == (None, 0, {})


@pytest.mark.parametrize("again", [lambda session: session.login(7), lambda session: session.confirm_login()])
def test_a_failed_request_confirms_nothing(table: Visitor, clock: FakeClock, again: Callable[[Session], None]) -> None:
    table.does(lambda session: session.login(7))
    came = clock()
    clock.advance(HOUR)
    table.does(again, status=500)

    assert table.does(lambda session: (session.created, session.authenticated_at)) == (came, came)


def test_a_repeated_login_restarts_the_absolute_timeout(clock: FakeClock) -> None:
    visitor = Visitor(TableStore(MemoryTable(clock=clock)), clock, record_login=False)
    visitor.does(lambda session: session.login(7))
    clock.advance(HOUR)
    visitor.does(lambda session: session.configure(renew=True))
    assert visitor.does(lambda session: session.created) == clock() - HOUR
    visitor.does(lambda session: session.login(7))

    assert visitor.does(lambda session: session.created) == clock()


def test_a_repeated_login_is_fresh_and_keeps_the_data(table: Visitor, clock: FakeClock) -> None:
    table.does(lambda session: session.login(7, level=2))
    table.does(lambda session: session.put("cart", ["hat"]))
    old = table.cookie
    clock.advance(2 * HOUR)
    table.does(lambda session: session.login(7))

    assert table.does(lambda session: (session.authenticated_at, session.level)) == (clock(), 1)
    assert table.does(lambda session: (session.created, session["cart"])) == (clock(), ["hat"])
    table.cookie = old
    assert table.does(known) == (None, 0, {})


def test_each_change_of_the_level_renews_the_id_and_is_not_an_authentication(table: Visitor, clock: FakeClock) -> None:
    table.does(lambda session: session.login(7))
    came, cookies = clock(), []
    clock.advance(HOUR)
    for level in (2, 2, 1):
        table.does(lambda session, level=level: setattr(session, "level", level))
        cookies.append(table.cookie)

    assert cookies[0] == cookies[1] != cookies[2]
    assert table.does(lambda session: (session.created, *known(session)[:2])) == (came, came, 1)


def test_a_level_can_be_required(table: Visitor) -> None:
    table.does(lambda session: session.login(7))
    table.does(lambda session: session.require_level(1))
    with pytest.raises(LoginRequiredError, match="at level 2"):
        table.does(lambda session: session.require_level(2))
    table.does(lambda session: session.confirm_login(level=2))

    table.does(lambda session: session.require_level(2))


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.confirm_login(),
        lambda session: setattr(session, "level", 2),
        lambda session: session.require_fresh(HOUR),
        lambda session: session.require_level(1),
    ],
)
def test_a_login_requirement_fails_without_a_login(table: Visitor, act: Callable[[Session], None]) -> None:
    with pytest.raises(LoginRequiredError):
        table.does(act)
    assert table.cookie is None


@pytest.mark.parametrize("level", [0, True, "2"])
def test_a_level_is_a_number(table: Visitor, level: Any) -> None:
    with pytest.raises(ConfigurationError, match="whole number of at least 1"):
        table.does(lambda session: session.login(7, level=level), status=500)


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.authenticated_at,
        lambda session: session.level,
        lambda session: session.require_fresh(HOUR),
        lambda session: session.login(7, level=2),
        lambda session: session.update(user_id=7) or session.confirm_login(),
    ],
)
def test_without_record_login_the_record_is_unavailable(clock: FakeClock, act: Callable[[Session], None]) -> None:
    visitor = Visitor(CookieStore(NativeFormat(SECRET)), clock, record_login=False)

    with pytest.raises(ConfigurationError, match="record_login=True"):
        visitor.does(act, status=500)


def test_the_level_cannot_change_once_the_headers_have_been_sent(table: Visitor) -> None:
    table.does(lambda session: session.login(7))
    session = table.sessions.resume(table.cookie)
    assert session.level == 1
    table.sessions.commit(session)

    with pytest.raises(ResponseStartedError):
        session.level = 2


def test_a_login_cannot_be_recorded_without_a_principal() -> None:
    with pytest.raises(ConfigurationError, match="leave out principal_key=None"):
        Sessions("table", table="t", key="sid", principal_key=None, record_login=True)


def test_login_needs_a_principal_key(clock: FakeClock) -> None:
    visitor = Visitor(TableStore(MemoryTable(clock=clock)), clock, record_login=False, principal_key=None)

    with pytest.raises(ConfigurationError, match="leave out principal_key=None"):
        visitor.does(lambda session: session.login(7))


def test_a_login_is_recorded_with_cookie_options_that_depend_on_the_request_too(clock: FakeClock) -> None:
    store = TableStore(MemoryTable(clock=clock))
    sessions = Sessions(store, key="sid", clock=clock, record_login=True, cookie_options=lambda request: {"path": "/"})
    session = sessions.fetch()
    session.login(7)
    cookie = sessions.commit(session).cookie

    assert known(sessions.fetch(f"sid={cookie}")) == (clock(), 1, {"user_id": 7})


def test_data_that_a_browser_cannot_clear_is_refused() -> None:
    session = Sessions("cookie", key="sid", secret_key_base="b7a1d0c4e9f25368-4f1c9a7be2d80356").fetch()

    with pytest.raises(ConfigurationError, match="clear_site_data="):
        session.logout(clear_site_data=["history"])


def test_cookies_are_not_cleared_if_a_new_session_begins() -> None:
    sessions = Sessions("cookie", key="sid", secret_key_base="b7a1d0c4e9f25368-4f1c9a7be2d80356")
    session = sessions.fetch()
    session.logout(clear_site_data=["cookies"])
    session["n"] = 1

    assert not sessions.commit(session).extra


def test_a_logout_among_several_sessions_clears_its_own_data() -> None:
    main, cart = (Sessions(TableStore(MemoryTable()), key=key) for key in ("sid", "_cart"))
    group = SessionGroup(main, [cart], form="sync")
    exchange = group.begin()
    exchange.session["user_id"] = exchange.session_of(cart)["n"] = 7
    sent = "; ".join(f"{each.attributes.key}={each.value}" for each in exchange.headers().cookies)

    exchange = group.begin(sent)
    exchange.session.logout(clear_site_data=["cache"])
    exchange.session_of(cart)["n"] = 8

    assert list(exchange.headers().extra) == [("Clear-Site-Data", '"cache"')]
