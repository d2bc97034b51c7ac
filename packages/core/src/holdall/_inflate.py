"""Decompress bytes, up to a limit."""

import zlib

__all__ = ["RAW", "inflate"]

#: The zlib setting for raw deflate (RFC 1951), without zlib's header and checksum.
RAW = -15


def inflate(packed: bytes, *, at_most: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """
    Return *packed* decompressed.

    Args:
        wbits: ``RAW`` for raw deflate.

    Raises:
        ValueError: *packed* is not zlib's output, is incomplete, or expands to more than *at_most* bytes.
    """
    unpacker = zlib.decompressobj(wbits)
    try:
        data = unpacker.decompress(packed, at_most + 1)
    except zlib.error as exc:
        msg = "compressed bytes cannot be unpacked"
        raise ValueError(msg) from exc
    if len(data) > at_most or not unpacker.eof:
        msg = f"compressed bytes end early, or are longer than {at_most} bytes"
        raise ValueError(msg)
    return data
