"""Test that stored data comes back, and nothing else does."""

import re
from typing import Any

import pytest

from holdall._clock import FOREVER
from holdall.stores import NotFound, StoredSession
from holdall.testing._clock import FakeClock
from holdall.testing._stores.suite import HOUR, KEY, SECONDS, StoreSuite, begin, change, read, seconds
from holdall.testing._values import BEYOND_JSON, JSON, alike, name

__all__ = ["RoundTripTests"]

# The octets of a cookie's value (RFC 6265, section 4.1.1).
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]+")

_BAD = [
    "", " ", "A", "A" * 40, "A" * 100_000, "_" * 300, "%00", '"quoted"', "a=b", "a;b", "a,b", "\0", "\0" * 43, "é" * 43,
    "\ud800" * 43, "\x80" * 80, "🧳", "../" * 20, "{}", "e30", "gA" * 50, "XCP.AAAA", "SFMyNTY.AAAA.AAAA", "\r\n",
]  # fmt: skip


class RoundTripTests(StoreSuite, sealed=True):
    """``put`` and ``get``."""

    async def test_get_returns_what_was_put(self, store: Any, clock: FakeClock) -> None:
        data = {"user_id": 7, "cart": [{"sku": "a"}]}

        stored = await begin(store, clock, data, "7")

        found = await read(store, stored)
        assert found == stored
        assert (found.data, found.created, found.expires) == (data, seconds(clock), seconds(clock) + SECONDS)
        assert (type(found.created), type(found.expires)) == (int, int)

    @pytest.mark.parametrize("value", JSON, ids=name)
    async def test_plain_values_come_back_as_they_were(self, store: Any, clock: FakeClock, value: Any) -> None:
        await self.comes_back(store, clock, value)

    @pytest.mark.parametrize("value", BEYOND_JSON, ids=name)
    async def test_values_beyond_json_come_back_as_they_were(self, store: Any, clock: FakeClock, value: Any) -> None:
        if not self.beyond_json:
            pytest.skip("this store supports only JSON's types")
        await self.comes_back(store, clock, value)

    async def test_an_empty_session_comes_back(self, store: Any, clock: FakeClock) -> None:
        assert (await read(store, await begin(store, clock, {}))).data == {}

    @pytest.mark.parametrize("key", ["", " ", "Zoë", "a.b", "_csrf_token", "$tuple", "\0", "x" * 200], ids=ascii)
    async def test_any_text_can_be_a_key(self, store: Any, clock: FakeClock, key: str) -> None:
        assert (await read(store, await begin(store, clock, {key: 1}))).data == {key: 1}

    async def test_a_session_without_an_expiry_is_kept(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})
        kept = await change(store, stored, {"n": 2}, lives=FOREVER - stored.created)

        assert kept is not None
        assert (await read(store, kept)).expires == FOREVER

    async def test_each_request_has_its_own_copy(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"cart": [1]})
        (await read(store, stored)).data["cart"].append(2)

        assert (await read(store, stored)).data == {"cart": [1]}

    async def test_each_new_session_has_its_own_cookie_and_log_id(self, store: Any, clock: FakeClock) -> None:
        begun = [await begin(store, clock, {"n": 1}) for _ in range(20)]

        assert len({stored.cookie for stored in begun}) == 20
        assert len({stored.log_id for stored in begun}) == 20

    async def test_browsers_accept_the_cookie(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"text": "Zoë \0 ;,\" '"})

        assert _COOKIE.fullmatch(stored.cookie)

    async def test_the_log_id_opens_nothing(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})

        assert stored.log_id
        assert stored.log_id not in stored.cookie
        assert isinstance(await store.get(stored.log_id, key=KEY), NotFound)

    async def test_a_write_keeps_the_creation_time_and_the_log_id(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1, "m": 2})
        clock.advance(HOUR / 2)

        written = await change(store, stored, {"n": 3}, delete=frozenset({"m"}))

        assert written is not None
        found = await read(store, written)
        assert (found.data, found.created, found.log_id) == ({"n": 3}, stored.created, stored.log_id)

    async def test_a_put_without_changes_only_moves_the_expiry(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})

        moved = await change(store, stored, lives=7200)

        assert moved is not None
        assert moved.expires == seconds(clock) + 7200
        found = await read(store, moved)
        assert (found.data, found.created, found.expires) == (stored.data, stored.created, moved.expires)

    async def test_an_expired_session_is_not_found(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})
        clock.advance(HOUR)

        found = await store.get(stored.cookie, key=KEY)

        assert isinstance(found, NotFound) or found.expires <= seconds(clock)

    @pytest.mark.parametrize("cookie", _BAD, ids=lambda cookie: ascii(cookie[:12]))
    async def test_a_bad_cookie_is_not_found_and_never_an_error(self, store: Any, cookie: str) -> None:
        found = await store.get(cookie, key=KEY)

        assert isinstance(found, NotFound)
        assert found.reason
        assert not found.superseded

    async def test_a_tampered_cookie_opens_nothing(self, store: Any, clock: FakeClock) -> None:
        cookie = (await begin(store, clock, {"n": 1})).cookie
        flipped = [cookie[:at] + chr(ord(cookie[at]) ^ 1) + cookie[at + 1 :] for at in range(len(cookie) - 1)]
        cut = [cookie[:at] for at in range(len(cookie))]
        grown = [cookie + "A", "A" + cookie, cookie * 2, cookie + "=", f'"{cookie}"', cookie + " ", cookie.swapcase()]

        for bad in (*flipped, *cut, *grown):
            assert isinstance(await store.get(bad, key=KEY), NotFound)

    @pytest.mark.parametrize(
        ("data", "path"),
        [
            ({"n": 1, "thing": object()}, r"\['thing'\]"),
            ({"cart": [1, {"item": object()}]}, r"\['cart'\]\[1\]\['item'\]"),
            ({"odd": {"deep": {object(): "a"}}}, r"\['odd'\]"),
        ],
    )
    async def test_a_value_that_cannot_be_stored_is_named(
        self, store: Any, clock: FakeClock, data: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(TypeError, match=path):
            await begin(store, clock, data)

    async def test_a_refused_write_changes_nothing(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"n": 1})
        with pytest.raises(TypeError):
            await change(store, stored, {"n": object()})

        assert (await read(store, stored)).data == {"n": 1}

    async def test_the_repr_shows_neither_cookie_nor_data(self, store: Any, clock: FakeClock) -> None:
        stored = await begin(store, clock, {"secret": "Rosebud"})

        for shown in (repr(stored), str(await read(store, stored))):
            assert "Rosebud" not in shown
            assert stored.cookie not in shown

    async def comes_back(self, store: Any, clock: FakeClock, value: Any) -> None:
        stored = await begin(store, clock, {"value": [value]})
        rewritten = await change(store, stored, {"again": value})

        assert isinstance(rewritten, StoredSession)
        data = (await read(store, rewritten)).data
        for found in (data["value"][0], data["again"]):
            assert alike(found, value)
