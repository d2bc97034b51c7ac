"""
Store messages for the next page in the session, where Flask's ``flash`` stores them.

One framework can therefore show messages that another one stored. Adapters provide such functions for frameworks that
have none.
"""

from collections.abc import Collection, MutableMapping
from typing import Any

__all__ = ["Flash", "add_flash", "take_flashes"]

#: A category and a message.
Flash = tuple[str, str]

_KEY = "_flashes"
_TAKEN = "holdall._flashes"


def add_flash(session: Any, message: str, category: str = "message") -> None:
    """Store *message* for the next page."""
    session[_KEY] = [*session.get(_KEY, ()), (category, message)]


def take_flashes(
    session: Any, request: MutableMapping[str, Any], *, with_categories: bool, category_filter: Collection[str]
) -> list[Any]:
    """
    Return the messages as texts, or as ``Flash`` tuples, and remove them from the session.

    Args:
        request: Caches the messages for this request, so that a template can call this twice.
        category_filter: Return only messages of these categories. All messages are removed.
    """
    if _TAKEN not in request:
        request[_TAKEN] = [(category, message) for category, message in session.pop(_KEY, ())]
    chosen = [each for each in request[_TAKEN] if not category_filter or each[0] in category_filter]
    return chosen if with_categories else [message for _, message in chosen]
