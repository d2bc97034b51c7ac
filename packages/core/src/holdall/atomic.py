"""
``session.atomic(key)``: a block of code that has one key of a session to itself.

Its rules are ``enter`` and ``leave`` of ``holdall.lifecycle``. Here is the ``with`` around them, in both of its forms,
and what takes their steps for it.
"""

import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from holdall import _loop
from holdall.clock import Clock
from holdall.errors import ConfigurationError, StoreError
from holdall.lifecycle import enter, leave, release
from holdall.policy import Policy
from holdall.session import Block, Session
from holdall.steps import Steps, is_awaited, run, run_async
from holdall.stores.threaded import InThread, ThreadedStore

__all__ = ["Atomic", "FromThread", "LoopRunner", "Runner", "Sleep", "ThreadRunner"]

R = TypeVar("R")

#: Lets so many seconds pass: ``asyncio.sleep``, ``anyio.sleep``.
Sleep = Callable[[float], Awaitable[None]]
#: Calls a coroutine function in the event loop, from a thread in which nothing can be awaited, and waits for it.
FromThread = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


class Runner(Protocol):
    """Takes steps, in either form of ``with``."""

    def run(self, steps: Steps[R]) -> R: ...

    async def run_async(self, steps: Steps[R]) -> R: ...

    def check_leases(self) -> None: ...


class Atomic:
    """The block of *key* in a session; see ``Session.atomic``."""

    def __init__(
        self, session: Session, key: str, timeout: timedelta, *, policy: Policy, clock: Clock, runner: Runner
    ) -> None:
        self._session = session
        self._key = key
        self._timeout = timeout
        self._policy = policy
        self._clock = clock
        self._runner = runner

    def __enter__(self) -> None:
        self._block = self._runner.run(self._enter())

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        try:
            if kind is None:
                self._runner.run(self._leave())
        finally:
            self._session.end_block(self._block)
            # It runs out by itself.
            with suppress(StoreError):
                self._runner.run(release(self._block))

    async def __aenter__(self) -> None:
        self._block = await self._runner.run_async(self._enter())

    async def __aexit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        try:
            if kind is None:
                await self._runner.run_async(self._leave())
        finally:
            self._session.end_block(self._block)
            with suppress(StoreError):
                await self._runner.run_async(release(self._block))

    def _enter(self) -> Steps[Block]:
        self._runner.check_leases()
        return enter(self._session, self._policy, self._key, timeout=self._timeout, now=self._clock())

    def _leave(self) -> Steps[None]:
        return leave(self._session, self._policy, self._block, now=self._clock())


class ThreadRunner:
    """
    Takes steps in the thread of a request that has it to itself, and may wait there.

    Args:
        store: Returns the store.
    """

    #: A caller need not wait: what is run is done when ``run`` returns.
    is_to_be_awaited = False

    def __init__(self, store: Callable[[], Any], clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def check_leases(self) -> None:
        _check_leases(self._store())

    def run(self, steps: Steps[R]) -> R:
        return run(steps, _Pausing(self._store(), self._pause))

    async def run_async(self, steps: Steps[R]) -> R:
        # An async view of a sync framework, whose event loop serves no other request.
        return self.run(steps)

    def _pause(self, seconds: float) -> datetime:
        time.sleep(_jittered(seconds))
        return self._clock()


class LoopRunner:
    """
    Takes steps in an event loop that many requests share.

    Args:
        store: Returns the store, in whatever form it is.
        in_thread: Calls a function in a thread, for stores that block.
        sleep: Lets time pass in the event loop.
        from_thread: Lets ``with`` reach the event loop from a thread, such as that of a handler that is not async.
    """

    def __init__(
        self,
        store: Callable[[], Any],
        clock: Clock,
        *,
        in_thread: InThread,
        sleep: Sleep,
        from_thread: FromThread | None,
    ) -> None:
        self._blocking = ThreadRunner(store, clock)
        self._store = store
        self._clock = clock
        self._in_thread = in_thread
        self._sleep = sleep
        self._from_thread = from_thread

    @property
    def is_to_be_awaited(self) -> bool:
        """Whether the caller is in an event loop."""
        return _loop.is_running() or _is_in_trio()

    def check_leases(self) -> None:
        _check_leases(self._store())

    def run(self, steps: Steps[R]) -> R:
        if self.is_to_be_awaited:
            msg = "all other requests would have to wait for this one: write `async with session.atomic(…)`."
            raise ConfigurationError(msg)
        if not is_awaited(self._store().get):
            return self._blocking.run(steps)
        if self._from_thread is None:
            msg = "this store is awaited: write `async with` or `await`, in an async handler."
            raise ConfigurationError(msg)
        answer: R = self._from_thread(partial(self.run_async, steps))
        return answer

    async def run_async(self, steps: Steps[R]) -> R:
        store = self._store()
        if not is_awaited(store.get):
            store = ThreadedStore(store, self._in_thread)
        return await run_async(steps, _Pausing(store, self._pause))

    async def _pause(self, seconds: float) -> datetime:
        await self._sleep(_jittered(seconds))
        return self._clock()


class _Pausing:
    """A store beside which time can pass."""

    def __init__(self, store: Any, pause: Callable[[float], Any]) -> None:
        self._store = store
        self.pause = pause

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._store, verb)


def _check_leases(store: Any) -> None:
    if not hasattr(store, "lease"):
        msg = (
            f"session.atomic needs a store that all requests see at once, which a {type(store).__name__} is not: "
            "keep sessions in a table, Sessions(store='table', table=…)."
        )
        raise ConfigurationError(msg)


def _is_in_trio() -> bool:
    try:
        # Who is in it has imported it.
        sys.modules["trio"].lowlevel.current_task()
    except (KeyError, RuntimeError):
        return False
    return True


def _jittered(seconds: float) -> float:
    # So that those who wait do not come back all at once.
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  # nobody gains by foreseeing it
