"""
List, revoke, sweep and follow sessions outside of their requests.

``Sessions`` inherits these operations. They all need a table, either of sessions or of rows that accompany cookies.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

from holdall._async import current_loop
from holdall._backends import AsyncBackend, SyncBackend
from holdall._clients import SessionInfo, info_of
from holdall._errors import ConfigurationError
from holdall._principals import principal_text
from holdall._session import Session, state_of
from holdall._settings import Settings
from holdall.steps import Steps, asked
from holdall.stores._contract import RowRef, SessionRow, StoredSession
from holdall.tables import Kind

if TYPE_CHECKING:
    from holdall._description import Description

__all__ = ["OutsideRequests"]

# Defined here, because inside the class ``list`` is its method.
_Infos = list[SessionInfo]
_Rows = list[SessionRow]


class OutsideRequests(ABC):
    """Operations on sessions that do not need their cookie."""

    settings: Settings

    @abstractmethod
    def prepare(self, form: Kind) -> SyncBackend:
        """Open the store in the *form* that an adapter needs, ``"sync"`` or ``"async"``."""

    def describe(self) -> "Description":
        """
        Return the guarantees of this configuration, and the requirements of ASVS 5.0 and NIST SP 800-63B-4 it meets.

        ``print(sessions.describe())`` prints text for a security plan, ``describe().as_dict()`` returns data, and
        ``describe().lacks`` says what to do about each requirement that is not met.

        Raises:
            ConfigurationError: The store cannot be opened.
        """
        from holdall._description import described

        try:
            return described(self.settings, self.prepare("sync"))
        except ConfigurationError:
            return described(self.settings, self.prepare("async"))

    def list(self, principal: Any, *, current: Session | None = None) -> _Infos:
        """
        Return the sessions of *principal*, oldest first.

        A session that starts or is renewed in the current request is listed once that request has ended.

        Args:
            principal: The value under ``principal_key``, or its text.
            current: This request's session, which is marked in the list.

        Raises:
            ConfigurationError: The store keeps no rows, or ``principal_key=None``, or the call would block an event
                loop.
            TypeError: *principal* is not valid text, or too long.
            StoreError: The backend failed.
        """
        backend = self._owned("sync", "list")
        return [info_of(row) for row in backend.run(self._listing(backend, principal, _stored(current)))]

    def revoke(self, principal: Any, *, keep: Session | None = None, handle: str | None = ...) -> int:  # type: ignore[assignment]
        """
        End the sessions of *principal* and return how many were ended.

        Every session that existed at the time of the call has ended when it returns. A session that another request is
        renewing at that moment ends with that request and is not counted. A concurrent login is not affected.

        Args:
            principal: The value under ``principal_key``, or its text.
            keep: This request's session, which is not ended.
            handle: End only the session that ``list`` shows with this handle. Handles of other principals match
                nothing.

        Raises:
            ConfigurationError: The store keeps no rows, or ``principal_key=None``, or the call would block an event
                loop.
            TypeError: *handle* is given but not text, for example because a form field is missing; or *principal* is
                not valid text, or too long.
            StoreError: The backend failed.
        """
        backend = self._owned("sync", "revoke")
        ended: int = backend.run(self._revocation(backend, principal, _stored(keep), handle))
        return ended

    def revoke_all(self) -> int:
        """
        End all sessions, logged in or not, and return how many rows were removed.

        Among sessions in cookies, only those of logged-in users have rows.

        Every session that began before the call, by this machine's clock, has ended when it returns, and so has
        everything else that applications keep in the same table.

        Raises:
            ConfigurationError: The store keeps no rows.
            StoreError: The backend failed.
        """
        backend = self._with_rows("sync", "revoke_all")
        ended: int = backend.run(self._revocation_of_all(backend))
        return ended

    def sweep(self, limit: int = 1000) -> int:
        """
        Remove up to *limit* expired sessions from the table and return how many were removed.

        Calling it is optional, because each write also removes a few expired sessions.

        Raises:
            StoreError: The backend failed.
        """
        backend = self._prepared("sync", "sweep")
        if not backend.can_sweep:
            return 0
        swept: int = backend.run(asked(backend.store.sweep(limit)))
        return swept

    async def list_async(self, principal: Any, *, current: Session | None = None) -> _Infos:
        """Do the same as ``list``."""
        backend = self._owned("async")
        rows = await backend.run_async(self._listing(backend, principal, await self._stored_async(current)))
        return [info_of(row) for row in rows]

    async def revoke_async(
        self,
        principal: Any,
        *,
        keep: Session | None = None,
        handle: str | None = ...,  # type: ignore[assignment]
    ) -> int:
        """Do the same as ``revoke``."""
        backend = self._owned("async")
        steps = self._revocation(backend, principal, await self._stored_async(keep), handle)
        ended: int = await backend.finish(steps)
        return ended

    async def revoke_all_async(self) -> int:
        """Do the same as ``revoke_all``."""
        backend = self._with_rows("async")
        ended: int = await backend.finish(self._revocation_of_all(backend))
        return ended

    async def sweep_async(self, limit: int = 1000) -> int:
        """Do the same as ``sweep``."""
        backend = cast("AsyncBackend", self.prepare("async"))
        if not backend.can_sweep:
            return 0
        swept: int = await backend.run_async(asked(backend.store.sweep(limit)))
        return swept

    # For adapters that close connections whose session has ended.

    def is_followed(self, form: Kind) -> bool:
        """Return whether ``follow`` can detect a session's end, which needs a table."""
        can_revoke: bool = self.prepare(form).can_revoke
        return can_revoke

    def check_followed(self) -> None:
        """Raise ``ConfigurationError`` if ``follow_async`` cannot detect a session's end."""
        self._with_rows("async")

    def follow(self, place: StoredSession | RowRef) -> RowRef | None:
        """Do the same as ``follow_async``."""
        backend = self.prepare("sync")
        found: RowRef | None = backend.run(asked(backend.store.follow(place)))
        return found

    async def follow_async(self, place: StoredSession | RowRef) -> RowRef | None:
        """
        Return the location of a session that was at *place* less than half a minute ago; ``None`` if it has ended.

        A renewed session is followed to its new ID; the caller decides whether to follow it into a login. This does not
        count as using the session.

        Raises:
            StoreError: The backend failed.
        """
        backend = cast("AsyncBackend", self.prepare("async"))
        found: RowRef | None = await backend.run_async(asked(backend.store.follow(place)))
        return found

    # Implementation.

    def _listing(self, backend: SyncBackend, principal: Any, current: StoredSession | None) -> Steps[_Rows]:
        text = principal_text(principal)
        if text is None:
            return []
        rows: _Rows = yield from asked(backend.store.list(text, keys=self.settings.keys, current=current))
        return rows

    def _revocation(self, backend: SyncBackend, principal: Any, keep: StoredSession | None, handle: Any) -> Steps[int]:
        if handle is not ... and not isinstance(handle, str):
            msg = (
                f"handle= takes a string, not {type(handle).__name__}. Is a form field missing? Leave handle out to "
                "end all sessions of the principal."
            )
            raise TypeError(msg)
        text = principal_text(principal)
        if text is None:
            return 0
        one = None if handle is ... else handle
        revoking = backend.store.revoke(text, keys=self.settings.keys, keep=keep, handle=one)
        return self._revoked((yield from asked(revoking)))

    def _revocation_of_all(self, backend: SyncBackend) -> Steps[int]:
        return self._revoked((yield from asked(backend.store.revoke_all(backend.now()))))

    def _revoked(self, ended: int) -> int:
        if ended:
            self.settings.emit("revoked", str(ended), "")
        return ended

    async def _stored_async(self, session: Session | None) -> StoredSession | None:
        if session is not None:
            await cast("SyncBackend", state_of(session).backend).load(state_of(session))
        return _stored(session)

    def _owned(self, form: Kind, verb: str = "") -> Any:
        """Return the backend if it can find a principal's sessions."""
        if not self.settings.principals:
            msg = "principal_key=None means that sessions have no users: leave it out."
            raise ConfigurationError(msg)
        return self._with_rows(form, verb)

    def _with_rows(self, form: Kind, verb: str = "") -> Any:
        backend = self._prepared(form, verb)
        if not backend.can_revoke:
            msg = (
                f"{backend.name} keeps no rows, so its sessions can be neither listed nor ended from here: "
                "keep them in a table (store='table'), or add a table to the cookies (revocable='redis://…')."
            )
            raise ConfigurationError(msg)
        return backend

    def _prepared(self, form: Kind, verb: str) -> Any:
        """Return the backend, or raise an error if the sync *verb* would block an event loop."""
        if form == "async":
            return self.prepare(form)
        try:
            backend = self.prepare(form)
        except ConfigurationError as exc:
            exc.add_note(f"In async code: await sessions.{verb}_async(…).")
            raise
        if (backend.waits_to_read if verb == "list" else backend.waits) and current_loop() is not None:
            msg = f"sessions.{verb}() would block the event loop: write `await sessions.{verb}_async(…)`."
            raise ConfigurationError(msg)
        return backend


def _stored(session: Session | None) -> StoredSession | None:
    if session is None:
        return None
    # Load it first: an unread session looks absent, so the session to keep would be revoked.
    state = state_of(session)
    state.loaded()
    return state.stored
