"""
Read Django's database sessions: rows of ``django_session``, each with signed JSON and an expiry.

[.] base64url(JSON) : base62(Unix time) : base64url(HMAC-SHA256 of the preceding)
"""

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from holdall._errors import StoreError
from holdall.formats._django import django_signer
from holdall.formats._json import PlainJSON
from holdall.formats._stamped import from_url_text
from holdall.sources._contract import Entry, Refused
from holdall.sources._values import data_of
from holdall.tables.failures import cause_of

__all__ = ["DjangoSource"]

_SID = re.compile(r"[0-9a-z]{32}")

_json = PlainJSON()


class DjangoSource:
    """
    A source of sessions that Django keeps in its database, with the engine ``db`` or ``cached_db``.

    It works without Django and blocks, so async adapters call it in threads. Inside a Django project, use
    ``holdall_django.sources.EngineSource`` instead.

    Args:
        connect: Returns a context manager for a DB-API connection: ``psycopg_pool``'s ``pool.connection``,
            ``partial(psycopg.connect, "…")``, ``lambda: closing(sqlite3.connect("…"))``.
        secret: ``SECRET_KEY``; at least 16 bytes.
        fallbacks: ``SECRET_KEY_FALLBACKS``, only for reading.
        placeholder: How the driver writes a parameter: ``"?"`` for sqlite3.
        table: The rows' table.
        salt: Set it if the engine's class has a name other than ``SessionStore``.
        time_zone: The time zone of databases that store none; set it if ``USE_TZ`` is off.
        weak_secrets: Warn of a weak secret, such as a ``django-insecure-`` one, instead of refusing it.

    Raises:
        ConfigurationError: A secret is missing or weak.
    """

    name = "django"
    blocking_reads = blocking_writes = True

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Any]],
        secret: str | bytes,
        fallbacks: Iterable[str | bytes] = (),
        *,
        placeholder: Literal["%s", "?"] = "%s",
        table: str = "django_session",
        salt: str = "django.contrib.sessions.SessionStore",
        time_zone: tzinfo = UTC,
        weak_secrets: bool = False,
    ) -> None:
        self._connect = connect
        self._signer = django_signer((secret, *fallbacks), salt=salt, weak_secrets=weak_secrets)
        # A table's name cannot be a parameter; this one comes from the application.
        self._select = f"SELECT session_data, expire_date FROM {table} WHERE session_key = {placeholder}"  # noqa: S608
        self._delete = f"DELETE FROM {table} WHERE session_key = {placeholder}"  # noqa: S608
        self._time_zone = time_zone

    def matches(self, cookie: str) -> bool:
        return _SID.fullmatch(cookie) is not None

    def read(self, cookie: str) -> Entry | Refused | None:
        row = self._do(self._select, cookie, lambda cursor: cursor.fetchone())
        if row is None:
            return None
        text, expire_date = row
        found = self._signer.unsign(text)
        if found is None:
            return Refused("unreadable")
        data = self._data(found[0])
        return data if isinstance(data, Refused) else Entry(data, self._time(expire_date))

    def delete(self, cookie: str) -> None:
        self._do(self._delete, cookie, lambda cursor: None)

    def _do(self, statement: str, cookie: str, answer: Callable[[Any], Any]) -> Any:
        try:
            with self._connect() as connection, closing(connection.cursor()) as cursor:
                cursor.execute(statement, (cookie,))
                found = answer(cursor)
                connection.commit()
        except Exception as exc:  # noqa: BLE001  # drivers' errors have no common base
            # The driver's message may contain an address, and so a password.
            failure = StoreError(f"Django's database failed: {cause_of(exc)}.")
        else:
            return found
        # Outside the except block, because a traceback would show the driver's message as well.
        raise failure

    @staticmethod
    def _data(body: str) -> dict[str, Any] | Refused:
        try:
            payload = from_url_text(body)
        except ValueError:
            return Refused("unreadable")
        return data_of(payload, _json.loads)

    def _time(self, value: datetime | str) -> datetime:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
        return (time if time.tzinfo else time.replace(tzinfo=self._time_zone)).astimezone(UTC)
