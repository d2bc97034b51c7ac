"""A store that waits for a disk or a network, with an awaited face: each call that waits is made in a thread."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from holdall.devices import Device
from holdall.stores.contract import Draft, Missing, Stored, Trail

__all__ = ["InThread", "ThreadedStore"]

#: Calls a function in a thread and awaits it: ``asyncio.to_thread``, ``anyio.to_thread.run_sync``.
InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class ThreadedStore:
    """
    The ``AsyncStore`` that a *store* which is not awaited makes, with the help of threads where it blocks.

    A store that knows in which threads it has to be called has ``in_thread`` itself, which outranks the one given.
    """

    def __init__(self, store: Any, in_thread: InThread) -> None:
        self._store = store
        self._in_thread: InThread = getattr(store, "in_thread", None) or in_thread
        self._waits_to_read = bool(getattr(store, "blocking_reads", False))
        self._waits_to_write = bool(getattr(store, "blocking_writes", False))

    async def get(self, cookie: str, *, key: str) -> Stored | Missing:
        answer: Stored | Missing = await self._read(partial(self._store.get, cookie, key=key))
        return answer

    async def move(self, stored: Stored, draft: Draft, *, key: str) -> Stored | Missing:
        answer: Stored | Missing = await self._write(partial(self._store.move, stored, draft, key=key))
        return answer

    async def put(self, stored: Stored | None, draft: Draft, *, key: str) -> Stored | None:
        answer: Stored | None = await self._write(partial(self._store.put, stored, draft, key=key))
        return answer

    async def delete(self, stored: Stored, *, key: str, tombstone: datetime | None = None) -> Stored | None:
        call = partial(self._store.delete, stored, key=key, tombstone=tombstone)
        answer: Stored | None = await self._write(call)
        return answer

    async def lease(self, stored: Stored, name: str, *, until: datetime) -> int | None:
        answer: int | None = await self._write(partial(self._store.lease, stored, name, until=until))
        return answer

    async def release(self, stored: Stored, name: str, lease: int) -> None:
        await self._write(partial(self._store.release, stored, name, lease))

    async def of(self, principal: str, *, current: Stored | None) -> list[Device]:
        answer: list[Device] = await self._write(partial(self._store.of, principal, current=current))
        return answer

    async def revoke(self, principal: str, *, spared: Stored | None, handle: str | None) -> int:
        call = partial(self._store.revoke, principal, spared=spared, handle=handle)
        answer: int = await self._write(call)
        return answer

    async def revoke_all(self, began_by: datetime) -> int:
        answer: int = await self._write(partial(self._store.revoke_all, began_by))
        return answer

    async def follow(self, seen: Stored | Trail) -> Trail | None:
        answer: Trail | None = await self._read(partial(self._store.follow, seen))
        return answer

    async def sweep(self, limit: int) -> int:
        answer: int = await self._write(partial(self._store.sweep, limit))
        return answer

    async def _read(self, call: Callable[[], Any]) -> Any:
        return await self._in_thread(call) if self._waits_to_read else call()

    async def _write(self, call: Callable[[], Any]) -> Any:
        return await self._in_thread(call) if self._waits_to_write else call()
