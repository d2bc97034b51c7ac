"""Find our cookies in a request's Cookie header (RFC 6265, section 5.4), even if other software wrote parts of it."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from holdall._cookies import SUFFIXES, prefix_of
from holdall._redacted import redacted

__all__ = ["FindHeader", "OldCookie", "SentCookie", "SuffixedCookie", "cookie_finder", "suffix_sent"]


@redacted
class OldCookie(NamedTuple):
    """A value that was sent under *key*, an old name of the cookie."""

    key: str
    value: str


#: Returns the values of a request header by its lower-case name: one string, or one for each repetition of the header.
FindHeader = Callable[[str], "str | Iterable[str]"]


# Takes the Cookie header, a list of such headers, or a function that finds them, and returns a cookie's values.
_Find = Callable[[FindHeader | str | Iterable[str]], list[Any]]


class SuffixedCookie(str):
    """A value that was sent under the cookie's name plus one of ``SUFFIXES``."""

    suffix: str


#: The value of a cookie that a browser sent, under its current name or an old one.
SentCookie = str | OldCookie


def suffix_sent(cookie: SentCookie) -> str:
    """Return the suffix of the name that a cookie was sent under."""
    value = cookie.value if isinstance(cookie, OldCookie) else cookie
    return value.suffix if isinstance(value, SuffixedCookie) else ""


def cookie_finder(
    key: str, old_keys: Iterable[str] = (), *, suffixed: Literal["", "old", "all"] = ""
) -> Callable[[FindHeader | str | Iterable[str]], list[SentCookie]]:
    """
    Return a function that takes a request's Cookie headers and returns the values of *key*, then of its old keys.

    The function takes the Cookie header, a list of such headers, or a function that returns a header's values by name.

    Names are case-sensitive, because a browser that accepts ``__HoSt-`` as an ordinary name guarantees nothing about
    it. Each distinct value is returned once, in the order sent, without surrounding double quotes.

    Some servers join two Cookie headers with a comma, so a comma ends a value and another pair may follow. But only a
    semicolon, the browser's own separator, proves that a cookie has our name: ``lang=a,sid=b`` may also be the value of
    another cookie, written by someone who may not set ours. Such a cookie counts only if no other has our name, and
    never for a name with a prefix (``__Host-``), whose guarantee it would break.

    Args:
        suffixed: Which names also count with one of ``SUFFIXES`` appended: ``"all"`` of them, only ``"old"`` ones
            because cookies used to be written that way, or none (``""``).
    """
    find = _finder(key, SUFFIXES if suffixed == "all" else ("",))
    old = SUFFIXES if suffixed else ("",)
    finders = [(old_key, _finder(old_key, old)) for old_key in dict.fromkeys(old_keys) if old_key != key]
    if suffixed == "old":
        finders.insert(0, (key, _without_usual(_finder(key, SUFFIXES))))
    if not finders:
        return find

    def find_all(headers: FindHeader | str | Iterable[str]) -> list[SentCookie]:
        given = headers("cookie") if callable(headers) else headers
        header = given if isinstance(given, str) else "; ".join(given)
        cookies = find(header)
        for old_key, find_old in finders:
            cookies += [OldCookie(old_key, value) for value in find_old(header)]
        return cookies

    return find_all


def _finder(key: str, suffixes: Iterable[str] = ("",)) -> _Find:
    names = {key + suffix: suffix for suffix in suffixes}
    known = frozenset(suffixes)

    def find(headers: FindHeader | str | Iterable[str]) -> list[str]:
        given = headers("cookie") if callable(headers) else headers
        header = given if isinstance(given, str) else "; ".join(given)
        before, found, after = header.partition(key)
        if not found:
            return []
        # The fast path: our name nearly always occurs once, and as browsers write it.
        suffix, _, rest = after.partition("=")
        if rest and suffix in known and key not in rest and (not before or before.endswith("; ")):
            value = rest.partition(";")[0]
            if "," not in value and '"' not in value:
                value = value.strip(_SPACE)
                if not suffix:
                    return [value]
                sent = SuffixedCookie(value)
                sent.suffix = suffix
                return [sent]
        return _find_all(key, header, names)

    return find


def _without_usual(find: _Find) -> _Find:
    return lambda headers: [each for each in find(headers) if suffix_sent(each)]


# Space allowed around a name or value (RFC 6265, section 5.6). Anything else, even a Unicode space, is part of it.
_SPACE = " \t"

# Splits at commas, except those inside quoted strings.
_PART = re.compile(r'(?:"[^"]*"|[^,])+')


def _find_all(key: str, header: str, names: Mapping[str, str]) -> list[str]:
    ours: list[str] = []
    after_comma: list[str] = []
    for each in header.split(";"):
        if key not in each:
            continue
        # The author of a cookie with our name also controls what follows its commas.
        values = ours if each.partition("=")[0].strip(_SPACE) in names else after_comma
        for part in _PART.findall(each) if "," in each else (each,):
            name, equals, value = part.partition("=")
            suffix = names.get(name.strip(_SPACE))
            if equals and suffix is not None:
                value = _unquoted(value)
                if suffix:
                    value = SuffixedCookie(value)
                    value.suffix = suffix
                values.append(value)
    if not ours and prefix_of(key) is None:
        ours = after_comma
    return list(dict.fromkeys(ours))


def _unquoted(value: str) -> str:
    # Some clients add quotes, although our values need none: they contain no quotes or escapes.
    value = value.strip(_SPACE)
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
