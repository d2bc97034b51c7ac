"""The guarantees that a configuration reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdall import MemoryTable, Sessions, TableStore
from holdall.sources.starsessions import StarsessionsSource
from holdall.tables.redis import AsyncRedisTable

SECRET = "9c1f7b3ae5d80246-8e2d5f0a7c94b163-6b0e4d2f8a1c9375-f3a7e1d5c9b80264"

AAL2 = {"key": "__Host-sid", "secure": True, "timeouts": "aal2", "record_login": True, "max_sessions": 3}


def in_cookie(**options: Any) -> Sessions:
    return Sessions("cookie", secret_key_base=SECRET, **{"key": "sid", **options})


def in_table(**options: Any) -> Sessions:
    return Sessions("table", table="memory://described", **{"key": "sid", **options})


def value(sessions: Sessions, name: str) -> str:
    return next(topic.value for topic in sessions.describe().topics if topic.name == name)


def test_the_best_configuration_lacks_only_levels_that_it_did_not_choose() -> None:
    description = in_table(**AAL2).describe()

    assert set(description.lacks) == {"NIST 2.3.3"}
    assert set(in_table(**{**AAL2, "timeouts": "aal3"}).describe().lacks) == set()


def test_no_line_is_both_met_and_not_met() -> None:
    for sessions in (in_table(), in_cookie(), in_table(**AAL2), in_cookie(valid_since=str)):
        description = sessions.describe()
        assert description.meets.isdisjoint(description.lacks)


@pytest.mark.parametrize(
    ("sessions", "lacks", "meets"),
    [
        (in_cookie(), {"ASVS 3.3.1", "ASVS 7.4.1", "ASVS 7.4.2", "ASVS 7.5.1", "NIST 2.2.3"}, {"ASVS 9.2.2"}),
        (in_cookie(valid_since=str), {"ASVS 7.4.1"}, {"ASVS 7.4.2", "ASVS 7.4.5"}),
        (in_cookie(revocable="session"), {"ASVS 7.5.1"}, {"ASVS 7.4.1", "ASVS 7.4.2", "ASVS 7.5.2", "ASVS 9.2.2"}),
        (in_cookie(format="flask"), {"ASVS 9.2.2"}, {"ASVS 9.1.1"}),
        (in_cookie(key="__Secure-sid", secure=True), {"ASVS 3.3.3"}, {"ASVS 3.3.1"}),
        (in_cookie(same_site=None, http_only=False), {"ASVS 3.3.2", "ASVS 3.3.4"}, {"ASVS 3.3.5"}),
        (in_cookie(idle_timeout=None, absolute_timeout=None), {"ASVS 7.3.1", "ASVS 7.3.2", "NIST 2.1.3"}, set()),
        (in_table(), {"ASVS 3.3.3", "ASVS 7.5.3"}, {"ASVS 7.3.1", "ASVS 7.4.1", "ASVS 7.5.2", "NIST 2.1.3"}),
        (in_table(principal_key=None), {"ASVS 7.2.4", "ASVS 7.5.2"}, {"ASVS 7.4.1"}),
    ],
)
def test_requirements_that_are_met_and_not_met(sessions: Sessions, lacks: set[str], meets: set[str]) -> None:
    description = sessions.describe()

    assert lacks <= set(description.lacks)
    assert meets <= description.meets


@pytest.mark.parametrize(
    ("sessions", "name", "words"),
    [
        (in_table(max_sessions=2), "sessions of a user", "at most 2; another login ends the oldest"),
        (in_table(max_sessions=2, when_full="refuse"), "sessions of a user", "at most 2; another login is refused"),
        (in_table(idle_timeout=5400), "idle timeout", "1:30:00"),
        (in_cookie(domain="shop.example", max_age=3600), "cookie", "sid, path /, domain shop.example"),
        (
            in_cookie(max_age=3600, secure=False),
            "attributes",
            "not Secure, HttpOnly, SameSite=Lax; the browser keeps it for 1:00:00",
        ),
        (in_table(), "data", "in this process"),
        (in_cookie(), "data", "in the browser"),
        (in_cookie(overflow="large"), "data", "in the browser; in a row if it does not fit into the cookie"),
        (
            in_cookie(overflow="large", revocable="large", max_sessions=2),
            "data",
            "in the browser; a row for each session of a user, without its data; in a row if it does not fit",
        ),
        (in_cookie(overflow="large", revocable="large"), "token", "the session itself, sealed for this application"),
        (
            in_cookie(revocable="session", max_sessions=2),
            "data",
            "in the browser; a row for each session of a user, without its data",
        ),
        (Sessions(TableStore(MemoryTable(), encrypt=True), key="sid"), "data", "encrypted under the ID alone"),
    ],
)
def test_the_wording_of_each_line(sessions: Sessions, name: str, words: str) -> None:
    assert value(sessions, name).startswith(words)


def test_rows_that_leave_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    moving = [StarsessionsSource("redis://127.0.0.1:1", prefix="s")]
    for options in ({}, {"migrate_from": moving}):
        with Sessions("table", table=url, key="sid", secret_key_base=SECRET, **options) as sessions:
            assert value(sessions, "data").startswith("encrypted under the ID and the secret")
    with Sessions("table", table=url, key="sid", encrypt=False) as sessions:
        assert value(sessions, "data").startswith("unencrypted, in a table that others can read")


def test_sessions_of_an_async_table_are_described_without_a_loop_or_a_server() -> None:
    description = Sessions(TableStore(AsyncRedisTable("redis://127.0.0.1:1")), key="sid").describe()

    assert description.store == "AsyncRedisTable"


def test_the_store_of_cookies_names_their_tables() -> None:
    assert in_cookie(overflow="large").describe().store == "cookies (native), overflowing into MemoryTable"
    assert in_cookie(overflow="large", revocable="large").describe().store == (
        "cookies (native), revocable by MemoryTable, overflowing into MemoryTable"
    )


def test_a_description_is_available_as_text_and_data() -> None:
    description = in_cookie(record_login=True).describe()

    assert json.loads(json.dumps(description.as_dict()))["topics"][0]["lacks"]["ASVS 3.3.3"].startswith(
        "name the cookie"
    )
    assert str(description).startswith(
        "The sessions 'sid' are kept in cookies (native).\n\ncookie: sid, path /, this host"
    )
    assert "\n\nauthentication: recorded;" in str(description)
    assert SECRET not in str(description)
