"""Detect a cookie's format by its appearance, and the options that the format needs to open it."""

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from holdall._base64url import from_text
from holdall.formats import (
    DjangoFormat,
    DynamoFormat,
    FlaskFormat,
    Format,
    NativeFormat,
    PlugFormat,
    StarletteFormat,
)

__all__ = ["FORMATS", "SID", "CookieKind", "detect"]


class CookieKind(NamedTuple):
    """
    A kind of cookie that a format writes.

    Attributes:
        format: The format's name in ``Sessions(format=…)``.
        label: The description that the command prints.
        make: Returns the format.
        pattern: Matches all cookies of this kind, and few others.
        options: The format's options for this kind of cookie.
        needs: The options that the format requires to open it.
    """

    format: str
    label: str
    make: Callable[..., Format]
    pattern: re.Pattern[str]
    options: Mapping[str, Any] = MappingProxyType({})
    needs: tuple[str, ...] = ()

    def details(self, cookie: str) -> str:
        """Describe what can be read from *cookie* without a secret."""
        header = from_text(cookie) if self.format == "native" else None
        return f"{self.label}, version {header[0]}, key id {header[1:5].hex()}" if header else self.label


#: The secret ID of a session in a table.
SID = re.compile(r"[\w-]{40}", re.ASCII)

_ENCRYPTED = MappingProxyType({"encrypt": True})
_SIGNED = MappingProxyType({"encrypt": False})
_PLUG_SIGNED = MappingProxyType({"encryption_salt": None})
_SALTS = ("signing_salt", "encryption_salt")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


# Our own begin with the version and the key ID: in base64url, the second character contains the last bits of the
# version. The last three kinds contain a time in six characters: four bytes of Unix time, or a base-62 number.
_KINDS = (
    CookieKind("native", "holdall, encrypted", NativeFormat, _pattern(r"A[Q-Za-fw-z0-9_-][\w-]{82,}"), _ENCRYPTED),
    CookieKind(
        "native", "holdall, signed and readable", NativeFormat, _pattern(r"(?:A[g-v]|B[A-P])[\w-]{72,}"), _SIGNED
    ),
    CookieKind("plug", "Plug, encrypted", PlugFormat, _pattern(r"XCP\.[\w-]{54,}"), needs=_SALTS),
    CookieKind(
        "plug",
        "Plug, signed and readable",
        PlugFormat,
        _pattern(r"SFM(?:yNTY|zODQ|1MTI)\.[\w-]+\.[\w-]{43,86}"),
        _PLUG_SIGNED,
        needs=("signing_salt",),
    ),
    CookieKind(
        "plug",
        "Plug, encrypted by plug_crypto before 2.0",
        PlugFormat,
        _pattern(r"QTEyOEdDTQ\.(?:[\w-]{59}|[\w-]{70}|[\w-]{80})\.[\w-]{16}\.[\w-]+\.[\w-]{22}"),
        needs=_SALTS,
    ),
    CookieKind(
        "dynamo", "Dynamo, signed and readable", DynamoFormat, _pattern(r"[A-Za-z0-9+/]+={0,2}--[0-9A-F]{1,40}")
    ),
    CookieKind("flask", "Flask, signed and readable", FlaskFormat, _pattern(r"\.?[\w-]+\.[\w-]{6}\.[\w-]{22,86}")),
    CookieKind(
        "starlette",
        "Starlette, signed and readable",
        StarletteFormat,
        _pattern(r"[A-Za-z0-9+/]+={0,2}\.[\w-]{6}\.[\w-]{27}"),
    ),
    CookieKind(
        "django",
        "Django's signed_cookies, signed and readable",
        DjangoFormat,
        _pattern(r"\.?[\w-]+:[0-9A-Za-z]{6}:[\w-]{43}"),
    ),
)

#: The formats' names.
FORMATS = tuple(dict.fromkeys(kind.format for kind in _KINDS))


def detect(cookie: str, formats: Iterable[str] = FORMATS) -> list[CookieKind]:
    """Return the kinds of cookie, among *formats*, that *cookie* may be."""
    return [kind for kind in _KINDS if kind.format in formats and kind.pattern.fullmatch(cookie)]
