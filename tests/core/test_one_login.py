"""Several login libraries with one session: it has one principal, and the last login or logout applies to all."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core.begun import InterruptedTable
from holdall import ConfigurationError, CookieStore, MemoryTable, Session, Sessions, TableStore
from holdall._principals import principal_keys
from holdall.adapters import state_of
from holdall.formats import NativeFormat
from holdall.typed import typed_session

AUTO = principal_keys("auto")

SECRET = "6d0a9be2c7f1483595-e4b81f7c20d93a6b"


def django(session: Session, user: int) -> None:
    """Log in as Django's own ``login`` does."""
    session["_auth_user_id"] = str(user)
    session["_auth_user_backend"] = "backend"
    session["_auth_user_hash"] = f"hash of {user}"


def flask(session: Session, user: int) -> None:
    """Log in as Flask-Login does."""
    session["_user_id"] = str(user)
    session["_fresh"] = True
    session["_id"] = "browser"


def by_hand(session: Session, user: int) -> None:
    session["user_id"] = user


def ours(session: Session, user: int) -> None:
    session.login(user)


LOGINS = {"Django": django, "Flask-Login": flask, "by hand": by_hand, "session.login": ours}
KEYS = {"Django": "_auth_user_id", "Flask-Login": "_user_id", "by hand": "user_id", "session.login": "user_id"}

Login = Callable[[Session, int], None]

each = pytest.mark.parametrize("name", LOGINS)
another = pytest.mark.parametrize("other", LOGINS)


@pytest.fixture
def table() -> InterruptedTable:
    return InterruptedTable()


@pytest.fixture
def sessions(table: InterruptedTable) -> Sessions:
    return Sessions(TableStore(table), key="sid")


def made(sessions: Sessions, cookie: str | None, *acts: Callable[[Session], object]) -> str | None:
    """Return the cookie after one request that performs all of *acts*."""
    session = sessions.resume(cookie)
    for act in acts:
        act(session)
    return sessions.commit(session).cookie


def in_frames(error: BaseException) -> list[str]:
    """Return the local variables of our functions in the error's traceback."""
    return [
        repr(value)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if "/holdall/" in frame.f_code.co_filename
        for value in frame.f_locals.values()
    ]


def principal(sessions: Sessions, cookie: str | None) -> str | None:
    return sessions.resume(cookie).principal


@each
@another
def test_the_last_login_sets_the_principal(sessions: Sessions, name: str, other: str) -> None:
    cookie = made(sessions, None, lambda s: s.put("cart", 1), lambda s: LOGINS[name](s, 7))

    def switch(session: Session) -> None:
        LOGINS[other](session, 8)
        assert session.principal == "8"

    switched = made(sessions, cookie, switch)

    assert switched != cookie
    assert principal(sessions, switched) == "8"
    after = sessions.resume(switched)
    assert {key for key in AUTO.keys if key in after} == {KEYS[other]}
    assert "cart" not in after
    assert len(sessions.list(7)) == 0


@each
@another
def test_the_same_user_may_be_logged_in_by_several_libraries(sessions: Sessions, name: str, other: str) -> None:
    cookie = made(sessions, None, lambda s: LOGINS[name](s, 7), lambda s: s.put("cart", 1))

    again = made(sessions, cookie, lambda s: LOGINS[other](s, 7))

    assert principal(sessions, again) == "7"
    assert sessions.resume(again)["cart"] == 1
    assert {KEYS[name], KEYS[other]} <= set(sessions.resume(again))


@each
@another
@pytest.mark.parametrize(
    "leave", [lambda s, key: s.pop(key), lambda s, key: s.delete(key), lambda s, key: s.put(key, None)]
)
def test_a_logout_by_one_library_is_a_logout_by_all(
    sessions: Sessions, name: str, other: str, leave: Callable[[Session, str], object]
) -> None:
    cookie = made(sessions, None, lambda s: LOGINS[name](s, 7), lambda s: LOGINS[other](s, 7), lambda s: s.put("a", 1))

    def leaves(session: Session) -> None:
        leave(session, KEYS[name])
        assert session.principal is None

    left = made(sessions, cookie, leaves)

    assert left != cookie
    assert principal(sessions, cookie) is None
    after = sessions.resume(left)
    assert after.principal is None
    assert after["a"] == 1
    # What remains of a login does not contain a secret's digest either.
    assert "_auth_user_hash" not in after


def test_within_a_request_a_login_removes_another_librarys_keys(sessions: Sessions) -> None:
    session = sessions.fetch()
    django(session, 7)
    flask(session, 8)

    assert dict(session) == {"_user_id": "8", "_fresh": True, "_id": "browser"}

    django(session, 8)
    del session["_user_id"]

    assert dict(session) == {}


def test_a_display_name_is_not_a_login_if_a_library_names_the_user(sessions: Sessions) -> None:
    cookie = made(sessions, None, lambda s: flask(s, 7), lambda s: s.put("username", "Ada"))
    assert principal(sessions, cookie) == "7"

    shown = made(sessions, cookie, lambda s: s.put("username", "Grace"))
    assert (principal(sessions, shown), shown) == ("7", cookie)
    hidden = made(sessions, shown, lambda s: s.pop("username"))
    assert (principal(sessions, hidden), hidden) == ("7", cookie)

    made(sessions, cookie, lambda s: s.put("username", "Ada"))
    left = made(sessions, cookie, lambda s: s.pop("_user_id"))
    assert principal(sessions, left) is None


@pytest.mark.parametrize("name", ["userid", "uid", "user", "username"])
def test_a_name_renews_the_id_like_a_login_but_names_no_user(sessions: Sessions, name: str) -> None:
    planted = made(sessions, None, lambda s: s.update(cart=1, csrf_token="planted"))
    named = made(sessions, planted, lambda s: s.put(name, "7"))

    session = sessions.resume(named)
    assert dict(session) == {"cart": 1, name: "7"}
    assert session.principal is None
    assert sessions.resume(planted).is_new
    assert sessions.list(7) == []
    assert sessions.revoke(7) == 0
    other = made(sessions, named, lambda s: s.put(name, "8"))
    assert (sessions.resume(named).is_new, dict(sessions.resume(other))) == (True, {"cart": 1, name: "8"})
    left = made(sessions, other, lambda s: s.pop(name), lambda s: s.put("theme", "dark"))
    assert (sessions.resume(other).is_new, dict(sessions.resume(left))) == (True, {"cart": 1, "theme": "dark"})


@pytest.mark.parametrize("first", ["visitor", {"theme": "dark"}, {1: "a", "b": 2}, ["a"], "x" * 5000, 7.5, True])
def test_a_second_name_renews_the_id_whatever_the_first_is(sessions: Sessions, first: Any) -> None:
    planted = made(sessions, None, lambda s: s.update(uid=first, cart=1))
    named = made(sessions, planted, lambda s: s.put("username", "ann"))

    assert sessions.resume(planted).is_new
    assert dict(sessions.resume(named)) == {"uid": sessions.resume(named)["uid"], "cart": 1, "username": "ann"}
    again = made(sessions, named, lambda s: s.put("username", "ann"), lambda s: s.put("cart", 2))
    assert again == named


def test_a_login_keeps_what_a_named_guest_has_stored_but_not_the_name(sessions: Sessions) -> None:
    guest = made(sessions, None, lambda s: s.update(username="zoe", cart=1))

    assert dict(sessions.resume(made(sessions, guest, lambda s: s.login(7)))) == {"cart": 1, "user_id": 7}


def test_a_carried_key_stays_with_a_guest_who_gets_a_name() -> None:
    sessions = Sessions("table", key="sid", table="memory://carried names", carry=["cart"])
    guest = made(sessions, None, lambda s: s.update(uid="a", cart=1, theme="dark"))

    named = made(sessions, guest, lambda s: s.put("username", "zoe"))
    assert dict(sessions.resume(named)) == {"uid": "a", "cart": 1, "username": "zoe"}


def test_a_guests_name_does_not_hide_a_login_under_an_unknown_key(sessions: Sessions) -> None:
    guest = made(sessions, None, lambda s: s.put("username", "zoe"))
    session = sessions.resume(guest)
    session["member_id"] = 5

    with pytest.raises(ConfigurationError, match="member_id"):
        sessions.commit(session)


def test_a_failed_request_changes_no_name_but_removes_one(sessions: Sessions) -> None:
    cookie = made(sessions, None, lambda s: s.put("username", "ada"))
    for act, expected in ((lambda s: s.put("username", "eve"), "ada"), (lambda s: s.pop("username"), None)):
        session = sessions.resume(cookie)
        act(session)
        cookie = sessions.commit(session, status=500).cookie or cookie
        assert sessions.resume(cookie).get("username") == expected


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("stays", [False, True], ids=["the name goes too", "the name is set again"])
def test_a_logout_that_leaves_a_name_is_a_logout(sessions: Sessions, status: int, stays: bool) -> None:
    cookie = made(sessions, None, lambda s: s.update(user_id=7, username="Ada", cart=1))
    session = sessions.resume(cookie)
    del session["user_id"]
    assert "username" not in session
    if stays:
        session["username"] = "Ada"
    left = sessions.commit(session, status=status).cookie

    assert sessions.resume(cookie).is_new
    # After a failed request only the logout is saved.
    assert dict(sessions.resume(left)) == {"cart": 1} | ({"username": "Ada"} if stays and status == 200 else {})
    assert sessions.list(7) == []


def test_a_name_that_may_be_a_login_is_reported_once(sessions: Sessions, caplog: pytest.LogCaptureFixture) -> None:
    cookie = made(sessions, None, lambda s: s.put("username", "Ada Lovelace"))
    made(sessions, cookie, lambda s: s.put("username", "Grace Hopper"))
    made(sessions, None, lambda s: s.put("user_id", 7), lambda s: s.put("username", "Ada Lovelace"))

    (record,) = caplog.records
    assert "principal_key='username'" in record.getMessage()
    assert "Lovelace" not in record.getMessage()


@pytest.mark.parametrize(
    "options",
    [{"record_login": True}, {"max_sessions": 2}, {"valid_since": lambda principal: None}, {"device_bound": True}],
)
def test_a_name_that_may_be_a_login_is_refused_if_an_option_depends_on_it(options: Any) -> None:
    sessions = Sessions("table", key="sid", table="memory://names", secret_key_base=SECRET, **options)
    session = sessions.fetch()
    session["username"] = "Ada Lovelace"

    with pytest.raises(ConfigurationError, match="set principal_key='username'") as refused:
        sessions.commit(session)
    assert "Lovelace" not in str(refused.value)
    assert all("Lovelace" not in shown for shown in in_frames(refused.value))


def test_a_name_that_is_configured_is_the_login() -> None:
    sessions = Sessions("table", key="sid", table="memory://named", principal_key="username", max_sessions=1)
    cookie = made(sessions, None, lambda s: s.put("username", "ada"))

    assert principal(sessions, cookie) == "ada"
    assert len(sessions.list("ada")) == 1


def test_custom_keys_are_treated_like_those_of_libraries() -> None:
    keys = principal_keys(["staff", "customer"])

    assert keys.keys_to_remove("customer", 8, {"staff": 7}) == ["staff"]
    assert keys.keys_to_remove("customer", "7", {"staff": 7}) == []
    assert keys.keys_to_remove("customer", None, {"staff": 7, "customer": 7}) == ["staff"]
    assert keys.keys_to_remove("customer", None, {"staff": 7}) == []


@dataclass
class Account:
    user_id: int | None = None
    theme: str = "light"


@pytest.mark.parametrize("after", [8, None])
def test_logins_and_logouts_through_a_typed_object_follow_the_same_rule(sessions: Sessions, after: int | None) -> None:
    cookie = made(sessions, None, lambda s: by_hand(s, 7), lambda s: django(s, 7))
    pytest.importorskip("msgspec", reason="typed sessions need pydantic 2 or msgspec")
    session = sessions.resume(cookie)
    account = typed_session(session, Account)
    account.theme = "dark"
    account.user_id = after

    assert session.principal == (None if after is None else "8")
    assert principal(sessions, sessions.commit(session).cookie) == (None if after is None else "8")


def test_a_mutated_key_that_is_not_a_login_changes_none(sessions: Sessions) -> None:
    pytest.importorskip("msgspec", reason="typed sessions need pydantic 2 or msgspec")
    session = sessions.resume(made(sessions, None, lambda s: django(s, 7)))
    typed_session(session, Account).theme = "dark"

    assert session.principal == "7"


def test_a_library_that_learns_of_the_login_does_not_undo_a_logout(sessions: Sessions, table: InterruptedTable) -> None:
    cookie = made(sessions, None, lambda s: flask(s, 7))
    leaving, learning = sessions.resume(cookie), sessions.resume(cookie)
    del leaving["_user_id"]
    django(learning, 7)

    # The other library's keys reach the row after it was read and before it is renewed.
    sessions.commit(learning)
    left = sessions.commit(leaving).cookie

    assert [principal(sessions, each) for each in (cookie, left)] == [None, None]
    assert "_auth_user_hash" not in sessions.resume(left)


def test_a_librarys_write_to_a_session_that_changed_hands_is_lost(sessions: Sessions, table: InterruptedTable) -> None:
    cookie = made(sessions, None, lambda s: flask(s, 7))
    learning = sessions.resume(cookie)
    django(learning, 7)
    switched: list[Any] = []
    table.before = lambda: switched.append(made(sessions, cookie, lambda s: ours(s, 8)))

    sessions.commit(learning)

    assert [principal(sessions, each) for each in (cookie, *switched)] == [None, "8"]
    assert set(sessions.resume(switched[0])) == {"user_id"}


def test_a_failed_request_logs_out_all_and_logs_in_none(sessions: Sessions) -> None:
    cookie = made(sessions, None, lambda s: flask(s, 7), lambda s: django(s, 7))
    leaving = sessions.resume(cookie)
    del leaving["_auth_user_id"]
    left = sessions.commit(leaving, status=500).cookie
    assert principal(sessions, left) is None

    cookie = made(sessions, None, lambda s: flask(s, 7))
    coming = sessions.resume(cookie)
    django(coming, 8)
    sessions.commit(coming, status=500)
    assert principal(sessions, cookie) == "7"


def test_only_the_configured_key_counts() -> None:
    sessions = Sessions("table", key="sid", table="memory://only", principal_key="account")
    session = sessions.fetch()
    django(session, 7)
    session["account"] = 8
    flask(session, 9)

    assert session.principal == "8"
    assert len(session) == 7
    assert state_of(session).settings.principals.all == {"account"}


# Cookies that would log the visitor in again.


def headers(sessions: Sessions, cookie: str | None, act: Callable[[Session], object], **options: Any) -> list[str]:
    session = sessions.resume(cookie)
    act(session)
    return [str(each) for each in sessions.commit(session, **options).cookies]


@pytest.mark.parametrize("store", ["table", "cookie"])
@pytest.mark.parametrize(
    ("leave", "status"),
    [
        (lambda s: s.logout(), 200),
        (lambda s: s.configure(drop=True), 200),
        (lambda s: s.logout() or s.put("flash", "Bye"), 200),
        (lambda s: s.pop("_user_id"), 200),
        (lambda s: s.pop("_user_id"), 500),
    ],
    ids=["logout", "drop", "logout with a message", "a library's logout", "one in a request that fails"],
)
def test_a_logout_deletes_the_cookies_that_would_undo_it(
    store: str, leave: Callable[[Session], object], status: int
) -> None:
    kept = TableStore(MemoryTable()) if store == "table" else CookieStore(NativeFormat(SECRET))
    sessions = Sessions(kept, key="sid", delete_at_logout={"remember_token": {"domain": "shop.example", "path": "/a"}})
    cookie = made(sessions, None, lambda s: flask(s, 7))

    sent = headers(sessions, cookie, leave, status=status)

    (deleted,) = (line for line in sent if line.startswith("remember_token="))
    assert deleted.startswith("remember_token=; ")
    assert {"domain=shop.example", "path=/a", "Max-Age=0"} <= set(deleted.split("; "))


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.put("cart", 1),
        lambda s: s.configure(renew=True),
        lambda s: s.login(8),
        lambda s: s.logout() or s.login(8),
    ],
    ids=["write", "renew", "switch", "logout and login"],
)
def test_a_user_who_stays_logged_in_keeps_those_cookies(act: Callable[[Session], object]) -> None:
    sessions = Sessions("memory://kept", key="sid", delete_at_logout=["remember_token"])
    cookie = made(sessions, None, lambda s: flask(s, 7))

    assert "remember_token" not in str(headers(sessions, cookie, act))


def test_a_single_name_instead_of_a_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"delete_at_logout='remember_token' is one name: pass a list of them"):
        Sessions("memory://refused", key="sid", delete_at_logout="remember_token")


# Keys that were not configured.


def put(key: str, value: object = 7, *, store: str = "table", **options: Any) -> Callable[[], object]:
    """Return a function that puts *value* under *key* into an anonymous session, and ends the request."""
    given: dict[str, Any] = {"table": "memory://unnamed"} if store == "table" else {"secret_key_base": SECRET}
    sessions = Sessions(store, key="sid", **given, **options)
    session = sessions.fetch()
    session[key] = value
    return lambda: sessions.commit(session)


@pytest.mark.parametrize(
    "key",
    [
        *("member", "member_id", "memberId", "current_user", "currentUser", "account", "customer.id", "logged_in"),
        *("loggedin", "is_admin", "admin", "user_email", "access_token", "identity.id", "jwt"),
    ],
)
def test_a_key_that_looks_like_a_login_is_refused_in_a_table_until_it_is_configured(key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"principal_key='{key}'"):
        put(key)()

    put(key, principal_key=key)()
    put(key, principal_key=None)()
    put(key, store="cookie")()
    put(key, None)()
    put(key, False)()


@pytest.mark.parametrize(
    "key",
    [
        *("cart", "n", "csrf_token", "_csrf_token", "user_agent", "account_login", "account_verified_email", "members"),
        *("login_attempts", "next", "_state_google_abc", "oidc_auth_state", "partial_pipeline_token", "_messages"),
        *("subtotal", "admin_theme", "authors", "flow", "id", "name", "_flashes", "email_sent"),
    ],
)
def test_other_keys_of_an_anonymous_session_are_accepted(key: str) -> None:
    put(key)()


def test_a_write_in_the_middle_of_a_request_is_refused_too() -> None:
    sessions = Sessions("table", key="sid", table="memory://unnamed")
    begun = sessions.fetch()
    begun["n"] = 1
    session = sessions.resume(sessions.commit(begun).cookie)
    session["member"] = 7

    with pytest.raises(ConfigurationError, match="principal_key"):
        session.save()

    # A failed request saves nothing.
    assert sessions.commit(session, status=500).cookie is not None


def test_the_refused_value_is_in_no_frame() -> None:
    with pytest.raises(ConfigurationError) as refused:
        put("member", "5e4f-of-ada")()

    shown = in_frames(refused.value)
    assert shown
    assert not [each for each in shown if "5e4f-of-ada" in each]
