"""Test what caches between the application and the browser may store: never a response that sets a session cookie."""

import logging

import pytest

from holdall import _cache_headers as cache_headers
from holdall.testing._adapters.suite import AdapterSuite, Visit
from holdall.testing._adapters.visitor import Visitor

__all__ = ["CacheTests"]


class CacheTests(AdapterSuite, sealed=True):
    """Set-Cookie on a response that the application lets shared caches store."""

    @pytest.mark.parametrize(
        ("own", "sent"),
        [
            ("public", ["private"]),
            ("public, max-age=60", ["max-age=60", "private"]),
            ("PUBLIC,Max-Age=60", ["max-age=60", "private"]),
            ("s-maxage=60", ["private"]),
            ("private, s-maxage=60", ["private"]),
            ("max-age=60", ["max-age=60", "private"]),
            ("max-age=60, immutable", ["immutable", "max-age=60", "private"]),
            ("no-store", ["no-store"]),
            ("no-store, public", ["no-store"]),
            ("private, max-age=60", ["max-age=60", "private"]),
        ],
    )
    def test_no_shared_cache_keeps_a_response_that_sets_our_cookie(
        self, visitor: Visitor, own: str, sent: list[str]
    ) -> None:
        answer = visitor.does(["put", "n", 1], headers={"Cache-Control": own})

        assert answer.cookie
        assert sorted(answer.cache_control) == sent

    @pytest.mark.parametrize("name", ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"])
    def test_headers_for_one_kind_of_cache_are_removed_too(self, visitor: Visitor, name: str) -> None:
        answer = visitor.does(["put", "n", 1], headers={name: "max-age=60"})

        assert answer.response.all(name) == []
        assert answer.cache_control == ["no-store"]
        own = visitor.another().does(["put", "n", 1], headers={name: "max-age=60", "Cache-Control": "private"})
        assert (own.response.all(name), own.cache_control) == ([], ["private"])

    def test_expires_alone_does_not_let_a_cache_keep_it(self, visitor: Visitor) -> None:
        answer = visitor.does(["put", "n", 1], headers={"Expires": "Sun, 01 Mar 2026 13:00:00 GMT"})

        assert answer.cache_control == ["no-store"]

    def test_no_shared_cache_keeps_a_response_that_expires_our_cookie(self, visitor: Visitor) -> None:
        visitor.does(["put", "n", 1])

        answer = visitor.does(["configure", {"drop": True}], headers={"Cache-Control": "public, max-age=60"})

        assert answer.expired.value == ""
        assert sorted(answer.cache_control) == ["max-age=60", "private"]

    @pytest.mark.parametrize("actions", [[], [["get", "n"]]], ids=["untouched", "read"])
    def test_a_response_that_sets_no_cookie_stays_public(self, visitor: Visitor, actions: list[list[str]]) -> None:
        headers = {"Cache-Control": "public, s-maxage=60", "CDN-Cache-Control": "max-age=60"}

        answer = visitor.does(*actions, headers=headers)

        assert sorted(answer.cache_control) == ["public", "s-maxage=60"]
        assert answer.response.all("CDN-Cache-Control") == ["max-age=60"]

    def test_allow_public_leaves_caching_to_the_application(self, visit: Visit) -> None:
        headers = {"Cache-Control": "public, s-maxage=60", "CDN-Cache-Control": "max-age=60"}
        visitor = visit(allow_public=True)

        answer = visitor.does(["put", "n", 1], headers=headers)

        assert sorted(answer.cache_control) == ["public", "s-maxage=60"]
        assert answer.response.all("CDN-Cache-Control") == ["max-age=60"]
        assert visitor.another().does(["put", "n", 1]).cache_control == ["no-store"]

    def test_one_log_line_names_the_route(
        self, visitor: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache_headers, "warned", set())
        with caplog.at_level(logging.WARNING, "holdall"):
            for _ in range(2):
                visitor.does(["put", "n", 1], headers={"Cache-Control": "public"})
                visitor.does(["configure", {"drop": True}], headers={"Cache-Control": "public"})

        (line,) = (each for each in caplog.messages if "marks its response as public" in each)
        assert line.startswith("/")
