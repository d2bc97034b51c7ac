"""The conformance suite for cookie formats (``holdall.formats.Format``)."""

import random
import re
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from holdall._clock import FOREVER
from holdall._cookies import MAX_COOKIE_BYTES
from holdall._sessions import Sessions
from holdall.formats import Format, Record
from holdall.stores import CookieStore
from holdall.testing._clock import FakeClock
from holdall.testing._suite import Suite
from holdall.testing._values import JSON, alike

__all__ = ["FormatConformance"]

KEY = "_shop"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
_BEGAN = int(START.timestamp())
_ENDS = _BEGAN + 7 * 24 * 60 * 60
_LOG_ID = "0123456789abcdef"

# The characters allowed in a cookie (RFC 6265, section 4.1.1).
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]+")

# Texts that occur in cookies, and texts that do not.
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:+/=~ \0\n\"';,%é€\U0001f98a\ud800"

_MUTATIONS = 300


class FormatConformance(Suite, sealed=True):
    """
    The suite for cookie formats.

    Subclass it and provide two fixtures, ``format`` and ``other_format``, the same with another secret::

        class TestMyFormat(FormatConformance):
            @pytest.fixture
            def format(self):
                return MyFormat(SECRET)

            @pytest.fixture
            def other_format(self):
                return MyFormat(ANOTHER_SECRET)

    Attributes:
        binds_key: A cookie does not open under another name. ``False`` for another library's format that ignores
            names.
        keeps_times: The session's beginning and end are sealed with its data; ``False`` if the format computes either.
        keeps_log_id: The log ID is sealed with the data too.
        keeps_order: The keys of a dict come back in their order.
        encrypts: A cookie does not reveal its data.
    """

    binds_key = True
    keeps_times = True
    keeps_log_id = True
    keeps_order = True
    encrypts = True

    @pytest.mark.parametrize("value", JSON, ids=ascii)
    def test_sealed_data_comes_back(self, format: Format, value: Any) -> None:
        found = format.open(format.seal(_record({"k": value, "last": 1}), key=KEY), key=KEY)

        assert found is not None
        expected = {"k": value, "last": 1}
        assert alike(found.data, expected) if self.keeps_order else found.data == expected

    def test_an_empty_session_comes_back(self, format: Format) -> None:
        found = format.open(format.seal(_record({}), key=KEY), key=KEY)

        assert found is not None
        assert found.data == {}

    def test_times_come_back(self, format: Format) -> None:
        found = _sealed_and_opened(format, _record({"n": 1}))

        assert (type(found.created), type(found.expires)) == (int, int)
        assert found.created <= found.expires
        assert (found.created, found.expires) == (_BEGAN, _ENDS) or not self.keeps_times
        assert _sealed_and_opened(format, _record({"n": 1})._replace(expires=FOREVER)).expires >= _BEGAN

    def test_the_log_id_comes_back(self, format: Format) -> None:
        log_id = _sealed_and_opened(format, _record({"n": 1})).log_id

        assert re.fullmatch("[0-9a-f]{16}", log_id)
        assert log_id == _LOG_ID or not self.keeps_log_id

    def test_generations_come_back_if_the_format_keeps_them(self, format: Format) -> None:
        record = _record({"n": 1})._replace(generation=12, lines=b"\0\1\2\3four", ended=False)
        mark = record._replace(data={}, ended=True)

        for each in (record, mark):
            found = _sealed_and_opened(format, each)
            if getattr(format, "keeps_generations", False):
                assert (found.generation, found.lines, found.ended) == (12, b"\0\1\2\3four", each.ended)
            else:
                assert (found.generation, found.ended) == (None, False)

    def test_the_sealed_text_is_valid_in_a_cookie(self, format: Format) -> None:
        cookie = format.seal(_record({"text": 'Zoë; "a", \\ \n'}), key=KEY)

        assert _COOKIE.fullmatch(cookie)

    def test_a_cookie_does_not_reveal_its_data(self, format: Format) -> None:
        if not self.encrypts:
            pytest.skip("the format signs and does not encrypt")
        text = "Rosebud" * 20
        first, second = (format.seal(_record({"text": text}), key=KEY) for _ in range(2))

        assert first != second
        for cookie in (first, second):
            assert not any(form in cookie for form in (text, "UmosZ", "Um9zZWJ1", "Rosebud"))

    def test_a_cookie_does_not_open_under_another_name(self, format: Format) -> None:
        cookie = format.seal(_record({"n": 1}), key=KEY)

        assert (format.open(cookie, key="_cart") is None) is self.binds_key

    def test_a_cookie_does_not_open_under_another_secret(self, format: Format, other_format: Format) -> None:
        cookie = format.seal(_record({"n": 1}), key=KEY)

        assert other_format.open(cookie, key=KEY) is None
        assert format.open(other_format.seal(_record({"n": 1}), key=KEY), key=KEY) is None

    def test_no_altered_cookie_opens_or_raises(self, format: Format) -> None:
        source = random.Random(type(self).__qualname__)  # noqa: S311  # the same ones every time
        cookie = format.seal(_record({"user_id": 7, "text": "a" * 100}), key=KEY)
        for _ in range(_MUTATIONS):
            altered = cookie
            for _ in range(source.randint(1, 3)):
                at = source.randrange(len(altered) + 1)
                put = "".join(source.choices(_ALPHABET, k=source.randint(0, 2)))
                altered = altered[:at] + put + altered[at + source.randint(0, 2) :]
            assert altered == cookie or format.open(altered, key=KEY) is None, f"this opens: {altered!r}"

    def test_no_part_of_a_cookie_opens(self, format: Format) -> None:
        cookie = format.seal(_record({"user_id": 7}), key=KEY)

        for end in range(len(cookie)):
            assert format.open(cookie[:end], key=KEY) is None, f"its first {end} characters open"
            assert format.open(cookie[end + 1 :], key=KEY) is None, f"it opens without its first {end + 1} characters"

    def test_no_cookie_opens_with_extra_text_around_it(self, format: Format) -> None:
        cookie = format.seal(_record({"user_id": 7}), key=KEY)

        for character in (*_ALPHABET, cookie):
            for altered in (cookie + character, character + cookie):
                assert format.open(altered, key=KEY) is None, f"this opens: {altered!r}"

    @pytest.mark.parametrize("character", ["A", "=", ".", "-", "\0", "é", "\ud800", " "], ids=ascii)
    def test_garbage_neither_opens_nor_raises(self, format: Format, character: str) -> None:
        for length in (0, 1, 2, 3, 4, 15, 64, 1000, MAX_COOKIE_BYTES):
            assert format.open(character * length, key=KEY) is None

    @pytest.mark.parametrize("value", [object(), {"a": [1, object()]}], ids=["at the top", "within"])
    def test_an_unsupported_value_is_a_type_error_that_names_the_key(self, format: Format, value: Any) -> None:
        with pytest.raises(TypeError, match="'k'") as caught:
            format.seal(_record({"secret": "Rosebud", "k": value}), key=KEY)

        assert "Rosebud" not in str(caught.value)

    def test_an_opened_record_belongs_to_the_caller(self, format: Format) -> None:
        cookie = format.seal(_record({"list": [1]}), key=KEY)
        first = cast("Record", format.open(cookie, key=KEY))

        first.data["list"].append(2)

        assert cast("Record", format.open(cookie, key=KEY)).data == {"list": [1]}

    def test_its_repr_shows_no_secret(self, format: Format) -> None:
        assert re.fullmatch(r"<[\w. ]+( object at 0x[0-9a-f]+)?>|[\w.]+\([^'\"]*\)", repr(format)), (
            f"its repr may appear in error reports, and shows more than its name: give {type(format).__name__} another"
        )

    def test_a_store_can_keep_sessions_in_this_format(self, format: Format, clock: FakeClock) -> None:
        sessions = Sessions(CookieStore(format, clock=clock), key=KEY, clock=clock)
        session = sessions.fetch()
        session["n"] = 1
        session.login(7)
        first = sessions.commit(session)
        header = "; ".join(cookie.line.partition(";")[0] for cookie in first.cookies if cookie.value)
        again = sessions.fetch(header)

        assert (again["n"], again.principal, again.is_new) == (1, "7", False)
        again.logout()
        ended = sessions.commit(again)
        after = "; ".join(cookie.line.partition(";")[0] for cookie in ended.cookies if cookie.value)
        assert dict(sessions.fetch(after)) == {}


def _record(data: dict[str, Any]) -> Record:
    return Record(data, _BEGAN, _ENDS, _LOG_ID)


def _sealed_and_opened(format: Format, record: Record) -> Record:
    found = format.open(format.seal(record, key=KEY), key=KEY)
    assert found is not None
    return found
