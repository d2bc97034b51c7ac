"""Test that a store selected by name is opened once, by whichever request comes first."""

import threading
import time
from typing import Any

import pytest

from holdall import MemoryTable, Sessions


def test_two_threads_that_come_first_share_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[MemoryTable] = []

    def slow(name: str, **options: Any) -> MemoryTable:
        time.sleep(0.05)
        made.append(MemoryTable(name=name, **options))
        return made[-1]

    monkeypatch.setattr(MemoryTable, "named", slow)
    sessions = Sessions("table", table="memory://opening", key="sid")
    together = threading.Barrier(4)

    def visit() -> None:
        together.wait()
        sessions.prepare("sync")

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1


def test_a_value_that_cannot_be_stored_is_refused_before_a_renewal_ends_the_session() -> None:
    sessions = Sessions("table", table="refused", key="sid")
    session = sessions.fetch()
    session["kept"] = 1
    cookie = sessions.commit(session).cookie

    renewed = sessions.resume(cookie)
    renewed["tags"] = tags = []
    tags.append(object())
    renewed.configure(renew=True)
    with pytest.raises(TypeError, match="tags"):
        sessions.commit(renewed)

    assert dict(sessions.resume(cookie)) == {"kept": 1}
