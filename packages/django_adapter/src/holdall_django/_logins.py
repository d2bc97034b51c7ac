"""Records a login by ``django.contrib.auth``, also one by the user who was logged in already."""

from typing import Any

from django.contrib.auth.signals import user_logged_in

from holdall.adapters import record_repeated_login
from holdall_django._session import DjangoSession

__all__ = ["record_logins"]


def record_logins() -> None:
    """Let each login set the session's ``authenticated_at``, where ``record_login`` is on."""
    user_logged_in.connect(_record, dispatch_uid="holdall_django._logins")


def _record(sender: Any, request: Any, **kwargs: object) -> None:
    session = getattr(request, "session", None)
    if isinstance(session, DjangoSession):
        record_repeated_login(session)
