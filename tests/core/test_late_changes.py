"""Mutations of a session's values after its request has ended, which no method of ours could refuse."""

import gc
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from holdall import Event, ResponseStartedError, Sessions, TableStore
from holdall import _late_changes as late_changes
from holdall._session import Session, state_of
from holdall.tables import MemoryTable
from holdall.typed import typed_session

DATA: dict[str, Any] = {"list": [1], "nested": {"inner": [[2]]}, "pair": (3, [4]), "set": {5}, "n": 6}


@pytest.fixture(autouse=True)
def _nothing_else_is_watched() -> Iterator[None]:
    late_changes.watched.clear()
    yield
    late_changes.watched.clear()


@pytest.fixture
def sessions(events: list[Event]) -> Sessions:
    return Sessions(TableStore(MemoryTable()), key="_shop", on_event=events.append)


@pytest.fixture
def cookie(sessions: Sessions) -> str:
    session = sessions.fetch()
    session.update(DATA)
    found = sessions.commit(session).cookie
    assert found is not None
    return found


def end(sessions: Sessions, session: Session) -> None:
    sessions.commit(session)
    sessions.finish(session)
    state_of(session).end()


def lost(events: list[Event]) -> list[str]:
    return [event.reason for event in events if event.name == "lost_write"]


def use(sessions: Sessions, cookie: str) -> None:
    """Make another request."""
    session = sessions.resume(cookie)
    assert session["n"] == 6
    end(sessions, session)


@pytest.mark.parametrize(
    ("key", "held", "alter"),
    [
        ("list", lambda value: value, lambda value: value.append(1)),
        ("nested", lambda value: value, lambda value: value.clear()),
        ("nested", lambda value: value["inner"][0], lambda value: value.append(1)),
        ("pair", lambda value: value[1], lambda value: value.append(1)),
        ("set", lambda value: value, lambda value: value.add(1)),
    ],
)
def test_a_referenced_value_is_reported_once_when_it_is_mutated(
    sessions: Sessions, cookie: str, events: list[Event], key: str, held: Any, alter: Any
) -> None:
    session = sessions.resume(cookie)
    value = held(session[key])
    end(sessions, session)
    del session
    gc.collect()
    use(sessions, cookie)
    assert lost(events) == []

    alter(value)

    for _ in range(3):
        use(sessions, cookie)
    assert lost(events) == ["request ended"]
    assert not late_changes.watched


def test_unreferenced_values_are_forgotten(sessions: Sessions, cookie: str) -> None:
    session = sessions.resume(cookie)
    assert [session[key] for key in DATA]
    end(sessions, session)
    assert len(late_changes.watched) == 1

    del session
    use(sessions, cookie)

    assert not late_changes.watched


def test_sessions_without_mutable_values_are_not_watched(sessions: Sessions, cookie: str) -> None:
    use(sessions, cookie)

    assert not late_changes.watched


def test_a_listener_may_make_a_request_itself(events: list[Event]) -> None:
    def heard(event: Event) -> None:
        events.append(event)
        if event.name == "lost_write":
            # As a request by the listener does.
            late_changes.look()

    sessions = Sessions(TableStore(MemoryTable()), key="_shop", on_event=heard)
    held = []
    for _ in range(2):
        session = sessions.fetch()
        session["list"] = []
        held.append(session["list"])
        end(sessions, session)
    for each in held:
        each.append(1)

    late_changes.look()

    assert lost(events) == ["request ended", "request ended"]
    assert not late_changes.watched


def test_the_number_of_watched_values_is_limited(sessions: Sessions, cookie: str) -> None:
    held = []
    for _ in range(100):
        session = sessions.resume(cookie)
        held.append(session["list"])
        end(sessions, session)

    assert len(late_changes.watched) == 64


def test_a_session_first_read_after_the_end_is_watched(sessions: Sessions, cookie: str, events: list[Event]) -> None:
    session = sessions.resume(cookie)
    end(sessions, session)

    session["list"].append(1)
    assert session["list"] == [1, 1]

    use(sessions, cookie)
    assert lost(events) == ["request ended"]


def test_a_session_is_watched_once(sessions: Sessions, cookie: str, events: list[Event]) -> None:
    session = sessions.resume(cookie)
    end(sessions, session)

    assert (session["list"], session["list"], session["nested"]) == ([1], [1], DATA["nested"])

    assert len(late_changes.watched) == 1
    use(sessions, cookie)
    assert lost(events) == []


@pytest.mark.parametrize("when", ["before the end", "after the end"])
def test_a_typed_object_is_watched(sessions: Sessions, cookie: str, events: list[Event], when: str) -> None:
    @dataclass
    class Inner:
        inner: list[list[int]] = field(default_factory=list)

    session = sessions.resume(cookie)
    if when == "before the end":
        typed = typed_session(session, Inner, "nested")
        end(sessions, session)
    else:
        end(sessions, session)
        typed = typed_session(session, Inner, "nested")
    use(sessions, cookie)
    assert lost(events) == []

    typed.inner.append([])

    use(sessions, cookie)
    assert lost(events) == ["request ended"]


def test_an_unreferenced_typed_object_is_forgotten(sessions: Sessions, cookie: str) -> None:
    @dataclass
    class Inner:
        inner: list[list[int]] = field(default_factory=list)

    session = sessions.resume(cookie)
    assert typed_session(session, Inner, "nested").inner
    end(sessions, session)
    del session

    use(sessions, cookie)

    assert not late_changes.watched


def test_a_value_that_cannot_be_compared_fails_no_other_request(
    sessions: Sessions, cookie: str, events: list[Event]
) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    session = sessions.resume(cookie)
    value = session["list"]
    end(sessions, session)

    value.append(Odd())

    use(sessions, cookie)
    assert lost(events) == ["request ended"]


@pytest.mark.parametrize("loads", [True, False])
def test_marking_it_as_modified_is_a_change_too(sessions: Sessions, cookie: str, loads: bool) -> None:
    session = sessions.resume(cookie)
    if loads:
        assert session["n"] == 6
    end(sessions, session)

    with pytest.raises(ResponseStartedError, match="its request had ended"):
        session.modified = True
    session.modified = False
    assert not session.modified


def test_methods_that_need_the_store_raise_or_do_nothing(sessions: Sessions, cookie: str, events: list[Event]) -> None:
    session = sessions.resume(cookie)
    assert session["n"] == 6
    end(sessions, session)

    with pytest.raises(ResponseStartedError):
        session.atomic_update("n", lambda n: n + 1)
    session["list"].append(1)
    with pytest.raises(ResponseStartedError):
        session.save()
    sessions.finish(session)
    sessions.abandon(session)

    with pytest.raises(ResponseStartedError):
        session["n"] = 7
    assert dict(sessions.resume(cookie)) == DATA


def test_requests_that_end_in_many_threads_do_not_interfere(sessions: Sessions, cookie: str) -> None:
    def visit() -> None:
        held = []
        for _ in range(300):
            session = sessions.resume(cookie)
            held.append((session, session["list"]))
            end(sessions, session)
            # Values handed out after the end are watched as well.
            held.append((session, session["nested"]))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            for visits in [threads.submit(visit) for _ in range(8)]:
                visits.result()
    finally:
        sys.setswitchinterval(before)


class Shared(deque[Any]):
    """A deque that another thread appends to the first time it is copied."""

    was_copied = False

    def copy(self) -> Any:
        if not self.was_copied:
            self.was_copied = True
            raise RuntimeError("deque mutated during iteration")  # noqa: EM101, TRY003  # as Python says it
        return super().copy()


def test_a_request_that_ends_in_another_thread_fails_none(
    sessions: Sessions, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared()
    monkeypatch.setattr(late_changes, "watched", shared)
    session = sessions.resume(cookie)
    held = session["list"]

    end(sessions, session)

    assert shared.was_copied
    assert [each.copy.data["list"] is held for each in shared] == [True]


class Busy(dict[str, Any]):
    """A dict that another thread extends whenever it is read."""

    def values(self) -> Any:
        raise RuntimeError("dictionary changed size during iteration")  # noqa: EM101, TRY003  # as Python says it


def test_a_dict_extended_by_a_thread_during_a_check_fails_no_request(
    sessions: Sessions, cookie: str, events: list[Event]
) -> None:
    session = sessions.resume(cookie)
    inner = [1]
    session["busy"] = Busy(inner=inner)
    end(sessions, session)
    del session
    gc.collect()

    use(sessions, cookie)
    assert lost(events) == []
    inner.append(2)
    use(sessions, cookie)

    assert lost(events) == ["request ended"]
