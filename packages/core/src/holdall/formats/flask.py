"""
The cookies of Flask, and of Quart: JSON with tags in base64url, compressed if that is shorter, signed by itsdangerous.

[.] base64url(JSON) . base64url(seconds since 1970) . base64url(HMAC of what stands before)

A value beyond JSON stands as an object of one key, which begins with a space: ``{" t": [1, 2]}`` is a tuple. A dict
that would look like one has its key changed and stands behind ``" di"``.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import UUID

from holdall._markup import markup
from holdall.clock import Clock, utc_now
from holdall.formats._json import from_json, to_json
from holdall.formats._stamped import Signer, StampedFormat, from_url_text, to_url_text
from holdall.keys import Derivation

__all__ = ["FlaskFormat"]


class FlaskFormat(StampedFormat):
    """
    Cookies of Flask's own sessions.

    A session that Flask wrote counts as begun then, and ends *max_age* later. One that was written here and then by
    Flask began when it did; its idle limit counts from Flask's writing.

    Args:
        secret: ``SECRET_KEY``; 16 bytes at least.
        fallbacks: ``SECRET_KEY_FALLBACKS``, read too.
        salt: As the application's ``SecureCookieSessionInterface`` has it, which is a class attribute there.
        key_derivation: The same: ``"hmac"``, ``"django-concat"``, ``"concat"`` or ``"none"``.
        digest: The same, by name: ``"sha1"``.
        max_age: ``PERMANENT_SESSION_LIFETIME``, as a ``timedelta`` or in seconds; ``None`` for no limit.
        weak_secrets: Warn of a weak secret instead of refusing it.

    Raises:
        ConfigurationError: A secret is missing or weak, or an option is not known.
    """

    name = "flask"

    def __init__(
        self,
        secret: str | bytes,
        fallbacks: Iterable[str | bytes] = (),
        *,
        salt: str | bytes = "cookie-session",
        key_derivation: Derivation = "hmac",
        digest: str = "sha1",
        max_age: timedelta | int | None = timedelta(days=31),
        weak_secrets: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        signer = Signer(
            (secret, *fallbacks), salt=salt, derivation=key_derivation, digest=digest, weak_secrets=weak_secrets
        )
        super().__init__(signer, dumps=_dumps, loads=_loads, max_age=max_age, clock=clock)


def _dumps(data: dict[str, Any]) -> str:
    return to_url_text(to_json(data, _tagged, _encode))


def _loads(body: str) -> Any:
    return from_json(from_url_text(body), _decode)


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _tagged(value: Any, path: str) -> Any:
    """Return *value* as JSON can write it; ``TypeError`` if it would not come back as it was."""
    match value:
        case dict():
            return _as_object({_key(key, path): _tagged(item, f"{path}[{key!r}]") for key, item in value.items()})
        case list() | tuple():
            items = [_tagged(item, f"{path}[{place}]") for place, item in enumerate(value)]
            return {" t": items} if isinstance(value, tuple) else items
        case str() if hasattr(value, "__html__"):
            return {" m": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {" b": b2a_base64(value, newline=False).decode("ascii")}
        case UUID():
            return {" u": value.hex}
        case datetime():
            return {" d": _http_date(value, path)}
    msg = f"{path} cannot be stored: it is of type {type(value).__qualname__}, for which Flask has no tag."
    raise TypeError(msg)


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    msg = f"{path} cannot be stored: one of its keys is of type {type(key).__qualname__}, and keys must be strings."
    raise TypeError(msg)


def _as_object(items: dict[str, Any]) -> dict[str, Any]:
    if len(items) == 1:
        ((key, value),) = items.items()
        if key in _FROM_TAG:
            return {" di": {f"{key}__": value}}
    return items


def _http_date(value: datetime, path: str) -> str:
    if value.utcoffset() == timedelta(0):
        text = format_datetime(value.astimezone(UTC), usegmt=True)
        if _from_http_date(text) == value:
            return text
    msg = (
        f"{path} cannot be stored: Flask keeps whole seconds of UTC. "
        "Store value.astimezone(UTC).replace(microsecond=0), or value.isoformat()."
    )
    raise TypeError(msg)


def _from_http_date(text: str) -> datetime:
    found = parsedate_to_datetime(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _from_escaped(items: dict[str, Any]) -> dict[str, Any]:
    ((key, value),) = items.items()
    return {key[:-2]: value}


_FROM_TAG: dict[str, tuple[type, Callable[[Any], Any]]] = {
    " di": (dict, _from_escaped),
    " t": (list, tuple),
    " b": (str, a2b_base64),
    " m": (str, markup),
    " u": (str, UUID),
    " d": (str, _from_http_date),
}


def _untagged(items: dict[str, Any]) -> Any:
    if len(items) == 1:
        ((tag, value),) = items.items()
        if tag in _FROM_TAG:
            kind, make = _FROM_TAG[tag]
            if not isinstance(value, kind):
                msg = f"the tag {tag!r} marks another value than Flask's"
                raise ValueError(msg)
            return make(value)
    return items


_decode = json.JSONDecoder(object_hook=_untagged).decode
