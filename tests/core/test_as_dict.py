"""A session is a dict to whoever insists on one, read or not."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from holdall import Sessions
from holdall.session import Session

FILLED = {"user": 7, "cart": ["apple", {"pears": 2}]}


@pytest.fixture(params=[FILLED, {}], ids=["filled", "empty"])
def data(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def session(data: dict[str, Any]) -> Session:
    """A session that holds *data* and was not looked at yet."""
    sessions = Sessions("table", key="sid", table="as a dict")
    first = sessions.fetch()
    first.update(data or {"n": 1})
    cookie = sessions.commit(first).cookie
    if not data:
        second = sessions.resume(cookie)
        second.clear()
        sessions.commit(second)
    return sessions.resume(cookie)


def test_it_is_one(session: Session) -> None:
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
def test_what_takes_a_dict_takes_what_is_stored(
    session: Session, data: dict[str, Any], taken: Callable[[Session], dict[str, Any]]
) -> None:
    found = taken(session)

    assert found == data
    assert type(found) is dict
    assert session.accessed
    assert not session.modified


def test_what_takes_a_dict_takes_what_was_changed(session: Session, data: dict[str, Any]) -> None:
    session["n"] = 2
    session.pop("user", None)
    data.pop("user", None)

    assert json.loads(json.dumps(session)) == {**data, "n": 2}


def test_it_is_laid_over_what_stands_before_it_and_under_what_comes_after(session: Session) -> None:
    session["n"] = 2

    assert (session | {"n": 3})["n"] == 3
    assert ({"n": 3} | session)["n"] == 2


def test_its_keys_come_in_reverse_too(session: Session, data: dict[str, Any]) -> None:
    assert list(reversed(session)) == list(data)[::-1]


def test_its_last_item_is_taken_first() -> None:
    session = Sessions("table", key="sid", table="as a dict").fetch()
    session.update(a=1, b=2)

    assert session.popitem() == ("b", 2)
    assert session.popitem() == ("a", 1)
    with pytest.raises(KeyError):
        session.popitem()


def test_to_be_a_dict_does_not_read_it(session: Session) -> None:
    assert isinstance(session, dict)
    assert not session.accessed
