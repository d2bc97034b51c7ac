"""
The sessions of Flask-Session in Redis: MessagePack or JSON, under ``session:`` and the id that the cookie holds.

The cookie may be signed besides: ``id . base64url(HMAC-SHA1)``.
"""

import hmac
import json
import re
from datetime import datetime
from functools import partial
from typing import Any

from holdall._base64url import to_text
from holdall.clock import Clock, utc_now
from holdall.keys import as_bytes
from holdall.sources import _msgpack
from holdall.sources._redis import RedisValues
from holdall.sources._values import data_of
from holdall.sources.contract import Entry, Refused

__all__ = ["FlaskSessionSource"]

# Flask-Session takes any; its own have 43 characters, and once were UUIDs.
_SID = re.compile(r"[A-Za-z0-9_-]{22,256}")


class FlaskSessionSource(RedisValues):
    """
    Sessions that Flask-Session keeps in Redis or Valkey, from its version 0.6 on.

    Either of its serializers is read. What was pickled, as by its older versions, is refused. A session begins when it
    is moved, for Flask-Session does not say when it began.

    Args:
        client: What ``SESSION_REDIS`` is: a client or a pool of redis-py, or better its URL, which serves sync and
            async adapters alike.
        prefix: ``SESSION_KEY_PREFIX``.
        secret_key: Flask's ``SECRET_KEY``, if ``SESSION_USE_SIGNER`` is on. An id that is not signed is not looked for
            then.
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
    # No object in MessagePack begins with a brace.
    data = data_of(value, json.loads if value.startswith(b"{") else _msgpack.loads)
    return data if isinstance(data, Refused) else Entry(data, expires)
