"""Lists that are read from a replica, which may lag behind, while everything else uses the table."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdall import AsyncTable, ConfigurationError, MemoryTable, Sessions, StoreError, TableStore
from holdall.testing import FakeClock, as_async

_OPTIONS: dict[str, Any] = {"key": "sid", "principal_key": "user_id", "record_client": True}


def log_in(sessions: Sessions) -> str:
    session = sessions.fetch()
    session.login(7)
    cookie = sessions.commit(session).cookie
    assert cookie
    return cookie


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], str]:
    return lambda name: f"sqlite:///{tmp_path / name}"


def test_a_list_comes_from_the_replica_and_revocations_use_the_table(
    files: Callable[[str], str], tmp_path: Path, clock: FakeClock
) -> None:
    with Sessions("table", table=files("main.db"), clock=clock, **_OPTIONS) as sessions:
        log_in(sessions)
    shutil.copy(tmp_path / "main.db", tmp_path / "replica.db")

    with Sessions("table", table=files("main.db"), list_from=files("replica.db"), clock=clock, **_OPTIONS) as sessions:
        cookie = log_in(sessions)

        assert len(sessions.list(7)) == 1
        assert sessions.revoke(7) == 2
        assert dict(sessions.resume(cookie)) == {}
        assert len(sessions.list(7)) == 1


def test_a_missing_replica_is_not_created(files: Callable[[str], str], tmp_path: Path) -> None:
    sessions = Sessions("table", table=files("main.db"), list_from=files("replica.db"), **_OPTIONS)
    with sessions, pytest.raises((StoreError, ConfigurationError)):
        sessions.list(7)

    assert not (tmp_path / "replica.db").exists()


def test_an_async_replica_serves_lists(clock: FakeClock) -> None:
    table, replica = MemoryTable(clock=clock), MemoryTable(clock=clock)
    log_in(Sessions(TableStore(replica), clock=clock, **_OPTIONS))
    awaited: Callable[[MemoryTable], AsyncTable] = as_async
    sessions = Sessions(TableStore(awaited(table), list_from=awaited(replica)), clock=clock, **_OPTIONS)

    assert len(asyncio.run(sessions.list_async(7))) == 1


def test_a_replica_of_the_other_form_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="differ in form"):
        TableStore(MemoryTable(), list_from=as_async(MemoryTable()))


def test_a_replica_is_given_by_its_url() -> None:
    with pytest.raises(ConfigurationError, match=r"list_from= takes a URL"):
        Sessions("table", table="main", list_from=MemoryTable(), **_OPTIONS)
