"""Compressed bytes as they were, and no more of them than a caller can bear."""

import zlib

__all__ = ["RAW", "inflate"]

#: zlib's word for deflate alone (RFC 1951), without zlib's own header and checksum.
RAW = -15


def inflate(packed: bytes, *, at_most: int, wbits: int = zlib.MAX_WBITS) -> bytes:
    """
    Return what zlib compressed to *packed*.

    Args:
        wbits: ``RAW`` for deflate alone.

    Raises:
        ValueError: It is not zlib's work, is not complete, or is longer than *at_most* bytes.
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
