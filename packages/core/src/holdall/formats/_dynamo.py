"""
Read and write the cookies of Dynamo, Phoenix's predecessor: an Erlang keyword list in base64, signed with HMAC-SHA1.

base64(term) -- HMAC under the secret itself, as an upper-case hexadecimal number, so without leading zeros
"""

import hmac
from binascii import a2b_base64, b2a_base64
from typing import Any

from holdall import etf
from holdall._clock import Clock, seconds_of, utc_now
from holdall._keys import HoldsSecret, check_secret
from holdall.etf import Atom
from holdall.formats._contract import Record
from holdall.formats._times import with_times, without_times

__all__ = ["DynamoFormat"]

_SEPARATOR = "--"


class _Binary(str):
    """A key that was read as a binary, and is written as one again."""

    __slots__ = ()


class DynamoFormat(HoldsSecret):
    """
    Cookies of Dynamo's cookie store: signed, and readable by the visitor.

    Keys are written as atoms, as ``put_session(conn, :user_id, 7)`` writes them; a key read as a binary stays one.
    Times are stored as in ``PlugFormat``.

    Args:
        secret: At least 64 bytes.
        weak_secrets: Warn of a weak secret instead of refusing it.
        clock: Returns the time at which a session of unknown age is read.

    Raises:
        ConfigurationError: The secret is missing or weak.
    """

    name = "dynamo"

    def __init__(self, secret: str | bytes, *, weak_secrets: bool = False, clock: Clock = utc_now) -> None:
        self._mac = _Signing(check_secret(secret, name="secret", at_least=64, weak_secrets=weak_secrets)).mac
        self._now = seconds_of(clock)

    def check(self, key: str, value: Any) -> None:
        """Raise ``TypeError`` if *value* cannot be stored."""
        etf.dumps({_to_key(key): value}, otp=25)

    def seal(self, record: Record, *, key: str) -> str:
        data = with_times(record, key=key)
        for name, value in data.items():
            # Checked here, because errors about the list below would name an index instead of the key.
            self.check(name, value)
        payload = etf.dumps([(_to_key(name), value) for name, value in data.items()], otp=25)
        text = b2a_base64(payload, newline=False).decode("ascii")
        return f"{text}{_SEPARATOR}{self._mac(text)}"

    def open(self, cookie: str, *, key: str) -> Record | None:
        if not cookie.isascii():
            return None
        text, _, mac = cookie.rpartition(_SEPARATOR)
        if not hmac.compare_digest(mac, self._mac(text)):
            return None
        try:
            data = _from_keywords(etf.loads(a2b_base64(text)))
        except ValueError:
            # Authentic, but not a keyword list, or it contains a function.
            return None
        return without_times(data, cookie, key=key, created=self._now())


class _Signing(HoldsSecret):
    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mac(self, text: str) -> str:
        return f"{int.from_bytes(hmac.digest(self._secret, text.encode('ascii'), 'sha1')):X}"


def _to_key(name: str) -> str:
    if isinstance(name, _Binary):
        return str(name)
    try:
        return Atom(name)
    except ValueError as exc:
        msg = f"session[{name!r}] cannot be stored: {exc}, and keys are atoms."
        raise TypeError(msg) from exc


def _from_key(name: Any) -> str:
    if not isinstance(name, str):
        msg = "a key is neither an atom nor a binary"
        raise ValueError(msg)  # noqa: TRY004  # its type is wrong in Erlang, not in Python
    return str(name) if isinstance(name, Atom) else _Binary(name)


def _from_keywords(term: Any) -> dict[str, Any]:
    if isinstance(term, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in term):
        data = {_from_key(name): value for name, value in term}
        if len(data) == len(term):
            return data
    msg = "the term is not a list of pairs with distinct names"
    raise ValueError(msg)
