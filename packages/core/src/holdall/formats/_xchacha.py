"""
Implement XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 with 24-byte nonces, safe if random.

The first 16 bytes of a nonce derive a subkey (HChaCha20), which is used with the last 8 as its nonce.
"""

from struct import Struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

__all__ = ["NONCE_BYTES", "TAG_BYTES", "decrypt", "encrypt", "hchacha20"]

NONCE_BYTES = 24
TAG_BYTES = 16

_PREFIX_BYTES = 16
_WORDS = Struct("<16I")
_HALF_BLOCK = Struct("<8I")
_CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)  # "expand 32-byte k"


def encrypt(key: bytes, nonce: bytes, message: bytes, associated: bytes) -> bytes:
    """Return ciphertext and tag."""
    return _box(key, nonce).encrypt(_short(nonce), message, associated)


def decrypt(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    """Return the message, or ``None`` if *sealed* is not authentic."""
    try:
        return _box(key, nonce).decrypt(_short(nonce), sealed, associated)
    except InvalidTag:
        return None


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """
    Derive the subkey from *key* and 16 bytes of nonce.

    It consists of the first and the last quarter of the state after ChaCha20's rounds. A ChaCha20 block is that state
    plus the initial state, whose quarters are the constants and the nonce; subtracting them yields the subkey.
    """
    block = _WORDS.unpack(Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(_WORDS.size)))
    before = (*_CONSTANTS, *_WORDS.unpack(bytes(48) + nonce)[12:])
    return _HALF_BLOCK.pack(*((word - was) % 2**32 for word, was in zip(block[:4] + block[12:], before, strict=True)))


def _box(key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hchacha20(key, nonce[:_PREFIX_BYTES]))


def _short(nonce: bytes) -> bytes:
    return bytes(4) + nonce[_PREFIX_BYTES:]
