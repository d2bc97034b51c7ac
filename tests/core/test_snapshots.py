"""Test that in-place mutations are detected, whatever a value's repr or equality says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from holdall import CookieOverflowError, CookieStore, MemoryTable, Sessions, TableStore
from holdall._snapshots import snapshot
from holdall.formats import PlugFormat

#: With more digits than Python converts to text.
HUGE = 10**5000

SECRET = "4be1f09d72a6c835-7f20c9d3a81be654-e3905bd17ac28f46-0d9b3a5e7c16f824"


@dataclass
class Profile:
    name: str
    hidden: list[int] = field(default_factory=list, repr=False)


class Quiet(dict[str, Any]):
    level = 0

    def __repr__(self) -> str:
        return "Quiet"


class Slotted:
    __slots__ = ("__private", "_weak", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self.__private = value

    def raise_level(self) -> None:
        self.__private += 1

    def __repr__(self) -> str:
        return "Slotted"


class Referable(Slotted):
    __slots__ = ("__weakref__", "more")


class OneSlot:
    __slots__ = "value"  # noqa: PLC0205  # as some code has it

    def __repr__(self) -> str:
        return "OneSlot"


class Unwritable:
    __slots__ = ()

    def __repr__(self) -> str:
        return str(HUGE)


def one_slot(value: int) -> OneSlot:
    one = OneSlot()
    one.value = value
    return one


ALTERED: list[tuple[Any, Callable[[Any], object]]] = [
    ([1], lambda value: value.append(2)),
    ([1], lambda value: value.__setitem__(0, True)),
    ([1], lambda value: value.__setitem__(0, 1.0)),
    ([HUGE], lambda value: value.__setitem__(0, HUGE + 1)),
    ({"a": [HUGE]}, lambda value: value["a"].append(HUGE)),
    ([datetime(2026, 1, 1, tzinfo=UTC)], lambda value: value.append(1)),
    (Profile("ada"), lambda value: value.hidden.append(1)),
    ([Profile("ada")], lambda value: value[0].hidden.append(1)),
    (Profile("ada"), lambda value: setattr(value, "name", "bob")),
    (Quiet(a=1), lambda value: value.update(a=2)),
    (Quiet(a=[1]), lambda value: value["a"].append(2)),
    (Quiet(a=1), lambda value: setattr(value, "level", 1)),
    (Slotted(1), lambda value: setattr(value, "value", 2)),
    (Slotted(1), lambda value: value.raise_level()),
    (Referable(1), lambda value: setattr(value, "more", 2)),
    (one_slot(1), lambda value: setattr(value, "value", 2)),
    ((Profile("ada"), {1, 2}), lambda value: value[1].add(3)),
    (bytearray(b"a"), lambda value: value.append(1)),
]


@pytest.mark.parametrize(("value", "alter"), ALTERED)
def test_a_change_is_detected_and_nothing_else(value: Any, alter: Callable[[Any], object]) -> None:
    before = snapshot(value)
    assert snapshot(value) == before

    alter(value)

    assert snapshot(value) != before


def test_an_unchanged_value_looks_the_same() -> None:
    circle: list[Any] = [Profile("ada"), float("nan"), Unwritable(), "a" * 3]
    circle.append(circle)
    deep: list[Any] = [Profile("ada")]
    for _ in range(5000):
        deep = [deep]

    assert snapshot(circle) == snapshot(circle)
    assert snapshot(deep) == snapshot(deep)
    assert snapshot([float("nan")]) == snapshot([float("nan")])
    shared = ["a"]
    assert snapshot([shared, shared]) == snapshot([["a"], ["a"]])


def test_a_field_that_repr_hides_is_compared() -> None:
    sessions = Sessions(TableStore(MemoryTable()), key="sid")
    begun = sessions.fetch()
    begun["n"] = 1
    session = sessions.resume(sessions.commit(begun).cookie)
    session["profile"] = profile = Profile("ada")
    session.save()

    profile.hidden.append(7)
    cookie = sessions.commit(session).cookie

    assert sessions.resume(cookie)["profile"] == {"name": "ada", "hidden": [7]}


def test_a_number_that_python_cannot_write_is_a_type_error_everywhere() -> None:
    sessions = Sessions(TableStore(MemoryTable()), key="sid")
    begun = sessions.fetch()
    begun["list"] = [1]
    session = sessions.resume(sessions.commit(begun).cookie)

    for refused in (
        lambda: session.put("n", HUGE),
        lambda: session.put(HUGE, 1),  # type: ignore[arg-type]  # as in code without type checks
        lambda: session.atomic_update("n", lambda n: HUGE),
        lambda: session.login(HUGE),
        lambda: sessions.list(HUGE),
        lambda: sessions.revoke(HUGE),
    ):
        with pytest.raises(TypeError):
            refused()
    session["list"].append(HUGE)
    with pytest.raises(TypeError, match=r"session\['list'\]"):
        sessions.commit(session)


def test_a_cookie_with_such_a_number_is_reported_as_too_large() -> None:
    store = CookieStore(PlugFormat(SECRET, signing_salt="a salt", encryption_salt="another"))
    sessions = Sessions(store, key="sid")
    session = sessions.fetch()
    session["small"], session["number"] = 1, 10**12_000

    with pytest.raises(CookieOverflowError, match="'number'"):
        sessions.commit(session)

    whose = sessions.fetch()
    with pytest.raises(TypeError, match="cannot identify the user"):
        whose["user_id"] = HUGE
