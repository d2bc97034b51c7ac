"""XAES-256-GCM, and how it makes nonces that do not repeat."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.formats import _xaes
from holdall.formats._xaes import XAES256GCM, derivation
from holdall.testing._forks import exit_code, forked

KEY = bytes(range(32))


def drawing(*pieces: bytes) -> Callable[[int], bytes]:
    """Return a source of randomness that yields these *pieces*, then counts."""
    left: Iterator[bytes] = iter(pieces)
    count = iter(range(2**32))

    def random(length: int) -> bytes:
        piece = next(left, None)
        return next(count).to_bytes(length, "big") if piece is None else piece

    return random


@pytest.mark.parametrize(
    ("key", "associated", "sealed"),
    [
        (b"\x01" * 32, b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (b"\x03" * 32, b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
)
def test_xaes_agrees_with_the_vectors_of_c2sp(key: bytes, associated: bytes, sealed: str) -> None:
    nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX"
    box = XAES256GCM(key, drawing(nonce[:12], nonce[12:]))

    assert box.seal(b"XAES-256-GCM", associated) == nonce + bytes.fromhex(sealed)
    assert box.open(nonce + bytes.fromhex(sealed), associated) == b"XAES-256-GCM"


@given(st.binary(min_size=32, max_size=32), st.binary(), st.binary())
def test_a_sealed_message_opens(key: bytes, message: bytes, associated: bytes) -> None:
    sealed = XAES256GCM(key, os.urandom).seal(message, associated)

    assert XAES256GCM(key, os.urandom).open(sealed, associated) == message


@given(st.integers(0, 8 * (24 + 7 + 16) - 1))
def test_one_flipped_bit_invalidates_a_message(bit: int) -> None:
    box = XAES256GCM(KEY, os.urandom)
    sealed = bytearray(box.seal(b"message", b""))

    sealed[bit // 8] ^= 1 << bit % 8

    assert box.open(bytes(sealed), b"") is None


def test_a_message_truncated_anywhere_does_not_open() -> None:
    box = XAES256GCM(KEY, os.urandom)
    sealed = box.seal(b"message", b"")

    assert [box.open(sealed[:length], b"") for length in range(len(sealed))] == [None] * len(sealed)


def test_another_key_or_other_associated_data_does_not_open_a_message() -> None:
    sealed = XAES256GCM(KEY, os.urandom).seal(b"message", b"associated")

    assert XAES256GCM(bytes(32), os.urandom).open(sealed, b"associated") is None
    assert XAES256GCM(KEY, os.urandom).open(sealed, b"other") is None


def test_a_prefix_serves_many_messages_each_with_its_own_nonce() -> None:
    box = XAES256GCM(KEY, os.urandom)

    nonces = {box.seal(b"", b"")[:24] for _ in range(1000)}

    assert len(nonces) == 1000
    assert len({nonce[:12] for nonce in nonces}) == 1


def test_a_new_prefix_is_drawn_after_a_set_number_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _xaes._SEALS_PER_PREFIX == 2**20
    monkeypatch.setattr(_xaes, "_SEALS_PER_PREFIX", 5)
    box = XAES256GCM(KEY, os.urandom)

    prefixes = [box.seal(b"", b"")[:12] for _ in range(15)]

    assert [prefixes.count(prefix) for prefix in dict.fromkeys(prefixes)] == [5, 5, 5]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("hooks", [True, False], ids=["with Python's hooks", "without them"])
def test_a_forked_process_draws_its_own_prefix(hooks: bool) -> None:
    box = XAES256GCM(KEY, os.urandom)
    before = box.seal(b"", b"")[:12]
    reading, writing = os.pipe()

    child = forked(lambda: os.write(writing, box.seal(b"", b"")[:12]), hooks=hooks)
    assert exit_code(child) == 0
    in_child = os.read(reading, 12)
    os.close(reading)
    os.close(writing)

    assert len(in_child) == 12
    assert in_child != before
    assert box.seal(b"", b"")[:12] == before


def test_a_limited_number_of_keys_for_opening_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xaes, "_KEPT_KEYS", 3)
    box = XAES256GCM(KEY, os.urandom)
    sealed = [XAES256GCM(KEY, os.urandom).seal(b"%d" % n, b"") for n in range(10)]

    assert [box.open(each, b"") for each in sealed] == [b"%d" % n for n in range(10)]
    assert list(box._openers) == [each[:12] for each in sealed[-3:]]


def test_a_forgery_cannot_push_out_a_key_in_use() -> None:
    box = XAES256GCM(KEY, os.urandom)
    sealed = box.seal(b"message", b"")
    box.open(sealed, b"")

    for _ in range(1000):
        assert box.open(os.urandom(60), b"") is None

    assert list(box._openers) == [sealed[:12]]


def test_a_nonces_first_half_has_its_length() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        derivation(KEY)(bytes(11))


def test_threads_that_share_a_cipher_never_repeat_a_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xaes, "_SEALS_PER_PREFIX", 50)
    monkeypatch.setattr(_xaes, "_KEPT_KEYS", 4)
    box = XAES256GCM(KEY, os.urandom)
    nonces: list[bytes] = []
    opened: list[bytes | None] = []
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for _ in range(500):
            sealed = box.seal(b"message", b"")
            nonces.append(sealed[:24])
            opened.append(box.open(sealed, b""))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert opened == [b"message"] * 4000
    assert len(set(nonces)) == 4000
    assert len(box._openers) <= 4


def test_randomness_drawn_before_a_fork_is_not_used_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    box = XAES256GCM(KEY, os.urandom)
    prefixes = [box.seal(b"", b"")[:12]]

    monkeypatch.setattr(os, "getpid", lambda: -7)
    prefixes += [box.seal(b"", b"")[:12] for _ in range(2)]

    assert prefixes[0] != prefixes[1] == prefixes[2]
