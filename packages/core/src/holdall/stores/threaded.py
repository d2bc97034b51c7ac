"""A store that waits for a disk or a network, with an awaited face: each call that waits is made in a thread."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from holdall.stores.contract import Draft, Missing, Store, Stored

__all__ = ["InThread", "ThreadedStore"]

#: Calls a function in a thread and awaits it: ``asyncio.to_thread``, ``anyio.to_thread.run_sync``.
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class ThreadedStore:
    """The ``AsyncStore`` that a blocking *store* makes with the help of threads."""

    def __init__(self, store: Store, in_thread: InThread) -> None:
        self._store = store
        self._in_thread = in_thread
        self._waits_to_read = bool(getattr(store, "blocking_reads", False))

    async def get(self, cookie: str, *, key: str) -> Stored | Missing:
        call = partial(self._store.get, cookie, key=key)
        answer: Stored | Missing = await self._in_thread(call) if self._waits_to_read else call()
        return answer

    async def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        answer: Stored | None = await self._in_thread(partial(self._store.put, stored, draft, key=key))
        return answer

    async def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        call = partial(self._store.delete, stored, key=key, tombstone=tombstone)
        answer: Stored | None = await self._in_thread(call)
        return answer
