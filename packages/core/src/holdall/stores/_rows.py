"""
Encrypt a row's data and bind it to its row.

A row that leaves the process is sealed under a key derived from the session's ID, which the table never sees, and the
application's secret, which an attacker with write access to the table does not have. The row's other fields, except the
text about the client, are authenticated along with the data: an attacker cannot move a row, change its owner or its
age, or forge one. A whole old row can be restored; detecting that would require a second place to compare with::

    key id (4) | nonce (12) | AES-256-GCM of (latest end (4) | data) | tag (16)
"""

import hmac
from collections.abc import Callable, Iterable
from struct import Struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdall._keys import check_secret, derive_key, several_secrets

__all__ = ["NONCE_BYTES", "SECRET_BYTES", "Labels", "RowSealer"]

#: The minimum length of a secret in bytes.
SECRET_BYTES = 32

NONCE_BYTES = 12
_KEY_ID_BYTES = 4
_HEAD_BYTES = _KEY_ID_BYTES + NONCE_BYTES
_END = Struct(">I")
_NUMBERS = Struct(">32sQQ")


class Labels(NamedTuple):
    """The unencrypted but authenticated fields of a row; without the client, which a later write does not know."""

    digest: bytes
    key: str
    version: int
    created: int
    principal: str | None


class RowSealer:
    """
    A cipher that seals and opens the data of rows.

    Attributes:
        has_secret: Whether creating a row requires the secret in addition to an ID.

    Args:
        secret_key_base: At least 32 bytes; ``None`` derives the keys from the IDs alone, so that an attacker with write
            access to the table can forge sessions.
        fallbacks: Old secrets, whose rows are still read.
        app: The application's name; rows of other applications do not open.
        random: Source of secret random bytes.

    Raises:
        ConfigurationError: A secret is too short or well known.
    """

    def __init__(
        self,
        secret_key_base: str | bytes | None,
        *,
        fallbacks: Iterable[str | bytes] = (),
        app: str = "",
        weak_secrets: bool = False,
        random: Callable[[int], bytes],
    ) -> None:
        given = several_secrets(fallbacks)
        secrets = [
            check_secret(each, name=name, at_least=SECRET_BYTES, weak_secrets=weak_secrets)
            for name, each in (("secret_key_base", secret_key_base), *(("fallbacks", each) for each in given))
            if name == "fallbacks" or each is not None
        ]
        keys = [(derive_key(each, _USE + "\0key id", length=4), derive_key(each, _USE + "\0key")) for each in secrets]
        if secret_key_base is None:
            keys.insert(0, (bytes(_KEY_ID_BYTES), b"holdall row without a secret"))
        self.has_secret = secret_key_base is not None
        self._key_id, self._key = keys[0]
        self._keys = dict(reversed(keys))
        self._associated = b"holdall row\0" + app.encode() + b"\0"
        self._random = random

    def seal(self, sid: str, payload: bytes, ends: int, labels: Labels) -> bytes:
        """Return *payload* sealed; it is invalid after *ends* (Unix seconds), even if the row claims a later expiry."""
        nonce = self._random(NONCE_BYTES)
        sealed = _box(self._key, sid).encrypt(nonce, _END.pack(ends) + payload, self._associated_with(labels))
        return self._key_id + nonce + sealed

    def open(self, sid: str, sealed: bytes, labels: Labels) -> tuple[bytes, int] | None:
        """Return the payload and its latest end, or ``None`` if it was not sealed here as this row."""
        key = self._keys.get(sealed[:_KEY_ID_BYTES])
        if key is None:
            return None
        nonce, rest = sealed[_KEY_ID_BYTES:_HEAD_BYTES], sealed[_HEAD_BYTES:]
        try:
            opened = _box(key, sid).decrypt(nonce, rest, self._associated_with(labels))
        except (InvalidTag, ValueError):
            return None
        return opened[_END.size :], _END.unpack_from(opened)[0]

    def _associated_with(self, labels: Labels) -> bytes:
        digest, key, version, created, principal = labels
        texts = (key.encode(), _bytes(principal))
        # Lengths come first, because otherwise a byte could move from one field to the next.
        lengths = b"".join(len(text).to_bytes(4, "big") for text in texts)
        return b"".join((self._associated, _NUMBERS.pack(digest, version, created), lengths, *texts))


_USE = "holdall 1\0row"


def _bytes(text: str | None) -> bytes:
    return b"\0" if text is None else b"\1" + text.encode()


def _box(key: bytes, sid: str) -> AESGCM:
    return AESGCM(hmac.digest(key, sid.encode("ascii"), "sha256"))
