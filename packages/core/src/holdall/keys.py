"""
Secrets and the keys derived from them.

One secret makes all the keys of an application, each for one purpose; a key for one purpose opens nothing made
for another.
"""

import warnings
from collections.abc import Callable
from typing import Literal

from holdall.errors import ConfigurationError

__all__ = ["Derivation", "Salt", "WeakSecretWarning", "as_bytes", "check_secret", "derive_key", "is_fit"]

#: What a derived key is for, or what says it when keys are derived.
Salt = str | bytes | Callable[[], str | bytes]

#: How a salt and a secret make a key, by the names of itsdangerous.
Derivation = Literal["hmac", "django-concat", "concat", "none"]

# Parts of secrets that stand in tutorials and templates, where an attacker looks first.
_WELL_KNOWN = (
    b"change-me",
    b"change_me",
    b"changeme",
    b"insecure",
    b"your-secret",
    b"your_secret",
    b"not-a-secret",
    b"not-so-secret",
)

# Fewer distinct bytes, or a shorter unit said over and over, is a pattern and not a secret.
_LEAST_DISTINCT_BYTES = 8
_LEAST_PERIOD = 16

# Where this is read, it can be run: the script of that name need not be on the path.
_ADVICE = "Make one with: python -m holdall secret"


class WeakSecretWarning(UserWarning):
    """A secret is too weak for production; it was let through for debugging or testing."""


def as_bytes(secret: str | bytes) -> bytes:
    """Return *secret* as bytes, a text in UTF-8."""
    return secret.encode() if isinstance(secret, str) else bytes(secret)


def check_secret(secret: str | bytes | None, *, name: str, at_least: int, weak_secrets: bool = False) -> bytes:
    """
    Return *secret* as bytes if it is fit to derive keys from.

    Args:
        name: What the application calls it, for the message.
        at_least: Fewest bytes.
        weak_secrets: Warn instead of raising, for a framework's debug or testing mode.

    Raises:
        ConfigurationError: It is missing, too short, a repeated pattern, or a well-known one.
    """
    if not secret:
        msg = f"{name} is missing. {_ADVICE}"
        raise ConfigurationError(msg)
    found = as_bytes(secret)
    fault = _fault(found, at_least)
    if fault is not None:
        msg = f"{name} {fault}. {_ADVICE}"
        if not weak_secrets:
            raise ConfigurationError(msg)
        warnings.warn(msg, WeakSecretWarning, stacklevel=3)
    return found


def is_fit(secret: str | bytes, *, at_least: int) -> bool:
    """Say whether ``check_secret`` would take *secret*."""
    return _fault(as_bytes(secret), at_least) is None


def _fault(secret: bytes, at_least: int) -> str | None:
    if len(secret) < at_least:
        return f"has {len(secret)} bytes and needs at least {at_least}"
    if any(known in secret.lower() for known in _WELL_KNOWN):
        return "is a well-known one from a tutorial or template"
    if len(set(secret)) < _LEAST_DISTINCT_BYTES or _period(secret) < _LEAST_PERIOD:
        return "is a pattern that is easily guessed"
    return None


def _period(text: bytes) -> int:
    """Return the length of the shortest unit that *text* repeats (its last time perhaps in part)."""
    return next(size for size in range(1, len(text) + 1) if text[size:] == text[:-size])


def derive_key(secret: bytes, purpose: str, *, length: int = 32) -> bytes:
    """
    Derive the key for one *purpose* with HKDF-SHA256 (RFC 5869).

    Derive at start-up and keep the result, never once per request.
    """
    # Other libraries' keys are derived in other ways.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(secret)
