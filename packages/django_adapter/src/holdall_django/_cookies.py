"""Put our cookies where Django and its test client look for them: into ``response.cookies``."""

from collections.abc import Container, Iterable
from functools import lru_cache
from http.cookies import Morsel
from typing import Any

from django.http import HttpResponseBase
from django.utils.http import http_date

from holdall import SetCookie

__all__ = ["SessionCookie", "add_cookies"]


class SessionCookie(Morsel[str]):
    """
    A cookie that is sent as the core wrote it but looks like any other morsel.

    The core's line can have attributes that the morsel of an older Python lacks. If a middleware has modified it, for
    example to add an attribute, it is sent as a normal morsel.
    """

    def __init__(self, cookie: SetCookie) -> None:
        super().__init__()
        attributes = cookie.attributes
        value = cookie.value or ""
        self.set(attributes.key, value, value)
        said: dict[str, Any] = {
            "path": attributes.path,
            "domain": attributes.domain or "",
            "secure": cookie.secure or "",
            "httponly": attributes.http_only or "",
            "samesite": attributes.same_site or "",
            "max-age": "" if cookie.max_age is None else cookie.max_age,
            "expires": "" if cookie.expires is None else _http_date(cookie.expires),
        }
        if attributes.partitioned:
            said["partitioned"] = True
        # A morsel itself accepts only the attributes that its Python knows.
        dict.update(self, said)
        self._cookie = cookie
        self._unaltered = (value, dict(self))

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802  # the morsel's name for it
        if (self.value, dict(self)) == self._unaltered:
            return str(self._cookie)
        return super().OutputString(attrs)

    def __reduce__(self) -> tuple[type["SessionCookie"], tuple[SetCookie]]:
        # Caches store responses pickled.
        return type(self), (self._cookie,)


# Many cookies are set within one second, and all of them have the same lifetime.
_http_date = lru_cache(maxsize=64)(http_date)


def add_cookies(response: HttpResponseBase, cookies: Iterable[SetCookie]) -> None:
    """Set *cookies* on *response*. If several have the same name, domain and path, the last one counts."""
    places = {cookie.attributes.place: cookie for cookie in cookies}
    for place in [place for place, cookie in places.items() if cookie.header != "Set-Cookie"]:
        # A header that replaces the cookie.
        carried = places.pop(place)
        response.headers[carried.header] = carried.line
    # Django finds a cookie by its name. If one name is set for several paths or domains, the last one is the new
    # cookie.
    named = {cookie.attributes.key: cookie for cookie in places.values()}
    for place, cookie in places.items():
        key = cookie.attributes.key
        found_under = key if named[key] is cookie else f"{key}; {place}"
        response.cookies[found_under] = SessionCookie(cookie)
        for name, value in cookie.extra:
            response.headers[name] = value
