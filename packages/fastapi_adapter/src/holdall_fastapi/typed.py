"""
A handler's parameters that are values of the session, as objects of a type.

What is altered in such an object is saved with the session. ``holdall.typed`` does the work; this finds the type.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi.params import Depends
from starlette.requests import HTTPConnection

from holdall import Sessions
from holdall.typed import MISSING, check_model, typed_session
from holdall_fastapi.verbs import fetch_session

__all__ = ["FromSession", "TypedSession"]

M = TypeVar("M")


def FromSession(  # noqa: N802  # as FastAPI spells its own
    key: str | None = None, *, default: Any = MISSING, sessions: Sessions | None = None
) -> Any:
    """
    Mark a handler's parameter as the session's value under *key*, or without a key as the session by its keys.

    ``cart: Annotated[Cart, FromSession("cart")]`` gives the handler a ``Cart``; ``holdall.typed`` says how.

    Args:
        sessions: Those whose session it is a value of, where the application keeps several.

    Raises:
        ConfigurationError: When the handler is declared: its type cannot be made of nothing, and has no default.
    """

    # FastAPI asks a Depends() that names no function to call the annotated type. It may do so by making another of the
    # same class: so the class knows what is wanted.
    class SessionValue(Depends):
        def __init__(self, dependency: Callable[..., Any] | None = None, **options: Any) -> None:
            super().__init__(None, **options)
            if dependency is not None:
                setattr(self, "dependency", dependency)  # noqa: B010  # newer types say that it is read only

        def __setattr__(self, name: str, value: Any) -> None:
            is_model = name == "dependency" and value is not None
            object.__setattr__(self, name, _reader(value, key, default, sessions) if is_model else value)

    return SessionValue()


if TYPE_CHECKING:
    TypedSession = Annotated[M, FromSession()]
else:

    class TypedSession:
        """A handler's parameter of the type ``TypedSession[Shop]`` is the session's data as a ``Shop``."""

        def __class_getitem__(cls, model: Any) -> Any:
            # A mark for each: where FastAPI does not copy it, it keeps the first type that it met.
            return Annotated[model, FromSession()]


def _reader(
    model: Any, key: str | None, default: Any, sessions: Sessions | None
) -> Callable[[HTTPConnection], Awaitable[Any]]:
    check_model(model, default=default)

    async def read(connection: HTTPConnection) -> Any:
        return typed_session(await fetch_session(connection, sessions), model, key, default=default)

    return read
