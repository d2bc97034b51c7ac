"""Test Cookie headers as they arrive: ours among others, twice, in pieces, forged."""

import pytest

from holdall._events import Event
from holdall.stores import TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.suite import KEY, AdapterSuite, Visit, VisitStore
from holdall.testing._adapters.visitor import Visitor

__all__ = ["IncomingCookieTests"]

# {} is the cookie's value. Several strings are several Cookie headers.
_GOOD = {
    "alone": [f"{KEY}={{}}"],
    "last": [f"a=1; {KEY}={{}}"],
    "first": [f"{KEY}={{}}; a=1"],
    "no space": [f"a=1;{KEY}={{}};b=2"],
    "spaces": [f" a = 1 ;  {KEY}={{}}  "],
    "empty pairs": [f";; =; a; {KEY}={{}};;"],
    "a name that ends like ours": [f"x{KEY}=bad; {KEY}={{}}; -{KEY}=bad"],
    "a name that begins like ours": [f"{KEY}2=bad; {KEY}={{}}; {KEY}.a=bad"],
    "another case": [f"{KEY.upper()}=bad; {KEY}={{}}"],
    "a value that looks like ours": [f'a="{KEY}=bad"; {KEY}={{}}'],
    "two headers": ["a=1", f"{KEY}={{}}"],
    "three headers": [f"{KEY}2=bad", f"{KEY}={{}}", "b=2"],
    "the same twice": [f"{KEY}={{}}; {KEY}={{}}"],
    "a bad one before": [f"{KEY}=bad; {KEY}={{}}"],
    "a bad one after": [f"{KEY}={{}}; {KEY}=bad"],
    "an empty one before": [f"{KEY}=; {KEY}={{}}"],
    "a bad one in another header": [f"{KEY}=bad", f"{KEY}={{}}"],
    "quoted": [f'{KEY}="{{}}"'],
    "quoted as in RFC 2965": [f'$Version="1"; {KEY}="{{}}"; $Path="/"; $Domain="x"'],
    "quoted, and not": [f'{KEY}="{{}}"; {KEY}={{}}'],
    "joined by a comma": [f"a=1,{KEY}={{}},b=2"],
    "joined by a comma and a space": [f"a=1, {KEY}={{}}, b=2"],
    "quoted and joined by a comma": [f'a="1,2",{KEY}="{{}}",b=3'],
    "twice, joined by a comma": [f"{KEY}={{}},{KEY}={{}}"],
    "a bad one before, joined by a comma": [f"{KEY}=bad,a=1,{KEY}={{}}"],
    "first of those joined by a comma": [f"{KEY}={{}},a=1; b=2"],
}

# {} is the visitor's cookie, and {evil} is another visitor's, inside the value of a cookie that is not ours.
_FOREIGN = {
    "behind a comma": [f"{KEY}={{}}; a=1,{KEY}={{evil}}"],
    "behind a comma, before ours": [f"a=1, {KEY}={{evil}}; {KEY}={{}}"],
    "behind a comma in quotes": [f'a="1,{KEY}={{evil}}"; {KEY}={{}}'],
    "without a name": [f"={KEY}={{evil}}; {KEY}={{}}"],
    "behind a space": [f"a=1 {KEY}={{evil}}; {KEY}={{}}"],
    "behind a space of Unicode": [f"\xa0{KEY}={{evil}}; {KEY}={{}}; \x85{KEY}={{evil}}"],
    "before a space of Unicode": [f"{KEY}\xa0={{evil}}; {KEY}={{}}"],
    "in another case": [f"{KEY.upper()}={{evil}}; {KEY}={{}}"],
    "escaped": [f"_\\163hop={{evil}}; {KEY}={{}}"],
    "encoded": [f"%5Fshop={{evil}}; {KEY}={{}}"],
}

_BAD = {
    "empty": "",
    "forged": "AbCd0123_-" * 8,
    "an id never given": "A" * 40,
    "truncated": "{cut}",
    "one bit flipped": "{flipped}",
    "longer by one": "{}A",
    "half quoted": '"{}',
    "quoted twice": '""{}""',
    "in single quotes": "'{}'",
    "escaped in quotes": '"{}\\054"',
    "percent": "%00%0a{}",
    "with a space": "{} x",
    "padded": "{}=",
    "a comma inside quotes": '"{},{}"',
    "NUL inside": "{cut}\0",
    "NUL alone": "\0",
    "not ASCII": "é{}",
    "half of a character": "\xc3",
    "controls": "\x01\x7f{}",
    "over-long": "A" * 10_000,
    "JSON": '{{"n": 1}}',
    "a traversal": "../../etc/passwd",
}


class IncomingCookieTests(AdapterSuite, sealed=True):
    """A good cookie is found; a bad one gives an empty session."""

    @pytest.mark.parametrize("headers", _GOOD.values(), ids=_GOOD)
    def test_our_cookie_is_found(self, visitor: Visitor, headers: list[str]) -> None:
        visitor.does(["put", "n", 1])
        cookie = visitor.browser[KEY]

        answer = visitor.sends(*(header.format(cookie, cookie) for header in headers), actions=[["get", "n"]])

        assert answer.results == [1]

    @pytest.mark.parametrize("value", _BAD.values(), ids=_BAD)
    def test_a_bad_cookie_is_an_empty_session_and_one_event(
        self, visitor: Visitor, events: list[Event], value: str
    ) -> None:
        visitor.does(["put", "n", 1])
        cookie = visitor.browser[KEY]
        flipped = cookie[:20] + chr(ord(cookie[20]) ^ 1) + cookie[21:]
        events.clear()

        bad = value.format(cookie, cookie, cut=cookie[:-1], flipped=flipped)
        answer = visitor.sends(f"{KEY}={bad}", actions=[["all"], ["ask", "is_new"]])

        assert answer.status == 200
        assert answer.results == [{}, True]
        assert answer.cookies == []
        assert [event.name for event in events] == ["rejected"]

    @pytest.mark.parametrize("headers", _FOREIGN.values(), ids=_FOREIGN)
    def test_another_cookies_value_does_not_interfere_with_ours(
        self, visitor: Visitor, events: list[Event], headers: list[str]
    ) -> None:
        visitor.does(["put", "n", 1])
        other = visitor.another()
        other.does(["put", "n", 2])
        events.clear()
        cookie, evil = visitor.browser[KEY], other.browser[KEY]

        answer = visitor.sends(*(header.format(cookie, evil=evil) for header in headers), actions=[["get", "n"]])

        assert answer.results == [1]
        assert events == []

    @pytest.mark.parametrize("before", ["a=1,", "a=1, ", ",", "=", '"', "\xa0", "\u2003", "a="])
    def test_no_other_cookie_imitates_a_prefix(self, visit: Visit, before: str) -> None:
        visitor = visit(key="__Host-shop")
        visitor.does(["put", "n", 1], https=True)
        header = f"{before}__Host-shop={visitor.browser['__Host-shop']}".encode().decode("latin-1")

        assert visitor.sends(header, actions=[["all"]]).results == [{}]

    @pytest.mark.parametrize("number", [5, 15, 16, 17, 100])
    def test_among_too_many_cookies_none_is_used_and_an_event_reports_it(
        self, visitor: Visitor, events: list[Event], number: int
    ) -> None:
        visitor.does(["put", "n", 1])
        other = visitor.another()
        other.does(["put", "n", 2])
        events.clear()
        junk = [f"{KEY}={'A' * 39}{number:03d}" for number in range(number - 2)]

        for last in ([other, visitor], [visitor, other], [visitor, visitor]):
            cookies = [*junk, *(f"{KEY}={each.browser[KEY]}" for each in last), f"{KEY}=junk"]
            answer = visitor.sends("; ".join(cookies), actions=[["all"]])

            assert answer.results == [{}]

        assert [(event.name, event.reason) for event in events] == [("rejected", "too many duplicates")] * 3

    def test_a_bad_cookie_is_never_adopted(self, visit_table: Visit, table: MemoryTable) -> None:
        visitor = visit_table()
        planted = "A" * 40

        answer = visitor.sends(f"{KEY}={planted}", actions=[["put", "n", 1]])

        assert answer.cookie.value != planted
        assert visitor.sends(f"{KEY}={planted}", actions=[["all"]]).results == [{}]

    def test_a_cookie_with_another_name_does_not_open(self, visit_cookie: Visit) -> None:
        other = visit_cookie(key="_other")
        other.does(["put", "n", 1])
        visitor = visit_cookie()

        answer = visitor.sends(f"{KEY}={other.browser['_other']}", actions=[["all"]])

        assert answer.results == [{}]

    def test_two_sessions_in_one_header_are_ambiguous(self, visitor: Visitor, events: list[Event]) -> None:
        visitor.does(["put", "n", 1])
        other = visitor.another()
        other.does(["put", "n", 2])
        events.clear()

        both = f"{KEY}={visitor.browser[KEY]}; {KEY}={other.browser[KEY]}"
        answer = visitor.sends(both, actions=[["all"]])

        assert answer.results == [{}]
        assert [event.reason for event in events] == ["duplicate"]

    @pytest.mark.parametrize("name", ["__HoSt-shop", "__host-shop", "__HOST-shop"])
    def test_a_name_that_resembles_the_prefix_is_not_ours(self, visit: Visit, name: str) -> None:
        visitor = visit(key="__Host-shop")
        visitor.does(["put", "n", 1], https=True)

        answer = visitor.sends(f"{name}={visitor.browser['__Host-shop']}", actions=[["all"]])

        assert answer.results == [{}]

    def test_an_id_from_another_table_is_unknown(self, visit_table: Visit, visit_store: VisitStore) -> None:
        elsewhere = visit_store(TableStore(MemoryTable()))
        elsewhere.does(["put", "n", 1])

        answer = visit_table().sends(f"{KEY}={elsewhere.browser[KEY]}", actions=[["all"]])

        assert answer.results == [{}]
