"""Bytes as text that any cookie can hold: base64url without padding (RFC 4648, section 5), one text for each value."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable

__all__ = ["from_text", "to_text"]

# Two replacements look quicker with the same bytes over and over; with ever new ones they are not.
_TO_URL = bytes.maketrans(b"+/", b"-_")
# What plain base64 has and ours has not becomes a character that is refused, and so does what means more than itself
# where base64 stands in JSON.
_FROM_URL = bytes.maketrans(b'-_+/="\\', b"+/!!!!!")
_PADDING = (b"", b"", b"==", b"=")
# The unused bits of the last character must be 0, or several texts would say the same.
_LAST = {2: frozenset("AQgw"), 3: frozenset("AEIMQUYcgkosw048")}


def to_text(token: bytes) -> str:
    """Return *token* in the alphabet ``[A-Za-z0-9_-]``."""
    return b2a_base64(token, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def from_text(text: str, decode: Callable[..., bytes] = a2b_base64) -> bytes | None:
    """
    Return what ``to_text`` was given, or ``None`` if *text* is not its work to the letter.

    Args:
        decode: Reads base64 in bytes as ``binascii.a2b_base64`` does in its strict mode, with a ``ValueError`` too.
    """
    left = len(text) % 4
    if left == 1 or not text or (left and text[-1] not in _LAST[left]):
        return None
    try:
        return decode(text.encode("ascii").translate(_FROM_URL) + _PADDING[left], strict_mode=True)
    except ValueError:
        return None
