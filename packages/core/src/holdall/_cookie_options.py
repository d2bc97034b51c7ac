"""
Compute cookie options for a request: a domain for each tenant, or SameSite for a browser that misreads it.

They are computed when a session is first used. ``Sessions`` chooses the type of its state once, so sessions without
this option pay nothing for it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

from holdall._cookie_header import FindHeader
from holdall._cookies import CookieOptions, OldKeys, old_cookies
from holdall._errors import ConfigurationError
from holdall._redacted import redacted
from holdall._settings import Settings

__all__ = ["CookieRequest", "OptionsOf", "tailored"]

# Limits the cache, because a function that uses the visitor's input could return any number of different options.
_MOST = 1000


@redacted
class CookieRequest(NamedTuple):
    """
    The parts of a request that a cookie's options can depend on.

    Attributes:
        find_header: Returns the values of one of the request's headers by its lower-case name.
        https: Whether the request reached us over HTTPS.
    """

    find_header: FindHeader
    https: bool

    def header(self, name: str) -> str:
        """Return the header called *name*, in any case, or ``""``. Its value comes from the visitor."""
        found = self.find_header(name.lower())
        return found if isinstance(found, str) else ", ".join(found)

    @property
    def host(self) -> str:
        """The host that the request names, in lower case and without the port."""
        host = self.header("host").lower()
        return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


#: Returns the cookie options for a request.
OptionsOf = Callable[[CookieRequest], CookieOptions]


def tailored(options_of: OptionsOf, settings: Settings, old_keys: OldKeys, *, base: Any, has_end: bool) -> Any:
    """Return a subclass of *base* for the state of sessions whose cookie options *options_of* computes per request."""

    @lru_cache(maxsize=_MOST)
    def settings_for(options: tuple[tuple[str, Any], ...]) -> Settings:
        # Old names and places take these options too, because a cookie is expired with the attributes it was set with.
        attributes = settings.attributes.changed(dict(options))
        return replace(settings, attributes=attributes, old_cookies=old_cookies(attributes, old_keys, has_end=has_end))

    class TailoredState(base):  # type: ignore[misc]  # the state of a session that records its login, or a plain one
        """The state of a session whose settings depend on its request."""

        _tailored: Settings | None = None

        @property
        def settings(self) -> Settings:
            if self._tailored is None:
                self._tailored = settings_for(_checked(options_of(CookieRequest(self._headers, self.https))))
            return self._tailored

        @settings.setter
        def settings(self, value: Settings) -> None:
            """Ignore the backend's settings."""

        def __init__(self, backend: Any, cookies: Any, https: bool, *args: Any) -> None:
            # *cookies* is bound to the function that finds the request's headers, or to its Cookie headers alone.
            given = cookies.args[0] if isinstance(cookies, partial) else ()
            self._headers: FindHeader = given if callable(given) else partial(_only_cookies, given)
            super().__init__(backend, cookies, https, *args)

    return TailoredState


def _only_cookies(cookie_headers: str | Iterable[str], name: str) -> str | Iterable[str]:
    return cookie_headers if name == "cookie" else ()


def _checked(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return *options* as a hashable key."""
    unknown = sorted(options.keys() - CookieOptions.__annotations__.keys())
    if unknown:
        takes = ", ".join(sorted(CookieOptions.__annotations__))
        msg = f"cookie_options= returned {', '.join(unknown)}. It may return {takes}."
        raise ConfigurationError(msg)
    return tuple(sorted(options.items()))
