"""Decode the values in which other libraries store sessions."""

from collections.abc import Callable
from typing import Any

from holdall.sources._contract import Refused

__all__ = ["data_of"]


def data_of(value: bytes, loads: Callable[[bytes], Any]) -> dict[str, Any] | Refused:
    """
    Return the session in *value*, or the reason why it is refused.

    Args:
        loads: Decodes *value*; raises ``ValueError`` if that fails. Nothing is ever unpickled.
    """
    try:
        data = loads(value)
    except (ValueError, RecursionError):
        # All pickles end with a dot. This is checked only so that the log can say why the value could not be read.
        return Refused("pickle" if value.endswith(b".") else "unreadable")
    return data if isinstance(data, dict) else Refused("unreadable")
