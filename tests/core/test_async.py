"""Test our use of the event loop's library: asyncio or trio, with anyio and without it."""

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio.to_thread
import pytest
import trio

from holdall import _async

RUN: dict[str, Callable[[Callable[[], Any]], Any]] = {"asyncio": lambda main: asyncio.run(main()), "trio": trio.run}


@pytest.fixture(params=RUN)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    return RUN[request.param]


@pytest.fixture(params=[True, False], ids=["beside anyio", "without anyio"])
def beside_anyio(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.delitem(sys.modules, "anyio")
    return bool(request.param)


@pytest.mark.usefixtures("beside_anyio")
def test_a_call_is_made_in_a_thread(run: Callable[[Callable[[], Any]], Any]) -> None:
    async def main() -> int:
        return await _async.to_thread(threading.get_ident)

    assert run(main) != threading.get_ident()


def test_anyios_thread_limit_applies_if_it_is_in_use() -> None:
    async def main() -> tuple[int, int]:
        limiter = anyio.to_thread.current_default_thread_limiter()
        return int(await _async.to_thread(lambda: limiter.borrowed_tokens)), int(limiter.borrowed_tokens)

    assert asyncio.run(main()) == (1, 0)


def test_a_thread_runs_a_coroutine_in_the_loop(run: Callable[[Callable[[], Any]], Any]) -> None:
    async def here() -> int:
        return threading.get_ident()

    async def main() -> tuple[int, int]:
        loop = _async.current_loop()
        assert loop is not None
        return await _async.to_thread(lambda: _async.call_in(loop, here)), threading.get_ident()

    found, there = run(main)
    assert found == there


def test_without_a_loop_a_coroutine_runs_in_a_new_one() -> None:
    async def here() -> int:
        return threading.get_ident()

    async def nothing() -> Any:
        return _async.current_loop()

    ended = asyncio.run(nothing())

    assert _async.current_loop() is None
    for loop in (None, ended):
        assert _async.call_in(loop, here) == threading.get_ident()


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_a_library_that_was_not_imported_runs_nothing(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, library)

    assert _async.current_loop() is None
    assert library not in sys.modules


@pytest.mark.usefixtures("beside_anyio")
def test_cancelled_work_is_finished_first() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        done.append("work")

    async def main() -> None:
        task = asyncio.ensure_future(_async.shielded(work()))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == ["work"]

    asyncio.run(main())


def test_cancelled_work_is_finished_first_in_trio() -> None:
    done: list[str] = []

    async def work() -> str:
        await trio.sleep(0)
        done.append("work")
        return "answer"

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            assert await _async.shielded(work()) == "answer"
            await trio.sleep(0)
        assert scope.cancelled_caught

    trio.run(main)

    assert done == ["work"]


def test_a_failure_of_cancelled_work_outranks_the_cancellation() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        reason = "away"
        raise OSError(reason)

    async def main() -> None:
        task = asyncio.ensure_future(_async.shielded(work()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(OSError, match="away"):
            await task

    asyncio.run(main())
