"""Decode the values in which other libraries store sessions."""

from collections.abc import Callable
from typing import Any

from holdall.sources._contract import Refused

__all__ = ["data_of"]


def data_of(value: bytes, loads: Callable[[bytes], Any]) -> dict[str, Any] | Refused:
    """
    Return the session in *value*, or why it is refused.

    Args:
        loads: Decodes it; raises ``ValueError`` if *value* is something else. Nothing is ever unpickled.
    """
    try:
        data = loads(value)
    except (ValueError, RecursionError):
        # All pickles end like this. It is checked only so that the log can say what could not be read.
        return Refused("pickle" if value.endswith(b".") else "unreadable")
    return data if isinstance(data, dict) else Refused("unreadable")
