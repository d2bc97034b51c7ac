"""
How a session is sealed into a cookie's value, and opened again.

A format does no I/O and knows no rule about sessions. ``NativeFormat`` is ours; the others speak other libraries'
cookies.
"""

from holdall.formats.contract import Format, Record
from holdall.formats.django import DjangoFormat
from holdall.formats.dynamo import DynamoFormat
from holdall.formats.flask import Derivation, FlaskFormat
from holdall.formats.native import NativeFormat
from holdall.formats.plug import PlugFormat, Salt
from holdall.formats.starlette import StarletteFormat

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
