"""
Several sessions in one application, driven as one: a main one, and those beside it.

Each has its own store, its own cookie and its own life. What they share is the request: all of them are committed when
its headers go, and if one can't be, the request has failed for the others too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

from holdall import _loop
from holdall.beside import Beside
from holdall.devices import Facts
from holdall.errors import ConfigurationError, SessionError
from holdall.lifecycle import ResponseHeaders
from holdall.session import Phase, Session
from holdall.sessions import Sessions
from holdall.steps import Steps, run, run_async
from holdall.stores import CookieStore
from holdall.stores.threaded import InThread
from holdall.tables import Form

__all__ = ["Kept", "SeveralSessions", "find_session", "listed", "side_by_side"]

# What the request of a session is to the others when that could not be saved: a failure, whatever is answered.
_FAILED = 503


def side_by_side(main: Sessions, beside: Iterable[Sessions]) -> "Kept":
    """
    Return what drives the sessions of an application: *main* itself, where there are none *beside* it.

    Raises:
        ConfigurationError: They are not independent of each other; the message says what to do.
    """
    others = listed(beside)
    _check_keys((main, *others))
    return SeveralSessions(main, others) if others else main


def listed(beside: Iterable[Sessions]) -> tuple[Sessions, ...]:
    """
    Return what is given as *beside*, for an adapter that needs it more than once.

    Raises:
        ConfigurationError: Something else is given.
    """
    if isinstance(beside, Sessions):
        msg = "beside takes several: give a list of Sessions, beside=[…]."
        raise ConfigurationError(msg)
    others = tuple(beside)
    for each in others:
        if not isinstance(each, Sessions):
            msg = f"beside has a {type(each).__qualname__} in it: give it objects of Sessions."
            raise ConfigurationError(msg)
    return others


def find_session(session: Session, sessions: Sessions | None) -> Session:
    """
    Return the session of *sessions* in the request whose main session is *session*; without *sessions* that one.

    Raises:
        ConfigurationError: The application was not given these.
    """
    return session if sessions is None or sessions.policy is session.policy else session.beside[sessions]


class SeveralSessions:
    """
    ``Sessions`` of an application that keeps others beside them.

    An adapter drives it as it would the main ``Sessions``, and hands it the main session: the others hang on that.

    What can fail for want of a store is committed first, the main session before those beside it, and what is kept in
    cookies alone last. When one has failed the rest of them see a response of 503, which saves no plain write.
    """

    def __init__(self, main: Sessions, beside: tuple[Sessions, ...]) -> None:
        self.main = main
        self.beside = beside

    @property
    def allow_public(self) -> bool:
        """Whether a response that sets one of the cookies may be marked for shared caches."""
        return all(each.allow_public for each in (self.main, *self.beside))

    @property
    def waits(self) -> bool:
        """Whether an async adapter has to wait for one of the stores."""
        return self.main.waits or any(each.waits for each in self.beside)

    def prepare(self, form: Form) -> None:
        """
        Open all stores, as ``Sessions`` does.

        Raises:
            ConfigurationError: One is awaited and the adapter can't, or two keep their rows in one table.
        """
        for each in (self.main, *self.beside):
            each.prepare(form)
        for one, other in combinations((self.main, *self.beside), 2):
            if one.shares_rows_with(other, form):
                msg = (
                    f"the sessions {one.key!r} and {other.key!r} are in one table, where the cookie of either opens "
                    "the other's rows: give each a table of its own."
                )
                raise ConfigurationError(msg)

    # The main session is fetched here; one beside it by its own Sessions.

    def fetch(
        self,
        headers: str | Sequence[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        facts: Facts | None = None,
    ) -> Session:
        """Return the main session of a request, as ``Sessions`` does."""
        session = self.main.fetch(headers, https=https, session_type=session_type, facts=facts)
        session.beside = Beside(partial(self._open, Sessions.fetch, headers, https, session_type, facts))
        return session

    def unfetched(
        self,
        headers: str | Sequence[str] = (),
        *,
        https: bool = False,
        session_type: type[Session] = Session,
        facts: Facts | None = None,
    ) -> Session:
        """Return the main session, which can't be touched before its ``Sessions`` has loaded it; nor can the others."""
        session = self.main.unfetched(headers, https=https, session_type=session_type, facts=facts)
        session.beside = Beside(partial(self._open, Sessions.unfetched, headers, https, session_type, facts))
        return session

    def _open(
        self,
        fetch: Callable[..., Session],
        headers: str | Sequence[str],
        https: bool,
        session_type: type[Session],
        facts: Facts | None,
        sessions: Sessions,
    ) -> Session | None:
        if sessions not in self.beside:
            return None
        return fetch(sessions, headers, https=https, session_type=session_type, facts=facts)

    # All of them.

    def commit(self, session: Session, *, status: int = 200, streams: bool = False) -> ResponseHeaders:
        """
        Store what the request made of its sessions, as ``Sessions`` does.

        Raises:
            SessionError: One could not be stored. ``unsent`` has the cookies of those that were.
        """
        session.beside.phase = Phase.ROW_ONLY
        if not session.beside:
            # Most requests ask for no other.
            return self.main.commit(session, status=status, streams=streams)
        return run(self._commit(session, "sync", status=status, streams=streams), _act)

    async def commit_async(
        self, session: Session, *, status: int = 200, streams: bool = False, in_thread: InThread = _loop.to_thread
    ) -> ResponseHeaders:
        """Do what ``commit`` does."""
        session.beside.phase = Phase.ROW_ONLY
        if not session.beside:
            return await self.main.commit_async(session, status=status, streams=streams, in_thread=in_thread)
        steps = self._commit(session, "async", status=status, streams=streams)
        return await run_async(steps, partial(_act_async, in_thread))

    def commit_at_once(self, session: Session, *, streams: bool = False) -> ResponseHeaders | None:
        """Do what ``commit`` does if none of the sessions was used; else nothing."""
        passed = None if session.beside else self.main.commit_at_once(session, streams=streams)
        if passed is not None:
            session.beside.phase = Phase.ROW_ONLY
        return passed

    def finish(self, session: Session) -> None:
        """Save what was changed of each while the body was sent."""
        if not session.beside:
            self.main.finish(session)
            return
        run(self._end(session, "finish", {}), _act)

    async def finish_async(self, session: Session, *, in_thread: InThread = _loop.to_thread) -> None:
        """Do what ``finish`` does."""
        if not session.beside:
            await self.main.finish_async(session, in_thread=in_thread)
            return
        await run_async(self._end(session, "finish", {}), partial(_act_async, in_thread))

    def abandon(self, session: Session, *, status: int = 500) -> None:
        """End each in a request to whose response no cookie can be added."""
        run(self._end(session, "abandon", {"status": status}), _act)

    async def abandon_async(
        self, session: Session, *, status: int = 500, in_thread: InThread = _loop.to_thread
    ) -> None:
        """Do what ``abandon`` does."""
        await run_async(self._end(session, "abandon", {"status": status}), partial(_act_async, in_thread))

    def _commit(self, session: Session, form: Form, *, status: int, streams: bool) -> Steps[ResponseHeaders]:
        said: list[ResponseHeaders] = []
        kept_under: str | None = None
        failure: Exception | None = None
        for sessions, each in self._in_order(session, form):
            told = _FAILED if failure else status
            answer = yield _Do("commit", sessions, each, {"status": told, "streams": streams})
            if isinstance(answer, ResponseHeaders):
                said.append(answer)
                kept_under = answer.cookie if each is session else kept_under
            else:
                failure = failure or answer
        cookies = tuple(cookie for headers in said for cookie in headers.cookies)
        if failure is not None:
            if isinstance(failure, SessionError):
                failure.unsent = cookies
            raise failure
        return ResponseHeaders(cookies, vary=any(headers.vary for headers in said), cookie=kept_under)

    def _end(self, session: Session, verb: str, options: Mapping[str, Any]) -> Steps[None]:
        failure: Exception | None = None
        for sessions, each in self._used(session):
            answer = yield _Do(verb, sessions, each, options)
            failure = failure or answer
        if failure is not None:
            raise failure

    def _used(self, session: Session) -> list[tuple[Sessions, Session]]:
        return [(self.main, session), *session.beside.items()]

    def _in_order(self, session: Session, form: Form) -> list[tuple[Sessions, Session]]:
        # To seal a cookie asks for no store, and what is sealed counts only if it is sent.
        return sorted(self._used(session), key=lambda used: isinstance(used[0].prepare(form), CookieStore))


#: What an application keeps its sessions with.
Kept = Sessions | SeveralSessions


class _Do(NamedTuple):
    """Carry out a verb of *sessions*. The answer is what that returns, or the error that it raises."""

    verb: str
    sessions: Sessions
    session: Session
    options: Mapping[str, Any]

    def on(self, act: Callable[["_Do"], Any]) -> Any:
        return act(self)


def _act(do: _Do) -> Any:
    try:
        return getattr(do.sessions, do.verb)(do.session, **do.options)
    except Exception as exc:  # noqa: BLE001  # it is raised when the others have had their turn
        return exc


async def _act_async(in_thread: InThread, do: _Do) -> Any:
    try:
        return await getattr(do.sessions, f"{do.verb}_async")(do.session, in_thread=in_thread, **do.options)
    except Exception as exc:  # noqa: BLE001  # as above
        return exc


def _check_keys(all_of_them: Iterable[Sessions]) -> None:
    """Refuse sessions that the Cookie header of a request could not tell apart."""
    owners: dict[str, str] = {}
    for each in all_of_them:
        for key in dict.fromkeys((each.key, *(old.key for old in each.policy.old_cookies))):
            if key in owners:
                # Nor by another path or domain: a request's Cookie header says nothing of those.
                msg = (
                    f"two Sessions of one application read the cookie {key!r}, {owners[key]!r} and {each.key!r}: give "
                    "each a key of its own, and list no other's key in old_keys."
                )
                raise ConfigurationError(msg)
            owners[key] = each.key
