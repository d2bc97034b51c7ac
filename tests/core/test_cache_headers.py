"""Test which responses caches may keep, and how Cache-Control is parsed."""

import logging

import pytest

from holdall import _cache_headers as module
from holdall._cache_headers import CacheHeaders, cache_headers, merged_cache_control, warn_of_public_cookie


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (None, "no-store"),
        ("", "no-store"),
        (" ,\t, ", "no-store"),
        ("public", "private"),
        ("public, max-age=60", "private, max-age=60"),
        (" , PUBLIC ,, S-MaxAge = 5 , immutable,", "private, immutable"),
        ("max-age=60", "private, max-age=60"),
        ("no-cache", "private, no-cache"),
        ("private, public", "private"),
        ("s-maxage=0, private, max-age=3", "private, max-age=3"),
        ("no-store, public", "no-store"),
        ("public=1", "private"),
        # A directive for single header fields does not forbid caching the response.
        ('private="set-cookie, x", max-age=1', "private, max-age=1"),
        ('no-cache="a, public"', 'private, no-cache="a, public"'),
        ('ext="a\\", public", public', 'private, ext="a\\", public"'),
        # A cache that understands must-understand ignores no-store.
        ("no-store, must-understand", "private, no-store, must-understand"),
        ("no-store, must-understand, private", None),
        ("private", None),
        ("Private, max-age=60", None),
        ("no-store", None),
        ("no-store, no-cache, must-revalidate, max-age=0", None),
        # Malformed: caches interpret this differently.
        ('private="x', "private"),
        ("public; max-age=60", "private"),
        ("max-age=60 public", "private"),
        ("a b", "private"),
        ("=x", "private"),
        ("pub\N{LATIN SMALL LETTER U WITH DIAERESIS}lic", "private"),
    ],
)
def test_a_response_that_sets_a_cookie_is_private(present: str | None, expected: str | None) -> None:
    assert merged_cache_control(present, sets_cookie=True, allow_public=False) == expected


@pytest.mark.parametrize(("present", "expected"), [(None, "no-store"), ("public", None), ('"', None)])
def test_a_response_that_may_be_public_is_unchanged(present: str | None, expected: str | None) -> None:
    assert merged_cache_control(present, sets_cookie=True, allow_public=True) == expected


@pytest.mark.parametrize("present", [None, "public"])
def test_a_response_that_sets_no_cookie_is_unchanged(present: str | None) -> None:
    assert merged_cache_control(present, sets_cookie=False, allow_public=False) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], CacheHeaders("no-store", frozenset(), was_public=False)),
        ([("Expires", "Sun, 01 Mar 2026 13:00:00 GMT")], CacheHeaders("no-store", frozenset(), was_public=False)),
        ([("Cache-Control", "private")], CacheHeaders(None, frozenset(), was_public=False)),
        ([("Cache-Control", "max-age=1")], CacheHeaders("private, max-age=1", frozenset(), was_public=False)),
        (
            [("cache-control", "max-age=1"), ("X-Own", "public"), ("Cache-Control", "public")],
            CacheHeaders("private, max-age=1", frozenset(), was_public=True),
        ),
        ([("cache-control", "immutable")], CacheHeaders("private, immutable", frozenset(), was_public=True)),
        ([("cache-control", '"')], CacheHeaders("private", frozenset(), was_public=True)),
        (
            [("Cache-Control", "no-store"), ("CDN-Cache-Control", "max-age=1"), ("Surrogate-Control", "max-age=1")],
            CacheHeaders(None, frozenset({"cdn-cache-control", "surrogate-control"}), was_public=True),
        ),
        (
            [("Vercel-CDN-Cache-Control", "public"), ("Edge-Control", "cache"), ("X-Accel-Expires", "60")],
            CacheHeaders(
                "no-store",
                frozenset({"vercel-cdn-cache-control", "edge-control", "x-accel-expires"}),
                was_public=True,
            ),
        ),
    ],
)
def test_other_headers_for_caches_are_handled(headers: list[tuple[str, str]], expected: CacheHeaders) -> None:
    assert cache_headers(headers, sets_cookie=True, allow_public=False) == expected
    unchanged = CacheHeaders(None, frozenset(), was_public=False)
    assert cache_headers(headers, sets_cookie=False, allow_public=False) == unchanged
    assert not cache_headers(headers, sets_cookie=True, allow_public=True).removed


def test_a_route_is_named_once_and_the_number_of_routes_is_limited(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "warned", set())
    with caplog.at_level(logging.WARNING, "holdall"):
        for _ in range(2):
            for n in range(1001):
                warn_of_public_cookie(f"/page/{n}")

    assert len(caplog.messages) == 1000
    assert caplog.messages[0].startswith("/page/0 marks")
