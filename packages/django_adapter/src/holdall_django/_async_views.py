"""
Let an async view await the session's methods that may wait, whether Django runs under ASGI or WSGI.

Under WSGI, an async view runs in an event loop of its own, and its session belongs to a sync adapter.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async

from holdall import Session
from holdall.adapters import to_be_awaited
from holdall_django._loading import is_in_event_loop

__all__ = ["AsyncViewSession"]


class AsyncViewSession(Session):
    """A session whose ``atomic_update`` and ``reload`` are awaited in every async view."""

    def atomic_update(self, key: str, function: Callable[[Any], Any], *, default: Any = None) -> Any:
        """Do the same as ``Session.atomic_update``: await it in an async view."""
        return self._waiting("atomic_update", partial(super().atomic_update, key, function, default=default))

    def reload(self) -> Awaitable[None]:
        """Do the same as ``Session.reload``: await it in an async view."""
        reloaded: Awaitable[None] = self._waiting("reload", super().reload)
        return reloaded

    def _waiting(self, name: str, call: Callable[[], Any]) -> Any:
        state = self._state
        if state.backend.form == "async" or not is_in_event_loop():
            return call()
        # In the thread where Django keeps the request's connections.
        return to_be_awaited(state, name, sync_to_async(call))
