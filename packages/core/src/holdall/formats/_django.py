"""
Read and write the cookies of Django's ``signed_cookies`` sessions: signed JSON in base64url, compressed if shorter.

[.] base64url(JSON) : base62(Unix time) : base64url(HMAC-SHA256 of the preceding)
"""

import string
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from holdall._clock import Clock, utc_now
from holdall.formats._json import PlainJSON
from holdall.formats._stamped import Signer, StampedFormat, Stamps, from_url_text, to_url_text

__all__ = ["DjangoFormat", "django_signer"]

_json = PlainJSON(alters=True)

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def _to_base62(stamp: int) -> str:
    digits = ""
    while stamp:
        stamp, digit = divmod(stamp, 62)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _from_base62(text: str) -> int | None:
    stamp = 0
    for digit in text:
        place = _DIGITS.find(digit)
        if place < 0:
            return None
        stamp = 62 * stamp + place
    return stamp


#: Unix times as Django writes them.
_BASE62_STAMPS = Stamps(_to_base62, _from_base62)


class DjangoFormat(StampedFormat):
    """
    Cookies of ``SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"``, with its JSON serializer.

    A session written by Django counts as begun at that time, and ends *max_age* later.

    Args:
        secret: ``SECRET_KEY``; at least 16 bytes.
        fallbacks: ``SECRET_KEY_FALLBACKS``, only for reading.
        salt: Set it if the application uses a different salt from Django's engine.
        max_age: ``SESSION_COOKIE_AGE``, in seconds or as a ``timedelta``; ``None`` for no limit.
        weak_secrets: Warn of a weak secret, such as a ``django-insecure-`` one, instead of refusing it.

    Raises:
        ConfigurationError: A secret is missing or weak.
    """

    name = "django"

    def __init__(
        self,
        secret: str | bytes,
        fallbacks: Iterable[str | bytes] = (),
        *,
        salt: str = "django.contrib.sessions.backends.signed_cookies",
        max_age: timedelta | int | None = timedelta(days=14),
        weak_secrets: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        signer = django_signer((secret, *fallbacks), salt=salt, weak_secrets=weak_secrets)
        super().__init__(signer, dumps=_dumps, loads=_loads, max_age=max_age, clock=clock)


def django_signer(secrets: Iterable[str | bytes], *, salt: str, weak_secrets: bool) -> Signer:
    """Return a signer that signs as ``django.core.signing`` does."""
    return Signer(
        secrets,
        salt=salt,
        derivation="django-concat",
        digest="sha256",
        weak_secrets=weak_secrets,
        separator=":",
        stamps=_BASE62_STAMPS,
    )


def _dumps(data: dict[str, Any]) -> str:
    return to_url_text(_json.dumps(data))


def _loads(body: str) -> Any:
    return _json.loads(from_url_text(body))
