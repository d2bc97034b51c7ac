"""
Transport sessions in another header instead of cookies, for mobile and command-line clients.

The lifecycle is unchanged and computes the cookie that it would set. This module finds the value in the request's
header and converts the cookie to the response's header.

A client stores one value, while a browser stores cookies under several names. So a sealed session's value begins with
its generation number (``stores._generations``): when two responses arrive in the wrong order, the client keeps the one
with the higher number.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from holdall._cookie_header import FindHeader, SentCookie
from holdall._cookies import CookieAttributes, SetCookie, logger
from holdall._errors import ConfigurationError
from holdall._lifecycle import ResponseHeaders, commit
from holdall._state import FetchResult, SessionState
from holdall.steps import Steps
from holdall.stores._generations import LOGOUT

__all__ = ["HeaderTransport", "SessionHeader", "header_transport", "warn_of_http"]

_SCHEME = "Session"

# No underscores, because WSGI cannot tell them from hyphens, and many servers drop such headers.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*")

# Headers with another meaning, which a session would break, and the word that is likely to be passed by mistake.
_TAKEN = frozenset(
    {
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "header",
        "host",
        "location",
        "proxy-authorization",
        "set-cookie",
        "transfer-encoding",
        "upgrade",
        "vary",
        "www-authenticate",
    }
)

# Splits at commas, except those inside quoted strings.
_PART = re.compile(r'(?:"[^"]*"|[^,])+')

_NUMBER = re.compile(r"[0-9]{1,9}\.")

# Whitespace allowed around a value (RFC 9110, section 5.6.3).
_SPACE = " \t"


class HeaderAttributes(CookieAttributes):
    """Attributes that replace those of a cookie: the session is sent in the header called *header*."""

    header = "Authorization"
    overflow = "the session's header would have {size} bytes, over our limit of {most}: servers refuse long headers."

    @property
    def place(self) -> tuple[str | None, ...]:
        """The identity of one header among others and all cookies."""
        return (header_place(self.header),)

    def changed(self, options: Any) -> "HeaderAttributes":
        """Refuse cookie *options*."""
        if options:
            msg = (
                f"these sessions use the header {self.header} and take no cookie options: "
                f"leave out {', '.join(sorted(options))}."
            )
            raise ConfigurationError(msg)
        return self


class SessionHeader(SetCookie):
    """A response header that gives the client a value to keep, or tells it to forget its value."""

    __slots__ = ("header",)

    def __init__(self, cookie: SetCookie, header: str, line: str) -> None:
        for name in SetCookie.__slots__:
            setattr(self, name, getattr(cookie, name))
        self.header = header
        self.line = line
        self.size = len(line)

    def warn(self) -> None:
        warn_of_http(self.header)


class HeaderTransport:
    """
    The header that carries a session instead of a cookie.

    Attributes:
        name: The header's name.
        place: The header's identity among other headers and all cookies.
        attributes: The attributes that replace the cookie's.
    """

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.place = header_place(name)
        self._scheme = _SCHEME if name.lower() == "authorization" else ""
        kind = type("HeaderAttributes", (HeaderAttributes,), {"header": name})
        self.attributes: CookieAttributes = kind(key)

    def text(self, value: str) -> str:
        """Return the header's value for a session's cookie value."""
        return f"{self._scheme} {value}".strip(_SPACE)

    def finder(self, *, numbered: bool) -> Callable[[FindHeader | str | Iterable[str]], list[SentCookie]]:
        """
        Return a function that takes a request's headers and returns the session's values.

        If there are several headers, or several credentials joined by a server with commas, those of other schemes are
        ignored. Each distinct value is returned once, in the order sent.

        Args:
            numbered: Whether the values may begin with a generation number.
        """
        name, scheme = self.name.lower(), self._scheme.lower()

        def find(headers: FindHeader | str | Iterable[str]) -> list[SentCookie]:
            given = headers(name) if callable(headers) else headers
            found: dict[SentCookie, None] = {}
            for line in (given,) if isinstance(given, str) else given:
                for part in _PART.findall(line):
                    value = part.strip(_SPACE)
                    if scheme:
                        said, _, value = value.partition(" ")
                        value = value.strip(_SPACE) if said.lower() == scheme else ""
                    if numbered:
                        value = _NUMBER.sub("", value, count=1) if _NUMBER.match(value) else value
                    if value:
                        found[value] = None
            return list(found)

        return find

    def state_type(self, base: Any) -> Any:
        """Return the state type, derived from *base*, for a session in this header."""
        return type(base.__name__, (base,), {"__module__": base.__module__, "vary": self.name})

    def commit(
        self, state: SessionState, *, now: int, status: int = 200, streams: bool = False
    ) -> Steps[ResponseHeaders]:
        """Do the same as ``holdall._lifecycle.commit``, with the header instead of cookies."""
        if state.marked_unread:
            # The commit would read the session too, but the result is needed before it.
            state.loaded()
        received = state.fetched
        headers = yield from commit(state, now=now, status=status, streams=streams)
        if not headers.vary:
            return headers
        sent = self._sent(headers, received, state)
        changed: ResponseHeaders = headers.changed(cookies=sent, vary=self.name)
        return changed

    def _sent(self, headers: ResponseHeaders, received: FetchResult, state: SessionState) -> tuple[SetCookie, ...]:
        # The client does not keep a value that was already outdated in its request, so it need not be expired.
        late = {state.settings.attributes.ending[suffix].key for suffix in received.outdated}
        told = [each for each in headers.cookies if each.value is not None or each.attributes.key not in late]
        if not told:
            return ()
        last = next((each for each in told if each.value is not None), told[-1])
        value = last.value or ""
        if value:
            # Without a stored session, the value is the marker of one that has ended.
            stored, ended = state.stored, received.stored or received.renewed
            before = None if ended is None else (ended.generation or 0) + LOGOUT
            generation = before if stored is None else stored.generation
            value = value if generation is None else f"{generation}.{value}"
        return (SessionHeader(last, self.name, self.text(value)),)


def header_place(name: str) -> str:
    """Return the identity of a header among other headers and all cookies."""
    return f"{name.lower()}:"


def header_transport(transport: str, key: str, cookie: Iterable[str], **others: object) -> HeaderTransport | None:
    """
    Parse the option *transport*; return ``None`` for cookies.

    Args:
        cookie: The cookie options that were set.
        others: Other options that concern cookies.

    Raises:
        ConfigurationError: The header cannot carry a session, or options would have no effect.
    """
    if transport == "cookie":
        return None
    if not isinstance(transport, str) or not _NAME.fullmatch(transport) or transport.lower() in _TAKEN:
        msg = (
            f"transport={transport!r} is neither 'cookie' nor the name of a header that can carry a session, such as "
            "'Authorization' or 'X-Session'."
        )
        raise ConfigurationError(msg)
    useless = [*sorted(cookie), *(name for name, value in others.items() if value)]
    if useless:
        msg = f"transport={transport!r} sends no cookie, so {', '.join(useless)} would have no effect: leave it out."
        raise ConfigurationError(msg)
    return HeaderTransport(transport, key)


@lru_cache(maxsize=64)
def warn_of_http(name: str) -> None:
    """Log, once per process and header, that a login can be stolen in transit."""
    logger.warning(
        "the header %s with the session of a logged-in user was sent over http, so anyone on the network can "
        "read and use it. Serve the application over HTTPS; if a proxy does so, make the framework trust its "
        "X-Forwarded-Proto: ProxyFix in Flask, uvicorn's --proxy-headers, SECURE_PROXY_SSL_HEADER in Django.",
        name,
    )
