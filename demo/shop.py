"""
The shop's use of the session, in any framework.

A session is a mapping. Lists in it may be mutated in place, without a flag. Each framework logs users in with its
own library, and each login rotates the session ID. The user ID is the user's name.
"""

import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from holdall import Session

__all__ = [
    "CART_LIMIT",
    "GOODS",
    "LONGEST_NAME",
    "add",
    "name_of",
    "note_login",
    "note_slowly",
    "notes",
    "remove",
]

GOODS = ("Apples", "Bread", "Coffee", "Olives", "Tea")

# A full cart takes only a small part of a cookie's 4096 bytes.
CART_LIMIT = 12
LONGEST_NAME = 40

_NOTE = "note:"
_SECONDS_OF_SLOW_REQUEST = 0.3


def name_of(text: str) -> str:
    """Return the name that a visitor has entered, or ``""``."""
    return text.strip()[:LONGEST_NAME]


def note_login(session: Session) -> None:
    """Record when the user logged in. The cart stays as it is."""
    session["since"] = datetime.now(UTC).replace(microsecond=0)


def add(session: Session, item: str, through: str) -> None:
    """Put *item* into the cart, with the name of the framework that it was added *through*."""
    if item in GOODS and len(session.get("cart", [])) < CART_LIMIT:
        session.setdefault("cart", []).append({"item": item, "through": through})


def remove(session: Session, item: str, through: str) -> None:
    """Remove one such line from the cart."""
    line = {"item": item, "through": through}
    if line in session.get("cart", []):
        session["cart"].remove(line)


def note_slowly(session: MutableMapping[str, Any], name: str) -> None:
    """Read the session, wait for other requests to write to it, and add *name*."""
    session.get(_NOTE + name)
    time.sleep(_SECONDS_OF_SLOW_REQUEST)
    session[_NOTE + name[:LONGEST_NAME]] = True


def notes(session: Mapping[str, Any]) -> list[str]:
    """Return the names that ``note_slowly`` has noted."""
    return [key.removeprefix(_NOTE) for key in session if key.startswith(_NOTE)]
