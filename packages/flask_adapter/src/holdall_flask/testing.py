"""Log visitors in during tests, in addition to Flask's own ``session_transaction``."""

from typing import Any, cast

from flask.testing import FlaskClient

from holdall import Sessions
from holdall_flask._session import FlaskSession

__all__ = ["force_login"]


def force_login(client: FlaskClient, principal: Any, sessions: Sessions | None = None) -> None:
    """
    Log *client*'s visitor in as *principal*, without a password.

    Args:
        sessions: The ``Sessions`` to log in to, if the application keeps several.

    Raises:
        ConfigurationError: ``Sessions`` was created with ``principal_key=None``.
    """
    with client.session_transaction() as session:
        # Its static type is Flask's own, but it is one of ours.
        cast("FlaskSession", session).exchange.session_of(sessions).login(principal)
