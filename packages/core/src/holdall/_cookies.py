"""
Check cookie attributes and write the Set-Cookie header (RFC 6265, and 6265bis for prefixes and limits).

Cookie options are checked once, when they are set. Each Set-Cookie line then combines two prepared pieces with the
parts that differ between responses.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Literal, TypedDict

from holdall._errors import ConfigurationError
from holdall._exposed import warn_of_no_secure

__all__ = [
    "MAX_COOKIE_BYTES",
    "SUFFIXES",
    "ConfigureOptions",
    "CookieAttributes",
    "CookieOptions",
    "OldKeys",
    "SetCookie",
    "check_key",
    "cookies_of",
    "old_cookies",
    "prefix_of",
]

# Browsers should keep 4096 bytes per cookie, name and attributes included (RFC 6265, section 6.1).
# Some browsers silently drop longer ones, so we refuse while the developer can still see it.
MAX_COOKIE_BYTES = 4096

# Browsers cap a cookie's age at 400 days (RFC 6265bis, section 5.5) and ignore longer attribute values (section 5.6).
_MOST_SECONDS = 400 * 24 * 60 * 60
_MAX_ATTRIBUTE_BYTES = 1024

#: Suffixes of the names that a cookie alternates between (``stores._generations``); the first is the usual name.
SUFFIXES = ("", *(f".{letter}" for letter in "abcdefghijk"))

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ATTRIBUTE_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_EXTRA = re.compile(r"[\x20-\x7e]*")

SameSite = Literal["Lax", "Strict", "None"]


class CookieOptions(TypedDict, total=False):
    """The cookie options of ``Sessions(…)``, which ``session.configure(…)`` also takes for one response."""

    path: str
    domain: str | None
    secure: bool | Literal["auto"]
    http_only: bool
    same_site: SameSite | None
    max_age: int | timedelta | None
    partitioned: bool
    extra: str


#: The cookie's old names, or a mapping from each name to the options the cookie had then, or a list of them.
OldKeys = Iterable[str] | Mapping[str, CookieOptions | Iterable[CookieOptions]]


class ConfigureOptions(CookieOptions, total=False):
    """The arguments of ``session.configure(…)``: what happens to the session, and options of its cookie."""

    key: str
    renew: bool
    drop: bool
    ignore: bool


@dataclass(frozen=True)
class CookieAttributes:
    """
    The checked attributes of the cookie called *key*.

    Attributes:
        secure: ``"auto"`` sets Secure if the request came over HTTPS.
        ending: The attributes of the cookie with one of ``SUFFIXES`` appended to its name, by suffix.
        max_age: How long the browser keeps it, 400 days at most; ``None`` keeps it until the browser closes.
        seconds: ``max_age`` in seconds.
        extra: Text appended to the header, such as ``"Priority=High"``.

    Raises:
        ConfigurationError: A browser would refuse the combination.
    """

    #: The error message for a session that does not fit.
    overflow = "the session's cookie would have {size} bytes, and browsers keep {most}."

    key: str
    path: str = "/"
    domain: str | None = None
    secure: bool | Literal["auto"] = "auto"
    http_only: bool = True
    same_site: SameSite | None = "Lax"
    max_age: int | timedelta | None = None
    partitioned: bool = False
    extra: str = ""
    seconds: int | None = field(init=False, repr=False, compare=False)
    _before: str = field(init=False, repr=False, compare=False)
    _after: Mapping[bool, tuple[str, bool]] = field(init=False, repr=False, compare=False)
    ending: Mapping[str, "CookieAttributes"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        set_once = partial(object.__setattr__, self)
        check_key(self.key)
        for flag in ("http_only", "partitioned"):
            if not isinstance(getattr(self, flag), bool):
                _refuse(f"{flag}={getattr(self, flag)!r} is neither True nor False.")
        set_once("same_site", _same_site(self.same_site))
        set_once("seconds", _whole_seconds(self.max_age))
        _check_text("path", self.path, _ATTRIBUTE_VALUE)
        _check_text("domain", self.domain or "", _ATTRIBUTE_VALUE)
        _check_text("extra", self.extra, _EXTRA)
        if not self.path.startswith("/"):
            _refuse(f"path={self.path!r} is ignored by browsers: a path begins with '/'.")
        set_once("secure", self._checked_secure())
        set_once("_before", f"; path={self.path}" + (f"; domain={self.domain}" if self.domain else ""))
        set_once("ending", _Endings(self))
        secure = {https: self.secure is True or (self.secure == "auto" and https) for https in (False, True)}
        set_once("_after", {https: (self._flags(secure=secure[https]), secure[https]) for https in secure})

    @property
    def place(self) -> tuple[str | None, ...]:
        """The identity of the cookie in a browser (RFC 6265bis, section 5.7, and CHIPS for the last part)."""
        # A cookie without a domain is distinct from one for the same host as its domain; a leading dot does not matter.
        domain = self.domain and self.domain.lower().removeprefix(".")
        return self.key, self.path, domain, *(("partitioned",) if self.partitioned else ())

    def changed(self, options: Mapping[str, Any]) -> "CookieAttributes":
        """Return a checked copy with *options* applied."""
        return replace(self, **options) if options else self

    def _checked_secure(self) -> bool | Literal["auto"]:
        secure = self.secure
        if not isinstance(secure, bool) and secure != "auto":
            _refuse(f"secure={secure!r} is not True, False or 'auto'.")
        prefix = prefix_of(self.key)
        if prefix is not None:
            if not self.key.startswith(prefix):
                _refuse(f"key={self.key!r}: browsers compare the prefix in any case; write it {prefix!r}.")
            if secure is False:
                _refuse(f"key={self.key!r} is only kept with Secure: leave secure out, or choose another key.")
            promises = _PREFIXES[prefix]
            if "host" in promises and self.domain is not None:
                _refuse(f"key={self.key!r} is only kept without a domain: leave it out, or use '__Secure-'.")
            if "host" in promises and self.path != "/":
                _refuse(f"key={self.key!r} is only kept with path='/', or use '__Secure-'.")
            if "http" in promises and not self.http_only:
                _refuse(f"key={self.key!r} is only kept with http_only=True.")
            secure = True
        if self.same_site == "None" and secure is not True:
            _refuse("same_site='None' is only kept with Secure: set secure=True.")
        if self.partitioned and secure is not True:
            _refuse("partitioned=True is only kept with Secure: set secure=True.")
        return secure

    def _flags(self, *, secure: bool) -> str:
        return "".join(
            (
                "; secure" if secure else "",
                "; HttpOnly" if self.http_only else "",
                f"; SameSite={self.same_site}" if self.same_site else "",
                "; partitioned" if self.partitioned else "",
                f"; {self.extra}" if self.extra else "",
            )
        )


class _Endings(dict[str, CookieAttributes]):
    """The attributes by suffix, which are created on first access."""

    def __init__(self, usual: CookieAttributes) -> None:
        super().__init__({"": usual})

    def __missing__(self, suffix: str) -> CookieAttributes:
        usual = self[""]
        self[suffix] = found = replace(usual, key=usual.key + suffix)
        return found


# What a browser guarantees about a cookie with the prefix: it was set over HTTPS, by this very host, and by no script.
# Longest first, because one begins with another. The two with Http- are in the layered-cookies draft.
_PREFIXES = {
    "__Host-Http-": frozenset({"secure", "host", "http"}),
    "__Host-": frozenset({"secure", "host"}),
    "__Secure-": frozenset({"secure"}),
    "__Http-": frozenset({"secure", "http"}),
}

OPTION_NAMES = frozenset(f.name for f in fields(CookieAttributes) if f.init)


logger = logging.getLogger("holdall")


# Listed here because strftime would use the machine's locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# Cached, because many cookies are set within one second, and most of them have the same lifetime.
@lru_cache(maxsize=64)
def _http_date(seconds: int) -> str:
    """Format a time as an HTTP date (RFC 9110, section 5.6.7)."""
    utc = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[utc.weekday()]}, {utc:%d} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} GMT"


class SetCookie:
    """
    One cookie to set, or to expire if *value* is ``None``.

    Attributes:
        value: The cookie's value; ``None`` expires the cookie.
        secure: Whether it has the Secure attribute, with ``"auto"`` resolved.
        max_age: How many seconds the browser keeps it: 0 or less ends it, ``None`` keeps it until the browser closes.
        expires: The time until which the browser keeps it, in Unix seconds.
        is_exposed: Whether it is for a logged-in user and lacks Secure, so that others on the network can read it.
        line: The header's value.
        size: The length of that value in characters.
        extra: Names and values of headers that accompany it.
    """

    # Class attributes, because few cookies set them.
    extra: tuple[tuple[str, str], ...] = ()
    #: The header that sets it.
    header = "Set-Cookie"

    __slots__ = ("attributes", "expires", "https", "is_exposed", "line", "max_age", "secure", "size", "value")

    def __init__(
        self,
        value: str | None,
        attributes: CookieAttributes,
        https: bool,
        now: int,
        max_age: int | None = None,
        login: bool = False,
    ) -> None:
        after, secure = attributes._after[https]
        self.value = value
        self.secure = secure
        self.is_exposed = login and not secure
        self.attributes = attributes
        self.https = https
        expires, expiry = None, ""
        if value is None:
            max_age = expires = 0
        elif max_age is not None:
            # A longer age may come from a framework's own settings, where it is not a mistake. An age in the far
            # past would be out of the calendar's range.
            if not -_MOST_SECONDS <= max_age <= _MOST_SECONDS:
                max_age = _MOST_SECONDS if max_age > 0 else -_MOST_SECONDS
            expires = now + max_age
        self.max_age = max_age
        self.expires = expires
        if expires is not None:
            expiry = f"; expires={_http_date(expires)}; Max-Age={max_age}"
        # Built once, because it is measured before it is sent.
        self.line = line = f"{attributes.key}={value or ''}{attributes._before}{expiry}{after}"
        self.size = len(line)
        if secure and not https:
            _doubt_that_it_is_kept(attributes.key)

    def __str__(self) -> str:
        """Return the value of the Set-Cookie header."""
        return self.line

    def __repr__(self) -> str:
        return f"<SetCookie {self.attributes.key}>"

    def warn(self) -> None:
        """Log a warning if it is exposed."""
        warn_of_no_secure(self.attributes.key)


@lru_cache(maxsize=64)
def _doubt_that_it_is_kept(key: str) -> None:
    """Log, once per process and cookie, that a browser will drop the cookie, so that logins seem to do nothing."""
    logger.warning(
        "the cookie %s is Secure, but the framework says that its request came over http: a browser silently drops "
        "such a cookie over http. If a proxy in front of the application terminates TLS, make the framework trust its "
        "X-Forwarded-Proto: ProxyFix in Flask, uvicorn's --proxy-headers, SECURE_PROXY_SSL_HEADER in "
        "Django. To develop without HTTPS, give the cookie a name without a prefix and leave secure out.",
        key,
    )


def prefix_of(key: str) -> str | None:
    """Return the prefix of *key*, which browsers compare case-insensitively."""
    lowered = key.lower()
    return next((prefix for prefix in _PREFIXES if lowered.startswith(prefix.lower())), None)


def old_cookies(present: CookieAttributes, old_keys: OldKeys, *, has_end: bool) -> tuple[CookieAttributes, ...]:
    """
    Return the attributes of the cookie under its old names and in its old places, from the option *old_keys*.

    Args:
        has_end: Whether ``read_old_until`` is set.

    Raises:
        ConfigurationError: *old_keys* is invalid, or would weaken the cookie; the message says what to do.
    """
    if isinstance(old_keys, str):
        _refuse(f"old_keys={old_keys!r} is one name: pass a list of them, [{old_keys!r}].")
    options: Mapping[str, Any] = old_keys if isinstance(old_keys, Mapping) else {key: {} for key in old_keys}
    found: dict[Any, CookieAttributes] = {}
    for key, given in options.items():
        for each in (given,) if isinstance(given, Mapping) else given:
            if not isinstance(each, Mapping):
                _refuse(f"old_keys[{key!r}] is {given!r}: pass the options that the cookie had, or a list of them.")
            unknown = each.keys() - CookieOptions.__annotations__.keys()
            if unknown:
                takes = ", ".join(sorted(CookieOptions.__annotations__))
                _refuse(f"a cookie in old_keys does not take {', '.join(sorted(unknown))}. It takes {takes}.")
            old = present.changed({**each, "key": key})
            found[old.place] = old
    if present.place in found:
        _refuse(
            f"old_keys has the present key={present.key!r} in its present place, where a browser replaces the cookie: "
            "leave it out, or say which path, domain or partitioned it had before."
        )
    weaker = [old.key for old in found.values() if not _promises(present.key) <= _promises(old.key)]
    if weaker and not has_end:
        _refuse(
            f"old_keys has {weaker[0]!r}, whose name promises less than {present.key!r}: for as long as it is read, "
            "another host can set it for yours. Give that an end, such as "
            "read_old_until=datetime(2027, 1, 31, tzinfo=UTC), when the last old cookie has expired."
        )
    return tuple(found.values())


def cookies_of(given: Iterable[str] | Mapping[str, CookieOptions], option: str) -> tuple[CookieAttributes, ...]:
    """
    Return the cookies that an *option* lists, with their options if it is a mapping.

    Raises:
        ConfigurationError: A browser would refuse one of them.
    """
    if isinstance(given, str):
        _refuse(f"{option}={given!r} is one name: pass a list of them, [{given!r}].")
    options: Mapping[str, Any] = given if isinstance(given, Mapping) else {key: {} for key in given}
    return tuple(CookieAttributes(key, **each) for key, each in options.items())


def _promises(key: str) -> frozenset[str]:
    return _PREFIXES.get(prefix_of(key) or "", frozenset())


def check_key(key: str) -> str:
    """Return *key* if it is a valid cookie name (a token of RFC 9110)."""
    if not isinstance(key, str) or not _TOKEN.fullmatch(key):
        _refuse(f"key={key!r} cannot be a cookie's name: use letters, digits, '_', '-' and '.'.")
    return key


def _refuse(message: str) -> None:
    raise ConfigurationError(message)


def _check_text(name: str, value: str, allowed: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not allowed.fullmatch(value) or len(value) > _MAX_ATTRIBUTE_BYTES:
        _refuse(f"{name}={value!r} cannot stand in a cookie: printable ASCII without ';', 1024 characters at most.")


def _same_site(value: str | None) -> str | None:
    if value is None:
        return None
    found = value.capitalize() if isinstance(value, str) else value
    if found not in ("Lax", "Strict", "None"):
        _refuse(f"same_site={value!r} is not 'Lax', 'Strict', 'None' or None (which leaves it out).")
    return found


def _whole_seconds(max_age: int | timedelta | None) -> int | None:
    if isinstance(max_age, timedelta):
        max_age = int(max_age.total_seconds())
    if max_age is None:
        return None
    if type(max_age) is not int:
        _refuse(f"max_age={max_age!r} is not a number of whole seconds, a timedelta, or None.")
    if max_age > _MOST_SECONDS:
        _refuse(f"max_age={max_age} is over 400 days, and browsers keep no cookie longer: use at most {_MOST_SECONDS}.")
    return max_age
