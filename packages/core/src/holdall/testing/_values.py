"""The values that stores and serializers are tested with."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID

__all__ = [
    "BEYOND_JSON",
    "CONVERTED",
    "HTML",
    "JSON",
    "REFUSED",
    "WRAPS",
    "Address",
    "Html",
    "Marked",
    "alike",
    "nested",
]

#: Values that any serializer supports.
JSON: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**53, 1.5, -0.25, -0.0, 1e300, 5e-324,
    "", "text", "Zoë 中文 🧳", "\0", "a\"b'c\\d;e,f\n", "\u2028\x7f", "x" * 1000,
    [], [1, [2, [3]]], {}, {"a": {"b": [None, True]}}, {"": 0}, {"b": 1, "a": 2}, [{"sku": "a", "count": 2}],
]  # fmt: skip

#: Values supported by serializers that know more types than JSON. A number as a key does not become text.
BEYOND_JSON: list[Any] = [
    datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
    datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    datetime(2026, 3, 1, 12),  # noqa: DTZ001  # a time without a zone is a value too
    datetime.min, datetime.max,  # noqa: DTZ901  # the same
    date(2026, 3, 1), date.min, time(12, 30), time(12, tzinfo=UTC), timedelta(days=-1, microseconds=1), timedelta.max,
    UUID(int=7), Decimal("1.10"), Decimal("-0"), Decimal("NaN"), Decimal("1E+400"), b"", bytes(range(256)),
    (), (1, ("a", b"b")), set(), {1, 2}, frozenset(), frozenset({1, (2, frozenset({3}))}), {frozenset({b"a"})},
    [(1, 2), {"at": date(2026, 3, 1)}],
    {"$tuple": [1]}, {"$": 1}, {"$dict": [["$dict", 1]]}, {"$float": "nan"}, {"$unknown": {"$set": [1]}},
    math.nan, math.inf, -math.inf, [{"a": (math.inf,)}], 2**64, 2**200, -(2**200),
    {7: "apples"}, {1: {2: {3: 4}}}, {1: "a", "1": "b"}, {"a": 1, 2: "b"}, {True: 1, None: 2, 0.5: 3}, {-math.inf: 1},
    {(1, ("a", None)): 1, b"b": 2}, {date(2026, 3, 1): 1, UUID(int=7): 2, Decimal("1.10"): 3, timedelta(1): 4},
    {frozenset({1, "a"}): {7: ()}},
    "\ud800", "\ud800\udc00", "\udc00\ud800", {"\ud800": "\udfff"},
]  # fmt: skip


class Colour(StrEnum):
    RED = "red"


class Shade(str, Enum):  # noqa: UP042  # as applications have it
    DARK = "dark"


class Size(IntEnum):
    LARGE = 3


class Text(str):
    __slots__ = ()

    # A serializer that calls a subclass's methods returns another value.
    def __str__(self) -> str:
        return "another"  # pragma: no cover  # runs only for a serializer that calls it, which is a failure


class Whole(int):
    def __int__(self) -> int:
        return 8  # pragma: no cover  # runs only for a serializer that calls it, which is a failure

    def __repr__(self) -> str:
        return "another"  # pragma: no cover  # runs only for a serializer that calls it, which is a failure


class Real(float):
    def __repr__(self) -> str:
        return "another"


class Moment(datetime):
    pass


class Point(NamedTuple):
    x: int
    y: int


class Shown(dict[str, Any]):
    """A dict whose methods show other values than it holds, like a query's dict with several values per key."""

    def items(self) -> Any:
        return iter([(key, values[-1]) for key, values in super().items()])


class Html:
    """An object that is not text but renders to HTML when needed, such as a lazy translation."""

    def __html__(self) -> str:
        return "<b>bold</b>"


class Marked(str):
    """Text that is marked as safe HTML, as markupsafe does it."""

    __slots__ = ()

    def __html__(self) -> str:
        return str.__str__(self)


@dataclass
class Address:
    """An address to send something to."""

    city: str
    lines: tuple[str, ...] = ()
    next: Any = None


class Zone(tzinfo):
    """A zone whose offset depends on the day, as in most places."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else timedelta(hours=2 if 3 < when.month < 11 else 1)

    def dst(self, when: datetime | None) -> timedelta | None:  # pragma: no cover  # serializers do not ask
        return None if when is None else timedelta(hours=1 if 3 < when.month < 11 else 0)

    def tzname(self, when: datetime | None) -> str:
        return "Europe/Somewhere"  # pragma: no cover  # serializers do not ask


#: Values that come back as a plain value of another type: an equal one, except for HTML and dataclasses.
CONVERTED: list[tuple[Any, Any]] = [
    (Colour.RED, "red"), (Shade.DARK, "dark"), (Size.LARGE, 3), (Text("text"), "text"), (Whole(7), 7), (Real(0.5), 0.5),
    (Moment(2026, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001
    (Point(1, 2), (1, 2)), (OrderedDict(b=1, a=2), {"b": 1, "a": 2}), (defaultdict(list, {"a": [1]}), {"a": [1]}),
    (defaultdict(int, {7: 1}), {7: 1}), ({Colour.RED: 1}, {"red": 1}), ({Size.LARGE: 1}, {3: 1}),
    ({Whole(7): 1}, {7: 1}),
    ({Text("$tuple"): 1}, {"$tuple": 1}), ([Text("a"), Size.LARGE, {"b": Real(1)}], ["a", 3, {"b": 1.0}]),
    ({Size.LARGE, Colour.RED}, {3, "red"}), ({Point(1, 2): 1}, {(1, 2): 1}), (Real("inf"), math.inf),
    (Shown(a=["1", "2"]), {"a": "2"}), ({"query": Shown(a=["1", "2"])}, {"query": {"a": "2"}}),
    (Address("Rome", ("a", "b"), Address("Bari")),
     {"city": "Rome", "lines": ("a", "b"), "next": {"city": "Bari", "lines": (), "next": None}}),
    (datetime(2026, 3, 1, 12, tzinfo=Zone()), datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))),
]  # fmt: skip

#: Values that come back as text marked as safe HTML, if markupsafe is installed.
HTML: list[tuple[Any, str]] = [(Marked("<b>"), "<b>"), (Html(), "<b>bold</b>")]


class NoTime(datetime):
    """A value that is not equal to anything, like the ``NaT`` of data frames."""

    def __eq__(self, other: object) -> bool:
        return False  # pragma: no cover  # our serializers only test for inequality

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


class _EqualToItsKind:
    """A value with more content than its base class, and therefore not equal to an instance of it."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()


class Finer(_EqualToItsKind, timedelta):
    """A duration that also counts nanoseconds."""


class Holiday(_EqualToItsKind, date):
    """A day with a name."""


class Tagged(_EqualToItsKind, str):
    """Text in a language."""


class Plain(Enum):
    A = "a"


@dataclass(frozen=True)
class Frozen:
    x: int


#: Values that would come back as something else, each with the expected part of the message.
REFUSED: list[tuple[Any, str]] = [
    (object(), "of type object"), (2j, "of type complex"), (Plain.A, "of type Plain"), (Address, "of type type"),
    (bytearray(b"a"), "of type bytearray"), (memoryview(b"a"), "of type memoryview"), (range(3), "of type range"),
    (iter([1]), "of type list_iterator"),
    (datetime(2026, 10, 25, 2, 30, fold=1), "a different time"),  # noqa: DTZ001
    (NoTime(2026, 1, 1), "a different time"), (time(2, 30, fold=1), "a different time"),
    (time(12, tzinfo=Zone()), "a different time"),
    (Finer(1), "of type Finer"), (Holiday(2026, 1, 1), "of type Holiday"), (Tagged("a"), "of type Tagged"),
    ({object(): 1}, "one of its keys is of type object"), ({Plain.A: 1}, "one of its keys is of type Plain"),
    ({Frozen(1): 1}, "one of its keys is of type Frozen"), ({Html(): 1}, "one of its keys is of type Html"),
    ({(1, object()): 1}, "of type object"), ({Frozen(1)}, "of type Frozen"),
    (frozenset({(1, Frozen(1))}), "of type Frozen"),
    ({time(1, fold=1): 1}, "a different time"),
    (10**5000, "Exceeds the limit"), ({10**5000: 1}, "Exceeds the limit"),
]  # fmt: skip


def alike(one: Any, other: Any) -> bool:
    """Return whether both are equal and of the same types throughout: ``1`` is unlike ``True``; NaNs are alike."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            alike(pair, counterpart) for pair, counterpart in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(alike(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, datetime):
        return bool(one == other) and one.utcoffset() == other.utcoffset()
    if isinstance(one, (set, frozenset)):
        return bool(one == other) and {type(item) for item in one} == {type(item) for item in other}
    # NaNs are not equal to each other, but they look alike.
    return repr(one) == repr(other)


def name(value: Any) -> str:
    """Return a name for a test of *value*, the same in each process."""
    return type(value).__name__


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    """Return *depth* nested containers, each made by *wrap* from what it contains."""
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


#: The containers that values may be nested in: lists and dicts in JSON, and others beyond it.
WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda value: [value],
    "dict": lambda value: {"a": value},
    "mixed": lambda value: [{"a": 1}, value] if isinstance(value, dict) else {"a": value, "b": 0},
    "tuple": lambda value: (value,),
    "set": lambda value: frozenset((value,)),
    "number": lambda value: {7: value},
}
