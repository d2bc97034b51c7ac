"""Store messages for the next page in the session, under the same key as Flask."""

from collections.abc import Collection
from typing import Literal, overload

from django.http import HttpRequest

from holdall.adapters import Flash, add_flash, take_flashes

__all__ = ["flash", "get_flashed_messages"]


def flash(request: HttpRequest, message: str, category: str = "message") -> None:
    """Store *message* for the next page."""
    add_flash(request.session, message, category)


@overload
def get_flashed_messages(
    request: HttpRequest, *, with_categories: Literal[False] = False, category_filter: Collection[str] = ()
) -> list[str]: ...


@overload
def get_flashed_messages(
    request: HttpRequest, *, with_categories: Literal[True], category_filter: Collection[str] = ()
) -> list[Flash]: ...


def get_flashed_messages(
    request: HttpRequest, *, with_categories: bool = False, category_filter: Collection[str] = ()
) -> list[str] | list[Flash]:
    """
    Return the messages, and remove them from the session.

    Args:
        with_categories: Return each as a pair of category and text.
        category_filter: Return only messages of these categories. All messages are removed.
    """
    return take_flashes(request.session, request.META, with_categories=with_categories, category_filter=category_filter)
