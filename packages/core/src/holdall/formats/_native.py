"""
Read and write our own format: XAES-256-GCM with the times sealed inside, or HMAC-SHA256 if it should be readable.

``docs/formats.md`` specifies every byte. In short, before base64url without padding::

    encrypted   01 | key id (4) | nonce (24) | AES-256-GCM of the body | tag (16)
    signed      02 | key id (4) | body | HMAC-SHA256 (32)
    body        created (4) | expires (4) | log id (8) | generation (4) | lines (1, then 4 each) | the serialized data

03 and 04 are the same with compressed data.

The version and the key ID are unencrypted, so that only one key is tried. They are authenticated together with the
application, the purpose and the cookie's name.
"""

import hmac
import os
import zlib
from collections.abc import Callable
from struct import Struct

from holdall._base64url import from_text, to_text
from holdall._errors import ConfigurationError
from holdall._inflate import RAW, inflate
from holdall._keys import HoldsSecret, check_secret, derive_key
from holdall.formats._contract import Record, record_of
from holdall.formats._xaes import XAES256GCM
from holdall.serializers import Serializer, TaggedJSON

__all__ = ["SECRET_BYTES", "NativeFormat"]

#: The minimum length of a secret in bytes.
SECRET_BYTES = 32

_ENCRYPTED = b"\x01"
_SIGNED = b"\x02"
_COMPRESSED = {_ENCRYPTED: b"\x03", _SIGNED: b"\x04"}
_KEY_ID_BYTES = 4
_HEADER_BYTES = 1 + _KEY_ID_BYTES
_MAC_BYTES = 32
_HEAD = Struct(">II8sIB")
_HEAD_BYTES = _HEAD.size
_LINE_BYTES = 4
_MOST_GENERATIONS = 2**32 - 1

# Measured (docs/performance.md): below this size compression saves few characters or none. The window and memory match
# the small data, because zlib takes longer to set up its usual 256 KB than to compress. Higher levels save no more.
_WORTH_COMPRESSING = 100
_LEVEL, _WINDOW, _MEMORY = 6, -12, 5
# Larger data is not compressed, and nothing that expands further is read: a small cookie can expand to megabytes.
_MOST_EXPANDED = 2**16


class NativeFormat(HoldsSecret):
    """
    The default format: encrypted and authenticated, or with ``encrypt=False`` signed and readable by the visitor.

    Args:
        secret_key_base: At least 32 bytes; text is encoded in UTF-8.
        app_name: Distinguishes applications that share a secret: a cookie of one does not open in another.
        signing_salt: Separates keys for one purpose from another's. Not a secret.
        encryption_salt: Likewise.
        compress: Compress the data if that makes the cookie shorter. An attacker who sees the cookie's length and can
            put chosen text into the session can then guess other parts of it (``docs/security.md``).
        weak_secrets: Warn of a weak secret instead of refusing it, for a framework's debug or testing mode.
        random: Source of secret random bytes.

    Raises:
        ConfigurationError: The secret is too short or well known.
    """

    name = "native"
    keeps_generations = True

    def __init__(
        self,
        secret_key_base: str | bytes,
        *,
        encrypt: bool = True,
        app_name: str = "",
        signing_salt: str = "",
        encryption_salt: str = "",
        serializer: Serializer | None = None,
        compress: bool = False,
        weak_secrets: bool = False,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        secret = check_secret(secret_key_base, name="secret_key_base", at_least=SECRET_BYTES, weak_secrets=weak_secrets)
        if any("\0" in text for text in (app_name, signing_salt, encryption_salt)):
            msg = "app_name, signing_salt and encryption_salt cannot contain a NUL character, which separates them."
            raise ConfigurationError(msg)
        version = _ENCRYPTED if encrypt else _SIGNED
        use = "\0".join(("holdall 1", "encrypt" if encrypt else "sign", signing_salt, encryption_salt))
        self._header = version + derive_key(secret, use + "\0key id", length=_KEY_ID_BYTES)
        self._compressed_header = _COMPRESSED[version] + self._header[1:]
        headers = (self._header, self._compressed_header)
        # Both are read, whichever is written.
        self._starts = tuple(to_text(header)[: _HEADER_BYTES * 8 // 6] for header in headers)
        place = b"holdall\0session\0" + app_name.encode() + b"\0"
        self._associated, self._compressed_associated = (header + place for header in headers)
        self._compresses = compress
        key = derive_key(secret, use + "\0key")
        self._box = XAES256GCM(key, random) if encrypt else _Signing(key)
        self._serializer = serializer or TaggedJSON()
        self._from_text: Callable[[str], bytes | None] = getattr(self._serializer, "from_base64url", from_text)
        self.check = getattr(self._serializer, "check", None)

    def seal(self, record: Record, *, key: str) -> str:
        data, created, expires, log_id, generation, lines, ended = record
        generation = (generation or 0) & _MOST_GENERATIONS
        head = _HEAD.pack(created, expires, bytes.fromhex(log_id), generation, len(lines) // _LINE_BYTES)
        # The marker of an ended session has no data, while even an empty session has some.
        payload = b"" if ended else self._serializer.dumps(data)
        if self._compresses and _WORTH_COMPRESSING <= len(payload) <= _MOST_EXPANDED:
            packed = _deflated(payload)
            if len(packed) < len(payload):
                associated = self._compressed_associated + key.encode()
                return to_text(self._compressed_header + self._box.seal(head + lines + packed, associated))
        return to_text(self._header + self._box.seal(head + lines + payload, self._associated + key.encode()))

    def open(self, cookie: str, *, key: str) -> Record | None:
        # The text shows most of the header, so cookies made with another key are skipped quickly.
        token = self._from_text(cookie) if cookie.startswith(self._starts) else None
        if token is None:
            return None
        associated, is_compressed = self._associated, False
        if token[:_HEADER_BYTES] != self._header:
            if token[:_HEADER_BYTES] != self._compressed_header:
                return None
            associated, is_compressed = self._compressed_associated, True
        body = self._box.open(token[_HEADER_BYTES:], associated + key.encode())
        if body is None or len(body) < _HEAD_BYTES:
            return None
        created, expires, log_id, generation, count = _HEAD.unpack_from(body)
        start = _HEAD_BYTES + count * _LINE_BYTES
        if len(body) < start:
            return None
        sealed = body[start:]
        try:
            if is_compressed:
                data = self._serializer.loads(inflate(sealed, at_most=_MOST_EXPANDED, wbits=RAW))
            else:
                data = self._serializer.loads(sealed) if sealed else {}
        except ValueError:
            # Authentic, so it is one of ours, but the serializer has changed since.
            return None
        return record_of((data, created, expires, log_id.hex(), generation, body[_HEAD_BYTES:start], not sealed))


def _deflated(payload: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY)
    return packer.compress(payload) + packer.flush()


class _Signing(HoldsSecret):
    """HMAC-SHA256 over the associated data, preceded by its length, and the body."""

    def __init__(self, key: bytes) -> None:
        def mac(body: bytes, associated: bytes) -> bytes:
            return hmac.digest(key, len(associated).to_bytes(4, "big") + associated + body, "sha256")

        # The key is not an attribute, because tools that inspect objects would show it.
        self._mac = mac

    def seal(self, body: bytes, associated: bytes) -> bytes:
        return body + self._mac(body, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes | None:
        body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        return body if hmac.compare_digest(mac, self._mac(body, associated)) else None
