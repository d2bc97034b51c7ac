"""Our values in a request's Cookie header (RFC 6265, section 5.4), whoever wrote the rest of it."""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from holdall._redacted import redacted
from holdall.cookies import prefix_of

__all__ = ["OldCookie", "SentCookie", "cookie_finder"]


@redacted
class OldCookie(NamedTuple):
    """A value that came under *key*, an old name of the cookie."""

    key: str
    value: str


#: The value of a cookie that a browser sent, under its present name or an old one.
SentCookie = str | OldCookie


def cookie_finder(key: str, old_keys: Iterable[str] = ()) -> Callable[[str | Iterable[str]], list[SentCookie]]:
    """
    Return a function from the Cookie header, or all of them, to the values of the cookie *key*, then of old ones.

    Names are compared in exact case, because a browser that keeps ``__HoSt-`` as an ordinary name promises nothing of
    it. Each value comes once, in the order sent, without the double quotes around it.

    Some servers join two Cookie headers with a comma, so a comma ends a value and another pair may follow. Only a
    browser's own separator, the semicolon, proves that a cookie has our name, though: ``lang=a,sid=b`` may also be the
    value of another cookie, written by somebody who may not set ours. Such a cookie counts only if there is none of
    our name elsewhere, and never for a name with a prefix (``__Host-``), whose promise it would break.
    """
    find = _finder(key)
    finders = [(old_key, _finder(old_key)) for old_key in dict.fromkeys(old_keys) if old_key != key]
    if not finders:
        return find

    def find_all(headers: str | Iterable[str]) -> list[SentCookie]:
        header = headers if isinstance(headers, str) else "; ".join(headers)
        cookies = find(header)
        for old_key, find_old in finders:
            cookies += [OldCookie(old_key, value) for value in find_old(header)]
        return cookies

    return find_all


def _finder(key: str) -> Callable[[str | Iterable[str]], list[Any]]:
    start = f"{key}="

    def find(headers: str | Iterable[str]) -> list[str]:
        header = headers if isinstance(headers, str) else "; ".join(headers)
        if key not in header:
            return []
        before, _, after = header.partition(start)
        # Nearly always our name is there once, as browsers write it.
        if after and key not in after and (not before or (before.endswith("; ") and key not in before)):
            value = after.partition(";")[0]
            if "," not in value and '"' not in value:
                return [value.strip(_SPACE)]
        return _find_all(key, header)

    return find


# What may stand around a name or a value (RFC 6265, section 5.6). Anything else, Unicode's spaces too, is part of it.
_SPACE = " \t"

# Parts between commas, of which those in a quoted text are no separators.
_PART = re.compile(r'(?:"[^"]*"|[^,])+')


def _find_all(key: str, header: str) -> list[str]:
    ours: list[str] = []
    after_comma: list[str] = []
    for each in header.split(";"):
        if key not in each:
            continue
        # Whoever wrote a cookie of our name chose what comes behind its commas as well.
        values = ours if each.partition("=")[0].strip(_SPACE) == key else after_comma
        for part in _PART.findall(each) if "," in each else (each,):
            name, equals, value = part.partition("=")
            if equals and name.strip(_SPACE) == key:
                values.append(_unquoted(value))
    if not ours and prefix_of(key) is None:
        ours = after_comma
    return list(dict.fromkeys(ours))


def _unquoted(value: str) -> str:
    # Clients that quote what needs no quoting send it back so. None of our values holds a quote or an escape.
    value = value.strip(_SPACE)
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
