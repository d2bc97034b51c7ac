"""
What each of several processes does to the sessions that they share, in several threads.

Here and not among the tests, because each process imports this module, and pytest takes longer than all the rest.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from holdall import Event, Sessions

__all__ = ["count", "keys", "open_sessions", "write_keys", "write_until_logged_out"]

_MOST_WRITES = 1000
# A slow writer's pause. Without it, threads that share memory rarely interleave, because each finishes in its own turn.
_PAUSE_SECONDS = 0.001


def open_sessions(url: str, events: list[Event] | None = None) -> Sessions:
    on_event = None if events is None else events.append
    return Sessions("table", table=url, key="sid", principal_key="user_id", on_event=on_event)


def keys(process: int, thread: int, requests: int) -> list[str]:
    """Return the keys that a thread writes, one in each request."""
    return [f"{process}.{thread}.{number}" for number in range(requests)]


def write_keys(url: str, cookie: str, threads: int, requests: int, process: int) -> None:
    def write(thread: int) -> None:
        for key in keys(process, thread, requests):
            session = sessions.resume(cookie)
            session[key] = True
            sessions.commit(session)

    with open_sessions(url) as sessions:
        _in_threads(write, threads)


def write_until_logged_out(url: str, cookies: list[str], threads: int, process: int) -> int:
    """Write to one session after another until it has ended; one thread ends them all. Return the lost writes."""
    events: list[Event] = []

    def use(thread: int) -> None:
        for cookie in cookies:
            # A session that came back would make them write forever.
            for _ in range(_MOST_WRITES):
                session = sessions.resume(cookie)
                if not session:
                    break
                if (process, thread) == (0, 0) and session.get("writes", 0) >= 4:
                    session.logout()
                else:
                    session["writes"] = session.get("writes", 0) + 1
                    time.sleep(_PAUSE_SECONDS)
                sessions.commit(session)

    with open_sessions(url, events) as sessions:
        _in_threads(use, threads)
    return sum(event.name == "lost_write" for event in events)


def count(url: str, cookie: str, threads: int, counts: int, process: int) -> None:
    def count(thread: int) -> None:
        for _ in range(counts):
            session = sessions.resume(cookie)
            session.atomic_update("count", lambda count: count + 1, default=0)
            sessions.commit(session)

    with open_sessions(url) as sessions:
        _in_threads(count, threads)


def _in_threads(work: Callable[[int], None], threads: int) -> None:
    """Run *work* in each of several threads concurrently."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
