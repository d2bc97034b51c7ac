"""Record logins by ``django.contrib.auth``, including one by a user who was already logged in."""

from typing import Any

from django.contrib.auth.signals import user_logged_in

from holdall.adapters import record_repeated_login
from holdall_django._session import DjangoSession

__all__ = ["record_logins"]


def record_logins() -> None:
    """Let a repeated login count as a login too, even though its user was already logged in."""
    user_logged_in.connect(_record, dispatch_uid="holdall_django._logins")


def _record(sender: Any, request: Any, **kwargs: object) -> None:
    session = getattr(request, "session", None)
    if isinstance(session, DjangoSession):
        record_repeated_login(session)
