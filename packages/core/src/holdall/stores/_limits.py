"""
Limit the number of sessions of a principal: ``Sessions(max_sessions=…, when_full=…)``.

Two logins can race, and no lock spans a principal's rows. So each login first inserts its row and then counts: the
request that counts last sees every row, and removes the excess. All requests sort the rows in the same order, so they
agree on which rows to remove. A renewal counts too, because its session has no row for a moment. So does the move of a
session from elsewhere, because it had no row before.
"""

from collections.abc import Callable, Sequence
from functools import partial
from inspect import isgeneratorfunction
from typing import Any

from holdall._errors import ConfigurationError, TooManySessionsError
from holdall.steps import Steps, asked
from holdall.stores._contract import ForeignSession, NotFound, RenewalFailure, SessionRow, StoredSession, Write

__all__ = ["LimitedStore", "session_limit"]


def session_limit(most: int | None, when_full: str) -> "Callable[[Any, Sequence[str]], LimitedStore] | None":
    """
    Return a function that wraps a store with the limit; ``None`` for no limit.

    Raises:
        ConfigurationError: The options are invalid. The returned function raises it if the store keeps no rows.
    """
    if when_full not in ("end_oldest", "refuse"):
        msg = f"when_full={when_full!r} is neither 'end_oldest' nor 'refuse'."
        raise ConfigurationError(msg)
    if most is None:
        if when_full != "end_oldest":
            msg = f"when_full={when_full!r} applies to logins beyond max_sessions: set that too, as in max_sessions=5."
            raise ConfigurationError(msg)
        return None
    if type(most) is not int or most < 1:
        msg = f"max_sessions={most!r} is not a whole number of at least 1."
        raise ConfigurationError(msg)

    def limited(store: Any, keys: Sequence[str]) -> LimitedStore:
        if not (hasattr(store, "revoke") and isgeneratorfunction(getattr(store, "renew", None))):
            msg = (
                f"max_sessions needs sessions in a table, or revocable=; {type(store).__name__} keeps no rows to count."
            )
            raise ConfigurationError(msg)
        if getattr(store, "list_from", None) not in (None, getattr(store, "table", None)):
            msg = "max_sessions counts a user's sessions, which list_from may not show yet: leave one of them out."
            raise ConfigurationError(msg)
        return LimitedStore(store, most, keys, refuses=when_full == "refuse")

    return limited


class LimitedStore:
    """
    A wrapper around *store* that keeps at most *most* sessions of each principal.

    Attributes:
        most: The maximum number.
        refuses: Whether it refuses a login beyond that instead of ending the principal's oldest sessions.

    Args:
        store: A store that knows its sessions' owners (``Revocable``) and can renew them (``Renewing``).
        keys: The cookie's current and old names.
    """

    def __init__(self, store: Any, most: int, keys: Sequence[str], *, refuses: bool) -> None:
        self._store = store
        self.most = most
        self._keys = keys
        self.refuses = refuses

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, cookie: str, *, key: str) -> Steps[Any]:
        found: StoredSession | NotFound = yield from asked(self._store.get(cookie, key=key))
        if isinstance(found, ForeignSession) and found.move is not None:
            found.move = partial(self._moved, found.move)
        return found

    def _moved(self, move: Callable[..., Any], write: Write, *, key: str) -> Steps[StoredSession | NotFound]:
        moved: StoredSession | NotFound = yield from asked(move(write, key=key))
        if isinstance(moved, NotFound) or write.principal is None:
            return moved
        is_left = yield from self._counted(write.principal, moved, key, is_login=False)
        return moved if is_left else NotFound("unknown", stored=moved)

    def put(self, stored: StoredSession | None, write: Write, *, key: str) -> Steps[Any]:
        principal = write.principal
        begins = stored is None or stored.ended
        if not begins or principal is None:
            return (yield from asked(self._store.put(stored, write, key=key)))
        yield from self._refuse_if_full(principal)
        written = yield from asked(self._store.put(stored, write, key=key))
        yield from self._counted(principal, written, key)
        return written

    def renew(
        self,
        stored: StoredSession,
        make_write: Callable[[StoredSession], Write],
        *,
        key: str,
        until: int,
        followed: bool,
    ) -> Steps[StoredSession | RenewalFailure]:
        principal: str | None = None

        def note_principal(last: StoredSession) -> Write:
            nonlocal principal
            write = make_write(last)
            principal = write.principal
            return write

        if self.refuses and not followed:
            # Refuse a login before anything is removed, so that the visitor's anonymous session stays as it is.
            after = make_write(stored).principal
            if after is not None:
                yield from self._refuse_if_full(after)
        renewed: StoredSession | RenewalFailure = yield from asked(
            self._store.renew(stored, note_principal, key=key, until=until, followed=followed)
        )
        if isinstance(renewed, StoredSession) and principal is not None:
            yield from self._counted(principal, renewed, key, is_login=not followed)
        return renewed

    def _refuse_if_full(self, principal: str) -> Steps[None]:
        if self.refuses and len((yield from self._rows(principal, None))) >= self.most:
            raise _too_many(self.most)

    def _counted(self, principal: str, own: StoredSession, key: str, *, is_login: bool = True) -> Steps[bool]:
        """End the excess sessions, or refuse *own*, and return whether *own* is left."""
        rows = yield from self._rows(principal, own)
        too_many = len(rows) - self.most
        if too_many <= 0:
            return True
        if self.refuses and is_login:
            # Another login came in between. Neither request knows which was first, so both may be refused.
            yield from asked(self._store.delete(own, key=key))
            raise _too_many(self.most)
        others = [row for row in reversed(rows) if not row.is_current] if self.refuses else rows
        ended = others[:too_many]
        for row in ended:
            yield from asked(self._store.revoke(principal, keys=self._keys, keep=None, handle=row.handle))
        return not any(row.is_current for row in ended)

    def _rows(self, principal: str, own: StoredSession | None) -> Steps[list[SessionRow]]:
        rows: list[SessionRow] = yield from asked(self._store.list(principal, keys=self._keys, current=own))
        # Times are whole seconds. Rows from the same second must sort the same way in every request.
        return sorted(rows, key=lambda row: (row.created, row.handle))


def _too_many(most: int) -> TooManySessionsError:
    msg = f"the user has {most} sessions, the maximum that max_sessions allows: end one of them first."
    return TooManySessionsError(msg)
