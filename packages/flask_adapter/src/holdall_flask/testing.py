"""A visitor's session in the hands of a test, beside Flask's own ``session_transaction``."""

from typing import Any, cast

from flask.testing import FlaskClient

from holdall import Session

__all__ = ["force_login"]


def force_login(client: FlaskClient, principal: Any) -> None:
    """
    Log *client*'s visitor in as *principal*, without a password.

    Raises:
        ConfigurationError: ``Sessions`` was given no ``principal_key`` to keep it under.
    """
    with client.session_transaction() as session:
        # Typed as Flask's own, and one of ours.
        cast("Session", session).login(principal)
