"""
Offer Plug's verbs as functions of a request or a WebSocket, as an alternative to the mapping.

Each takes the connection as its first argument and calls the method of ``Session``; only ``fetch_session`` is async.
``configured_sessions`` returns the application's ``Sessions``.
"""

from inspect import Parameter, Signature
from typing import Annotated, Any, Unpack, cast

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from holdall import ConfigurationError, Session, Sessions, asgi
from holdall.adapters import AsyncSession, ConfigureOptions, SessionView
from holdall.nested import KEY, exchange_of

__all__ = [
    "SessionDep",
    "SessionOf",
    "clear_session",
    "configure_session",
    "configured_sessions",
    "delete_session",
    "fetch_session",
    "get_session",
    "put_session",
    "template_session",
]


def configured_sessions(connection: HTTPConnection) -> Sessions:
    """
    Return the main ``Sessions`` of the application that handles *connection*.

    ``SessionMiddleware`` has created them if it was given ``secret_key=`` instead of ``sessions=``.

    Raises:
        ConfigurationError: The request did not pass through ``SessionMiddleware``.
    """
    session = session_of(connection)
    exchange = exchange_of(connection.scope[KEY], session)
    group = exchange.group
    # An application inside another one can use an additional session of that one as its own.
    return next((each for each in (group.main, *group.also) if exchange.session_of(each) is session), group.main)


async def fetch_session(connection: HTTPConnection, sessions: Sessions | None = None) -> AsyncSession:
    """
    Return the connection's session, reading it first if necessary.

    A second call does nothing more. With ``fetch="explicit"`` this must be called before the session is used.

    Args:
        sessions: One of those passed to ``SessionMiddleware`` in *also*, to get the session that it keeps.

    Raises:
        ConfigurationError: The request did not pass through ``SessionMiddleware``, or *sessions* was not given to it.
        StoreError: The backend failed.
    """
    session_of(connection)
    return cast("AsyncSession", await asgi.fetch_session(connection.scope, sessions))


# As a dependency it takes only the connection: FastAPI would look for the other argument in the request.
fetch_session.__signature__ = Signature(  # type: ignore[attr-defined]
    [Parameter("connection", Parameter.POSITIONAL_OR_KEYWORD, annotation=HTTPConnection)]
)

#: A handler's parameter of this type is the session, fetched: ``async def page(session: SessionDep)``.
SessionDep = Annotated[AsyncSession, Depends(fetch_session)]


def SessionOf(sessions: Sessions) -> Any:  # noqa: N802  # as FastAPI spells its own
    """
    Declare a handler's parameter as the connection's session of *sessions*, already fetched.

    ``basket: Annotated[Session, SessionOf(cart)]`` is the same as ``await fetch_session(request, cart)``.
    """

    async def fetch(connection: HTTPConnection) -> AsyncSession:
        return await fetch_session(connection, sessions)

    return Depends(fetch)


def get_session(connection: HTTPConnection, key: str | None = None, default: Any = None) -> Any:
    """Return the value under *key*, or *default* if there is none; without a key, all data as a ``dict``."""
    session = session_of(connection)
    return dict(session) if key is None else session.get(key, default)


def put_session(connection: HTTPConnection, key: str, value: Any) -> None:
    """Set *key*."""
    session_of(connection).put(key, value)


def delete_session(connection: HTTPConnection, key: str) -> None:
    """Remove *key*, whether or not it exists."""
    session_of(connection).delete(key)


def clear_session(connection: HTTPConnection) -> None:
    """Remove all keys. The session continues, empty; ``configure_session(request, drop=True)`` ends it."""
    session_of(connection).clear()


def configure_session(
    connection: HTTPConnection, option: str | None = None, value: Any = True, /, **options: Unpack[ConfigureOptions]
) -> None:
    """Set what happens to the session, or how this response sets its cookie; see ``Session.configure``."""
    session_of(connection).configure(option, value, **options)


def session_of(connection: HTTPConnection) -> Session:
    session = connection.scope.get("session")
    if not isinstance(session, Session):
        msg = "the request has no session: call app.add_middleware(SessionMiddleware, sessions=Sessions(…))."
        raise ConfigurationError(msg)
    return session


def template_session(request: Request) -> dict[str, Any]:
    """
    Return ``session`` for templates: ``Jinja2Templates(..., context_processors=[template_session])``.

    It is only a dict, so that ``{{ session.login }}`` is the application's value under that key, or undefined. With
    ``request.session`` it would be a method, which is true for every visitor.
    """
    return {"session": SessionView(session_of(request))}
