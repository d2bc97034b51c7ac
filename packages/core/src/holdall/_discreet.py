"""Values that hold a secret, an id or data, and must not show it in a log or a traceback."""

from typing import Any, TypeVar

__all__ = ["discreet"]

Kind = TypeVar("Kind", bound=type)


def discreet(kind: Kind) -> Kind:
    """Let the values of *kind* say no more than what they are."""

    def say_what_it_is(value: Any) -> str:
        return f"<{type(value).__name__}>"

    kind.__repr__ = say_what_it_is  # type: ignore[assignment]  # a class's methods can be set, whatever the checker thinks
    return kind
