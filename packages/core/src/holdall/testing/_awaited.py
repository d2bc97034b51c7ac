"""Make a sync store or table awaitable, so that async test code works with both kinds."""

from collections.abc import Callable
from typing import Any, overload

from holdall.steps import asked, run_async
from holdall.stores import Store
from holdall.tables import AsyncTable, Table

__all__ = ["Awaited", "as_async"]

_OF_TABLES = {"read", "insert", "replace", "touch", "remove", "find", "clear", "sweep"}
_OF_STORES = {"get", "put", "delete", "renew", "update", "list", "revoke", "revoke_all", "follow", "sweep"}
_VERBS = frozenset(_OF_TABLES | _OF_STORES)


class Awaited:
    """
    The result of ``as_async``; attributes other than verbs are passed through.

    Attributes:
        sync: The wrapped store or table.
    """

    def __init__(self, sync: Any) -> None:
        self.sync = sync

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.sync, name)
        return _awaited(found) if name in _VERBS else found


@overload
def as_async(sync: Table) -> AsyncTable: ...
@overload
def as_async(sync: Store) -> Any: ...
def as_async(sync: Any) -> Any:
    """Return *sync*, a store or a table, as an awaitable one; a store's steps are run to completion."""
    return Awaited(sync)


def _awaited(verb: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any, **options: Any) -> Any:
        return await run_async(asked(verb(*args, **options)))

    return call
