"""Our cookies where Django and its test client look for them: in ``response.cookies``."""

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
    A cookie that goes out as the core has it, and that is a morsel like any other to whoever looks at it.

    The core's line can say what the morsel of an older Python can't. One that was altered, by a middleware that adds
    an attribute, goes out as a morsel does.
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
            "expires": "" if cookie.expires is None else _http_date(int(cookie.expires.timestamp())),
        }
        if attributes.partitioned:
            said["partitioned"] = True
        # By itself a morsel takes only the attributes that its Python knows.
        dict.update(self, said)
        self._cookie = cookie
        self._unaltered = (value, dict(self))

    def OutputString(self, attrs: Container[str] | None = None) -> str:  # noqa: N802  # the morsel's name for it
        if (self.value, dict(self)) == self._unaltered:
            return str(self._cookie)
        return super().OutputString(attrs)

    def __reduce__(self) -> tuple[type["SessionCookie"], tuple[SetCookie]]:
        # Caches keep responses pickled.
        return type(self), (self._cookie,)


# Many cookies are set in one second, and all of them live for as long.
_http_date = lru_cache(maxsize=64)(http_date)


def add_cookies(response: HttpResponseBase, cookies: Iterable[SetCookie]) -> None:
    """Set *cookies* on *response*; of those for one place the last."""
    places = {cookie.attributes.place: cookie for cookie in cookies}
    # Django finds a cookie by its name. Where one name is set in several places, the last is the one that lives.
    named = {cookie.attributes.key: cookie for cookie in places.values()}
    for place, cookie in places.items():
        key = cookie.attributes.key
        found_under = key if named[key] is cookie else f"{key}; {place}"
        response.cookies[found_under] = SessionCookie(cookie)
