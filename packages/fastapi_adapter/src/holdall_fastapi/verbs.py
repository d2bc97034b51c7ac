"""
Plug's verbs as functions of a request or a WebSocket, for those who prefer them to the mapping.

Each takes the connection first. They are those of ``Session`` under longer names; only ``fetch_session`` waits.
"""

from inspect import Parameter, Signature
from typing import Annotated, Any, Unpack, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from holdall import ConfigurationError, Session, Sessions, asgi
from holdall.adapters import AsyncSession
from holdall.cookies import ConfigureOptions
from holdall.session_view import SessionView

__all__ = [
    "SessionDep",
    "SessionOf",
    "clear_session",
    "configure_session",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
    "template_session",
]


async def fetch_session(connection: HTTPConnection, sessions: Sessions | None = None) -> AsyncSession:
    """
    Return the connection's session, having read it if that is still to be done.

    A second call does nothing more. With ``fetch="explicit"`` this has to come before anything else.

    Args:
        sessions: Those that ``SessionMiddleware`` was given in *also*, to have the session that they keep.

    Raises:
        ConfigurationError: No ``SessionMiddleware`` stands before the handler, or it was not given these *sessions*.
        StoreError: The backend failed.
    """
    session_of(connection)
    return cast("AsyncSession", await asgi.fetch_session(connection.scope, sessions))


# As a dependency it takes the connection alone: FastAPI would look for the other in the request.
fetch_session.__signature__ = Signature(  # type: ignore[attr-defined]
    [Parameter("connection", Parameter.POSITIONAL_OR_KEYWORD, annotation=HTTPConnection)]
)

#: A handler's parameter of this type is the session, fetched: ``async def page(session: SessionDep)``.
SessionDep = Annotated[AsyncSession, Depends(fetch_session)]


def SessionOf(sessions: Sessions) -> Any:  # noqa: N802  # as FastAPI spells its own
    """
    Mark a handler's parameter as the connection's session of *sessions*, fetched.

    ``basket: Annotated[Session, SessionOf(cart)]`` gives the handler what ``await fetch_session(request, cart)`` does.
    """

    async def fetch(connection: HTTPConnection) -> AsyncSession:
        return await fetch_session(connection, sessions)

    return Depends(fetch)


def get_session(connection: HTTPConnection, key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* where there is none; without a key, all of it as a ``dict``."""
    session = session_of(connection)
    return dict(session) if key is None else session.get(key, default)


def put_session(connection: HTTPConnection, key: str, value: Any) -> None:
    """Set *key*."""
    session_of(connection).put(key, value)


def delete_session(connection: HTTPConnection, key: str) -> None:
    """Remove *key*, whether or not it is there."""
    session_of(connection).delete(key)


def clear_session(connection: HTTPConnection) -> None:
    """Remove all keys."""
    session_of(connection).clear()


def configure_session(
    connection: HTTPConnection, option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]
) -> None:
    """Say what becomes of the session, or how its cookie is set: ``renew``, ``drop``, ``ignore``, any cookie option."""
    session_of(connection).configure(option, value, **options)


def session_of(connection: HTTPConnection) -> Session:
    session = connection.scope.get("session")
    if not isinstance(session, Session):
        msg = "the request has no session of ours: app.add_middleware(SessionMiddleware, sessions=Sessions(…))."
        raise ConfigurationError(msg)
    return session


def template_session(request: Request) -> dict[str, Any]:
    """
    Return ``session`` for templates: ``Jinja2Templates(..., context_processors=[template_session])``.

    It is a dict and nothing else, so that ``{{ session.login }}`` is what the application keeps under that key, or
    undefined. Of ``request.session`` it would be a method, which is true for everybody.
    """
    return {"session": SessionView(session_of(request))}
