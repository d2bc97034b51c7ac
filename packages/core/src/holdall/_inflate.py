"""Compressed bytes as they were, and no more of them than a caller can bear."""

import zlib

__all__ = ["inflate"]


def inflate(packed: bytes, *, at_most: int) -> bytes:
    """
    Return what zlib compressed to *packed*.

    Raises:
        ValueError: It is not zlib's work, is not complete, or is longer than *at_most* bytes.
    """
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, at_most + 1)
    except zlib.error as exc:
        msg = "compressed bytes cannot be unpacked"
        raise ValueError(msg) from exc
    if len(data) > at_most or not unpacker.eof:
        msg = f"compressed bytes end early, or are longer than {at_most} bytes"
        raise ValueError(msg)
    return data
