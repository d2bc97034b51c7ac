"""
What the shop does with a session, whichever framework it comes from.

A session is a mapping. Lists in it may be changed in place, without a flag. The name of the logged-in user is the value
under ``principal_key``, so a login renews the session's ID by itself.
"""

from datetime import UTC, datetime

from holdall import Session

__all__ = ["CART_LIMIT", "GOODS", "add", "log_in", "log_out", "remove"]

GOODS = ("Apples", "Bread", "Coffee", "Olives", "Tea")

# Such a cart takes a small part of a cookie's 4096 bytes.
CART_LIMIT = 12
_LONGEST_NAME = 40


def log_in(session: Session, name: str) -> None:
    """Make this the session of *name*. The cart stays as it is."""
    name = name.strip()[:_LONGEST_NAME]
    if name:
        session.login(name)
        session["since"] = datetime.now(UTC).replace(microsecond=0)


def log_out(session: Session) -> None:
    """End the session, for all three frameworks."""
    session.logout()


def add(session: Session, item: str, through: str) -> None:
    """Put *item* into the cart, with the framework that it came *through*."""
    if item in GOODS and len(session.get("cart", [])) < CART_LIMIT:
        session.setdefault("cart", []).append({"item": item, "through": through})


def remove(session: Session, item: str, through: str) -> None:
    """Remove one such line from the cart."""
    line = {"item": item, "through": through}
    if line in session.get("cart", []):
        session["cart"].remove(line)
