"""
Handle the sessions of one request and its response, for an adapter.

An application may keep several sessions, each with its own store, cookie and lifetime. They share the request: all of
them are committed when its headers are sent, and if one cannot be stored, the request has failed for the others too.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from http import HTTPStatus
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple

from holdall import _late_changes as late_changes
from holdall._after_failure import after_failure
from holdall._cookie_header import FindHeader
from holdall._cookies import SetCookie
from holdall._errors import AnsweredError, ConfigurationError
from holdall._group_checks import check_keys, checked_list
from holdall._lifecycle import ExtraHeaders, ResponseHeaders, abandon, commit_unchanged, commit_unused, finish
from holdall._session import Session, state_of
from holdall._sessions import Sessions
from holdall._state import Phase, SessionState
from holdall._unawaited import refuse_unawaited
from holdall.steps import Steps, run
from holdall.stores._contract import ClientInfo
from holdall.tables import Kind

__all__ = ["Exchange", "Failure", "SessionGroup"]

# The status that applies to the other sessions if one cannot be stored: the request counts as failed.
_FAILED = 503


class Failure(NamedTuple):
    """
    The response to a request whose session could not be read or written.

    Attributes:
        status: The error's status, such as 503 if the store failed.
        headers: The headers to add: the cookies of sessions that were already stored.
    """

    status: HTTPStatus
    headers: ResponseHeaders


class SessionGroup:
    """
    The sessions of an application: the main ones and any additional ones.

    Args:
        main: The ``Sessions`` of ``request.session``.
        also: Additional ``Sessions``, each with its own cookie and store.
        form: The kind of adapter, ``"sync"`` or ``"async"``.

    Raises:
        ConfigurationError: They are not independent of each other, or the adapter cannot use one of their stores.
    """

    def __init__(self, main: Sessions, also: Iterable[Sessions] = (), *, form: Kind) -> None:
        self.main = main
        self.also = checked_list(also)
        self.form: Kind = form
        check_keys((main, *self.also))
        self.backend: Any = main.prepare(form)
        self.waits = self.backend.waits
        self.waits_to_read = self.backend.waits_to_read
        #: The request headers that carry sessions, in lower case.
        self.request_headers = frozenset(
            "cookie" if each.transport is None else each.transport.name.lower() for each in (main, *self.also)
        )
        #: Whether any of the sessions record the client's user agent and address.
        self.notes_clients = any(each.settings.record_client for each in (main, *self.also))
        self.allow_public = all(each.settings.allow_public for each in (main, *self.also))
        for each in self.also:
            self.waits = each.prepare(form).waits or self.waits
        #: Handles the requests that browsers send by themselves; ``None`` unless sessions are bound to a device.
        self.devices: Any = None
        bound = [each.prepare(form) for each in (main, *self.also) if each.device_bound is not None]
        if bound:
            from holdall.device_bound._routes import DeviceRoutes

            self.devices = DeviceRoutes(bound)
        for one, other in combinations((main, *self.also), 2):
            if one.shares_rows_with(other, form):
                msg = (
                    f"the sessions {one.key!r} and {other.key!r} are in one table, where revoke_all() of either ends "
                    "the other's too: give each a table of its own."
                )
                raise ConfigurationError(msg)

    def begin(
        self,
        headers: FindHeader | str | Iterable[str] = (),
        *,
        https: bool = False,
        client: ClientInfo | None = None,
        session_type: type[Session] = Session,
        fetched: bool = True,
    ) -> "Exchange":
        """
        Return the exchange for a request.

        Args:
            headers: A function that takes a lower-case header name and returns that header's values in the request: one
                string, or one for each repetition of the header. Alternatively the Cookie header, or a list of them.
            https: Whether the request reached us over HTTPS.
            client: Returns the client's user agent and address.
            session_type: The adapter's subclass of ``Session``.
            fetched: Whether its sessions may be used at once; otherwise only after ``load``.
        """
        return Exchange(self, headers, https, client, session_type, fetched)


class Exchange:
    """
    A request and its response; created by ``SessionGroup.begin``.

    Attributes:
        group: The sessions of the application.
        session: The main session of this request.
        outer: The exchange of an adapter around this one, if there is one.
        mounted_at: The path that the application is mounted under, if a response needs it.
    """

    outer: "Exchange | None" = None
    mounted_at = ""

    # Class attributes until they are set, because most requests use no other session.
    _others: Mapping[Sessions, Session] = MappingProxyType({})
    _phase = Phase.HEADERS_PENDING
    _unsent: tuple[SetCookie, ...] = ()

    def __init__(
        self,
        group: SessionGroup,
        headers: FindHeader | str | Iterable[str],
        https: bool,
        client: ClientInfo | None,
        session_type: type[Session],
        fetched: bool,
    ) -> None:
        self.group = group
        self._headers = headers
        self._https = https
        self._client = client
        self._session_type = session_type
        self._fetched = fetched
        self.session = session_type(
            group.main.new_state(group.backend, partial(group.main.find_cookies, headers), https, client, fetched)
        )

    def session_of(self, sessions: Sessions | None = None) -> Session:
        """
        Return the session of *sessions*; for ``None``, the main one. A session that is not asked for costs nothing.

        Raises:
            ConfigurationError: The application was set up without these ``Sessions``.
        """
        if sessions is None or sessions is self.group.main:
            return self.session
        found = self._others.get(sessions)
        if found is None:
            if sessions not in self.group.also:
                name = getattr(sessions, "key", f"a {type(sessions).__qualname__}")
                msg = (
                    f"the application was set up without the sessions {name!r}: "
                    "pass also=[…] to Holdall, to SessionMiddleware, or in Django's HOLDALL."
                )
                raise ConfigurationError(msg)
            backend = sessions.prepare(self.group.form)
            fetched = self._fetched and not (self.group.form == "async" and backend.waits_to_read)
            state = sessions.new_state(
                backend, partial(sessions.find_cookies, self._headers), self._https, self._client, fetched
            )
            state.phase, state.mounted_at = self._phase, self.mounted_at
            found = self._session_type(state)
            self._others = {**self._others, sessions: found}
        return found

    @property
    def others(self) -> Iterable[Session]:
        """The additional sessions that this request asked for."""
        return self._others.values()

    # Sync.

    def headers(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders:
        """
        Store this request's changes to its sessions, and return the headers to add to the response.

        Args:
            status: The response's status: after a failure (5xx) plain writes are not saved.
            streams: Whether the body is produced after the headers have been sent and may still use the session.

        Raises:
            SessionError: A session could not be stored; ``failure`` says how to respond.
        """
        done = self.headers_at_once(status, streams=streams)
        return self.group.backend.run(self._commit(status, streams)) if done is None else done

    def headers_at_once(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders | None:
        """Do the same as ``headers`` if nothing must be waited for; otherwise do nothing and return ``None``."""
        if self._others:
            return None
        state = self.session._state
        if state.unawaited:
            refuse_unawaited(state, status)
        if state.tracked is None and not state.marked_unread:
            self._phase = Phase.BODY
            return commit_unused(state, streams=streams)
        if late_changes.watched:
            late_changes.look()
        now = self.group.backend.now()
        done = commit_unchanged(state, now=now) if status < 500 and state.is_as_stored else None
        if done is None and self.group.waits:
            return None
        self._phase = Phase.BODY
        return run(state.backend.commit(state, now=now, status=status, streams=streams)) if done is None else done

    def body_sent(self, *, last: bool = False) -> None:
        """
        Save the changes made while the body was sent.

        Args:
            last: Whether the request has ended, so that from now on every change raises an error.
        """
        if not self.body_sent_at_once(last=last):
            self.group.backend.run(self._finish())
            if last:
                self.close()

    def body_sent_at_once(self, *, last: bool = False) -> bool:
        """Do the same as ``body_sent`` if nothing is left to save; otherwise do nothing and return ``False``."""
        state = self.session._state
        if self._others or state.unawaited:
            return False
        if (state.tracked is None and not state.marked_unread) or state.is_as_stored:
            if last:
                # Nothing was handed out that could be mutated later.
                self._phase = state.phase = Phase.ENDED
            return True
        if not state.is_unchanged:
            return False
        if last:
            self.close()
        return True

    def failed(self, status: int = 500) -> None:
        """
        End a request whose response cannot take a cookie. Sessions that should end are still ended.

        An error is only logged, because the request's own failure is the one to report.
        """
        with after_failure():
            self.group.backend.run(self._abandon(status))

    # Async.

    async def load(self, sessions: Sessions | None = None) -> Session:
        """Load and return the session of *sessions*, which may be used from now on. A second call does nothing more."""
        session = self.session_of(sessions)
        await (sessions or self.group.main).load_async(session)
        return session

    async def headers_async(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders:
        """Do the same as ``headers``. The commit is completed even if the request is cancelled."""
        done = self.headers_at_once(status, streams=streams)
        return await self.remaining_headers_async(status, streams=streams) if done is None else done

    async def remaining_headers_async(self, status: int = 200, *, streams: bool = False) -> ResponseHeaders:
        """Do the same as ``headers_async``, after ``headers_at_once`` has returned ``None``."""
        headers: ResponseHeaders = await self.group.backend.finish(self._commit(status, streams), self.group.waits)
        return headers

    async def body_sent_async(self, *, last: bool = False) -> None:
        """Do the same as ``body_sent``."""
        if not self.body_sent_at_once(last=last):
            await self.group.backend.finish(self._finish(), self.group.waits)
            if last:
                self.close()

    async def failed_async(self, status: int = 500) -> None:
        """Do the same as ``failed``."""
        with after_failure():
            await self.group.backend.finish(self._abandon(status), self.group.waits)

    # Sync and async.

    def mount(self, path: str) -> None:
        """Set the *path* that the application is mounted under, for a response that contains one of its own paths."""
        self.mounted_at = self.session._state.mounted_at = path

    def replace(self, sessions: Sessions, session: Session) -> None:
        """Store and send *session*, which the application has assigned, instead of the original one."""
        replaced = self.session_of(sessions)
        before, state = state_of(replaced), state_of(session)
        state.https, state.client = before.https, before.client
        before.phase = Phase.DONE
        replaced._state = state

    def reopen(self) -> None:
        """Accept changes again, because an error response replaces the one whose sessions could not be stored."""
        self._phase = Phase.HEADERS_PENDING
        for _, session in self._used:
            state_of(session).phase = Phase.HEADERS_PENDING

    def close(self) -> None:
        """
        End the request: from now on every change raises.

        An adapter calls it when the request is completely finished: the body has been sent, background tasks and
        teardown functions have run, and ``body_sent`` has saved their changes.
        """
        if self._phase is not Phase.ENDED:
            self._phase = Phase.ENDED
            self.session._state.end()
            for session in self._others.values():
                session._state.end()

    def failure(self, error: BaseException) -> Failure | None:
        """Return the response to *error*; ``None`` if it is not an ``AnsweredError``."""
        return Failure(error.status, self.error_headers()) if isinstance(error, AnsweredError) else None

    def error_headers(self) -> ResponseHeaders:
        """Return the cookies of sessions that were stored before ``headers`` failed, for the error response."""
        return ResponseHeaders(self._unsent, vary=_listed(state_of(session).vary for _, session in self._used))

    @property
    def _used(self) -> list[tuple[Sessions, Session]]:
        return [(self.group.main, self.session), *self._others.items()]

    def _commit(self, status: int, streams: bool) -> Steps[ResponseHeaders]:
        self._phase = Phase.BODY
        now = self.group.backend.now()
        if not self._others:
            committed: Steps[ResponseHeaders] = self.group.backend.commit(
                self.session._state, now=now, status=status, streams=streams
            )
            return committed
        return self._commit_all(now, status, streams)

    def _commit_all(self, now: int, status: int, streams: bool) -> Steps[ResponseHeaders]:
        said: list[ResponseHeaders] = []
        kept_under: str | None = None
        failure: Exception | None = None
        # First store the sessions whose store can fail, beginning with the main session. Sealing a cookie needs no I/O,
        # and a sealed cookie takes effect only if it is sent.
        for _, session in sorted(self._used, key=lambda used: state_of(used[1]).backend.table is None):
            told = _FAILED if failure else status
            try:
                state = state_of(session)
                if state.unawaited:
                    refuse_unawaited(state, told)
                answer = yield from state.backend.commit(state, now=now, status=told, streams=streams)
            except Exception as exc:  # noqa: BLE001  # raised below, after the other sessions are done
                failure = failure or exc
                continue
            said.append(answer)
            kept_under = answer.cookie if session is self.session else kept_under
        cookies = tuple(cookie for headers in said for cookie in headers.cookies)
        if failure is not None:
            self._unsent = cookies
            raise failure
        vary, extra = _listed(headers.vary for headers in said), [each for headers in said for each in headers.extra]
        if extra:
            return ExtraHeaders(cookies, vary=vary, cookie=kept_under, extra=extra)
        return ResponseHeaders(cookies, vary=vary, cookie=kept_under)

    def _finish(self) -> Steps[None]:
        yield from self._each(partial(_finish, now=self.group.backend.now()))

    def _abandon(self, status: int) -> Steps[None]:
        self._phase = Phase.DONE
        yield from self._each(partial(abandon, now=self.group.backend.now(), status=status))

    def _each(self, end: Any) -> Steps[None]:
        failure: Exception | None = None
        for _, session in self._used:
            try:
                yield from end(state_of(session))
            except Exception as exc:  # noqa: BLE001  # raised below, after the other sessions are done
                failure = failure or exc
        if failure is not None:
            raise failure


def _finish(state: SessionState, *, now: int) -> Steps[None]:
    if state.unawaited:
        refuse_unawaited(state)
    yield from finish(state, now=now)


def _listed(names: Iterable[str]) -> str:
    """Return *names* as the value of Vary, without duplicates."""
    return ", ".join(dict.fromkeys(filter(None, names)))
