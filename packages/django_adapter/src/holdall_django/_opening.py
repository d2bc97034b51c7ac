"""Give a request its session, and prepare the session for the commit."""

from typing import cast

from django.http import HttpRequest

from holdall.adapters import Exchange, Phase, state_of
from holdall.nested import exchange_of, outer_session
from holdall_django._adopted import AdoptedSession
from holdall_django._configuration import configuration
from holdall_django._requests import Opened, client_of, headers_of, outer_exchange, share, unshare
from holdall_django._session import DjangoSession

__all__ = ["begin", "prepare_to_commit", "still_ours"]


def begin(request: HttpRequest, *, is_async: bool) -> Opened:
    """Give *request* its session: that of an outer adapter, or one of its own."""
    group = configuration().async_group if is_async else configuration().sync_group
    outer = outer_exchange(request)
    theirs = None if outer is None else outer_session(outer, group)
    # Compared with None, because an empty session is falsy.
    if theirs is not None:
        session: DjangoSession = AdoptedSession(theirs)
        exchange = exchange_of(cast("Exchange", outer), theirs)
    else:
        exchange = Exchange(
            group,
            headers_of(request),
            request.is_secure(),
            client_of(request) if group.notes_clients else None,
            DjangoSession,
            not is_async,
        )
        exchange.outer = outer
        session = cast("DjangoSession", exchange.session)
        share(request, exchange)
    request.session = session
    return Opened(request, exchange, session, is_shared=theirs is not None)


def still_ours(request: HttpRequest, opened: Opened) -> bool:
    """
    Stop accepting further middleware of ours, and return whether ``request.session`` is still one of ours.

    An application may have replaced the session with another one, which is saved instead, or a test with any object.
    """
    opened.is_open = False
    if not opened.is_shared:
        unshare(request)
    session: object = request.session
    came = opened.session
    if session is came:
        return True
    if not isinstance(session, DjangoSession):
        state_of(came).phase = Phase.DONE
        return False
    session._unsent = (*came._unsent, *session._unsent)
    opened.session = session
    opened.exchange.replace(configuration().sessions_of(came), session)
    return True


def prepare_to_commit(opened: Opened) -> None:
    """Discard changes that the application has disowned, and read a session that every request counts as using."""
    session = opened.session
    if session._unmodified:
        session._forget_what_is_unmodified()
    if configuration().uses_always:
        # Every request counts as a use, so a session that no code has read is read now.
        state = state_of(session)
        if state.cookies and state.is_fetched:
            state.loaded()
