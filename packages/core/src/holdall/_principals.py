"""
Determine the principal of a session: the user it belongs to.

The principal is the value under one of a few keys: the application's own, or one that a login library writes. A table
looks it up as text, so that ``7`` and ``"7"`` are the same user whichever framework logged them in.

Several libraries may each keep the login under their own key. The session still has one principal: a login under one
key removes the other keys if they name a different user, and a logout under one key removes all of them.

If the keys were not configured, a login under an unknown key would leave the session anonymous, with an ID that an
attacker may have planted. So a key that looks like a login is refused until ``principal_key`` is set.

The usual names for a user, such as ``username``, may also contain what a guest has typed. A change under one of them
is treated like a login, with a new ID, but it proves nothing: the session has no principal until ``principal_key`` is
set.
"""

import hashlib
import json
import logging
import re
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from holdall._errors import ConfigurationError
from holdall.tables._contract import MAX_PRINCIPAL_BYTES

__all__ = [
    "CSRF_KEYS",
    "KNOWN_KEYS",
    "NO_PRINCIPAL",
    "Identity",
    "NamedVisitor",
    "PrincipalKeys",
    "carried_keys",
    "principal_keys",
    "principal_text",
]

_logger = logging.getLogger("holdall")

#: Where login libraries and applications store the user: Django's auth, Flask-Login, then the usual key.
KNOWN_KEYS = ("_auth_user_id", "_user_id", "user_id")

# These may identify the logged-in user too, or be a name for display that a guest has typed.
_NAME_KEYS = ("userid", "uid", "user", "username")

# Additional keys that login libraries write. They mean nothing without the main key.
_COMPANION_KEYS = {
    "_auth_user_id": ("_auth_user_backend", "_auth_user_hash"),
    "_user_id": ("_fresh", "_id"),
}

#: Where CSRF protection stores its token: Django, Flask-WTF, Plug, and the usual names.
CSRF_KEYS = frozenset({"_csrftoken", "csrf_token", "_csrf_token", "csrf", "_csrf", "csrftoken"})

# Other keys that look like a login, in lower case. Their meaning cannot be known, and it is better to raise one error
# too many during development than to let a planted session be logged in.
_LOGIN_LIKE = re.compile(
    r"""
    [_.-]*
    (?:
        (?: (?:current|active|auth|authenticated|session|login|logged_?in) [_.-]? )?
        (?: user|member|account|customer|subscriber|employee|student|teacher|patient|player|seller|vendor
          | admin|administrator|superuser|principal|identity )
        (?: [_.-]? (?:id|pk|uid|uuid|guid|no|nr|number|name|key|email|info) )?
      | (?: is [_.-]? )?
        (?: (?:logged|signed) [_.-]? (?:in|on) | login | auth | authenticated | authorized | admin )
      | (?:access|auth|bearer|id|session) [_.-]? token
      | userid | jwt
    )
    """,
    re.VERBOSE,
)

# The text of a longer number may be too long.
_WORD = 2**63

# Keys that identify a user in an identity provider's profile (OpenID Connect Core 1.0, section 5.1), or in a record.
_NAMES_IN_PROFILE = ("sub", "id", "user_id", "pk", "email", "username", "login", "name")


class NamedVisitor(NamedTuple):
    """A visitor with names who may not be logged in; ``names`` has each key and a digest of its value."""

    names: tuple[tuple[str, str], ...]


#: The owner of a session: its principal, or a visitor with names that may be only for display; ``None`` if anonymous.
Identity = str | NamedVisitor | None


class PrincipalKeys:
    """
    The session keys that identify the user; the first that is set counts.

    Args:
        keys: The keys in that order.
        written: The key that ``session.login`` writes; by default the first.
        names: Keys that may identify the user, or be a name for display.
        guessed: Whether the keys are defaults, so that the application may use others.
        needed: Whether an option depends on the user, so that a name that may be a login is refused.

    Attributes:
        all: All keys, and *names*, as a set.
    """

    __slots__ = ("_names", "_needed", "_warns", "all", "guessed", "keys", "written")

    def __init__(
        self,
        keys: Iterable[str],
        written: str | None = None,
        *,
        names: Iterable[str] = (),
        guessed: bool = False,
        needed: bool = False,
    ) -> None:
        self.guessed = guessed
        self.keys = tuple(keys)
        self.written = written or next(iter(self.keys), None)
        self._names = tuple(names)
        self.all = frozenset((*self.keys, *self._names))
        self._needed = needed
        self._warns = True

    def __bool__(self) -> bool:
        return bool(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self.all

    def of(self, data: Mapping[str, Any]) -> str | None:
        """
        Return the principal of this *data* as text; ``None`` if no user is logged in.

        Raises:
            TypeError: It is not valid text, or too long.
        """
        identity = self.identity_of(data)
        return None if isinstance(identity, NamedVisitor) else identity

    def identity_of(self, data: Mapping[str, Any]) -> Identity:
        """
        Return the identity that this *data* belongs to. Whenever it changes, the session gets a new ID.

        Raises:
            TypeError: The principal is not valid text, or too long.
        """
        if self.all.isdisjoint(data):
            return None
        for key in self.keys:
            value = data.get(key)
            if value is not None:
                # The usual types need no further check.
                return str(value) if type(value) is int and -_WORD < value < _WORD else principal_text(value, key)
        names = tuple((key, _digest(data[key])) for key in self._names if data.get(key) is not None)
        return NamedVisitor(names) if names else None

    def keys_to_remove(self, key: str, value: Any, data: Mapping[str, Any]) -> list[str]:
        """
        Return the keys to remove from *data* when *key* is set to *value*, or is removed, if *value* is ``None``.

        After a login these are the keys that name another user; after a logout, all keys that name a user. Both include
        the additional keys that libraries write.

        Raises:
            TypeError: *value* is not valid text, or too long.
        """
        names = [name for name in self.keys if data.get(name) is not None]
        others = [name for name in names if name != key]
        if value is None:
            # A key that did not count before says nothing about the login.
            return _with_rest((*names, *self._names) if key in names else (), data, key)
        if not others or key not in self.keys:
            # This key may count from now on.
            self.identity_of({**data, key: value})
            return []
        text = principal_text(value, key)
        return _with_rest([name for name in others if principal_text(data[name], name) != text], data, key)

    def check_login(self, put: Mapping[str, Any], identity: Identity) -> None:
        """
        Check the values *put* into a session without a principal for a login under a key that was not configured.

        Args:
            identity: The session's identity afterwards. A name is reported once, because it may be only for display.

        Raises:
            ConfigurationError: A key looks like a login; or a name may be one, and an option depends on the user.
        """
        name = next((key for key in self._names if put.get(key) is not None), None) if identity else None
        login = None
        if self.guessed:
            login = next((key for key, value in put.items() if value and _is_unknown_login(key, self.all)), None)
        # Error reports show the local variables of every call that failed.
        del put
        if login is not None:
            msg = (
                f"session[{login!r}] looks like a login under an unknown key: the session would keep "
                f"its ID, which an attacker may have planted. Set principal_key={login!r}, or to the key that "
                "identifies the user, such as 'user_id'; or to None if the application has no logins."
            )
            raise ConfigurationError(msg)
        if name is None:
            return
        msg = (
            f"session[{name!r}] may identify the logged-in user, or be a name for display that a guest has typed. If "
            f"it identifies the user, set principal_key={name!r}; otherwise set it to the key that does, such as "
            "'user_id'."
        )
        if self._needed:
            msg = f"{msg} record_login, max_sessions, valid_since, revocable and device_bound must know the user."
            raise ConfigurationError(msg)
        if self._warns:
            self._warns = False
            _logger.warning("%s Until then, the session gets a new ID but no principal.", msg)

    def without_login(self, data: Mapping[str, Any], kept: Container[str] = ()) -> dict[str, Any]:
        """Return *data* without the keys that identify or identified its user, except those in *kept*."""
        gone = set(_with_rest((name for name in (*self.keys, *self._names) if name in data), data, ""))
        return {key: value for key, value in data.items() if key not in gone or key in kept}


#: No keys: every session is anonymous.
NO_PRINCIPAL = PrincipalKeys(())


def principal_keys(given: str | Iterable[str] | None, *, in_rows: bool = False, needed: bool = False) -> PrincipalKeys:
    """
    Parse the option ``principal_key``: a key, several, ``"auto"`` for the known ones, ``None`` for none.

    Args:
        in_rows: Whether session IDs refer to rows, so that a login would also log in an attacker who planted the ID.
        needed: Whether another option depends on the user.

    Raises:
        ConfigurationError: *given* has the wrong type.
    """
    if given is None:
        return NO_PRINCIPAL
    if given == "auto":
        return PrincipalKeys(KNOWN_KEYS, "user_id", names=_NAME_KEYS, guessed=in_rows, needed=needed)
    keys = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not keys or not all(isinstance(key, str) and key for key in keys):
        msg = f"principal_key={given!r} is not a session key, a list of keys, 'auto' or None."
        raise ConfigurationError(msg)
    return PrincipalKeys(keys)


def carried_keys(carry: Iterable[str] | None) -> frozenset[str] | None:
    """
    Parse the option ``carry``: the keys that a login carries over; ``None`` for all but CSRF tokens.

    Raises:
        ConfigurationError: *carry* is a single key, whose characters would be taken for separate keys.
    """
    if isinstance(carry, str):
        msg = f"carry={carry!r} is one key: pass a list of them, [{carry!r}]."
        raise ConfigurationError(msg)
    return None if carry is None else frozenset(carry)


def principal_text(value: Any, key: str | None = None) -> str | None:
    """
    Return a principal as the text that a table uses; ``None`` for an anonymous session.

    Args:
        key: The session key that it is stored under, for error messages; ``None`` if it was passed as an argument.

    Raises:
        TypeError: It is not valid text, or too long.
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = _named_in(value)
    try:
        text = str(value)
    except ValueError as exc:
        # A number with more digits than Python converts.
        msg = f"{_place(key)} cannot identify the user: it cannot be converted to text."
        raise TypeError(msg) from exc
    if text.isascii():
        size = len(text)
    else:
        try:
            size = len(text.encode())
        except UnicodeEncodeError as exc:
            msg = f"{_place(key)} cannot identify the user: it is not valid text."
            raise TypeError(msg) from exc
    if size > MAX_PRINCIPAL_BYTES:
        msg = (
            f"{_place(key)} cannot identify the user: as text it has {size:,} bytes, and tables store at most "
            f"{MAX_PRINCIPAL_BYTES:,}. Use something shorter, such as the user's primary key."
        )
        raise TypeError(msg)
    return text


@lru_cache(maxsize=256)
def _is_unknown_login(key: str, known: frozenset[str]) -> bool:
    return key not in known and _LOGIN_LIKE.fullmatch(key.lower()) is not None


def _place(key: str | None) -> str:
    return "the principal" if key is None else f"session[{key!r}]"


def _named_in(profile: Mapping[str, Any]) -> Any:
    """Return the value that identifies a user in a *profile*: a stable ID, or a digest of it all if there is none."""
    for name in _NAMES_IN_PROFILE:
        value = profile.get(name)
        if value is not None and not isinstance(value, Mapping | list):
            return value
    return _digest(profile)


def _digest(value: Any) -> str:
    """Return a digest of a *value* that may be too long or unsuitable for text."""
    if isinstance(value, Mapping):
        value = sorted(((str(key), each) for key, each in value.items()), key=itemgetter(0))
    return hashlib.sha256(json.dumps(value, default=repr).encode()).hexdigest()


def _with_rest(names: Iterable[str], data: Mapping[str, Any], key: str) -> list[str]:
    """Return *names* and the additional keys in *data* that belong to them, without *key* itself."""
    found = (each for name in names for each in (name, *_COMPANION_KEYS.get(name, ())))
    return [each for each in found if each in data and each != key]
