"""
Declare handler parameters that are typed session values.

Changes to such an object are saved with the session. ``holdall.typed`` does the work; this module finds the type.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi.params import Depends
from starlette.requests import HTTPConnection

from holdall import Sessions
from holdall.typed import MISSING, check_model, typed_session
from holdall_fastapi._verbs import fetch_session

__all__ = ["FromSession", "TypedSession"]

M = TypeVar("M")


def FromSession(  # noqa: N802  # as FastAPI spells its own
    key: str | None = None, *, default: Any = MISSING, sessions: Sessions | None = None
) -> Any:
    """
    Declare a handler's parameter as the session's value under *key*, or without a key as the whole session.

    ``cart: Annotated[Cart, FromSession("cart")]`` gives the handler a ``Cart``; see ``holdall.typed``.

    Args:
        sessions: The ``Sessions`` whose session contains the value, if the application keeps several.

    Raises:
        ConfigurationError: The type cannot be created without data and has no default; raised at the declaration.
    """

    # For a Depends() without a function, FastAPI calls the annotated type, possibly through another instance of the
    # same class, so the class must know the type.
    class SessionValue(Depends):
        def __init__(self, dependency: Callable[..., Any] | None = None, **options: Any) -> None:
            super().__init__(None, **options)
            if dependency is not None:
                setattr(self, "dependency", dependency)  # noqa: B010  # newer type hints declare it read-only

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
            # A separate marker for each type, because one that FastAPI does not copy keeps the first type it saw.
            return Annotated[model, FromSession()]


def _reader(
    model: Any, key: str | None, default: Any, sessions: Sessions | None
) -> Callable[[HTTPConnection], Awaitable[Any]]:
    check_model(model, default=default)

    async def read(connection: HTTPConnection) -> Any:
        return typed_session(await fetch_session(connection, sessions), model, key, default=default)

    return read
