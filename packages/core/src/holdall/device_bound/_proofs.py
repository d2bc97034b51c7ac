"""
Verify proofs that a browser holds a device's key: JWTs signed with ES256 or RS256 (RFC 7515, 7517 and 7518).

The draft of Device Bound Session Credentials specifies their content in section "DBSC proof JWTs". Anyone can send any
text as a proof, so an invalid one results in a ``Flaw`` and never in an exception.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from holdall._base64url import from_text, to_text
from holdall._redacted import Redacted

__all__ = ["ALGORITHMS", "MAX_PROOF_BYTES", "DeviceKey", "Flaw", "Proof", "header_text", "verify"]

#: The algorithms offered to browsers, in order of preference.
ALGORITHMS = ("ES256", "RS256")

#: The maximum length of a proof. An RSA key of 4096 bits and its signature take about 1,500 bytes.
MAX_PROOF_BYTES = 4096

_TYPE = "dbsc+jwt"
_COORDINATE_BYTES = 32
# Shorter keys are too weak (RFC 7518, section 3.3), and longer ones cost the server more than a device would use.
_RSA_BITS = range(2048, 4097)
_LARGEST_EXPONENT = 2**32

_QUOTED = re.compile(r'[ \t]*"((?:[^"\\]|\\["\\])*)"')
_BARE = re.compile(r"[ \t]*([^\s;,\"]+)")


class Flaw(NamedTuple):
    """
    The reason why a proof was refused.

    Attributes:
        reason: A few words that do not repeat anything that was sent.
        forged: Whether the proof is well-formed but not signed by the key, so that the sender does not have the device.
    """

    reason: str
    forged: bool = False


class DeviceKey(Redacted):
    """
    A device's public key.

    Attributes:
        algorithm: ``"ES256"`` or ``"RS256"``.
        numbers: The coordinates x and y, or the modulus and the exponent.
    """

    __slots__ = ("_key", "algorithm", "numbers")

    def __init__(self, algorithm: str, numbers: tuple[int, int]) -> None:
        self.algorithm = algorithm
        self.numbers = numbers
        one, two = numbers
        self._key: Any
        if algorithm == "ES256":
            self._key = EllipticCurvePublicNumbers(one, two, SECP256R1()).public_key()
        else:
            self._key = RSAPublicNumbers(two, one).public_key()

    def __str__(self) -> str:
        """Return the key as text that ``from_stored`` can read."""
        return ".".join((self.algorithm, *(to_text(_bytes_of(number)) for number in self.numbers)))

    @classmethod
    def from_stored(cls, text: str) -> "DeviceKey":
        """Return the key from the *text* that ``str`` returned."""
        algorithm, *numbers = text.split(".")
        one, two = (int.from_bytes(from_text(number) or b"", "big") for number in numbers)
        return cls(algorithm, (one, two))

    def has_signed(self, signature: bytes, message: bytes) -> bool:
        """Return whether *signature* over *message* was made by this key."""
        try:
            if self.algorithm == "RS256":
                self._key.verify(signature, message, PKCS1v15(), SHA256())
                return True
            if len(signature) != 2 * _COORDINATE_BYTES:
                return False
            r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
            self._key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


class Proof(Redacted):
    """
    A proof with a valid signature.

    Attributes:
        challenge: The text that the browser was asked to sign (``jti``).
        key: The key that signed it.
    """

    __slots__ = ("challenge", "key")

    def __init__(self, challenge: str, key: DeviceKey) -> None:
        self.challenge = challenge
        self.key = key


def verify(token: str, key: DeviceKey | None = None) -> Proof | Flaw:
    """
    Return the content of a proof if it is signed by *key*.

    Args:
        token: The JWT, as ``header_text`` returns it.
        key: The session's key. ``None`` for a registration, whose proof contains the key: the signature then shows that
            the sender has the private key.
    """
    if len(token) > MAX_PROOF_BYTES:
        return Flaw("longer than a proof can be")
    message, _, last = token.rpartition(".")
    parts = [from_text(part) for part in (*message.split("."), last)]
    if len(parts) != 3 or None in parts:
        return Flaw("not a JWT")
    header, payload = (_object(part or b"") for part in parts[:2])
    if header is None or payload is None:
        return Flaw("not a JWT of JSON objects")
    if header.get("typ") != _TYPE:
        return Flaw("typ is not dbsc+jwt")
    if header.get("alg") not in ALGORITHMS:
        return Flaw("alg is neither ES256 nor RS256")
    if "crit" in header:
        # A recipient must understand these extensions or reject the token (RFC 7515, section 4.1.11).
        return Flaw("has unknown extensions")
    challenge = payload.get("jti")
    if not isinstance(challenge, str) or not challenge.isascii():
        return Flaw("jti is not a challenge")
    brought = [each["jwk"] for each in (header, payload) if "jwk" in each]
    if key is not None and brought:
        # Only a registration contains a key. Accepting one from any other proof would let anyone sign.
        return Flaw("contains a key, which only a registration may")
    if key is None:
        if not brought:
            return Flaw("contains no key")
        if brought[0] != brought[-1]:
            return Flaw("contains two keys")
        key = _key_of(brought[0], header["alg"])
    if key is None:
        return Flaw("contains a key that cannot be used")
    if header["alg"] != key.algorithm:
        return Flaw("alg is not the key's")
    if not key.has_signed(parts[2] or b"", message.encode("ascii")):
        return Flaw("the signature is wrong", forged=True)
    return Proof(challenge, key)


def header_text(value: str | None) -> str | None:
    """
    Return the text in a header's *value*, a Structured Field (RFC 9651), ignoring its parameters.

    Browsers quote it as the draft says, or send it bare. Returns ``None`` if the header is missing or contains no text.
    """
    if value is None:
        return None
    quoted = _QUOTED.match(value)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    bare = _BARE.match(value)
    return None if bare is None else bare[1]


def _object(part: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(part.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # If a name is repeated, another reader may use the other value (RFC 7515, section 4).
        raise ValueError
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _key_of(jwk: Any, algorithm: str) -> DeviceKey | None:
    """Return the key of a JWK (RFC 7517) for this *algorithm*; ``None`` if it is not a suitable public key."""
    if not isinstance(jwk, Mapping) or "d" in jwk or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        if algorithm == "ES256":
            if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
                return None
            x, y = (from_text(jwk[name]) or b"" for name in ("x", "y"))
            if not len(x) == len(y) == _COORDINATE_BYTES:
                return None
            return DeviceKey(algorithm, (int.from_bytes(x, "big"), int.from_bytes(y, "big")))
        if jwk.get("kty") != "RSA":
            return None
        n, e = (int.from_bytes(from_text(jwk[name]) or b"", "big") for name in ("n", "e"))
        if n.bit_length() not in _RSA_BITS or not 3 <= e < _LARGEST_EXPONENT:
            return None
        return DeviceKey(algorithm, (n, e))
    except (KeyError, TypeError, ValueError, AttributeError, UnsupportedAlgorithm):
        # A member is missing or not text, or the point is not on the curve.
        return None


def _bytes_of(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
