"""
How a session is sealed into a cookie's value, and opened again.

A format does no I/O and has no rules about sessions. ``NativeFormat`` is ours; the others read and write other
libraries' cookies.
"""

from typing import TYPE_CHECKING

from holdall._lazy_import import lazy_import
from holdall.formats.contract import Format, Record
from holdall.keys import Derivation, Salt

if TYPE_CHECKING:
    from holdall.formats.django import DjangoFormat
    from holdall.formats.dynamo import DynamoFormat
    from holdall.formats.flask import FlaskFormat
    from holdall.formats.native import NativeFormat
    from holdall.formats.plug import PlugFormat
    from holdall.formats.starlette import StarletteFormat
else:
    __getattr__, __dir__ = lazy_import(
        __name__,
        {
            "DjangoFormat": "holdall.formats.django",
            "DynamoFormat": "holdall.formats.dynamo",
            "FlaskFormat": "holdall.formats.flask",
            "NativeFormat": "holdall.formats.native",
            "PlugFormat": "holdall.formats.plug",
            "StarletteFormat": "holdall.formats.starlette",
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
