"""
Compute ``request.session.session_key``, a name for the session that does not open it when sent as a cookie.

Other packages store that name in columns of 40 characters, so it must not be longer than an ID, and must not be one. It
is the ID, encrypted under the project's ``SECRET_KEY`` without changing its length. With the secret, ``SessionStore``
finds the row for a name; without it, a stolen copy of such a table opens no session.

A session in a cookie has no row to find. Its name is a digest, which finds the session only while a request uses it.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from weakref import WeakValueDictionary

from django.conf import settings
from django.utils.crypto import salted_hmac

from holdall import Session
from holdall.adapters import Phase, state_of
from holdall.stores import StoredSession

__all__ = ["COOKIE", "LENGTH", "cookies_of", "name_of", "stands_for"]

#: The number of characters in a name, and the minimum length of a cookie value.
LENGTH = 40

#: The characters allowed in a cookie (RFC 6265, section 4.1.1).
COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]+")

# Four rounds of a Feistel network over a pseudorandom function are a strong pseudorandom permutation (Luby and
# Rackoff), so a known pair of an ID and its name reveals nothing about another pair.
_ROUNDS = range(4)

# The sessions in cookies whose name was requested, while they are in use.
_used: "WeakValueDictionary[str, Session]" = WeakValueDictionary()


def name_of(session: Session, stored: StoredSession) -> str:
    """Return the name of *session*, which is *stored*."""
    key = state_of(session).backend.settings.key
    if stored.version is None:
        digest = _mac(settings.SECRET_KEY, key, b"log_id" + stored.log_id.encode())
        name = _text(digest[: LENGTH * 3 // 4])
        _used[name] = session
        return name
    sid = _bytes(stored.cookie)
    return stored.cookie if sid is None else _text(_permuted(sid, settings.SECRET_KEY, key, _ROUNDS))


def cookies_of(session_key: str | None, key: str) -> tuple[str, ...]:
    """Return the values of the cookie *key* that *session_key* may stand for: itself, and those that it may name."""
    if not session_key or not COOKIE.fullmatch(session_key):
        return ()
    used = _used.get(session_key)
    state = None if used is None else state_of(used)
    if state is not None and state.phase is Phase.HEADERS_PENDING and state.stored is not None:
        return (state.stored.cookie,)
    return session_key, *_enciphered_in(session_key, key)


def stands_for(session_key: str, cookie: str, key: str) -> bool:
    """Return whether *session_key* is a name of the session in *cookie*."""
    return cookie in _enciphered_in(session_key, key)


def _enciphered_in(name: str, key: str) -> Iterable[str]:
    enciphered = _bytes(name)
    if enciphered is None:
        return
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        # Swapped and run backwards, the rounds are their own inverse.
        yield _text(_swapped(_permuted(_swapped(enciphered), secret, key, reversed(_ROUNDS))))


def _permuted(text: bytes, secret: str | bytes, key: str, rounds: Iterable[int]) -> bytes:
    left, right = text[: len(text) // 2], text[len(text) // 2 :]
    for number in rounds:
        mixed = int.from_bytes(left) ^ int.from_bytes(_mac(secret, key, bytes((number,)) + right)[: len(left)])
        left, right = right, mixed.to_bytes(len(left))
    return left + right


def _swapped(text: bytes) -> bytes:
    return text[len(text) // 2 :] + text[: len(text) // 2]


def _mac(secret: str | bytes, key: str, text: bytes) -> bytes:
    return salted_hmac(f"holdall_django.names {key}", text, secret=secret, algorithm="sha256").digest()


def _bytes(text: str) -> bytes | None:
    """Return the bytes that *text* encodes if it can be an ID or a name."""
    # Newer Pythons warn of the last two.
    if not LENGTH <= len(text) <= LENGTH + 3 or not text.isascii() or not {"+", "/"}.isdisjoint(text):
        return None
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return found if len(found) % 2 == 0 and _text(found) == text else None


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
