"""
What the shop does with a session, whichever framework brings it.

A session is a mapping. Lists in it are changed in place and no flag is set; who is logged in stands under the
``principal_key``, so that the session's id is renewed with it.
"""

from datetime import UTC, datetime

from holdall import Session

__all__ = ["CART_LIMIT", "GOODS", "add", "log_in", "log_out", "remove"]

GOODS = ("Apples", "Bread", "Coffee", "Olives", "Tea")

# A cart that fits into a cookie of 4096 bytes many times over.
CART_LIMIT = 12
_LONGEST_NAME = 40


def log_in(session: Session, name: str) -> None:
    """Make this the session of *name*. What was in the cart stays there."""
    name = name.strip()[:_LONGEST_NAME]
    if name:
        session.login(name)
        session["since"] = datetime.now(UTC).replace(microsecond=0)


def log_out(session: Session) -> None:
    """End the session, for all three frameworks."""
    session.logout()


def add(session: Session, item: str, through: str) -> None:
    """Put *item* into the cart and note which framework it came *through*."""
    if item in GOODS and len(session.get("cart", [])) < CART_LIMIT:
        session.setdefault("cart", []).append({"item": item, "through": through})


def remove(session: Session, item: str, through: str) -> None:
    """Take one such line out of the cart."""
    line = {"item": item, "through": through}
    if line in session.get("cart", []):
        session["cart"].remove(line)
