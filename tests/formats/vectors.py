"""The cookies that the real Plug and Dynamo made, and the terms in them."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from holdall.etf import Atom, BitString, ImproperList, Opaque

_FOLDER = Path(__file__).parent.parent / "vectors"

VECTORS: list[dict[str, Any]] = json.loads((_FOLDER / "plug_session_cookies.json").read_text(encoding="utf-8"))[
    "vectors"
]

#: Cookies that plug_crypto 1 encrypted, with keys of each length.
PLUG_CRYPTO_1: dict[str, Any] = json.loads((_FOLDER / "plug_crypto_1.json").read_text(encoding="utf-8"))


def payload_of(vector: dict[str, Any]) -> bytes:
    return b64decode(vector["payload_b64"])


def term_of(tagged: Any) -> Any:
    """Return a vector's ``term`` as a Python value."""
    match tagged:
        case list():
            return [term_of(item) for item in tagged]
        case {"$atom": name}:
            return Atom(name)
        case {"$int": digits}:
            return int(digits)
        case {"$binary_b64": content}:
            return b64decode(content)
        case {"$bits": bits, "$bits_b64": content}:
            return BitString(b64decode(content), bits)
        case {"$tuple": items}:
            return tuple(term_of(items))
        case {"$map": pairs}:
            return {term_of(key): term_of(value) for key, value in pairs}
        case {"$improper": [heads, tail]}:
            return ImproperList(tuple(term_of(heads)), term_of(tail))
        case {"$ext_b64": external}:
            return Opaque(b64decode(external))
        case dict():
            raise AssertionError(tagged)
    return tagged


def alike(one: Any, other: Any) -> bool:
    """Return whether both are equal and of the same types throughout, because ``Atom("a") == "a"`` and ``1 == 1.0``."""
    return one == other and repr(one) == repr(other)
