"""Test that a session passes for a dict where code requires one, whether it has been read or not."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from holdall import Sessions
from holdall._session import Session
from holdall._session_view import SessionView

FILLED = {"user": 7, "cart": ["apple", {"pears": 2}]}


@pytest.fixture(params=[FILLED, {}], ids=["filled", "empty"])
def data(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def session(data: dict[str, Any]) -> Session:
    """Return a session that holds *data* and has not been read yet."""
    sessions = Sessions("table", key="sid", table="as a dict")
    first = sessions.fetch()
    first.update(data or {"n": 1})
    cookie = sessions.commit(first).cookie
    if not data:
        second = sessions.resume(cookie)
        second.clear()
        sessions.commit(second)
    return sessions.resume(cookie)


def test_a_session_is_a_dict(session: Session) -> None:
    assert isinstance(session, dict)


@pytest.mark.parametrize(
    "taken",
    [
        dict,
        lambda session: {**session},
        lambda session: session.copy(),
        lambda session: session | {},
        lambda session: {} | session,
        lambda session: json.loads(json.dumps(session)),
        lambda session: json.loads(json.dumps([session], sort_keys=True, indent=1))[0],
        lambda session: json.loads("".join(json.JSONEncoder().iterencode(session))),
    ],
)
def test_code_that_needs_a_dict_sees_stored_values(
    session: Session, data: dict[str, Any], taken: Callable[[Session], dict[str, Any]]
) -> None:
    found = taken(session)

    assert found == data
    assert type(found) is dict
    assert session.accessed
    assert not session.modified


def test_code_that_needs_a_dict_sees_changes(session: Session, data: dict[str, Any]) -> None:
    session["n"] = 2
    session.pop("user", None)
    data.pop("user", None)

    assert json.loads(json.dumps(session)) == {**data, "n": 2}


def test_a_session_merges_with_dicts_on_either_side(session: Session) -> None:
    session["n"] = 2

    assert (session | {"n": 3})["n"] == 3
    assert ({"n": 3} | session)["n"] == 2


def test_a_sessions_keys_can_be_reversed(session: Session, data: dict[str, Any]) -> None:
    assert list(reversed(session)) == list(data)[::-1]


def test_a_sessions_last_item_is_popped_first() -> None:
    session = Sessions("table", key="sid", table="as a dict").fetch()
    session.update(a=1, b=2)

    assert session.popitem() == ("b", 2)
    assert session.popitem() == ("a", 1)
    with pytest.raises(KeyError):
        session.popitem()


def test_the_type_check_does_not_read_the_session(session: Session) -> None:
    assert isinstance(session, dict)
    assert not session.accessed


# Copies.


class Shown(SessionView):
    """A view as an adapter extends it."""


@pytest.mark.parametrize("seen", [lambda session: session, SessionView, Shown], ids=["session", "view", "adapter's"])
@pytest.mark.parametrize(
    "take", [copy.copy, copy.deepcopy, lambda session: session.copy(), dict, lambda session: {**session}]
)
def test_a_copy_is_a_plain_dict(session: Session, data: dict[str, Any], seen: Any, take: Any) -> None:
    found = take(seen(session))

    assert type(found) is dict
    assert found == data
    found["n"] = 2
    assert not session.modified


def test_a_deep_copy_shares_nothing(session: Session, data: dict[str, Any]) -> None:
    found = copy.deepcopy({"session": session})["session"]
    if "cart" in found:
        found["cart"].append("pear")

    assert dict(session) == data


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_session_cannot_be_pickled(session: Session, protocol: int) -> None:
    with pytest.raises(TypeError, match=r"cannot be pickled: pickle dict\(session\)"):
        pickle.dumps(session, protocol)
    assert pickle.loads(pickle.dumps(dict(session), protocol)) == dict(session)


def test_an_encoder_that_reads_a_dicts_memory_needs_a_copy(session: Session, data: dict[str, Any]) -> None:
    """An encoder in C reads the dict's memory, which lacks our items: it raises an error instead of writing ``{}``."""
    with pytest.raises(TypeError):
        msgspec.json.encode(session)

    assert msgspec.json.decode(msgspec.json.encode(session.copy())) == data


def test_a_view_shows_the_mapping_and_none_of_our_methods(session: Session, data: dict[str, Any]) -> None:
    view = SessionView(session)

    assert json.loads(json.dumps(view)) == data
    for name in ("login", "logout", "data", "views", "principal", "configure"):
        assert not hasattr(view, name)
    assert repr(view) == repr(session)
    view["n"] = 2
    assert session.pop("n") == 2
    session["n"] = 3
    assert "n" in view
    del view["n"]
    view.clear()
    assert len(view) == len(session) == 0
