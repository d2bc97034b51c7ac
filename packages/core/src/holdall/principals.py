"""
Whose a session is.

The principal is the value under one of a few keys: the application's own, or one that a login library writes. As text
it is what a table looks for, so that ``7`` and ``"7"`` are the same user whichever framework logged them in.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from holdall.errors import ConfigurationError
from holdall.tables.contract import MAX_PRINCIPAL_BYTES

__all__ = ["CSRF_KEYS", "KNOWN_KEYS", "NO_PRINCIPAL", "PrincipalKeys", "principal_keys", "principal_text"]

#: Where login libraries and applications keep whose session it is: Django's auth, Flask-Login, then the usual names.
KNOWN_KEYS = ("_auth_user_id", "_user_id", "user_id", "userid", "uid", "user", "username")

#: Where CSRF protection keeps its token: Django, Flask-WTF, Plug, and the usual name.
CSRF_KEYS = frozenset({"_csrftoken", "csrf_token", "_csrf_token", "csrf", "_csrf", "csrftoken"})

# Of a longer number the text may be too long.
_WORD = 2**63

# What names a user in a profile that an identity provider sent (OpenID Connect Core 1.0, section 5.1), or in a record.
_NAMES_IN_PROFILE = ("sub", "id", "user_id", "pk", "email", "username", "login", "name")


class PrincipalKeys:
    """
    The session's keys that say whose it is, the first that is set counts.

    Attributes:
        keys: The keys in that order.
        all: The same as a set.
        written: The key that ``session.login`` writes; ``None`` if there is none.
    """

    __slots__ = ("all", "keys", "written")

    def __init__(self, keys: Iterable[str], written: str | None = None) -> None:
        self.keys = tuple(keys)
        self.written = written or next(iter(self.keys), None)
        self.all = frozenset(self.keys)

    def __bool__(self) -> bool:
        return bool(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self.all

    def of(self, data: Mapping[str, Any]) -> str | None:
        """
        Return whose session this *data* is, as text; ``None`` for an anonymous one.

        Raises:
            TypeError: It is not valid text, or too long.
        """
        if self.all.isdisjoint(data):
            return None
        for key in self.keys:
            value = data.get(key)
            if value is not None:
                # The usual ones need no closer look.
                return str(value) if type(value) is int and -_WORD < value < _WORD else principal_text(value, key)
        return None


#: For sessions that are nobody's.
NO_PRINCIPAL = PrincipalKeys(())


def principal_keys(given: str | Iterable[str] | None) -> PrincipalKeys:
    """
    Return what the option ``principal_key`` says: a key, several, ``"auto"`` for the known ones, ``None`` for none.

    Raises:
        ConfigurationError: It is something else.
    """
    if given is None:
        return NO_PRINCIPAL
    if given == "auto":
        return PrincipalKeys(KNOWN_KEYS, "user_id")
    keys = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not keys or not all(isinstance(key, str) and key for key in keys):
        msg = f"principal_key={given!r} is neither a key of the session, nor a list of keys, nor 'auto', nor None."
        raise ConfigurationError(msg)
    return PrincipalKeys(keys)


def principal_text(value: Any, key: str = "principal") -> str | None:
    """
    Return a principal as the text that a table looks for; ``None`` for nobody.

    Raises:
        TypeError: It is not valid text, or too long.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = _named_in(value)
    text = str(value)
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError as exc:
            msg = f"session[{key!r}] cannot say whose the session is: it is not valid text."
            raise TypeError(msg) from exc
    if size > MAX_PRINCIPAL_BYTES:
        msg = (
            f"session[{key!r}] cannot say whose the session is: as text it has {size:,} bytes, and tables keep at most "
            f"{MAX_PRINCIPAL_BYTES:,}. Use something shorter, such as the user's primary key."
        )
        raise TypeError(msg)
    return text


def _named_in(profile: Mapping[str, Any]) -> Any:
    """Return what names a user in a *profile*: a stable ID if there is one, else a digest of all of it."""
    for name in _NAMES_IN_PROFILE:
        value = profile.get(name)
        if value is not None and not isinstance(value, Mapping | list):
            return value
    return hashlib.sha256(json.dumps(profile, sort_keys=True, default=repr).encode()).hexdigest()
