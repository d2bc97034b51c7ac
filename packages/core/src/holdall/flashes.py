"""
Messages for the page that is shown next, kept in the session where Flask's ``flash`` keeps them.

So one framework can show what another flashed. The adapters of frameworks that lack such a function offer it for a
request.
"""

from collections.abc import Collection, MutableMapping
from typing import Any

__all__ = ["Flash", "add_flash", "take_flashes"]

#: A category and a message.
Flash = tuple[str, str]

_KEY = "_flashes"
_TAKEN = "holdall.flashes"


def add_flash(session: Any, message: str, category: str = "message") -> None:
    """Keep *message* for the page that is shown next."""
    session[_KEY] = [*session.get(_KEY, ()), (category, message)]


def take_flashes(
    session: Any, request: MutableMapping[str, Any], *, with_categories: bool, category_filter: Collection[str]
) -> list[Any]:
    """
    Return the messages, as texts or each as a ``Flash``, and forget them for the requests that come after this one.

    Args:
        request: Holds values of this request, so that a template may ask twice.
        category_filter: Return only messages of these categories. All messages are forgotten.
    """
    if _TAKEN not in request:
        request[_TAKEN] = [(category, message) for category, message in session.pop(_KEY, ())]
    chosen = [each for each in request[_TAKEN] if not category_filter or each[0] in category_filter]
    return chosen if with_categories else [message for _, message in chosen]
