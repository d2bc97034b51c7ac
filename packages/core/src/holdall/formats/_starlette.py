"""
Read and write the cookies of Starlette's ``SessionMiddleware``: JSON in base64, signed by itsdangerous.

base64(JSON) . base64url(Unix time) . base64url(HMAC-SHA1 of the preceding)
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from holdall._clock import Clock, utc_now
from holdall.formats._json import PlainJSON
from holdall.formats._stamped import Signer, StampedFormat

__all__ = ["StarletteFormat"]

_json = PlainJSON(spaces=True, alters=True)


class StarletteFormat(StampedFormat):
    """
    Cookies of Starlette, and so of FastAPI.

    A session written by Starlette counts as begun at that time, and ends *max_age* later.

    Args:
        secret: The middleware's ``secret_key``; at least 16 bytes.
        fallbacks: Old secrets, only for reading.
        max_age: The middleware's, as a ``timedelta`` or in seconds; ``None`` for no limit.
        weak_secrets: Warn of a weak secret instead of refusing it.

    Raises:
        ConfigurationError: A secret is missing or weak.
    """

    name = "starlette"

    def __init__(
        self,
        secret: str | bytes,
        fallbacks: Iterable[str | bytes] = (),
        *,
        max_age: timedelta | int | None = timedelta(days=14),
        weak_secrets: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        signer = Signer(
            (secret, *fallbacks),
            salt="itsdangerous.Signer",
            derivation="django-concat",
            digest="sha1",
            weak_secrets=weak_secrets,
        )
        super().__init__(signer, dumps=_dumps, loads=_loads, max_age=max_age, clock=clock)


def _dumps(data: dict[str, Any]) -> str:
    return b2a_base64(_json.dumps(data), newline=False).decode("ascii")


def _loads(body: str) -> Any:
    return _json.loads(a2b_base64(body))
