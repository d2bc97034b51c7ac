"""
Implement XAES-256-GCM (C2SP): AES-256-GCM with 24-byte nonces, which may be random for 2⁸⁰ messages under one key.

The derived key depends only on the first half of a nonce. So a process draws that half once, and the other half anew
for each message. The result is a valid XAES-256-GCM message that any implementation can open, at the cost of
AES-256-GCM.
"""

import itertools
import os
import threading
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

__all__ = ["XAES256GCM", "derivation"]

_NONCE_BYTES = 24
_PREFIX_BYTES = 12
_REST_BYTES = _NONCE_BYTES - _PREFIX_BYTES

# NIST's bound for random 96-bit nonces under one key is 2**32 (SP 800-38D, section 8.3); this is far below.
_SEALS_PER_PREFIX = 2**20
# Derived keys cached for opening: one for each process, and each restart, whose messages are still in use.
_KEPT_KEYS = 256


class XAES256GCM:
    """
    A cipher that encrypts and decrypts messages under one key.

    Args:
        key: 32 bytes.
        random: Source of secret random bytes.
    """

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._derive = derivation(key)
        self._random = random
        self._sealer = _Sealer(b"", AESGCM(key), pid=-1)
        self._openers: dict[bytes, Callable[..., bytes]] = {}
        self._lock = threading.Lock()

    def seal(self, message: bytes, associated: bytes) -> bytes:
        """Return nonce (24 bytes), ciphertext and tag (16 bytes)."""
        sealer = self._sealer
        # A forked process must not continue its parent's nonces. Python can be forked without running its fork hooks.
        pid = os.getpid()
        if sealer.pid != pid or next(sealer.count) >= _SEALS_PER_PREFIX:
            prefix = self._random(_PREFIX_BYTES)
            sealer = self._sealer = _Sealer(prefix, self._derive(prefix), pid=pid)
        nonce = self._random(_REST_BYTES)
        return sealer.prefix + nonce + sealer.encrypt(nonce, message, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes | None:
        """Return the message, or ``None`` if *sealed* was not sealed under this key with *associated*."""
        prefix = sealed[:_PREFIX_BYTES]
        known = self._openers.get(prefix)
        try:
            decrypt = known or self._derive(prefix).decrypt
            message = decrypt(sealed[_PREFIX_BYTES:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
        except (InvalidTag, ValueError):
            return None
        if known is None:
            # Only keys that opened a message are cached, because otherwise forgeries could evict the good ones.
            with self._lock:
                while len(self._openers) >= _KEPT_KEYS:
                    del self._openers[next(iter(self._openers))]
                self._openers[prefix] = decrypt
        return message


class _Sealer:
    __slots__ = ("count", "encrypt", "pid", "prefix")

    def __init__(self, prefix: bytes, aes: AESGCM, *, pid: int) -> None:
        self.prefix = prefix
        self.encrypt = aes.encrypt
        self.count = itertools.count(1)
        self.pid = pid


def derivation(key: bytes) -> Callable[[bytes], AESGCM]:
    """Return a function that derives the AES-256-GCM key from the first 12 bytes of a nonce."""

    def encrypt_block(block: bytes) -> bytes:
        # CMAC is built from single AES blocks; nothing is encrypted in this mode.
        encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305
        return encryptor.update(block) + encryptor.finalize()

    left = int.from_bytes(encrypt_block(bytes(16)), "big") << 1
    subkey = (left ^ 0x87 if left >> 128 else left) & (2**128 - 1)

    def derive(prefix: bytes) -> AESGCM:
        if len(prefix) != _PREFIX_BYTES:
            msg = "a nonce's first half has 12 bytes"
            raise ValueError(msg)
        blocks = (b"\0" + bytes((counter,)) + b"X\0" + prefix for counter in (1, 2))
        masked = ((int.from_bytes(block, "big") ^ subkey).to_bytes(16, "big") for block in blocks)
        return AESGCM(encrypt_block(b"".join(masked)))

    return derive
