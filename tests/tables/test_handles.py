"""Handles: how visitors may refer to their own rows."""

import hashlib

from holdall.tables import RowInfo
from holdall.testing import FakeClock


def test_a_handle_always_names_the_same_row_and_reveals_nothing_of_its_digest(clock: FakeClock) -> None:
    digests = [hashlib.sha256(bytes([number])).digest() for number in range(100)]
    handles = [RowInfo(digest, clock(), clock()).handle for digest in digests]

    assert handles == [RowInfo(digest, clock(), clock()).handle for digest in digests]
    assert len(set(handles)) == 100
    assert all(len(bytes.fromhex(handle)) == 8 for handle in handles)
    assert not any(handle in digest.hex() for handle, digest in zip(handles, digests, strict=True))
