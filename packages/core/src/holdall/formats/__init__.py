"""
How a session is sealed into a cookie's value, and opened again.

A format does no I/O and knows no rule about sessions. ``NativeFormat`` is ours; the others speak other libraries'
cookies.
"""

from holdall.formats.contract import Format, Record
from holdall.formats.native import NativeFormat
from holdall.formats.plug import PlugFormat, Salt

__all__ = ["Format", "NativeFormat", "PlugFormat", "Record", "Salt"]
