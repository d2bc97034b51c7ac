"""Messages for the page that is shown next, as in Flask: kept in the session under the same key."""

from collections.abc import Collection
from typing import Literal, overload

from starlette.requests import HTTPConnection

from holdall.flashes import Flash, add_flash, take_flashes
from holdall_fastapi.verbs import session_of

__all__ = ["flash", "get_flashed_messages"]


def flash(connection: HTTPConnection, message: str, category: str = "message") -> None:
    """Keep *message* for the page that is shown next."""
    add_flash(session_of(connection), message, category)


@overload
def get_flashed_messages(
    connection: HTTPConnection, *, with_categories: Literal[False] = False, category_filter: Collection[str] = ()
) -> list[str]: ...


@overload
def get_flashed_messages(
    connection: HTTPConnection, *, with_categories: Literal[True], category_filter: Collection[str] = ()
) -> list[Flash]: ...


def get_flashed_messages(
    connection: HTTPConnection, *, with_categories: bool = False, category_filter: Collection[str] = ()
) -> list[str] | list[Flash]:
    """
    Return the messages, and forget them for the requests that come after this one.

    Args:
        with_categories: Give each as a pair of its category and its text.
        category_filter: Give those of these categories only. All are forgotten.
    """
    return take_flashes(
        session_of(connection), connection.scope, with_categories=with_categories, category_filter=category_filter
    )
