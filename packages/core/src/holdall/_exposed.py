"""Warn about login cookies that others on the network can steal because they may be sent over http."""

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

__all__ = ["warn_if_exposed", "warn_of_no_secure"]

_logger = logging.getLogger("holdall")

# A name has at most 253 characters (RFC 1035), and a visitor who sends more must not fill the cache with it.
_LONGEST_HOST = 260


def warn_if_exposed(cookies: Iterable[Any], host: str | None) -> None:
    """Log once that a login cookie is sent without Secure, unless *host*, a Host header, is this machine."""
    for cookie in cookies:
        if cookie.is_exposed and host and not _is_this_machine(host[:_LONGEST_HOST]):
            cookie.warn()


# Cached, because an application has few host names, and parsing an address takes as long as sealing a cookie.
@lru_cache(maxsize=64)
def _is_this_machine(host: str) -> bool:
    """Return whether *host* is reached without a network."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.lower().removesuffix(".")
    # The test clients of Starlette and Django use the host name testserver.
    if name in ("localhost", "testserver") or name.endswith(".localhost"):
        return True
    from ipaddress import ip_address

    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def warn_of_no_secure(key: str) -> None:
    """Log, once per process and cookie, that a login cookie can be stolen in transit."""
    _logger.warning(
        "the cookie %s of a logged-in user was sent without Secure, so anyone on the network can read and "
        "use it. Serve the application over HTTPS; if a proxy does so, make the framework trust its X-Forwarded-Proto: "
        "ProxyFix in Flask, uvicorn's --proxy-headers, SECURE_PROXY_SSL_HEADER in Django. secure=True, or a name that "
        "begins with __Host-, keeps the cookie from ever being sent over http.",
        key,
    )
