"""
Use a request's session without an adapter: fetch, commit, finish or abandon it explicitly.

Adapters drive an ``Exchange`` (``holdall._exchange``), which supports several sessions. These methods are for tests,
scripts and Django's own session objects. Each has an async version.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from holdall._backends import AsyncBackend, SyncBackend
from holdall._late_changes import look as look_at_late_changes
from holdall._lifecycle import ResponseHeaders, abandon, finish
from holdall._outside_requests import OutsideRequests
from holdall._session import Session, state_of
from holdall._unawaited import refuse_unawaited
from holdall.steps import Steps
from holdall.stores._contract import ClientInfo
from holdall.tables import Kind

__all__ = ["RequestsByHand"]


class RequestsByHand(OutsideRequests):
    """The methods of ``Sessions`` that take one session through its request."""

    find_cookies: Callable[[Any], Any]
    new_state: Callable[..., Any]
    _now: Callable[[], int]

    # Sync.

    def fetch(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """
        Return a request's session, which is read when it is first used.

        Args:
            headers: The request's Cookie header, or a list of such headers.
            https: Whether the request reached us over HTTPS.
            session_type: The adapter's subclass of ``Session``.
            client: Returns the client's user agent and address; called when a session begins, with ``record_client``.
        """
        return self._session("sync", partial(self.find_cookies, headers), https, session_type, client)

    def resume(
        self, cookie: str | None, *, https: bool = False, session_type: type[Session] = Session, form: Kind = "sync"
    ) -> Session:
        """Return the session for a cookie's value, outside of any request."""
        return self._session(form, () if cookie is None else (cookie,), https, session_type, None)

    def commit(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """
        Store this request's changes to its session, and return the headers to add to the response.

        Args:
            status: The response's status: after a failure (5xx) plain writes are not saved.
            streams: Whether the body is produced after the headers have been sent and may still use the session.

        Raises:
            CookieOverflowError: The cookie would be larger than browsers accept.
            TypeError: A value cannot be stored; the message names its key and path.
            StoreError: The backend failed.
            LostWriteError: The session has ended in the meantime, and ``on_lost_write="raise"``.
        """
        headers: ResponseHeaders = self.prepare("sync").run(self._commit(session, "sync", status, streams))
        return headers

    def finish(self, session: Session, *, last: bool = False) -> None:
        """
        Save the changes made while the body was sent, which requires a session in a table.

        Args:
            last: Whether the request has ended, so that from now on every change raises an error.
        """
        state = state_of(session)
        if not state.is_as_stored:
            self.prepare("sync").run(finish(state, now=self._now()))
        if last:
            state.end()

    def abandon(self, session: Session, *, status: int = 500) -> None:
        """End a request whose response cannot take a cookie. A session that should end is still ended."""
        self.prepare("sync").run(abandon(state_of(session), now=self._now(), status=status))

    # Async.

    async def fetch_async(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """Do the same as ``fetch``, and read the session now if its store is async."""
        session = self.unfetched(headers, https=https, session_type=session_type, client=client)
        await self.load_async(session)
        return session

    def unfetched(
        self,
        headers: str | Iterable[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        client: ClientInfo | None = None,
    ) -> Session:
        """Return a session that cannot be used before ``load_async``."""
        session = self._session("async", partial(self.find_cookies, headers), https, session_type, client)
        state_of(session).is_fetched = False
        return session

    def load_at_once(self, session: Session) -> bool:
        """Load *session* if that needs no waiting, and return whether it was loaded."""
        state = state_of(session)
        if not state.is_fetched:
            backend = cast("AsyncBackend", state.backend)
            if backend.waits_to_read and state.cookies:
                return False
            state.is_fetched = True
        return True

    async def load_async(self, session: Session) -> None:
        """Load *session* so that it can be used. A second call does nothing."""
        state = state_of(session)
        if not state.is_fetched or state.backend.form == "sync":
            await cast("SyncBackend", state.backend).load(state)

    async def commit_async(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """Do the same as ``commit``. The commit is completed even if the request is cancelled."""
        headers: ResponseHeaders = await self._finish_async(self._commit(session, "async", status, streams))
        return headers

    async def finish_async(self, session: Session, *, last: bool = False) -> None:
        """Do the same as ``finish``."""
        state = state_of(session)
        if last and state.unawaited:
            refuse_unawaited(state)
        if not state.is_as_stored:
            await self._finish_async(finish(state, now=self._now()))
        if last:
            state.end()

    async def abandon_async(self, session: Session, *, status: int = 500) -> None:
        """Do the same as ``abandon``."""
        await self._finish_async(abandon(state_of(session), now=self._now(), status=status))

    # Implementation.

    def _session(
        self,
        form: Kind,
        cookies: Any,
        https: bool,
        session_type: type[Session],
        client: ClientInfo | None,
    ) -> Session:
        return session_type(self.new_state(self.prepare(form), cookies, https, client))

    def _commit(self, session: Session, form: Kind, status: int, streams: bool) -> Steps[ResponseHeaders]:
        look_at_late_changes()
        steps: Steps[ResponseHeaders] = self.prepare(form).commit(
            state_of(session), now=self._now(), status=status, streams=streams
        )
        return steps

    async def _finish_async(self, steps: Steps[Any]) -> Any:
        return await cast("AsyncBackend", self.prepare("async")).finish(steps)
