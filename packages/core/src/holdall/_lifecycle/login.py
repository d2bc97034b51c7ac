"""Select the data that a login stores or carries over, and the part of a logout that is saved even after a failure."""

from collections.abc import Mapping
from typing import Any

from holdall._principals import CSRF_KEYS
from holdall._settings import Settings
from holdall.stores._contract import Changes

__all__ = ["carried_over", "own_values", "removals"]


def carried_over(changes: Changes, data: Mapping[str, Any], settings: Settings, *, names: bool) -> dict[str, Any]:
    """
    Return the data that a login with these *changes* carries over from the anonymous session with *data*.

    With *names*, keep the visitor's other names, because it is not certain that a user has logged in.
    """
    kept, carry = changes.over(data), settings.carry
    if not names:
        kept = settings.principals.without_login(kept, changes.put)
    if carry is not None:
        return {key: value for key, value in kept.items() if key in carry or (names and key in settings.principals)}
    # A token that an attacker may have planted must not be valid for the visitor who logged in.
    return {key: value for key, value in kept.items() if key not in CSRF_KEYS}


def own_values(changes: Changes, data: Mapping[str, Any], settings: Settings, *, same_user: bool) -> dict[str, Any]:
    """
    Return the data of the new session that a login begins if the request's own has ended: the values the request set.

    If the *same_user* has logged in again, the request may have left the keys that identify the user as they were, so
    these are taken from *data*.
    """
    anonymous = settings.principals.without_login(data) if same_user else data
    return {**{key: value for key, value in data.items() if key not in anonymous}, **changes.put}


def removals(changes: Changes, settings: Settings) -> Changes:
    """Return the removals of a login library's logout, which are saved even if the request failed."""
    emptied = {key: value for key, value in changes.put.items() if key in settings.principals and value is None}
    return Changes(emptied, changes.deleted, changes.cleared)
