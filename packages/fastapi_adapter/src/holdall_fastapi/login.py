"""
Provide the logged-in user to FastAPI's dependencies and Starlette's ``AuthenticationMiddleware``.

All of it uses the session's principal, whichever framework or library logged the user in. To log in and out, call
``session.login(user_id)`` and ``session.logout()``.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException, WebSocketException
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.security.base import SecurityBase
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.requests import HTTPConnection

from holdall import Sessions
from holdall_fastapi._verbs import SessionDep, fetch_session

__all__ = ["CurrentPrincipal", "PrincipalBackend", "PrincipalUser", "RequirePrincipal", "SessionCookie"]


async def _current(session: SessionDep) -> str | None:
    return session.principal


async def _required(connection: HTTPConnection, session: SessionDep) -> str:
    return session.principal or _refuse(connection)


#: A handler's parameter of this type is the ID of the logged-in user as text, or ``None``.
CurrentPrincipal = Annotated[str | None, Depends(_current)]

#: The same for a handler that requires a login: without one the response is 401, and a WebSocket is refused.
RequirePrincipal = Annotated[str, Depends(_required)]


class SessionCookie(SecurityBase):
    """
    The session's cookie as a security scheme, shown in OpenAPI under its name.

    It returns the principal, like ``RequirePrincipal``::

        async def page(user_id: Annotated[str, Security(SessionCookie(sessions))]): ...

    Args:
        sessions: The ``Sessions`` of the ``SessionMiddleware``, or one of those passed to it in *also*.
        scheme_name: The scheme's name in OpenAPI.
        description: Its description there.
        auto_error: Respond with 401 if no user is logged in; with ``False`` the value is ``None`` instead.
    """

    def __init__(
        self,
        sessions: Sessions,
        *,
        scheme_name: str = "SessionCookie",
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        where: Any = {"in": APIKeyIn.cookie}
        self.model = APIKey(**where, name=sessions.key, description=description)
        self.scheme_name = scheme_name
        self._sessions = sessions
        self._auto_error = auto_error

    async def __call__(self, connection: HTTPConnection) -> str | None:
        principal = (await fetch_session(connection, self._sessions)).principal
        return _refuse(connection) if principal is None and self._auto_error else principal


class PrincipalUser(BaseUser):
    """A user about whom only the principal is known."""

    def __init__(self, principal: str) -> None:
        self._principal = principal

    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def display_name(self) -> str:
        return self._principal

    @property
    def identity(self) -> str:
        return self._principal


class PrincipalBackend(AuthenticationBackend):
    """
    The backend that finds the user for Starlette's ``AuthenticationMiddleware``, ``request.user`` and ``requires``.

    Add that middleware before ``SessionMiddleware``, which must be the outer one.

    Args:
        load_user: Returns the user for a principal, or ``None`` if that user may not log in; it may be async. If left
            out, the user is a ``PrincipalUser``.
        scopes: The scopes that ``requires`` checks.
    """

    def __init__(
        self,
        load_user: Callable[[str], Any | Awaitable[Any]] = PrincipalUser,
        *,
        scopes: tuple[str, ...] = ("authenticated",),
    ) -> None:
        self._load_user = load_user
        self._scopes = scopes

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Any] | None:
        principal = (await fetch_session(conn)).principal
        if principal is None:
            return None
        user = self._load_user(principal)
        if inspect.isawaitable(user):
            user = await user
        return None if user is None else (AuthCredentials(self._scopes), user)


def _refuse(connection: HTTPConnection) -> Any:
    if connection.scope["type"] == "websocket":
        raise WebSocketException(1008, "Not authenticated")
    # HTTP requires a challenge (RFC 9110, section 15.5.2), but none is registered for cookies.
    raise HTTPException(401, "Not authenticated", {"WWW-Authenticate": "Cookie"})
