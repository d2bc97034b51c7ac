"""Tables that come in two forms: both are tested as async tables."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from holdall.testing import FakeClock, as_async

__all__ = ["FORMS", "opened", "settled"]

FORMS = ["sync", "async"]


@contextmanager
def opened(
    kinds: tuple[type, type], form: str, given: Any, clock: FakeClock, runner: asyncio.Runner, **options: Any
) -> Iterator[Any]:
    """Open a table of one of two *kinds*, sync or async."""
    sync_kind, async_kind = kinds
    if form == "sync":
        table: Any = sync_kind(given, clock=clock, **options)
        yield as_async(table)
        table.close()
    else:
        table = async_kind(given, clock=clock, **options)
        yield table
        runner.run(table.aclose())


async def settled(answer: Any) -> Any:
    """Return an answer from either form."""
    return await answer if inspect.isawaitable(answer) else answer
