"""A device's key pair in software, which signs proofs like a browser."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from holdall._base64url import to_text

__all__ = ["SoftwareKey"]


class SoftwareKey:
    """
    A key pair that signs proofs.

    Args:
        algorithm: ``"ES256"`` or ``"RS256"``.
    """

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self._key: EllipticCurvePrivateKey | RSAPrivateKey
        self._key = generate_private_key(SECP256R1()) if algorithm == "ES256" else generate_rsa_key(65537, 2048)

    @property
    def jwk(self) -> dict[str, Any]:
        """Return the public key (RFC 7517)."""
        if isinstance(self._key, EllipticCurvePrivateKey):
            point = self._key.public_key().public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": _text(point.x, 32), "y": _text(point.y, 32)}
        numbers = self._key.public_key().public_numbers()
        return {"kty": "RSA", "n": _text(numbers.n, 256), "e": _text(numbers.e, 3)}

    def proof(self, challenge: str, *, brings_key: bool, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """
        Return a proof of this key.

        Args:
            challenge: The text from the server.
            brings_key: Include the public key, as at a registration.
            header: Additional or replaced header fields.
            claims: Additional payload fields.
        """
        head = {"alg": self.algorithm, "typ": "dbsc+jwt", **({"jwk": self.jwk} if brings_key else {}), **(header or {})}
        message = f"{to_text(_json(head))}.{to_text(_json({'jti': challenge, **claims}))}"
        return f"{message}.{to_text(self.sign(message.encode('ascii')))}"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of *message* as encoded in a JWT (RFC 7518, section 3)."""
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(message, PKCS1v15(), SHA256())
        r, s = decode_dss_signature(self._key.sign(message, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(number: int, size: int) -> str:
    return to_text(number.to_bytes(size, "big"))
