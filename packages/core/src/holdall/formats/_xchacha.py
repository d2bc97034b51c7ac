"""
XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): ChaCha20-Poly1305 with nonces of 24 bytes, which may all be random.

The first 16 bytes of a nonce make a key of their own (HChaCha20), under which the last 8 are the nonce.
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
    """Return the message, or ``None`` if *sealed* was not sealed so."""
    try:
        return _box(key, nonce).decrypt(_short(nonce), sealed, associated)
    except InvalidTag:
        return None


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """
    Return the key that *key* and 16 bytes of nonce make.

    It is the state after ChaCha20's rounds, its first and its last quarter. A block of ChaCha20 is that state plus
    the state before, of which these quarters are the constants and the nonce: taken away again, they leave it.
    """
    block = _WORDS.unpack(Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(_WORDS.size)))
    before = (*_CONSTANTS, *_WORDS.unpack(bytes(48) + nonce)[12:])
    return _HALF_BLOCK.pack(*((word - was) % 2**32 for word, was in zip(block[:4] + block[12:], before, strict=True)))


def _box(key: bytes, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hchacha20(key, nonce[:_PREFIX_BYTES]))


def _short(nonce: bytes) -> bytes:
    return bytes(4) + nonce[_PREFIX_BYTES:]
