"""Close the tables that ``Sessions`` has opened."""

from collections.abc import Mapping
from typing import Any, Self

from holdall._errors import ConfigurationError
from holdall.tables import Kind

__all__ = ["Closing"]


class Closing:
    """The methods of ``Sessions`` that close its tables."""

    _opens_table: bool
    _backends: Mapping[Kind, Any]

    def close(self) -> None:
        """
        Close tables that were opened by name or URL. Tables passed as objects belong to the caller.

        No request may be in progress; a later one reopens the tables. ``with sessions:`` does this when it exits.

        Raises:
            ConfigurationError: A table is async and must be closed with ``aclose``.
        """
        closing = self._to_close()
        if any(hasattr(each, "aclose") for each in closing):
            msg = "the sessions are in an async table: close it with `await sessions.aclose()`."
            raise ConfigurationError(msg)
        for each in closing:
            each.close()

    async def aclose(self) -> None:
        """Do the same as ``close``, for sync and async tables. ``async with sessions:`` does this when it exits."""
        for each in self._to_close():
            if hasattr(each, "aclose"):
                await each.aclose()
            else:
                each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    def _to_close(self) -> tuple[Any, ...]:
        closing: tuple[Any, ...] = ()
        for backend in self._backends.values() if self._opens_table else ():
            for each in (backend.table, backend.list_from, *backend.sources):
                if each not in closing and (hasattr(each, "close") or hasattr(each, "aclose")):
                    closing = (*closing, each)
        return closing
