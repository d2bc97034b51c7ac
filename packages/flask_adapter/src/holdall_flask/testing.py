"""A visitor's session in the hands of a test, beside Flask's own ``session_transaction``."""

from typing import Any, cast

from flask.testing import FlaskClient

from holdall import Sessions
from holdall_flask.session import FlaskSession

__all__ = ["force_login"]


def force_login(client: FlaskClient, principal: Any, sessions: Sessions | None = None) -> None:
    """
    Log *client*'s visitor in as *principal*, without a password.

    Args:
        sessions: Those whose session that is about, where the application keeps several.

    Raises:
        ConfigurationError: ``Sessions`` was given no ``principal_key`` to keep it under.
    """
    with client.session_transaction() as session:
        # Typed as Flask's own, and one of ours.
        cast("FlaskSession", session).exchange.session_of(sessions).login(principal)
