"""
Check secrets, and derive keys from them.

All keys of an application are derived from one secret, each for one purpose; a key cannot open anything made for
another purpose.
"""

import hashlib
import re
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, NoReturn, SupportsIndex

from holdall._errors import ConfigurationError
from holdall._setting_names import setting_name

__all__ = [
    "Derivation",
    "HoldsSecret",
    "Salt",
    "WeakSecretWarning",
    "as_bytes",
    "check_secret",
    "derive_key",
    "is_fit",
    "several_secrets",
]

#: The purpose of a derived key, or a function that returns it when keys are derived.
Salt = str | bytes | Callable[[], str | bytes]

#: The ways to derive a key from a salt and a secret, as itsdangerous names them.
Derivation = Literal["hmac", "django-concat", "concat", "none"]

# A secret that contains one of these is a placeholder, whatever else it contains. Compared without characters that are
# neither letters nor digits.
_PLACEHOLDERS = (
    "changeme",
    "changethis",
    "djangoinsecure",
    "insecuresecret",
    "notasecret",
    "notsosecret",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yourownrandom",
    "your256bit",
)

# SHA-256 of secrets published in documentation and templates: Flask's (three), FastAPI's, jwt.io's (two), Superset's
# (four), Airflow's, and our own. Hashed so that scanners do not report this file as a leak.
_PUBLISHED = frozenset(
    {
        "2598f7d6adc142d88161630f3db12ab2bd3403521c281811e5e1ce60d4ac5d76",
        "9d0f4f5072c13dbd970c045ee6196734249b16917e0e8185c5035e0c1dbcde6b",
        "eefbd4136387e7620933a54b3199c46811d8cda05a433e05ede0741710338690",
        "570dad43de1af4c925f92c16a68a50936da42b7dd6fdeb24850507a1199aac89",
        "f7d838701b86c5dfb57bf95fbc5ce6df204cfc9f15ad6cdb39fd22f8776e47b6",
        "465d9ad5d5528ebe287b5dce4fb51620833d09b290e49ddcc70ca6c4a0aea01b",
        "4b00e2726043354c2c4efecc51be38d8bfc2a4e9f3ef54e8b9a225c99038ecf8",
        "fe18bd40b727a37ecce96ec8f474a82508c191b0c3bb3c47d325335cd467ad97",
        "3f7aa5c0b56cad6ccbfc84814cd4b16a1abf3dd31d60b6f1663cc751b2a0d2a6",
        "889041e8368708c03a9764f0a05a977b24a3fdd6eff2c9fb9dc7737167bb68c6",
        "e0bfb701592614dd14e92d23039fe84ec9951167b183ff9c7d446aaa29429450",
        "9930dc97a63c6bbaef3fec67007ab47895e0ffbd89fce28f9f690e8ca21c1f5a",
    }
)

# Common words in placeholders; they add nothing to a secret's strength.
_WORDS = frozenset(
    """
    admin amet and any app application apps are auth bar battery baz bit bits bogus byte bytes change changed
    changeme changes char character characters chars company config cookie cookies correct default demo dev develop
    development django dolor dont dummy enough example examples fake fastapi flask foo foobar for from generate
    generated goes good guess guessed hello here horse iloveyou insecure ipsum key keys least length letmein local
    localhost login long lorem make must never not now only our own pass passphrase passwd password phoenix
    placeholder plain please precious private prod production project public put python qux random really replace
    replaced root salt sample secret secrets secure security service session sessions set settings shall should
    shouldbe signing sit site some something staging staple starlette string super temp temporary test testing tests
    text that the this todo token top unsafe use used user username value very web website welcome will with word
    world you your
    """.split()  # noqa: SIM905  # a list of that many strings is no easier to read
)
_LONGEST_WORD = max(map(len, _WORDS))

# Parts of these, read in either direction, add nothing to a secret's strength: keyboard rows and runs of characters.
_KEYBOARDS = (
    "qwertyuiopasdfghjklzxcvbnm qwertzuiopasdfghjklyxcvbnm azertyuiopqsdfghjklmwxcvbn 1234567890 !@#$%^&*()_+ "
    "qazwsxedcrfvtgbyhnujmikolp 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p"
)
_SHORTEST_PART = 4

# The minimum amount of unpredictable text in a secret. A character scores 1, or 2 if its script has thousands of them;
# a repetition scores 1, whatever its length. The shortest secret that a format accepts has 16 bytes; if these are
# random, they rarely score below 13.
_LEAST_SCORE = 10
_SEPARATORS = re.compile(r"[\s_.-]+")
_SCORED_LENGTH = 1024

# Works even where the command's script is not on the path.
_ADVICE = "Make one with: python -m holdall secret"


class WeakSecretWarning(UserWarning):
    """A secret is too weak for production; it was accepted for debugging or testing."""


class HoldsSecret:
    """A base class that refuses to be pickled or copied, to keep secrets out of caches, queues and error reports."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # copy() and deepcopy() call this too.
        msg = f"a {type(self).__name__} holds a secret and cannot be pickled or copied: make another from the settings."
        raise TypeError(msg)


def as_bytes(secret: str | bytes) -> bytes:
    """
    Return *secret* as bytes, encoding text in UTF-8.

    Surrogates in text from ``os.environ`` are turned back into the bytes that could not be decoded.

    Raises:
        TypeError: *secret* is neither text nor bytes.
        ValueError: *secret* is text that UTF-8 cannot encode.
    """
    if isinstance(secret, str):
        try:
            return secret.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            # Python's own error message contains the secret.
            msg = "it contains half of a surrogate pair, which is not a character"
            raise ValueError(msg) from None
    if not isinstance(secret, bytes | bytearray | memoryview):
        # bytes(64) would be 64 zeros.
        msg = f"it is of type {type(secret).__qualname__}: pass text or bytes"
        raise TypeError(msg)
    return bytes(secret)


def check_secret(secret: str | bytes | None, *, name: str, at_least: int, weak_secrets: bool = False) -> bytes:
    """
    Return *secret* as bytes if it is strong enough to derive keys from.

    Args:
        name: The name of the option, for error messages.
        at_least: The minimum length in bytes.
        weak_secrets: Warn instead of raising an error, for a framework's debug or testing mode.

    Raises:
        ConfigurationError: *secret* is missing, too short, easily guessed, or well known.
    """
    name = setting_name(name)
    if secret is None or (isinstance(secret, str | bytes | bytearray) and not secret):
        msg = f"{name} is missing. {_ADVICE}"
        raise ConfigurationError(msg)
    try:
        found = as_bytes(secret)
    except (TypeError, ValueError) as exc:
        msg = f"{name} cannot be used: {exc}. {_ADVICE}"
        raise ConfigurationError(msg) from None
    weakness = _weakness(found, at_least)
    if weakness is not None:
        msg = f"{name} {weakness}. {_ADVICE}"
        if not weak_secrets:
            raise ConfigurationError(msg)
        warnings.warn(msg, WeakSecretWarning, stacklevel=3)
    return found


def several_secrets(fallbacks: Iterable[str | bytes]) -> tuple[str | bytes, ...]:
    """
    Return *fallbacks* as a tuple.

    Raises:
        ConfigurationError: *fallbacks* is a single secret, whose characters would be taken for separate secrets.
    """
    if isinstance(fallbacks, str | bytes):
        msg = "fallbacks is one secret: pass a list of them."
        raise ConfigurationError(msg)
    return tuple(fallbacks)


def is_fit(secret: str | bytes, *, at_least: int) -> bool:
    """Return whether ``check_secret`` would accept *secret*."""
    return _weakness(as_bytes(secret), at_least) is None


def _weakness(secret: bytes, at_least: int) -> str | None:
    if len(secret) < at_least:
        return f"has {len(secret)} bytes and needs at least {at_least}"
    text = _as_text(secret)
    letters = "".join(filter(str.isalnum, text))
    if hashlib.sha256(secret.strip()).hexdigest() in _PUBLISHED or any(each in letters for each in _PLACEHOLDERS):
        return "is a well-known example from a tutorial or template"
    if _unpredictability(_SEPARATORS.sub("", text)[:_SCORED_LENGTH]) < _LEAST_SCORE:
        return "is a pattern of words, runs or repetitions, which is easily guessed"
    return None


def _as_text(secret: bytes) -> str:
    try:
        return secret.decode().lower()
    except UnicodeDecodeError:
        return secret.decode("latin-1")


def _unpredictability(text: str) -> int:
    """Score how unpredictable *text* is."""
    score = at = 0
    while at < len(text) and score < _LEAST_SCORE:
        size = _known(text, at)
        if not size:
            # The second-to-last character is the limit: a repetition may overlap with what it repeats.
            size = _longest(text, at, lambda part, end: part in text[: end - 1])
            score += 1 if size or len(text[at].encode()) < 3 else 2
        at += size or 1
    return score


def _known(text: str, at: int) -> int:
    """Return how many characters, from *at* on, form a known word or part of a run."""
    runs = _runs()
    word = next((size for size in range(_LONGEST_WORD, 0, -1) if text[at : at + size] in _WORDS), 0)
    return max(word, _longest(text, at, lambda part, end: part in runs))


def _longest(text: str, at: int, is_known: Callable[[str, int], bool]) -> int:
    """Return the size of the longest known part of *text* at *at*; 0 if it is shorter than ``_SHORTEST_PART``."""
    end = at + _SHORTEST_PART
    while end <= len(text) and is_known(text[at:end], end):
        end += 1
    return end - 1 - at if end > at + _SHORTEST_PART else 0


@cache
def _runs() -> str:
    # The first group contains the letters of the European alphabets, and all bytes.
    characters = "".join(map(chr, range(0x600)))
    simple = "0123456789abcdefghijklmnopqrstuvwxyz"
    doubled, quadrupled = ("".join(times * each for each in simple) for times in (2, 4))
    forwards = f"{_KEYBOARDS}\n{characters}\n{doubled}\n{quadrupled}"
    return forwards + forwards[::-1]


def derive_key(secret: bytes, purpose: str, *, length: int = 32) -> bytes:
    """
    Derive the key for one *purpose* with HKDF-SHA256 (RFC 5869).

    Call it at startup and keep the result, because deriving a key for each request would be slow.
    """
    # Imported here, because the keys of other libraries' formats are derived without it.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(secret)
