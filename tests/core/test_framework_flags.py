"""The flags that frameworks read and set on a session: ``accessed`` and ``modified``."""

import pytest

from holdall import Sessions, StoreError, TableStore
from holdall._session import Session
from holdall.tables import MemoryTable, Row


class Broken(MemoryTable):
    def read(self, digest: bytes) -> Row | None:
        msg = "the table's backend is down"
        raise StoreError(msg)


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(TableStore(Broken()), key="sid")


@pytest.fixture
def session(sessions: Sessions) -> Session:
    return sessions.fetch("sid=" + "a" * 40)


def test_a_framework_that_only_checks_the_flags_does_not_read_the_session(sessions: Sessions, session: Session) -> None:
    session.accessed = True

    headers = sessions.commit(session)
    sessions.finish(session)

    assert headers.vary
    assert not headers.cookies


def test_a_session_that_could_not_be_read_is_not_read_again(sessions: Sessions, session: Session) -> None:
    with pytest.raises(StoreError):
        session.get("n")

    assert not sessions.commit(session, status=503).cookies
    sessions.finish(session)
    sessions.abandon(session)


def test_a_change_counts_as_modified(sessions: Sessions) -> None:
    session = sessions.fetch()
    assert not session.modified

    session["n"] = 1

    assert session.modified
    sessions.commit(session)
    assert not session.modified
