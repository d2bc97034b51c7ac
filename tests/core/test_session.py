"""A session as an application uses it."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdall import ConfigurationError, ResponseStartedError, Session, SessionNotFetchedError
from holdall._cookies import CookieAttributes
from holdall._principals import principal_keys
from holdall._session import state_of
from holdall._settings import Settings
from holdall._state import FetchResult, Intent, Phase, SessionState
from holdall.stores import Changes, StoredSession

NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
WEEK = 7 * 24 * 3600


class Held:
    """The backend of a session that holds certain data."""

    def __init__(self, fetched: FetchResult, **settings: Any) -> None:
        if "principal_key" in settings:
            settings["principals"] = principal_keys(settings.pop("principal_key"))
        self.check = settings.pop("check", lambda key, value: None)
        self.settings = Settings(CookieAttributes("_shop"), lambda *event: None, **settings)
        self.reads = 0
        self._fetched = fetched

    def fetch(self, state: SessionState) -> FetchResult:
        self.reads += 1
        return self._fetched


def make_session(data: dict[str, Any] | None = None, **settings: Any) -> Session:
    """Return a session that holds *data*; with ``None``, one that is not stored yet."""
    stored = None if data is None else StoredSession("cookie", data, NOON, NOON + WEEK, "0123456789abcdef", 1)
    return Session(SessionState(Held(FetchResult(stored), **settings), (), https=False))


# The mapping.


def test_get_returns_what_was_put() -> None:
    session = make_session()

    session.put("user", 7)

    assert session["user"] == session.get("user") == 7
    assert dict(session) == {"user": 7}


def test_a_default_is_returned_only_for_an_absent_key() -> None:
    session = make_session({"nothing": None})

    assert session.get("nothing", "default") is None
    assert session.get("absent", "default") == "default"


def test_an_absent_key_is_a_key_error() -> None:
    session = make_session({})

    with pytest.raises(KeyError, match="absent"):
        session["absent"]
    with pytest.raises(KeyError, match="absent"):
        del session["absent"]

    assert not state_of(session).loaded().changes()


def test_delete_accepts_an_absent_key_and_counts_as_a_change() -> None:
    session = make_session({"a": 1})

    session.delete("absent")

    assert dict(session) == {"a": 1}
    assert state_of(session).loaded().changes().deleted == {"absent"}


@pytest.mark.parametrize("key", [b"key", ("a",), [], {}, object()], ids=lambda key: type(key).__name__)
@pytest.mark.parametrize(
    "use",
    [
        lambda session, key: session[key],
        lambda session, key: session.get(key),
        lambda session, key: key in session,
        lambda session, key: session.put(key, 1),
        lambda session, key: session.delete(key),
        lambda session, key: session.pop(key, None),
        lambda session, key: session.setdefault(key, 1),
        lambda session, key: session.update({key: 1} if key.__hash__ else [(key, 1)]),
        lambda session, key: session.__delitem__(key),
    ],
    ids=["[]", "get", "in", "put", "delete", "pop", "setdefault", "update", "del"],
)
def test_a_key_that_is_not_a_string_is_a_type_error_with_a_hint(use: Callable[[Session, Any], Any], key: Any) -> None:
    session = make_session({"a": 1})

    with pytest.raises(TypeError, match=rf"keys are strings, not {type(key).__name__}: use session\[str\(key\)\]"):
        use(session, key)

    assert not state_of(session).loaded().changes()


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (7, "7"),
        (None, "null"),
        (True, "true"),
        (0.5, "0.5"),
        (math.nan, "NaN"),
        (Colour.RED, "red"),
        (10**20, "1" + "0" * 20),
    ],
)
def test_a_key_is_the_same_as_its_text_in_json(key: Any, text: str) -> None:
    session = make_session({})

    session[key] = 1

    assert state_of(session).loaded().changes().put == {text: 1}
    assert [type(name) for name in session] == [str]
    assert json.loads(json.dumps({key: 1})) == dict(session)
    assert (session[key], session[text], session.get(key), session.pop(key)) == (1, 1, 1, 1)
    assert key not in session
    assert session.setdefault(key, 2) == 2
    session.update({key: 3})
    del session[key]
    with pytest.raises(KeyError, match=text):
        _ = session[key]
    session.delete(key)
    assert not session


def test_an_update_in_place_is_recorded() -> None:
    session = make_session({"a": 1})
    before = session

    session |= {"b": 2}

    assert session is before
    assert state_of(session).loaded().changes().put == {"b": 2}


KEYS = st.sampled_from(["a", "b", "c", "$tuple"])
PLAIN = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(KEYS, st.lists(PLAIN, max_size=2), max_size=2)


class SessionAgainstDict(RuleBasedStateMachine):
    """After any operations, a session equals a dict, and its recorded changes lead from before to after."""

    @initialize(data=st.dictionaries(KEYS, VALUES))
    def begin(self, data: dict[str, Any]) -> None:
        self.before = deepcopy(data)
        self.model = deepcopy(data)
        self.session = make_session(data)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: Any) -> None:
        self.session[key] = deepcopy(value)
        self.model[key] = value

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.session.delete(key)
        self.model.pop(key, None)

    @rule(key=KEYS, default=VALUES)
    def pop(self, key: str, default: Any) -> None:
        assert self.session.pop(key, default) == self.model.pop(key, default)

    @rule()
    def popitem(self) -> None:
        if self.model:
            key, value = self.session.popitem()
            assert self.model.pop(key) == value

    @rule()
    def clear(self) -> None:
        self.session.clear()
        self.model.clear()

    @rule(key=KEYS, default=VALUES)
    def setdefault(self, key: str, default: Any) -> None:
        assert self.session.setdefault(key, deepcopy(default)) == self.model.setdefault(key, default)

    @rule(values=st.dictionaries(KEYS, VALUES))
    def update(self, values: dict[str, Any]) -> None:
        self.session.update(deepcopy(values))
        self.model |= values

    @rule(values=st.dictionaries(KEYS, VALUES))
    def ior(self, values: dict[str, Any]) -> None:
        self.session |= deepcopy(values)
        self.model |= values

    @rule(key=KEYS, value=PLAIN)
    def alter_in_place(self, key: str, value: Any) -> None:
        for each in (self.session.get(key), self.model.get(key)):
            if isinstance(each, list):
                each.append(value)
            elif isinstance(each, dict):
                each.setdefault("nested", []).append(value)

    @rule()
    def alter_through_values(self) -> None:
        for mapping in (self.session, self.model):
            for value in mapping.values():
                if isinstance(value, list):
                    value.reverse()

    @invariant()
    def reads_as_the_dict(self) -> None:
        assert self.session == self.model
        assert len(self.session) == len(self.model)
        assert list(self.session) == list(self.model)
        assert all(key in self.session for key in self.model)

    @invariant()
    def changes_lead_from_before_to_after(self) -> None:
        changes = state_of(self.session).loaded().changes()
        assert changes.over(self.before) == self.model
        assert bool(changes) or self.before == self.model


TestSessionAgainstDict = SessionAgainstDict.TestCase


# Changes.


def test_a_list_that_was_read_and_mutated_is_a_change() -> None:
    session = make_session({"cart": ["apple"], "lang": "en"})

    session["cart"].append("pear")

    assert session.modified
    assert state_of(session).loaded().changes().put == {"cart": ["apple", "pear"]}


def test_a_list_that_was_only_read_is_not_a_change() -> None:
    session = make_session({"cart": ["apple"]})

    assert session["cart"] == ["apple"]

    assert not session.modified


def test_a_deletion_and_a_mutated_value_are_both_kept() -> None:
    session = make_session({"cart": [], "coupon": "X"})

    session["cart"].append("apple")
    del session["coupon"]

    assert state_of(session).loaded().changes() == Changes({"cart": ["apple"]}, frozenset({"coupon"}))


def test_other_libraries_modified_flag_makes_read_values_changes() -> None:
    session = make_session({"cart": ["apple"], "lang": "en"})
    assert session["cart"]

    session.modified = True

    assert session.modified
    assert state_of(session).loaded().changes().put == {"cart": ["apple"]}


def test_a_stored_value_can_be_mutated_during_the_body() -> None:
    session = make_session({})
    cart: list[str] = session.setdefault("cart", [])
    stored = StoredSession("cookie", state_of(session).data, NOON, NOON, "0123456789abcdef", 2)
    state_of(session).mark_saved(stored, Phase.BODY)

    cart.append("apple")

    assert state_of(session).loaded().changes().put == {"cart": ["apple"]}


def test_a_value_that_cannot_be_stored_is_refused_when_it_is_put() -> None:
    def check(key: str, value: object) -> None:
        msg = f"session[{key!r}] cannot be stored"
        raise TypeError(msg)

    session = make_session({"a": 1}, check=check)

    with pytest.raises(TypeError, match=r"session\['b'\] cannot be stored"):
        session["b"] = object()

    assert dict(session) == {"a": 1}
    assert not state_of(session).loaded().changes()


# Access.


@pytest.mark.parametrize(
    "look",
    [
        lambda session: session.get("a"),
        lambda session: "a" in session,
        len,
        list,
        bool,
        lambda session: session == {},
        lambda session: session.keys() & {"a"},
        lambda session: list(session.values()),
        lambda session: list(session.items()),
        lambda session: session.pop("a", None),
        lambda session: session.setdefault("a", 1),
        lambda session: session.update({}) or session.update(a=1),
        lambda session: session.clear(),
        lambda session: session.put("a", 1),
        lambda session: session.delete("a"),
        lambda session: session.configure(renew=True),
        lambda session: session.login(7),
        lambda session: session.logout(),
        lambda session: session.is_new,
        lambda session: session.created,
        lambda session: session.expires,
        lambda session: session.principal,
        lambda session: session.log_id,
    ],
)
def test_cve_2026_27205_each_way_to_read_it_counts_as_access(look: Callable[[Session], Any]) -> None:
    session = make_session(principal_key="user_id")
    assert not session.accessed

    look(session)

    assert session.accessed


@pytest.mark.parametrize("look", [repr, lambda session: session.modified, lambda session: state_of(session).is_fetched])
def test_checks_that_need_no_data_read_nothing(look: Callable[[Session], Any]) -> None:
    session = make_session({"a": 1})

    look(session)

    assert not session.accessed


def test_a_framework_can_mark_it_as_accessed() -> None:
    session = make_session()

    session.accessed = True

    assert session.accessed


def test_a_session_is_read_once() -> None:
    backend = Held(FetchResult())
    session = Session(SessionState(backend, (), https=False))

    assert backend.reads == 0
    assert list(session) == []
    assert len(session) == 0
    assert backend.reads == 1


def test_a_session_cannot_be_used_before_it_is_fetched() -> None:
    session = make_session()
    state_of(session).is_fetched = False

    with pytest.raises(SessionNotFetchedError, match=r"await fetch_session\(request\) first"):
        session.get("a")

    assert not session.accessed


def test_a_new_session_has_no_times_and_no_log_id() -> None:
    session = make_session()

    assert (session.is_new, session.created, session.expires, session.log_id) == (True, None, None, "")


def test_a_stored_session_has_times_and_a_log_id() -> None:
    session = make_session({})

    assert not session.is_new
    assert session.created == datetime.fromtimestamp(NOON, UTC)
    assert session.expires == datetime.fromtimestamp(NOON + WEEK, UTC)
    assert session.log_id == "0123456789abcdef"


def test_its_repr_shows_neither_data_nor_id() -> None:
    session = make_session({"secret": "data"})

    assert repr(session) == str(session) == f"{session}" == "<Session (not touched)>"
    session["secret"]
    assert repr(session) == "<Session (in use)>"


# configure, login, logout.


@pytest.mark.parametrize(
    ("options", "intent"),
    [
        ({"renew": True, "drop": True, "ignore": True}, Intent.RENEW),
        ({"drop": True, "ignore": True}, Intent.DROP),
        ({"ignore": True}, Intent.IGNORE),
        ({"renew": False, "drop": True}, Intent.DROP),
        ({"renew": False, "drop": False, "ignore": False}, Intent.KEEP),
        ({}, Intent.KEEP),
    ],
)
def test_in_one_call_renew_outranks_drop_and_drop_outranks_ignore(options: dict[str, bool], intent: Intent) -> None:
    session = make_session({})

    session.configure(**options)

    assert state_of(session).intent is intent


@pytest.mark.parametrize("last", ["renew", "drop", "ignore"])
@pytest.mark.parametrize("first", ["renew", "drop", "ignore"])
def test_of_several_calls_the_last_one_counts(first: str, last: str) -> None:
    session = make_session({})

    session.configure(**{first: True})
    session.configure(**{last: True})
    session.configure(**{last: False})

    assert state_of(session).intent is Intent(last)


def test_an_option_can_be_given_by_name_as_in_dynamo() -> None:
    session = make_session({})

    session.configure("path", "/admin")
    session.configure("renew")

    assert state_of(session).overrides == {"path": "/admin"}
    assert state_of(session).intent is Intent.RENEW


def test_options_of_several_calls_add_up() -> None:
    session = make_session({})

    session.configure(path="/admin", secure=True)
    session.configure(path="/shop")

    assert state_of(session).overrides == {"path": "/shop", "secure": True}


def test_an_unknown_option_is_refused_and_nothing_changes() -> None:
    session = make_session({})

    with pytest.raises(ConfigurationError, match=r"does not know samesite\. It takes renew, drop, .*same_site"):
        session.configure(drop=True, path="/admin", samesite="Lax")

    assert (state_of(session).intent, state_of(session).overrides) == (Intent.KEEP, {})


def test_a_combination_that_browsers_refuse_is_refused_and_nothing_changes() -> None:
    session = make_session({})
    session.configure(secure=False)

    with pytest.raises(ConfigurationError, match="set secure=True"):
        session.configure(drop=True, same_site="None")

    assert (state_of(session).intent, state_of(session).overrides) == (Intent.KEEP, {"secure": False})


def test_login_sets_the_principal_and_requests_a_new_id() -> None:
    session = make_session({"cart": 1}, principal_key="user_id")

    session.login(7)

    assert session["user_id"] == 7
    assert session.principal == "7"
    assert state_of(session).intent is Intent.RENEW


def test_login_needs_a_principal_key() -> None:
    with pytest.raises(ConfigurationError, match=r"leave out principal_key=None"):
        make_session({}).login(7)


def test_without_a_principal_key_there_is_no_principal() -> None:
    assert make_session({"user_id": 7}).principal is None


def test_logout_removes_the_data_at_once() -> None:
    session = make_session({"user_id": 7, "cart": 1}, principal_key="user_id")

    session.logout()

    assert dict(session) == {}
    assert session.principal is None
    assert state_of(session).intent is Intent.LOGOUT


# After the response has started.


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.put("a", 1),
        lambda session: session.delete("a"),
        lambda session: session.pop("a"),
        lambda session: session.clear(),
        lambda session: session.configure(drop=True),
        lambda session: session.configure("path", "/"),
        lambda session: session.login(7),
        lambda session: session.logout(),
    ],
)
def test_after_it_is_closed_each_change_raises_and_reading_continues(change: Callable[[Session], Any]) -> None:
    session = make_session({"a": 0}, principal_key="user_id")
    state_of(session).mark_saved(state_of(session).fetched.stored, Phase.DONE)

    with pytest.raises(ResponseStartedError, match="Change it before the first byte"):
        change(session)

    assert dict(session) == {"a": 0}


@pytest.mark.parametrize(
    "change",
    [
        lambda session: session.put("user_id", 8),
        lambda session: session.delete("user_id"),
        lambda session: session.clear(),
        lambda session: session.login(8),
        lambda session: session.configure(renew=True),
        lambda session: session.configure(ignore=True),
        lambda session: session.configure(path="/"),
        lambda session: session.configure(drop=True, path="/"),
    ],
)
def test_a_row_refuses_late_changes_that_would_need_a_cookie(change: Callable[[Session], Any]) -> None:
    session = make_session({"user_id": 7}, principal_key="user_id")
    assert session.principal == "7"
    state_of(session).mark_saved(state_of(session).fetched.stored, Phase.BODY)

    with pytest.raises(ResponseStartedError):
        change(session)

    assert dict(session) == {"user_id": 7}


def test_a_row_accepts_late_changes_to_data_and_its_end() -> None:
    session = make_session({"a": 0}, principal_key="user_id")
    assert len(session) == 1
    state_of(session).mark_saved(state_of(session).fetched.stored, Phase.BODY)

    session["b"] = 1
    session.clear()
    session.configure(drop=True)

    assert state_of(session).loaded().changes().cleared
    assert state_of(session).intent is Intent.DROP
