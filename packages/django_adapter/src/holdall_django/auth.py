"""
Use ``django.contrib.auth`` for visitors who logged in through another framework.

``AuthenticationMiddleware`` replaces Django's own. It derives ``request.user`` from the session's principal, whichever
library logged the user in. When Django first receives such a session, the keys that Django's ``login`` writes are
added, including the user's auth hash. From then on all of ``contrib.auth`` works as if the user had logged in here, and
a change of the password ends the session like any other of Django's.

Other frameworks do not know that hash. So a user's sessions in a table are also revoked when the user is saved with
another password, deactivated or deleted (``holdall_django._changed_users``).
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth import middleware as djangos
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import rotate_token
from django.utils.functional import SimpleLazyObject

from holdall import ConfigurationError
from holdall_django import _changed_users as changed_users
from holdall_django._changed_users import hash_of, principal_of
from holdall_django._configuration import configured_sessions
from holdall_django._session import DjangoSession

__all__ = ["AuthenticationMiddleware"]

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class AuthenticationMiddleware(djangos.AuthenticationMiddleware):
    """
    Give each request its user, as ``request.user`` and ``await request.auser()``, wherever the user logged in.

    The principal must be the user's primary key as Django writes it. A backend in ``AUTHENTICATION_BACKENDS`` must
    return the user for it, so an inactive user is anonymous here.

    A user may have an attribute ``sessions_valid_since``, a ``datetime`` or ``None``: a session that began before that
    time in another framework ends when Django first receives it. Django's own sessions end through their auth hash.

    Raises:
        ConfigurationError: ``principal_key`` lacks the key that Django's ``login`` writes.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if SESSION_KEY not in configured_sessions().settings.principals:
            msg = (
                f"principal_key lacks {SESSION_KEY!r}, which django.contrib.auth writes: leave the option out, in all "
                f"applications that share the sessions, or add {SESSION_KEY!r} to it."
            )
            raise ConfigurationError(msg)

    def __call__(self, request: HttpRequest) -> Any:
        if self.async_mode:
            return self.__acall__(request)
        self.process_request(request)
        with changed_users.noted() as noted:
            response = self.get_response(request)
        for account in noted:
            changed_users.revoke(account.principal, keep=changed_users.ended_or_kept(request, account))
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        # Called directly, whereas Django's own middleware uses a thread.
        self.process_request(request)
        with changed_users.noted() as noted:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        for account in noted:
            await _read(request.session)
            kept = changed_users.ended_or_kept(request, account)
            await changed_users.revoke_async(account.principal, keep=kept)
        return response

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = cast("Any", SimpleLazyObject(lambda: _user(request)))
        request.auser = partial(_auser, request)


def _user(request: HttpRequest) -> Any:
    if not hasattr(request, "_cached_user"):
        _adopt(request)
    return djangos.get_user(request)


async def _auser(request: HttpRequest) -> Any:
    if not hasattr(request, "_acached_user"):
        await _read(request.session)
        if _is_foreign(request.session):
            await sync_to_async(_adopt)(request)
    user = await djangos.auser(request)
    # Django's aupdate_session_auth_hash looks at request.user, which must not load the user in an event loop.
    vars(request).setdefault("_cached_user", user)
    return user


async def _read(session: object) -> None:
    if isinstance(session, DjangoSession):
        await session._aget_session()


def _is_foreign(session: object) -> bool:
    """Return whether *session* has a principal that Django does not know about."""
    return isinstance(session, DjangoSession) and SESSION_KEY not in session and session.principal is not None


def _adopt(request: HttpRequest) -> None:
    """Add what Django's ``login`` would have written to a session that began in another framework."""
    session: Any = request.session
    if not _is_foreign(session):
        return
    user, backend = _found(session.principal)
    if user is None:
        return
    since, created = getattr(user, "sessions_valid_since", None), session.created
    if since is not None and created is not None and created < since:
        session.flush()
        return
    session[SESSION_KEY] = session.principal
    session[BACKEND_SESSION_KEY] = backend
    session[HASH_SESSION_KEY] = hash_of(user)
    # A CSRF token from before the login must not stay valid, except that of a form that is being submitted.
    if request.method in _SAFE_METHODS:
        rotate_token(request)


def _found(principal: str) -> tuple[Any, str]:
    """Return the user and the path of the backend that knows the user; the user is ``None`` if none does."""
    try:
        key = get_user_model()._meta.pk.to_python(principal)
    except ValidationError:
        return None, ""
    for path in settings.AUTHENTICATION_BACKENDS:
        get_user = getattr(load_backend(path), "get_user", None)
        user = None if get_user is None else get_user(key)
        # Another spelling of a key, such as "07", is another principal.
        if user is not None and principal_of(user) == principal:
            return user, path
    return None, ""
