"""
Seal a session into a cookie's value, and open it again.

A format does no I/O and has no rules about sessions. ``NativeFormat`` is ours; the others read and write other
libraries' cookies.
"""

from typing import TYPE_CHECKING

from holdall._keys import Derivation, Salt
from holdall._lazy_import import lazy_import
from holdall.formats._contract import Format, Record

if TYPE_CHECKING:
    from holdall.formats._django import DjangoFormat
    from holdall.formats._dynamo import DynamoFormat
    from holdall.formats._flask import FlaskFormat
    from holdall.formats._native import NativeFormat
    from holdall.formats._plug import PlugFormat
    from holdall.formats._starlette import StarletteFormat
else:
    __getattr__, __dir__ = lazy_import(
        __name__,
        {
            "DjangoFormat": "holdall.formats._django",
            "DynamoFormat": "holdall.formats._dynamo",
            "FlaskFormat": "holdall.formats._flask",
            "NativeFormat": "holdall.formats._native",
            "PlugFormat": "holdall.formats._plug",
            "StarletteFormat": "holdall.formats._starlette",
        },
    )

__all__ = [
    "Derivation",
    "DjangoFormat",
    "DynamoFormat",
    "FlaskFormat",
    "Format",
    "NativeFormat",
    "PlugFormat",
    "Record",
    "Salt",
    "StarletteFormat",
]
