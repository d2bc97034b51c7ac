"""
End the sessions of users whose password has changed or who may no longer log in.

Django recognizes such a session by its auth hash, and ends it when it next arrives. Other frameworks do not know the
hash, so all of the user's sessions in a table are revoked after the transaction has been committed. In a request this
happens when the response is created, because the request's own session may be kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.apps import apps
from django.contrib.auth import HASH_SESSION_KEY, get_user_model
from django.db import transaction
from django.db.models import signals
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from holdall_django._configuration import configuration, configured_sessions
from holdall_django._session import DjangoSession

__all__ = ["Account", "ended_or_kept", "hash_of", "noted", "principal_of", "revoke", "revoke_async"]


class Account(NamedTuple):
    """A user whose password has changed; *hash* is ``None`` if the user may no longer log in."""

    principal: str
    hash: str | None


_noted: ContextVar[list[Account] | None] = ContextVar("holdall_changed_users", default=None)

# The attribute of a user being saved that contains the previous hash.
_BEFORE = "_holdall_hash"


def principal_of(user: Any) -> str:
    """Return the principal of a *user*'s sessions."""
    text: str = user._meta.pk.value_to_string(user)
    return text


def hash_of(user: Any) -> str:
    """Return the auth hash that Django's ``login`` stores in a session."""
    text: str = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    return text


# In a request.


@contextmanager
def noted() -> Iterator[list[Account]]:
    """Collect the users who are changed in the block, instead of revoking their sessions at once."""
    changed: list[Account] = []
    token = _noted.set(changed)
    try:
        yield changed
    finally:
        _noted.reset(token)


def ended_or_kept(request: HttpRequest, account: Account) -> DjangoSession | None:
    """Return the request's session if it is kept; end it if it is the user's and lacks the new hash."""
    session: object = request.session
    if not isinstance(session, DjangoSession) or session.principal != account.principal:
        return None
    if account.hash is not None and constant_time_compare(session.get(HASH_SESSION_KEY, ""), account.hash):
        return session
    session.flush()
    return None


def revoke(principal: str, *, keep: DjangoSession | None = None) -> None:
    """End the user's sessions, if they have rows; a cookie that has none cannot be revoked."""
    sessions = configured_sessions()
    if sessions in configuration().awaited:
        async_to_sync(revoke_async)(principal, keep=keep)
    elif sessions.is_followed("sync"):
        sessions.revoke(principal, keep=keep)


async def revoke_async(principal: str, *, keep: DjangoSession | None = None) -> None:
    """Do the same as ``revoke``."""
    sessions = configured_sessions()
    if sessions.is_followed("async"):
        await sessions.revoke_async(principal, keep=keep)


# Django's signals.


def _before_save(sender: Any, instance: Any, raw: bool, using: str, update_fields: Any, **kwargs: object) -> None:
    # Each login writes only last_login.
    if raw or instance.pk is None or update_fields == {"last_login"}:
        return
    # Read from the database, because only part of the user may have been loaded.
    before = sender._base_manager.using(using).filter(pk=instance.pk).first()
    if before is not None:
        setattr(instance, _BEFORE, _valid_hash(before))


def _after_save(sender: Any, instance: Any, using: str, **kwargs: object) -> None:
    before = vars(instance).pop(_BEFORE, None)
    if before is not None:
        now = _valid_hash(instance)
        if now != before:
            _note_when_committed(Account(principal_of(instance), now), using)


def _after_delete(sender: Any, instance: Any, using: str, **kwargs: object) -> None:
    _note_when_committed(Account(principal_of(instance), None), using)


# Only for users, including proxies and child models: a listener for every model would make Django read all rows that
# it deletes, one batch at a time.
for _model in apps.get_models():
    if issubclass(_model, get_user_model()):
        for _signal, _listener in (
            (signals.pre_save, _before_save),
            (signals.post_save, _after_save),
            (signals.post_delete, _after_delete),
        ):
            _signal.connect(_listener, sender=_model, dispatch_uid="holdall_django._changed_users")


def _valid_hash(user: Any) -> str | None:
    return hash_of(user) if getattr(user, "is_active", True) else None


def _note_when_committed(account: Account, using: str) -> None:
    transaction.on_commit(partial(_note, account), using=using)


def _note(account: Account) -> None:
    changed = _noted.get()
    if changed is None:
        # Outside of a request: in a command, a task or a shell.
        revoke(account.principal)
    else:
        changed.append(account)
