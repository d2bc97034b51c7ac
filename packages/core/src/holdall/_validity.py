"""
Invalidate a user's older sessions: ``Sessions(valid_since=…)``.

The application's function is called as a step, like a table, each time a logged-in session is read.
"""

from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any

from holdall._errors import ConfigurationError, StoreError
from holdall._principals import PrincipalKeys
from holdall._settings import Settings, ValidSince
from holdall.steps import Step, Steps, asked
from holdall.stores._contract import NotFound, StoredSession
from holdall.tables import Kind

__all__ = ["CheckedReads", "check_valid_since"]


def check_valid_since(settings: Settings, form: Kind) -> None:
    """
    Raise ``ConfigurationError`` if an adapter of this *form* cannot call ``valid_since``, or if sessions have no age.

    Without timeouts most formats write no times, so every session would look as if it had just begun.
    """
    if settings.valid_since is None:
        return
    if form == "sync" and _is_async(settings.valid_since):
        msg = "valid_since is async, which this adapter cannot await: pass a plain function."
        raise ConfigurationError(msg)
    if settings.idle_timeout is None and settings.absolute_timeout is None:
        msg = "valid_since needs to know when a session began: set an absolute_timeout."
        raise ConfigurationError(msg)


def _is_async(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(type(call), "__call__", None))  # noqa: B004


class CheckedReads:
    """
    A wrapper that reads sessions from *store* and refuses those that began before ``valid_since``.

    Attributes:
        blocking_reads: Whether the function is not async, so that it may block, for example on a database.
    """

    def __init__(self, store: Any, valid_since: ValidSince, principals: PrincipalKeys) -> None:
        self._store = store
        self._principals = principals
        self.valid_since = valid_since
        self.blocking_reads = not _is_async(valid_since)

    def get(self, cookie: str, *, key: str) -> Steps[Any]:
        found: StoredSession | NotFound = yield from asked(self._store.get(cookie, key=key))
        if isinstance(found, NotFound):
            return found
        try:
            principal = self._principals.of(found.data)
        except TypeError:
            # Another library's session, which is refused when it is moved.
            return found
        if principal is None:
            return found
        since: datetime | None = yield _AskSince(self, principal)
        # Rounded down, because the times of sessions are whole seconds.
        if since is None or found.created >= int(since.timestamp()):
            return found
        return NotFound("outdated", stored=found)


class _AskSince(Step):
    __slots__ = ("principal",)
    waits = "blocking_reads"

    def __init__(self, target: CheckedReads, principal: str) -> None:
        self.target = target
        self.principal = principal

    def take(self) -> Any:
        try:
            answer = self.target.valid_since(self.principal)
        except Exception as exc:
            raise _failed(exc) from exc
        return _awaited(answer) if hasattr(type(answer), "__await__") else _checked(answer)


async def _awaited(answer: Any) -> datetime | None:
    try:
        since = await answer
    except Exception as exc:
        raise _failed(exc) from exc
    return _checked(since)


def _checked(since: Any) -> datetime | None:
    if since is not None and (not isinstance(since, datetime) or since.utcoffset() is None):
        msg = f"valid_since returned a {type(since).__name__}: return a datetime with its time zone, or None."
        raise StoreError(msg)
    return since


def _failed(exc: Exception) -> StoreError:
    return StoreError(f"valid_since failed with {type(exc).__name__}, so the session cannot be trusted.")
