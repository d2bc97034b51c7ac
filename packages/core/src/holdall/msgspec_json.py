"""
The default serializer's work done in C, by msgspec.

Both write JSON that the other reads as the same values, so that processes with it and without it share their sessions.
"""

import marshal
from collections.abc import Mapping
from functools import partial
from typing import Any

from holdall._base64url import from_text
from holdall._iterative_json import SHORT, exceeds_depth
from holdall.serializers import TaggedJSON

try:
    import msgspec
except ModuleNotFoundError as exc:
    msg = "FastTaggedJSON needs msgspec. Install it with: pip install 'holdall[fast]'"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

__all__ = ["FastTaggedJSON"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_bytes = msgspec.json.Decoder(bytes).decode
_REFUSED = (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError)

# As in ``TaggedJSON``. A number is found in bytes quicker than a byte is.
_TAG_MARK = b'{"$'
_DOLLAR_FIRST = b'"$'
_ESCAPED_DOLLAR = b"\\u0024"
_OPENING, _DOLLAR, _CLOSING, _BACKSLASH = b"{$}\\"


def _from_base64(text: bytes, *, strict_mode: bool) -> bytes:
    """Return what *text* says in base64: msgspec reads it in JSON's text, as strictly and in a third of the time."""
    try:
        return _decode_bytes(b'"' + text + b'"')
    except msgspec.MsgspecError as exc:
        raise ValueError(*exc.args) from exc


class FastTaggedJSON(TaggedJSON):
    """
    ``TaggedJSON``, faster where a session holds plain data.

    It carries the same values and gives them back as the same types. A session with a date or another value that takes
    a tag is left to ``TaggedJSON`` after all, which takes a little longer than that alone.
    """

    from_base64url = staticmethod(partial(from_text, decode=_from_base64))

    def dumps(self, data: Mapping[str, Any], /) -> bytes:
        try:
            payload = _encode(data)
            # It writes a tuple as a list, a date as text and no number as null: what reads as something else, or like
            # a tag, is not for it. To read is quicker than to look at each value here.
            if not (_DOLLAR in payload and _TAG_MARK in payload) and _decode(payload) == data:
                if type(data) is not dict or payload.find(_OPENING, 1) > 0:
                    # A dict of a subclass may hold other items than it shows, and is equal to them. Marshal, which
                    # is done in C too, takes a dict for nothing else.
                    marshal.dumps(data)  # type: ignore[arg-type]  # this is what it finds out
                if len(payload) <= SHORT or not exceeds_depth(data, payload):
                    return payload
        except _REFUSED:
            pass
        return super().dumps(data)

    def loads(self, payload: bytes, /) -> dict[str, Any]:
        # What comes with space around it is left to the other, and so is all that may hold tags.
        whole = payload and payload[0] == _OPENING and payload[-1] == _CLOSING
        if whole and not (
            (_DOLLAR in payload and _DOLLAR_FIRST in payload) or (_BACKSLASH in payload and _ESCAPED_DOLLAR in payload)
        ):
            try:
                data: dict[str, Any] = _decode(payload)
            except _REFUSED:
                pass
            else:
                if len(payload) <= SHORT or not exceeds_depth(data, payload):
                    return data
        return super().loads(payload)
