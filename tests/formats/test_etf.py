"""The external term format: we read what Erlang writes, Erlang reads what we write, and garbage is refused."""

import math
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.vectors import VECTORS, alike, payload_of, term_of
from holdall.etf import MAX_BYTES, Atom, AtomKey, BitString, ImproperList, MapKey, Opaque, dumps, loads
from sizes import EXAMPLES, FUZZED
from strategies import recursive

NODE = b"w\x0dnonode@nohost"

# One of each tag of the format, as Erlang's documentation defines them.
MARKS: dict[str, tuple[bytes, Any]] = {
    "SMALL_INTEGER_EXT": (b"a\xff", 255),
    "INTEGER_EXT": (b"b\xff\xff\xff\xfe", -2),
    "FLOAT_EXT": (b"c" + b"1.50000000000000000000e+00".ljust(31, b"\0"), 1.5),
    "FLOAT_EXT, more behind the zero": (b"c" + b"1.5e+00\0more".ljust(31, b"\0"), 1.5),
    "NEW_FLOAT_EXT": (b"F" + struct.pack(">d", -0.1), -0.1),
    "ATOM_EXT": (b"d\0\x02\xe9a", Atom("éa")),
    "SMALL_ATOM_EXT": (b"s\x02\xe9a", Atom("éa")),
    "ATOM_UTF8_EXT": (b"v\0\x03\xc3\xa9a", Atom("éa")),
    "SMALL_ATOM_UTF8_EXT": (b"w\x03\xc3\xa9a", Atom("éa")),
    "SMALL_TUPLE_EXT": (b"h\x02a\x01j", (1, [])),
    "LARGE_TUPLE_EXT": (b"i\0\0\0\x02a\x01j", (1, [])),
    "NIL_EXT": (b"j", []),
    "STRING_EXT": (b"k\0\x02hi", [104, 105]),
    "LIST_EXT": (b"l\0\0\0\x01w\x02okj", [Atom("ok")]),
    "LIST_EXT, improper": (b"l\0\0\0\x02a\x01a\x02a\x03", ImproperList((1, 2), 3)),
    "LIST_EXT, a list behind": (b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02j", [1, 2]),
    "LIST_EXT, an improper one behind": (b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02a\x03", ImproperList((1, 2), 3)),
    "LIST_EXT, nothing but a tail": (b"l\0\0\0\0a\x03", 3),
    "BINARY_EXT": (b"m\0\0\0\x02\xc3\xa9", "é"),
    "BINARY_EXT, not text": (b"m\0\0\0\x02\xff\x00", b"\xff\x00"),
    "BIT_BINARY_EXT": (b"M\0\0\0\x02\x03\xff\xbf", BitString(b"\xff\xa0", 3)),
    "BIT_BINARY_EXT, full": (b"M\0\0\0\x01\x08a", "a"),
    "BIT_BINARY_EXT, empty": (b"M\0\0\0\0\0", ""),
    "SMALL_BIG_EXT": (b"n\x04\x01\0\0\0\xff", -(255 << 24)),
    "SMALL_BIG_EXT, another sign": (b"n\x01\x02\x07", -7),
    "LARGE_BIG_EXT": (b"o\0\0\0\x05\0\0\0\0\0\x01", 1 << 32),
    "MAP_EXT": (b"t\0\0\0\x01w\x01aa\x01", {Atom("a"): 1}),
    "MAP_EXT, an atom and a binary": (
        b"t\0\0\0\x03w\x01aa\x01m\0\0\0\x01aa\x02w\x01ba\x03",
        {AtomKey("a"): 1, "a": 2, Atom("b"): 3},
    ),
    "MAP_EXT, a binary and an atom": (b"t\0\0\0\x02m\0\0\0\x01aa\x02w\x01aa\x01", {"a": 2, AtomKey("a"): 1}),
    "MAP_EXT, a float and an integer": (
        b"t\0\0\0\x02F" + struct.pack(">d", 1.0) + b"a\x01a\x01a\x02",
        {MapKey(1.0): 1, 1: 2},
    ),
    "MAP_EXT, true and 1.0": (b"t\0\0\0\x02w\x04truejF" + struct.pack(">d", 1.0) + b"j", {True: [], MapKey(1.0): []}),
    "MAP_EXT, a list": (b"t\0\0\0\x02l\0\0\0\x01w\x01aja\x01a\x05j", {MapKey([Atom("a")]): 1, 5: []}),
    "MAP_EXT, a map in a map": (
        b"t\0\0\0\x01t\0\0\0\x01t\0\0\0\x01jjjj",
        {MapKey({MapKey({MapKey([]): []}): []}): []},
    ),
    "REFERENCE_EXT": (b"e" + NODE + bytes(5), Opaque(b"e" + NODE + bytes(5))),
    "NEW_REFERENCE_EXT": (b"r\0\x03" + NODE + bytes(13), Opaque(b"r\0\x03" + NODE + bytes(13))),
    "NEWER_REFERENCE_EXT": (b"Z\0\x03" + NODE + bytes(16), Opaque(b"Z\0\x03" + NODE + bytes(16))),
    "PID_EXT": (b"g" + NODE + bytes(9), Opaque(b"g" + NODE + bytes(9))),
    "NEW_PID_EXT": (b"X" + NODE + bytes(12), Opaque(b"X" + NODE + bytes(12))),
}


def zipped(size: int, data: bytes) -> bytes:
    return b"\x83P" + struct.pack(">I", size) + zlib.compress(data)


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "another version": b"\x82j",
    "no term": b"\x83",
    "an unknown mark": b"\x83\x00",
    "ATOM_CACHE_REF": b"\x83R\x00",
    "NEW_FUN_EXT": b"\x83p\0\0\0\x05\0",
    "EXPORT_EXT": b"\x83qw\x05listsw\x07reversea\x01",
    "FUN_EXT": b"\x83u\0\0\0\0",
    "a function in a map": b"\x83t\0\0\0\x01a\x01qw\x05listsw\x07reversea\x01",
    "the number ends early": b"\x83b\0\0",
    "the float ends early": b"\x83F\0\0",
    "the binary ends early": b"\x83m\0\0\0\x03hi",
    "the tuple ends early": b"\x83h\x03a\x01a\x02",
    "a list without its tail": b"\x83l\0\0\0\x01a\x01",
    "not a number": b"\x83F\x7f\xf8\0\0\0\0\0\0",
    "infinite": b"\x83F\x7f\xf0\0\0\0\0\0\0",
    "an old float in words": b"\x83c" + b"nan".ljust(31, b"\0"),
    "an old float, infinite": b"\x83c" + b"1.0e999".ljust(31, b"\0"),
    "an atom that is not UTF-8": b"\x83w\x01\xff",
    "an atom of 256 characters": b"\x83d\x01\x00" + bytes(256),
    "one key twice": b"\x83t\0\0\0\x02a\x01ja\x01j",
    "one atom twice": b"\x83t\0\0\0\x02w\x01ajw\x01aj",
    "one atom twice, in two encodings": b"\x83t\0\0\0\x02w\x01ajd\0\x01aj",
    "one list twice": b"\x83t\0\0\0\x02k\0\x01ajk\0\x01aj",
    "one map twice": b"\x83t\0\0\0\x02t\0\0\0\0jt\0\0\0\0j",
    "PORT_EXT": b"\x83f" + NODE + bytes(5),
    "NEW_PORT_EXT": b"\x83Y" + NODE + bytes(8),
    "V4_PORT_EXT": b"\x83x" + NODE + bytes(12),
    "LOCAL_EXT": b"\x83y" + bytes(8) + b"j",
    "a mark of Erlang's own memory": b"\x83I\0\x01",
    "a bit string of 1 bit in no byte": b"\x83M\0\0\0\0\x01",
    "a bit string of 0 bits in its byte": b"\x83M\0\0\0\x01\0a",
    "a bit string of 9 bits in its byte": b"\x83M\0\0\0\x01\x09a",
    "a pid of no node": b"\x83Xj" + bytes(12),
    "compressed in compressed": zipped(20, b"P" + struct.pack(">I", 1) + zlib.compress(b"j")),
    "compressed, other size": zipped(2, b"j"),
    "compressed, larger than it says": zipped(1, b"k\0\x02hi"),
    "compressed, damaged": zipped(1, b"j")[:-1] + b"\0",
    "compressed, cut off": zipped(300, b"m\0\0\x01\x27" + random.Random(1).randbytes(295))[:-20],
    "compressed, no size": b"\x83P\0",
}


@pytest.mark.parametrize(("external", "term"), MARKS.values(), ids=MARKS.keys())
def test_reads_every_tag(external: bytes, term: Any) -> None:
    assert alike(loads(b"\x83" + external), term)


@pytest.mark.parametrize(("external", "term"), MARKS.values(), ids=MARKS.keys())
@pytest.mark.parametrize("otp", [25, 26])
def test_reads_back_what_it_writes_for_every_tag(external: bytes, term: Any, otp: Any) -> None:
    assert alike(loads(dumps(term, otp=otp)), term)


@pytest.mark.parametrize("external", MALFORMED.values(), ids=MALFORMED.keys())
def test_refuses_the_malformed(external: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each has its own message
        loads(external)


@pytest.mark.parametrize("external", [external for external, _ in MARKS.values()], ids=MARKS.keys())
def test_refuses_every_tag_that_ends_early(external: bytes) -> None:
    for end in range(len(external)):
        with pytest.raises(ValueError):  # noqa: PT011
            loads(b"\x83" + external[:end])


def test_ignores_bytes_after_the_term() -> None:
    assert loads(b"\x83a\x07 and more") == 7


def test_nil_true_and_false_are_pythons() -> None:
    assert loads(b"\x83h\x03s\x03nils\x04trues\x05false") == (None, True, False)
    assert dumps((None, True, False), otp=25) == b"\x83h\x03d\0\x03nild\0\x04trued\0\x05false"


@pytest.mark.parametrize("payload", [b"\x83w\x01\xff", b"\x83v\0\x01\xff"])
def test_an_atom_that_is_not_text_is_refused_like_everything_else(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not UTF-8") as refused:
        loads(payload)

    assert type(refused.value) is ValueError


@pytest.mark.parametrize("name", ["nil", "true", "false", "a" * 256])
def test_an_atom_is_neither_a_singleton_nor_too_long(name: str) -> None:
    with pytest.raises(ValueError, match="atom"):
        Atom(name)


def test_an_atom_is_text_that_knows_its_kind() -> None:
    assert Atom("ok") == "ok"
    assert repr(Atom("ok")) == "Atom('ok')"


def test_an_atom_and_text_with_one_name_are_two_keys_of_one_dict() -> None:
    value = {AtomKey("a"): 1, "a": 2}

    assert (value[AtomKey("a")], value["a"], value[Atom("a")]) == (1, 2, 2)
    assert AtomKey("a") != "a"
    assert AtomKey("a") != Atom("a")
    assert AtomKey("a") != AtomKey("b")
    assert AtomKey("a") == AtomKey("a")
    assert repr(AtomKey("a")) == "AtomKey('a')"
    assert str(AtomKey("a")) == "a"


def test_a_key_that_a_dict_cannot_hold_is_found_by_its_term() -> None:
    value = loads(b"\x83t\0\0\0\x02k\0\x02hia\x01l\0\0\0\x01d\0\x02okja\x02")

    assert (value[MapKey([104, 105])], value[MapKey([Atom("ok")])]) == (1, 2)
    assert MapKey(1) != MapKey(1.0)
    assert MapKey({"a": 1, Atom("b"): 2}) == MapKey({Atom("b"): 2, "a": 1})
    assert MapKey(["a"]) != MapKey([Atom("a")])
    assert repr(MapKey([1])) == "MapKey(term=[1])"


def test_a_maps_key_is_not_a_value() -> None:
    with pytest.raises(TypeError, match=r"session\['a'\] cannot be stored: it is of type MapKey"):
        dumps({"a": MapKey([1])})


STRUCTS = {
    "DateTime": {Atom("__struct__"): Atom("Elixir.DateTime"), Atom("year"): 2026, Atom("time_zone"): "Etc/UTC"},
    "Decimal": {Atom("__struct__"): Atom("Elixir.Decimal"), Atom("coef"): 110, Atom("exp"): -2, Atom("sign"): 1},
    "MapSet of maps": {
        Atom("__struct__"): Atom("Elixir.MapSet"),
        Atom("map"): {MapKey({Atom("id"): 1}): [], MapKey({Atom("id"): 2}): []},
    },
    "a range": {Atom("__struct__"): Atom("Elixir.Range"), Atom("first"): 1, Atom("last"): 9, Atom("step"): 1},
}


@pytest.mark.parametrize("struct", STRUCTS.values(), ids=STRUCTS.keys())
@pytest.mark.parametrize("otp", [25, 26])
def test_a_struct_is_a_map_and_is_written_back_unchanged(struct: dict[Any, Any], otp: Any) -> None:
    assert alike(loads(dumps(struct, otp=otp)), struct)
    assert struct["__struct__"].startswith("Elixir.")


@pytest.mark.parametrize(("heads", "tail"), [((), 1), ((1,), []), ((1,), ImproperList((1,), 2))])
def test_an_improper_list_is_not_a_proper_one(heads: tuple[Any, ...], tail: Any) -> None:
    with pytest.raises(ValueError, match="improper"):
        ImproperList(heads, tail)


@pytest.mark.parametrize(("data", "bits"), [(b"", 1), (b"\0", 0), (b"\0", 8), (b"\1", 7)])
def test_a_bit_string_has_one_form(data: bytes, bits: int) -> None:
    with pytest.raises(ValueError, match="bit string"):
        BitString(data, bits)


@pytest.mark.parametrize(
    ("atom", "otp", "external"),
    [
        ("ok", 25, b"d\0\x02ok"),
        ("ok", 26, b"w\x02ok"),
        ("é", 25, b"d\0\x01\xe9"),
        ("é", 26, b"w\x02\xc3\xa9"),
        ("日", 25, b"w\x03\xe6\x97\xa5"),
        ("日" * 86, 26, b"v\x01\x02" + "日".encode() * 86),
    ],
)
def test_atoms_are_written_as_each_release_writes_them(atom: str, otp: Any, external: bytes) -> None:
    assert dumps(Atom(atom), otp=otp) == b"\x83" + external


@pytest.mark.parametrize(
    ("term", "external"),
    [
        (255, b"a\xff"),
        (256, b"b\0\0\x01\0"),
        (-1, b"b\xff\xff\xff\xff"),
        (2**31 - 1, b"b\x7f\xff\xff\xff"),
        (2**31, b"n\x04\0\0\0\0\x80"),
        (-(2**31), b"b\x80\0\0\0"),
        (-(2**31) - 1, b"n\x04\x01\x01\0\0\x80"),
        (1 << 2039, b"n\xff\0" + bytes(254) + b"\x80"),
        (1 << 2040, b"o\0\0\x01\0\0" + bytes(255) + b"\x01"),
        ([0, 255], b"k\0\x02\0\xff"),
        ([0, 256], b"l\0\0\0\x02a\0b\0\0\x01\0j"),
        ([True], b"l\0\0\0\x01w\x04truej"),
        ([7] * 65535, b"k\xff\xff" + b"\7" * 65535),
        ([7] * 65536, b"l\0\x01\0\0" + b"a\7" * 65536 + b"j"),
        ((0,) * 255, b"h\xff" + b"a\0" * 255),
        ((0,) * 256, b"i\0\0\x01\0" + b"a\0" * 256),
        ({"b": 1, "a": 2}, b"t\0\0\0\x02m\0\0\0\x01aa\x02m\0\0\0\x01ba\x01"),
        ({Atom("b"): 1, Atom("a"): 2}, b"t\0\0\0\x02w\x01ba\x01w\x01aa\x02"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_writes_the_tag_that_erlang_would_write(term: Any, external: bytes) -> None:
    assert dumps(term) == b"\x83" + external


def test_a_map_that_erlang_would_hash_keeps_its_order() -> None:
    names = [f"{number:02}" for number in reversed(range(33))]

    assert list(loads(dumps(dict.fromkeys(names)))) == names


class Html(str):
    def __html__(self) -> str:
        return self


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ({"a": {"b": [1, {2}]}}, r"session\['a'\]\['b'\]\[1\] cannot be stored: it is of type set"),
        ({"a": (1, datetime.now(UTC))}, r"session\['a'\]\[1\] cannot be stored: it is of type datetime"),
        ({"a": {frozenset(): 1}}, r"a key of session\['a'\] cannot be stored: it is of type frozenset"),
        ({"a": math.nan}, r"session\['a'\] cannot be stored: it is NaN or infinite"),
        ({"a": math.inf}, r"session\['a'\] cannot be stored: it is NaN or infinite"),
        ({"a": b"text"}, r"session\['a'\] cannot be stored: these bytes are UTF-8 .* store the str"),
        ({"a": "\ud800"}, r"session\['a'\] cannot be stored: the text contains half of a surrogate pair"),
        ({"a": Html("<b>")}, r"session\['a'\] cannot be stored: it is text marked as safe HTML"),
        ({"a": ImproperList((1,), {2})}, r"session\['a'\] cannot be stored: it is of type set"),
        ({1, 2}, r"session cannot be stored: it is of type set"),
    ],
)
def test_unsupported_values_are_named(term: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        dumps(term)


def test_a_circular_value_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(TypeError, match=r"session\['a'\] cannot be stored: it is nested over 512 deep"):
        dumps({"a": circle})


def test_512_levels_are_written_and_read_and_513_are_neither() -> None:
    deep: Any = 1
    for level in range(512):
        deep = (deep,) if level % 3 == 0 else [deep] if level % 3 == 1 else {"a": deep}

    assert loads(dumps(deep)) == deep
    with pytest.raises(TypeError, match="512 deep"):
        dumps((deep,))
    with pytest.raises(ValueError, match="512 deep"):
        loads(b"\x83" + b"h\x01" * 513 + b"j")


def test_a_deep_key_of_a_map_is_read_and_written() -> None:
    external = b"\x83" + b"t\0\0\0\x01" * 512 + b"j" * 513

    assert dumps(loads(external)) == external


def test_the_remaining_stack_makes_no_difference() -> None:
    def at_the_bottom(work: Callable[[], Any]) -> Any:
        try:
            return at_the_bottom(work)
        except RecursionError:
            # Fails until there is room for the few calls that even a flat term needs.
            return work()

    deep: Any = ImproperList((1,), 2)
    for _ in range(200):
        deep = (deep,)
    external = dumps({"a": deep})
    keyed = b"\x83t\0\0\0\x02" + b"h\x01" * 400 + b"a\x01a\x01" + b"h\x01" * 400 + b"F" + struct.pack(">d", 1) + b"j"

    assert at_the_bottom(lambda: dumps(loads(external))) == external
    assert at_the_bottom(lambda: dumps(loads(keyed))) == keyed


def test_subclasses_of_text_and_numbers_are_written_as_their_base_types() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        __slots__ = ()

    assert dumps({Text("a"): Number(7)}) == dumps({"a": 7})


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS if vector["valid"] and vector["serializer"] == "external_term_format"],
    ids=lambda vector: vector["id"],
)
def test_every_vectors_payload_is_read_as_its_term_and_written_back(vector: dict[str, Any]) -> None:
    payload = payload_of(vector)
    term = loads(payload)

    assert alike(term, term_of(vector["term"]))
    if vector["reencode"] in ("any", "otp25"):
        assert dumps(term, otp=25) == payload
    if vector["reencode"] in ("any", "otp26"):
        assert dumps(term, otp=26) == payload
    assert alike(loads(dumps(term)), term)


def binaries() -> st.SearchStrategy[bytes]:
    return st.binary(min_size=1).map(lambda content: content + b"\xff")


def bit_strings() -> st.SearchStrategy[BitString]:
    return st.builds(
        lambda data, bits, last: BitString(data + bytes(((last << 8 - bits) & 0xFF,)), bits),
        st.binary(),
        st.integers(1, 7),
        st.integers(0, 255),
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ATOMS = TEXTS.filter(lambda name: name not in ("nil", "true", "false")).map(Atom)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.binary(max_size=500).map(lambda content: int.from_bytes(content, signed=True))
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | ATOMS
    | binaries()
    | bit_strings()
)
OPAQUE = st.sampled_from([term for _, term in MARKS.values() if isinstance(term, Opaque)])


def as_read(term: Any) -> Any:
    return loads(dumps(term))


def with_their_texts(term: dict[Any, Any]) -> Any:
    return {AtomKey(name): value for name, value in term.items()} | {str(name): 1 for name in term}


def terms_of(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return recursive(
        scalars,
        lambda terms: (
            st.lists(terms)
            | st.lists(st.integers(0, 255))
            | st.lists(terms).map(tuple)
            | st.builds(ImproperList, st.lists(terms, min_size=1).map(tuple), scalars)
            | st.dictionaries(scalars, terms)
            | st.dictionaries(terms.map(MapKey), terms, max_size=3).map(as_read)
            | st.dictionaries(ATOMS, terms, min_size=1, max_size=3).map(with_their_texts)
        ),
        max_leaves=20,
    )


@settings(max_examples=EXAMPLES, deadline=None)
@given(terms_of(SCALARS | OPAQUE), st.sampled_from([25, 26]))
def test_any_term_comes_back_unchanged(term: Any, otp: Any) -> None:
    assert alike(in_order(loads(dumps(term, otp=otp))), in_order(term))


def in_order(term: Any) -> Any:
    """Return *term* with its maps' keys in a fixed order, for ``repr`` to compare."""
    match term:
        case dict():
            items = [(in_order(key), in_order(value)) for key, value in term.items()]
            return dict(sorted(items, key=lambda item: repr(item[0])))
        case MapKey():
            return MapKey(in_order(term.term))
        case list() | tuple():
            return type(term)(map(in_order, term))
        case ImproperList():
            return ImproperList(in_order(term.heads), term.tail)
    return term


def mutants(seeds: list[bytes], number: int) -> Iterator[bytes]:
    source = random.Random(20260131)
    for _ in range(number):
        external = bytearray(source.choice(seeds))
        for _ in range(source.randint(1, 4)):
            where = source.randrange(len(external))
            external[where : where + source.randint(0, 2)] = source.randbytes(source.randint(0, 3))
            external = external or bytearray(1)
        yield bytes(external)


def pairs(terms: list[bytes]) -> list[bytes]:
    """Return maps and lists of every two of *terms*."""
    return [
        start + one + other for one in terms for other in terms for start in (b"\x83t\0\0\0\x01", b"\x83l\0\0\0\x01")
    ]


def test_mutated_terms_raise_only_value_errors() -> None:
    seeds = [b"\x83" + external for external, _ in MARKS.values()]
    seeds += [payload_of(vector) for vector in VECTORS if "payload_b64" in vector]
    for external in mutants(seeds, FUZZED):
        try:
            term = loads(external)
        except ValueError:
            continue
        assert loads(dumps(term)) == term


HOSTILE: dict[str, bytes] = {
    "a list of 4294967295": b"\x83l\xff\xff\xff\xff" + b"j" * 60000,
    "a tuple of 4294967295": b"\x83i\xff\xff\xff\xff" + b"j" * 60000,
    "a map of 4294967295": b"\x83t\xff\xff\xff\xff" + b"j" * 60000,
    "a binary of 4294967295": b"\x83m\xff\xff\xff\xff" + b"j" * 60000,
    "a number of 4294967295 bytes": b"\x83o\xff\xff\xff\xff\0" + b"j" * 60000,
    "lists of many in lists of many": b"\x83" + b"l\0\0\xff\xff" * 12000,
    "tuples in tuples": b"\x83" + b"h\x01" * 30000 + b"j",
    "tails behind tails": b"\x83" + b"l\0\0\0\x01j" * 10000 + b"j",
    "empty lists behind empty lists": b"\x83" + b"l\0\0\0\0" * 13000 + b"j",
    "maps in keys of maps": b"\x83" + b"t\0\0\0\x01" * 13000,
    "much in keys of keys of maps": b"\x83"
    + b"t\0\0\0\x01" * 500
    + b"l\0\0\x40\0"
    + b"F\x3f\xf0\0\0\0\0\0\0" * 6000
    + b"j" * 10885,
    "lists as keys": b"\x83t\0\0\x20\0" + b"".join(b"k\0\x02" + struct.pack(">H", n) + b"j" for n in range(0x2000)),
    "keys with one hash": b"\x83t\0\0\x10\0"
    + b"".join(b"n\x0a\0" + ((2**61 - 1) * number).to_bytes(10, "little") + b"j" for number in range(4096)),
    "a megabyte of nothing": b"\x83i\0\x10\0\0" + b"j" * 2**20,
    "a compressed megabyte": zipped(2**20, b"m\0\x0f\xff\xfb" + bytes(2**20 - 5)),
    "a compressed gigabyte that says so": zipped(2**30, bytes(2**20)),
    "a compressed megabyte that says one byte": zipped(1, bytes(2**20)),
}


@pytest.mark.parametrize("external", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_terms_cost_little_time_and_memory(external: bytes) -> None:
    began = time.process_time()
    with suppress(ValueError):
        loads(external)
    took = time.process_time() - began
    # Measured separately, because tracing each allocation takes several times as long as reading.
    tracemalloc.start()
    with suppress(ValueError):
        loads(external)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert took < 2
    assert peak < 8 * 2**20


def test_the_size_limit_can_be_set() -> None:
    text = "a" * MAX_BYTES

    with pytest.raises(ValueError, match="longer than 65536 bytes"):
        loads(dumps(text))
    assert loads(dumps(text), max_bytes=2 * MAX_BYTES) == text


# Erlang itself decides.


@settings(max_examples=EXAMPLES, deadline=None)
@given(term=terms_of(SCALARS), otp=st.sampled_from([25, 26]))
def test_erlang_reads_what_we_write_and_we_read_what_it_writes(
    erlang: Callable[[bytes], bytes], term: Any, otp: Any
) -> None:
    external = erlang(dumps(term, otp=otp))

    assert alike(in_order(loads(external)), in_order(term))


def test_only_terms_that_plug_accepts_as_a_session_are_read(erlang: Callable[[bytes], bytes]) -> None:
    # Only Erlang can judge a pid's or a reference's numbers. The tags I, J, K and L refer to one program's memory.
    known = [external for external, term in MARKS.values() if not isinstance(term, Opaque)]
    whole = [b"\x83" + external for external in known]
    whole += [external for external in MALFORMED.values() if external and NODE not in external]
    paired = pairs(known)
    random.Random(1).shuffle(paired)
    tried = [*whole, *paired[:FUZZED], *mutants([*whole, *paired], FUZZED)]
    for external in tried:
        if not set(b"IJKL") & set(external[1:]):
            expected = erlang(external)
            try:
                term = loads(external)
            except ValueError:
                assert expected == b"", external
            else:
                assert erlang(dumps(term, otp=25)) == erlang(dumps(term, otp=26)) == expected != b"", external


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    term=recursive(
        SCALARS,
        lambda terms: st.lists(terms) | st.dictionaries(TEXTS, terms, max_size=32) | st.lists(terms).map(tuple),
        max_leaves=20,
    )
)
def test_a_session_is_written_byte_by_byte_as_erlang_writes_it(erlang: Callable[[bytes], bytes], term: Any) -> None:
    ours = [dumps(term, otp=25), dumps(term, otp=26)]

    assert erlang(ours[0]) in ours
