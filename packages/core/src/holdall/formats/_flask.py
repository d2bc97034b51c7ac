"""
Read and write the cookies of Flask and Quart: tagged JSON in base64url, compressed if shorter, signed by itsdangerous.

[.] base64url(JSON) . base64url(Unix time) . base64url(HMAC of the preceding)

A value of a type that JSON lacks is written as an object with one key that begins with a space: ``{" t": [1, 2]}`` is a
tuple. A dict that would look like such an object has its key changed and is tagged with ``" di"``.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from uuid import UUID

from holdall._clock import Clock, utc_now
from holdall._iterative_json import SCALARS, Description, Nest, dicts_of, key_text
from holdall._keys import Derivation
from holdall._markup import markup
from holdall.formats._json import from_json, to_json
from holdall.formats._stamped import Signer, StampedFormat, from_url_text, to_url_text

__all__ = ["FlaskFormat"]


class FlaskFormat(StampedFormat):
    """
    Cookies of Flask's own sessions.

    A session written by Flask counts as begun at that time, and ends *max_age* later. A session written here and later
    by Flask keeps its start; its idle timeout counts from Flask's write.

    Args:
        secret: ``SECRET_KEY``; at least 16 bytes.
        fallbacks: ``SECRET_KEY_FALLBACKS``, only for reading.
        salt: The class attribute of the application's ``SecureCookieSessionInterface``.
        key_derivation: Likewise: ``"hmac"``, ``"django-concat"``, ``"concat"`` or ``"none"``.
        digest: Likewise, by name: ``"sha1"``.
        max_age: ``PERMANENT_SESSION_LIFETIME``, as a ``timedelta`` or in seconds; ``None`` for no limit.
        weak_secrets: Warn of a weak secret instead of refusing it.

    Raises:
        ConfigurationError: A secret is missing or weak, or an option is unknown.
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
    return to_url_text(to_json(data, _encode, _is_written, _described))


def _loads(body: str) -> Any:
    return from_json(from_url_text(body), _decoder)


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _is_written(data: Mapping[str, Any], text: str) -> bool:
    # The encoder does not know tags, so a dict that looks like one was not escaped.
    return bool(dicts_of(data, SCALARS)) and '{" ' not in text


def _described(value: Any) -> Description:
    """Describe how Flask writes *value*: by the first of its tags that fits, otherwise as JSON."""
    match value:
        case dict():
            return _dict(value)
        case tuple():
            return Nest('{" t":[', _places(value), "]}", _described)
        case list():
            return Nest("[", _places(value), "]", _described)
        case bytes():
            return f'{{" b":"{b2a_base64(value, newline=False).decode("ascii")}"}}'
        case _ if callable(getattr(value, "__html__", None)):
            return f'{{" m":{json.dumps(str(value.__html__()))}}}'
        case UUID():
            return f'{{" u":"{value.hex}"}}'
        case datetime():
            return f'{{" d":{_http_date(value)}}}'
        case date():
            return _http_date(datetime(value.year, value.month, value.day, tzinfo=UTC))
        case Decimal():
            return json.dumps(str(value))
        case None | bool() | int() | float() | str():
            return json.dumps(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _dict({field.name: getattr(value, field.name) for field in fields(value)})
    msg = f"it is of type {type(value).__qualname__}, for which Flask has no tag"
    raise TypeError(msg)


def _places(items: Iterable[Any]) -> list[tuple[int, str, Any, str]]:
    return [(place, "", item, "") for place, item in enumerate(items)]


def _dict(value: Mapping[Any, Any]) -> Nest:
    items = [(key, key_text(key), item) for key, item in value.items()]
    if len(items) == 1 and items[0][1] in _FROM_TAG:
        ((key, text, item),) = items
        return Nest('{" di":{', [(key, f"{json.dumps(f'{text}__')}:", item, "")], "}}", _described)
    return Nest("{", [(key, f"{json.dumps(text)}:", item, "") for key, text, item in items], "}", _described)


def _http_date(value: datetime) -> str:
    if value.fold and value.utcoffset() is None:
        msg = "it would come back as a different time. Store it in UTC, without a fold: value.astimezone(UTC)"
        raise TypeError(msg)
    aware = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
    return json.dumps(format_datetime(aware, usegmt=True))


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
                msg = f"the tag {tag!r} is on a value of the wrong type"
                raise ValueError(msg)
            return make(value)
    return items


_decoder = json.JSONDecoder(object_hook=_untagged)
