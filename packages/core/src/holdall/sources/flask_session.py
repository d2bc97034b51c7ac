"""
Read Flask-Session's sessions in Redis: MessagePack or JSON, under ``session:`` and the ID in the cookie.

The cookie may also be signed: ``id . base64url(HMAC-SHA1)``.
"""

import hmac
import json
import re
from datetime import datetime
from functools import partial
from typing import Any

from holdall._base64url import to_text
from holdall._clock import Clock, utc_now
from holdall._keys import as_bytes
from holdall.sources import _msgpack
from holdall.sources._contract import Entry, Refused
from holdall.sources._redis import RedisValues
from holdall.sources._values import data_of

__all__ = ["FlaskSessionSource"]

# Flask-Session accepts any ID; its own have 43 characters, and used to be UUIDs.
_SID = re.compile(r"[A-Za-z0-9_-]{22,256}")


class FlaskSessionSource(RedisValues):
    """
    A source of sessions that Flask-Session 0.6 or later keeps in Redis or Valkey.

    Both of its serializers are supported. Pickled sessions, from older versions, are refused. A session begins when it
    is moved, because Flask-Session does not record when it began.

    Args:
        client: The value of ``SESSION_REDIS``, a redis-py client or pool, or better its URL, which works for sync and
            async adapters alike.
        prefix: ``SESSION_KEY_PREFIX``.
        secret_key: Flask's ``SECRET_KEY``, if ``SESSION_USE_SIGNER`` is on. IDs without a valid signature are then
            ignored.
    """

    def __init__(
        self,
        client: str | Any,
        *,
        prefix: str = "session:",
        secret_key: str | bytes | None = None,
        clock: Clock = utc_now,
    ) -> None:
        signing_key = None if secret_key is None else hmac.digest(as_bytes(secret_key), b"flask-session", "sha1")
        super().__init__(
            "flask-session", client, prefix=prefix, sid_of=partial(_sid, signing_key), loads=_entry, clock=clock
        )


def _sid(signing_key: bytes | None, cookie: str) -> str | None:
    sid = cookie
    if signing_key is not None:
        sid, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature, to_text(hmac.digest(signing_key, sid.encode("ascii"), "sha1"))):
            return None
    return sid if _SID.fullmatch(sid) else None


def _entry(value: bytes, expires: datetime) -> Entry | Refused:
    # No MessagePack object begins with a brace.
    data = data_of(value, json.loads if value.startswith(b"{") else _msgpack.loads)
    return data if isinstance(data, Refused) else Entry(data, expires)
