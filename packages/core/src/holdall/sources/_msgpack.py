"""Read MessagePack as far as sessions need it; the only extension supported is the timestamp."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["loads"]

_EPOCH = datetime.fromtimestamp(0, UTC)
_TIMESTAMP = 0xFF  # -1, the one extension that the specification defines

_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
# Types followed by a length, and the number of bytes it takes.
_BINARIES = {0xC4: 1, 0xC5: 2, 0xC6: 4}
_TEXTS = {0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
_EXTENSIONS = {0xC7: 1, 0xC8: 2, 0xC9: 4}
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def loads(payload: bytes) -> Any:
    """
    Return the value in *payload*.

    Raises:
        ValueError: *payload* is not MessagePack, or contains a value that Python cannot represent.
    """
    reader = _Reader(payload)
    try:
        value = reader.value()
    except (IndexError, struct.error, TypeError, OverflowError, RecursionError) as exc:
        msg = "the payload is not MessagePack, or contains a value that Python cannot represent"
        raise ValueError(msg) from exc
    if not reader.is_at_end:
        msg = "the payload is followed by other data"
        raise ValueError(msg)
    return value


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._place = 0

    @property
    def is_at_end(self) -> bool:
        return self._place == len(self._payload)

    def value(self) -> Any:
        head = self._take(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head < 0x90:
            return self._map(head & 0x0F)
        if head < 0xA0:
            return self._array(head & 0x0F)
        if head < 0xC0:
            return self._text(head & 0x1F)
        if head in _CONSTANTS:
            return _CONSTANTS[head]
        if head in _NUMBERS:
            return self._number(_NUMBERS[head])
        for sizes, read in ((_BINARIES, self._take), (_TEXTS, self._text), (_ARRAYS, self._array), (_MAPS, self._map)):
            if head in sizes:
                return read(self._length(sizes[head]))
        length = self._length(_EXTENSIONS[head]) if head in _EXTENSIONS else _FIXED_EXTENSIONS.get(head)
        if length is None or self._take(1)[0] != _TIMESTAMP:
            msg = "the payload contains an extension type that only its own application can read"
            raise ValueError(msg)
        return _time(self._take(length))

    def _take(self, length: int) -> bytes:
        end = self._place + length
        if end > len(self._payload):
            msg = "the payload ends early"
            raise ValueError(msg)
        taken = self._payload[self._place : end]
        self._place = end
        return taken

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _length(self, size: int) -> int:
        return int.from_bytes(self._take(size))

    def _text(self, length: int) -> str:
        return self._take(length).decode()

    def _array(self, length: int) -> list[Any]:
        return [self.value() for _ in range(length)]

    def _map(self, length: int) -> dict[Any, Any]:
        return {self.value(): self.value() for _ in range(length)}


def _time(payload: bytes) -> datetime:
    """Return the time in one of the three layouts: seconds; nanoseconds and seconds in 64 bits, or in 96."""
    match len(payload):
        case 4:
            nanoseconds, seconds = 0, int.from_bytes(payload)
        case 8:
            nanoseconds, seconds = divmod(int.from_bytes(payload), 1 << 34)
        case 12:
            nanoseconds, seconds = struct.unpack(">Iq", payload)
        case _:
            msg = "the payload contains a time in an unknown layout"
            raise ValueError(msg)
    microseconds, rest = divmod(nanoseconds, 1000)
    if rest:
        msg = "the payload contains a time more precise than Python's"
        raise ValueError(msg)
    return _EPOCH + timedelta(seconds=seconds, microseconds=microseconds)
