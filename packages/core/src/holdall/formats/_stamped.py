"""
Sign text and the time it was written with an HMAC, which the cookies of Flask, Starlette and Django have in common.

This is itsdangerous' ``TimestampSigner``; Django has its own version with another separator and encoding of the time.
Each library ends a session some time after it was last written, and so do these formats. Cookies written here also
contain our own times (``holdall.formats._times``), and exact copies of values that the library would alter
(``holdall.formats._exact``).
"""

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import chain, repeat
from typing import Any, NamedTuple

from holdall._base64url import from_text, to_text
from holdall._clock import FOREVER, Clock, seconds_of
from holdall._errors import ConfigurationError
from holdall._inflate import inflate
from holdall._keys import Derivation, HoldsSecret, as_bytes, check_secret
from holdall.formats._contract import Record
from holdall.formats._exact import with_exact, without_exact
from holdall.formats._times import with_times, without_times

__all__ = ["BINARY_STAMPS", "Signer", "StampedFormat", "Stamps", "from_url_text", "to_url_text"]

# These libraries accept any secret, but with a short one anyone can log in. Flask once recommended 16 bytes.
_SECRET_BYTES = 16

# No honest session is larger, but a small cookie can expand to three megabytes.
_MAX_JSON_BYTES = 2**20


class Stamps(NamedTuple):
    """
    An encoding of Unix times.

    Attributes:
        read: Returns the time that *write* was given, or ``None`` if the text is not its output.
    """

    write: Callable[[int], str]
    read: Callable[[str], int | None]


def _read_bytes(text: str) -> int | None:
    found = from_text(text)
    return None if found is None else int.from_bytes(found, "big")


#: Unix times as itsdangerous writes them.
BINARY_STAMPS = Stamps(lambda stamp: to_text(stamp.to_bytes((stamp.bit_length() + 7) // 8, "big")), _read_bytes)


class Signer(HoldsSecret):
    """
    A signer of text with a time, which also verifies and splits the result.

    Args:
        secrets: The first one signs; all are tried when reading.
        derivation: How to derive a key from *salt* and a secret, by itsdangerous' names.
        digest: The hash for the derivation and the HMAC.

    Raises:
        ConfigurationError: A secret is missing or weak, or an option is unknown.
    """

    __slots__ = ("_digest", "_keys", "_separator", "_stamps")

    def __init__(
        self,
        secrets: Iterable[str | bytes],
        *,
        salt: str | bytes,
        derivation: Derivation,
        digest: str,
        weak_secrets: bool,
        separator: str = ".",
        stamps: Stamps = BINARY_STAMPS,
    ) -> None:
        if digest not in hashlib.algorithms_guaranteed or digest.startswith("shake"):
            msg = f"digest={digest!r} is not the name of a digest, such as 'sha1' or 'sha512'."
            raise ConfigurationError(msg)
        derive = _DERIVATIONS.get(derivation)
        if derive is None:
            msg = f"key_derivation={derivation!r} is unknown. Choose one of: {', '.join(_DERIVATIONS)}."
            raise ConfigurationError(msg)
        self._keys = tuple(
            derive(
                as_bytes(salt),
                check_secret(secret, name=name, at_least=_SECRET_BYTES, weak_secrets=weak_secrets),
                digest,
            )
            for name, secret in zip(chain(("secret",), repeat("fallbacks")), secrets, strict=False)
        )
        self._digest = digest
        self._separator = separator
        self._stamps = stamps

    def sign(self, text: str, stamp: int) -> str:
        """Return *text* with *stamp* and a signature appended."""
        signed = f"{text}{self._separator}{self._stamps.write(stamp)}"
        return f"{signed}{self._separator}{self._mac(self._keys[0], signed)}"

    def unsign(self, token: str) -> tuple[str, int] | None:
        """Return the text and the time that ``sign`` was given, or ``None`` if *token* is not its output."""
        if not token.isascii():
            return None
        signed, _, mac = token.rpartition(self._separator)
        if not any(hmac.compare_digest(mac, self._mac(key, signed)) for key in self._keys):
            return None
        text, _, written = signed.rpartition(self._separator)
        stamp = self._stamps.read(written)
        return None if stamp is None or stamp > FOREVER else (text, stamp)

    def _mac(self, key: bytes, signed: str) -> str:
        return to_text(hmac.digest(key, signed.encode("ascii"), self._digest))


_DERIVATIONS: dict[str, Callable[[bytes, bytes, str], bytes]] = {
    "hmac": lambda salt, secret, digest: hmac.digest(secret, salt, digest),
    "django-concat": lambda salt, secret, digest: hashlib.new(digest, salt + b"signer" + secret).digest(),
    "concat": lambda salt, secret, digest: hashlib.new(digest, salt + secret).digest(),
    "none": lambda salt, secret, digest: secret,
}


class StampedFormat(HoldsSecret):
    """
    A format for signed text.

    Args:
        dumps: Returns data as ASCII text; its ``TypeError`` names the key and path of a value that cannot be stored.
        loads: Returns the data that *dumps* was given; raises ``ValueError`` if the text is not its output.
        max_age: How long the other library accepts its cookies after it wrote them; ``None`` for no limit.
        clock: Returns the time at which a cookie is written.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        dumps: Callable[[dict[str, Any]], str],
        loads: Callable[[str], Any],
        max_age: timedelta | int | None,
        clock: Clock,
    ) -> None:
        self._signer = signer
        self._dumps = dumps
        self._loads = loads
        self._max_age = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
        self._now = seconds_of(clock)

    def check(self, key: str, value: Any) -> None:
        """Raise ``TypeError`` if *value* cannot be stored."""
        if type(value) is bool or value is None or (type(value) is str and value.isascii()):
            return
        with_exact({key: value}, self._alters)

    def seal(self, record: Record, *, key: str) -> str:
        stamp = self._now()
        record = record._replace(data=with_exact(record.data, self._alters))
        return self._signer.sign(self._dumps(with_times(record, key=key, since=stamp)), stamp)

    def open(self, cookie: str, *, key: str) -> Record | None:
        found = self._signer.unsign(cookie)
        if found is None:
            return None
        body, stamp = found
        try:
            data = self._loads(body)
        except ValueError:
            # Authentic, so the library itself wrote it, but with another serializer.
            return None
        # It is at least as old as its last write. Nothing else is known about a cookie that was not written here.
        # The library's limit is the last second in which a cookie is valid, ours the first in which it is not.
        expires = FOREVER if self._max_age is None else min(stamp + self._max_age + 1, FOREVER)
        record = without_times(data, cookie, key=key, created=stamp, expires=expires, since=stamp)
        return record and record._replace(data=without_exact(record.data, self._alters))

    def _alters(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return *data* as the library would return it after storing it."""
        altered: dict[str, Any] = self._loads(self._dumps(data))
        return altered


def to_url_text(json: bytes) -> str:
    """Return *json* in base64url, or a dot and *json* compressed if that is shorter, like itsdangerous and Django."""
    packed = zlib.compress(json)
    return "." + to_text(packed) if len(packed) < len(json) - 1 else to_text(json)


def from_url_text(text: str) -> bytes:
    """Return the JSON that ``to_url_text`` was given; raise ``ValueError`` if *text* is not its output or too large."""
    found = from_text(text.removeprefix("."))
    if found is None:
        msg = "the text is not base64url"
        raise ValueError(msg)
    return inflate(found, at_most=_MAX_JSON_BYTES) if text.startswith(".") else found
