"""
Define a sync and an async table whose eight verbs are written once, as steps.

``_verbs`` has a method for each verb, which returns its steps; ``_run`` runs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from holdall.tables._contract import Replacement, Row, RowInfo, Tombstone
from holdall.tables._steps import Steps

__all__ = ["AsyncTwin", "SyncTwin", "Verbs"]

R = TypeVar("R")


class Verbs(Protocol):
    """The steps of each verb."""

    def read(self, digest: bytes) -> Steps[Row | None]: ...

    def insert(self, digest: bytes, row: Row) -> Steps[bool]: ...

    def replace(self, digest: bytes, row: Row, *, version: int) -> Steps[Replacement]: ...

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> Steps[bool]: ...

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Steps[Row | None]: ...

    def find(self, principal: str) -> Steps[Sequence[RowInfo]]: ...

    def clear(self, began_by: datetime, limit: int) -> Steps[int]: ...

    def sweep(self, limit: int) -> Steps[int]: ...


V = TypeVar("V", bound=Verbs)


class SyncTwin(ABC, Generic[V]):
    """A ``Table`` whose subclass runs the steps of its verbs."""

    _verbs: V

    def read(self, digest: bytes) -> Row | None:
        return self._run(self._verbs.read(digest))

    def insert(self, digest: bytes, row: Row) -> bool:
        return self._run(self._verbs.insert(digest, row))

    def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return self._run(self._verbs.replace(digest, row, version=version))

    def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return self._run(self._verbs.touch(digest, expires, seen=seen))

    def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return self._run(self._verbs.remove(digest, tombstone=tombstone))

    def find(self, principal: str) -> Sequence[RowInfo]:
        return self._run(self._verbs.find(principal))

    def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return self._run(self._verbs.clear(began_by, limit))

    def sweep(self, limit: int = 1000) -> int:
        return self._run(self._verbs.sweep(limit))

    @abstractmethod
    def _run(self, steps: Steps[R]) -> R:
        """Run *steps*, blocking if necessary, and return their result."""


class AsyncTwin(ABC, Generic[V]):
    """The async version of ``SyncTwin``: an ``AsyncTable``."""

    _verbs: V

    async def read(self, digest: bytes) -> Row | None:
        return await self._run(self._verbs.read(digest))

    async def insert(self, digest: bytes, row: Row) -> bool:
        return await self._run(self._verbs.insert(digest, row))

    async def replace(self, digest: bytes, row: Row, *, version: int) -> Replacement:
        return await self._run(self._verbs.replace(digest, row, version=version))

    async def touch(self, digest: bytes, expires: datetime, *, seen: datetime) -> bool:
        return await self._run(self._verbs.touch(digest, expires, seen=seen))

    async def remove(self, digest: bytes, *, tombstone: Tombstone | None = None) -> Row | None:
        return await self._run(self._verbs.remove(digest, tombstone=tombstone))

    async def find(self, principal: str) -> Sequence[RowInfo]:
        return await self._run(self._verbs.find(principal))

    async def clear(self, began_by: datetime, limit: int = 1000) -> int:
        return await self._run(self._verbs.clear(began_by, limit))

    async def sweep(self, limit: int = 1000) -> int:
        return await self._run(self._verbs.sweep(limit))

    @abstractmethod
    async def _run(self, steps: Steps[R]) -> R:
        """Run *steps*, awaiting if necessary, and return their result."""
