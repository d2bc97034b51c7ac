"""
Read and write Plug's cookies, and so Phoenix's, to share a session between an Elixir application and a Python one.

Signed, with ``HS256``, ``HS384`` or ``HS512``; encrypted; and as encrypted by plug_crypto before 2.0 (read only)::

    base64url("HS256") . base64url(payload) . base64url(HMAC of the preceding)
    "XCP" . base64url(nonce (24) | tag (16) | XChaCha20-Poly1305 of the payload)
    base64url("A128GCM") . wrapped key . nonce . ciphertext . tag

The payload is the session, in Erlang's external term format by default.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdall import etf
from holdall._base64url import from_text, to_text
from holdall._clock import Clock, seconds_of, utc_now
from holdall._errors import ConfigurationError
from holdall._keys import HoldsSecret, Salt, as_bytes, check_secret
from holdall.etf import Atom, AtomKey
from holdall.formats._contract import Record
from holdall.formats._json import PlainJSON
from holdall.formats._times import with_times, without_times
from holdall.formats._xchacha import NONCE_BYTES, TAG_BYTES, decrypt, encrypt
from holdall.serializers import Serializer

__all__ = ["PlugFormat"]
_KEY_DIGESTS = {"sha": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}

# Encryption uses keys of 32 bytes. plug_crypto before 2.0 also accepted 16 or 24, and the first 32 of more.
_KEY_BYTES = 32
_SHORTER_KEY_BYTES = (16, 24)
_LEAST_KEY_BYTES = 16


class PlugFormat(HoldsSecret):
    """
    The cookies of Plug's cookie store, read and written byte for byte.

    The options have Plug's names and defaults; for its ``rotating_options``, list other formats in ``also_read``. Where
    Plug accepts several texts for one cookie (padding, unused bits), only the one that it writes is accepted.

    These cookies contain no times. If sessions have timeouts, our times are stored in the session under the key
    ``"_holdall"``, which Phoenix leaves alone. A session that Phoenix began does not say how old it is: until it is
    written here with times, each read treats it as begun now and without an end, as Plug does. Without timeouts
    (``idle_timeout=None, absolute_timeout=None``) nothing is added and the cookie is exactly Plug's.

    ``put_session`` converts every key to text. If a key is an atom nevertheless, it is kept as an ``AtomKey``, which,
    as in Plug, is not found by its text.

    Args:
        secret_key_base: At least 64 bytes; text is encoded in UTF-8.
        signing_salt: Required, for encrypted cookies too, as in Plug.
        encryption_salt: Enables encryption; with ``None`` cookies are only signed, and the visitor can read the
            session.
        key_iterations: The number of PBKDF2 rounds that derive the keys, once, when the format is created. The secret
            is too long to be guessed, whatever the number is.
        key_length: The keys' length in bytes, at least 16. Cookies are always encrypted with 32, because plug_crypto 2
            accepts nothing else; 16, 24, or more than 32 allows reading cookies that plug_crypto 1 encrypted that way.
        key_digest: The digest of PBKDF2. Signatures are always written with SHA-256, and read with any.
        serializer: ``"external_term_format"``, ``"json"``, or an object with ``dumps`` and ``loads``.
        otp: The Erlang/OTP release to write atoms for: 25 if Phoenix runs on 25 or older; 26 reads those too.
        weak_secrets: Warn of a weak secret instead of refusing it, for a framework's debug or testing mode.
        clock: Returns the time at which a session of unknown age is read.
        random: Source of secret random bytes.

    Raises:
        ConfigurationError: An option is invalid in Plug too; the message says what to do.
    """

    name = "plug"

    def __init__(
        self,
        secret_key_base: str | bytes,
        *,
        signing_salt: Salt | None = None,
        encryption_salt: Salt | None = None,
        key_iterations: int = 1000,
        key_length: int = 32,
        key_digest: str = "sha256",
        serializer: Literal["external_term_format", "json"] | Serializer = "external_term_format",
        otp: Literal[25, 26] = 26,
        weak_secrets: bool = False,
        clock: Clock = utc_now,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        secret = check_secret(secret_key_base, name="secret_key_base", at_least=64, weak_secrets=weak_secrets)
        if signing_salt is None:
            msg = "signing_salt is missing: use the one of the Phoenix application (endpoint.ex), or any text."
            raise ConfigurationError(msg)
        if key_digest not in _KEY_DIGESTS:
            msg = f"key_digest={key_digest!r} is unknown. Choose one of: {', '.join(_KEY_DIGESTS)}."
            raise ConfigurationError(msg)
        if type(key_iterations) is not int or key_iterations < 1:
            msg = f"key_iterations={key_iterations!r} is not a whole number of at least 1."
            raise ConfigurationError(msg)
        if type(key_length) is not int or key_length < _LEAST_KEY_BYTES:
            msg = f"key_length={key_length!r} is not a whole number of at least {_LEAST_KEY_BYTES} bytes."
            raise ConfigurationError(msg)
        if encryption_salt is not None and key_length < _KEY_BYTES and key_length not in _SHORTER_KEY_BYTES:
            msg = f"key_length={key_length} is not what encryption needs: leave it at {_KEY_BYTES}."
            raise ConfigurationError(msg)

        def key(name: str, salt: Salt, length: int) -> bytes:
            return hashlib.pbkdf2_hmac(_KEY_DIGESTS[key_digest], secret, _salt(name, salt), key_iterations, length)

        signing_key = key("signing_salt", signing_salt, key_length)
        self._box: _Signing | _Encrypting = _Signing(signing_key)
        if encryption_salt is not None:
            # A shorter key from PBKDF2 is a prefix of a longer one.
            encryption_key = key("encryption_salt", encryption_salt, _KEY_BYTES)
            self._box = _Encrypting(encryption_key, encryption_key[:key_length], signing_key, random)
        self._serializer = _serializer(serializer, otp)
        self._now = seconds_of(clock)
        self.check = getattr(self._serializer, "check", None)

    def seal(self, record: Record, *, key: str) -> str:
        return self._box.seal(self._serializer.dumps(with_times(record, key=key)))

    def open(self, cookie: str, *, key: str) -> Record | None:
        payload = self._box.open(cookie) if cookie.isascii() else None
        if payload is None:
            return None
        try:
            data = self._serializer.loads(payload)
        except ValueError:
            # Authentic, but not readable: it contains a function, or another serializer wrote it.
            return None
        return without_times(data, cookie, key=key, created=self._now())


_SIGNED = to_text(b"HS256")
_MAC_DIGESTS = {_SIGNED: "sha256", to_text(b"HS384"): "sha384", to_text(b"HS512"): "sha512"}


class _Signing(HoldsSecret):
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, payload: bytes) -> str:
        signed = f"{_SIGNED}.{to_text(payload)}"
        return f"{signed}.{self._mac(signed, 'sha256')}"

    def open(self, cookie: str) -> bytes | None:
        signed, _, mac = cookie.rpartition(".")
        header, _, payload = signed.partition(".")
        # A signature with another digest is just as good, under the same key, so the header may choose.
        digest = _MAC_DIGESTS.get(header)
        if digest is None or not hmac.compare_digest(mac, self._mac(signed, digest)):
            return None
        return from_text(payload)

    def _mac(self, signed: str, digest: str) -> str:
        return to_text(hmac.digest(self._key, signed.encode("ascii"), digest))


_ENCRYPTED = "XCP."
_ENCRYPTED_V1 = b"A128GCM"
_ASSOCIATED = _ENCRYPTED_V1  # in XCP messages too

_HEAD_BYTES = NONCE_BYTES + TAG_BYTES
_GCM_NONCE_BYTES = 12
# A message's own key, of any AES key size, followed by its tag and its nonce.
_WRAPPED_BYTES = frozenset(size + TAG_BYTES + _GCM_NONCE_BYTES for size in (16, 24, 32))


class _Encrypting(HoldsSecret):
    __slots__ = ("_key", "_key_v1", "_random", "_signing_key")

    def __init__(self, key: bytes, key_v1: bytes, signing_key: bytes, random: Callable[[int], bytes]) -> None:
        self._key = key
        self._key_v1 = key_v1
        self._signing_key = signing_key
        self._random = random

    def seal(self, payload: bytes) -> str:
        nonce = self._random(NONCE_BYTES)
        sealed = encrypt(self._key, nonce, payload, _ASSOCIATED)
        message, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
        return _ENCRYPTED + to_text(nonce + tag + message)

    def open(self, cookie: str) -> bytes | None:
        if not cookie.startswith(_ENCRYPTED):
            return self._open_v1(cookie)
        token = from_text(cookie[len(_ENCRYPTED) :])
        if token is None or len(token) < _HEAD_BYTES:
            return None
        tag, message = token[NONCE_BYTES:_HEAD_BYTES], token[_HEAD_BYTES:]
        return decrypt(self._key, token[:NONCE_BYTES], message + tag, _ASSOCIATED)

    def _open_v1(self, cookie: str) -> bytes | None:
        """Open a cookie from plug_crypto 1, which encrypts each message with its own key, wrapped by ours."""
        match [from_text(part) for part in cookie.split(".", 5)]:
            case [header, bytes(wrapped), bytes(nonce), bytes(message), bytes(tag)]:
                if header != _ENCRYPTED_V1 or len(wrapped) not in _WRAPPED_BYTES:
                    return None
                if (len(nonce), len(tag)) != (_GCM_NONCE_BYTES, TAG_BYTES):
                    return None
                wrapped, wrapping_nonce = wrapped[:-_GCM_NONCE_BYTES], wrapped[-_GCM_NONCE_BYTES:]
                try:
                    message_key = AESGCM(self._key_v1).decrypt(wrapping_nonce, wrapped, self._signing_key)
                    return AESGCM(message_key).decrypt(nonce, message + tag, _ASSOCIATED)
                except InvalidTag:
                    return None
        return None


class _Terms:
    """The external term format as a serializer."""

    def __init__(self, otp: Literal[25, 26]) -> None:
        self._otp: Literal[25, 26] = otp

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        return etf.dumps(data, otp=self._otp)

    def check(self, key: str, value: Any) -> None:
        self.dumps({key: value})

    def loads(self, payload: bytes, /) -> Any:
        term = etf.loads(payload)
        if not isinstance(term, dict):
            return term
        return {AtomKey(name) if type(name) is Atom else name: value for name, value in term.items()}


def _salt(name: str, salt: Salt) -> bytes:
    try:
        return as_bytes(salt() if callable(salt) else salt)
    except (TypeError, ValueError) as exc:
        msg = f"{name} cannot be used: {exc}."
        raise ConfigurationError(msg) from exc


def _serializer(given: str | Serializer, otp: Literal[25, 26]) -> Serializer:
    if otp not in (25, 26):
        msg = f"otp={otp!r} is neither 25 (for 25 and older) nor 26 (for 26 and newer)."
        raise ConfigurationError(msg)
    match given:
        case "external_term_format":
            return _Terms(otp)
        case "json":
            return PlainJSON(strict=True)
        case _ if not isinstance(given, str) and hasattr(given, "dumps") and hasattr(given, "loads"):
            return given
    msg = f'serializer={given!r} is not "external_term_format", "json", or an object with dumps() and loads().'
    raise ConfigurationError(msg)
