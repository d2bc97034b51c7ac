"""Bytes as text that any cookie can hold: base64url without padding (RFC 4648, section 5), one text for each value."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable

__all__ = ["from_text", "to_text"]

_PADDING = ("", "", "==", "=")
# The unused bits of the last character must be 0, or several texts would say the same.
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


def to_text(token: bytes) -> str:
    """Return *token* in the alphabet ``[A-Za-z0-9_-]``."""
    # Two replacements are quicker than one translation.
    text = b2a_base64(token, newline=False).replace(b"+", b"-").replace(b"/", b"_")
    return text.rstrip(b"=").decode("ascii")


def from_text(text: str, decode: Callable[..., bytes] = a2b_base64) -> bytes | None:
    """
    Return what ``to_text`` was given, or ``None`` if *text* is not its work to the letter.

    Args:
        decode: Reads plain base64 as ``binascii.a2b_base64`` does in its strict mode, with a ``ValueError`` too.
    """
    left = len(text) % 4
    if left == 1 or not text or (left and text[-1] not in _LAST[left]):
        return None
    # What plain base64 has and ours has not.
    if "+" in text or "/" in text or "=" in text:
        return None
    try:
        return decode(text.replace("-", "+").replace("_", "/") + _PADDING[left], strict_mode=True)
    except ValueError:
        return None
