"""Check the application's options for binding sessions to devices."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from holdall._cookies import CookieAttributes
from holdall._errors import ConfigurationError

__all__ = ["DeviceBound", "bound_attributes", "device_attributes", "device_options"]

_SUFFIX = "-bound"
_DEVICE_SUFFIX = "-device"


@dataclass(frozen=True)
class DeviceBound:
    """
    Options for binding sessions to the visitor's device.

    Args:
        path: The path of the two endpoints, ``path/register`` and ``path/refresh``, relative to where the application
            is mounted.
        cookie_max_age: How long a bound cookie, and therefore a stolen copy of the cookies, is valid. In seconds, 10
            minutes by default. Use at least 5 minutes: in the last two, Chromium renews it at each request, and after
            about six renewals in a short time it stops, and sends requests without it.
        grace: How long a session may be used without its bound cookie after the registration, because earlier requests
            may still be in flight. In seconds.
        enforce: ``"all"`` gives a request that lacks the bound cookie an empty session; ``"report"`` only emits
            ``device_refused``, for a first deployment.
        exclude: Paths whose requests the browser does not hold back until it has the bound cookie, such as
            ``"/static/"``. Requests without the bound cookie are refused there as everywhere else.
        origin: The application's origin as browsers see it, such as ``"https://shop.example"``; by default that of the
            request.
        include_site: Bind the subdomains too, for a cookie with a ``domain``; *origin* must be the registrable domain.

    Raises:
        ConfigurationError: An option is invalid.
    """

    path: str = "/device-bound-session"
    cookie_max_age: timedelta | int = 600
    grace: timedelta | int = 60
    enforce: Literal["all", "report"] = "all"
    exclude: Iterable[str] = ()
    origin: str | None = None
    include_site: bool = False

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or self.path.endswith("/") or not _is_plain(self.path):
            _refuse(f"path={self.path!r} is not a path such as '/device-bound-session', without a trailing slash.")
        for name, least in (("cookie_max_age", 1), ("grace", 0)):
            value = getattr(self, name)
            seconds = value.total_seconds() if isinstance(value, timedelta) else value
            if type(seconds) not in (int, float) or seconds < least:
                _refuse(f"{name}={value!r} is neither a timedelta nor a number of seconds of at least {least}.")
            object.__setattr__(self, name, int(seconds))
        if self.enforce not in ("all", "report"):
            _refuse(f"enforce={self.enforce!r} is neither 'all' nor 'report'.")
        if isinstance(self.exclude, str):
            _refuse(f"exclude={self.exclude!r} is one path: pass a list of them, [{self.exclude!r}].")
        object.__setattr__(self, "exclude", tuple(self.exclude))
        for each in self.exclude:
            if not each.startswith("/") or not _is_plain(each):
                _refuse(f"exclude contains {each!r}, which is not a path such as '/static/'.")
        if self.origin is not None and _origin(self.origin) != self.origin:
            _refuse(f"origin={self.origin!r} is not an origin such as 'https://shop.example'.")
        if self.include_site and self.origin is None:
            _refuse("include_site=True needs origin='https://…', the registrable domain.")

    @property
    def seconds(self) -> int:
        """``cookie_max_age`` in seconds."""
        return int(self.cookie_max_age)  # type: ignore[arg-type]  # __post_init__ has made it an int

    @property
    def grace_seconds(self) -> int:
        """``grace`` in seconds."""
        return int(self.grace)  # type: ignore[arg-type]  # __post_init__ has made it an int


def device_options(given: "DeviceBound | bool", *, is_tailored: bool = False) -> DeviceBound | None:
    """
    Check the option ``Sessions(device_bound=…)`` and return it; ``None`` if it is off.

    Args:
        is_tailored: Whether the options of the session's cookie depend on the request.

    Raises:
        ConfigurationError: *given* is invalid or cannot be combined with the other options.
    """
    if not isinstance(given, DeviceBound | bool):
        _refuse(f"device_bound={given!r} is not True, False or a DeviceBound(…).")
    if given is False:
        return None
    if is_tailored:
        _refuse("device_bound= needs a cookie whose options are the same for every request: leave cookie_options= out.")
    return given if isinstance(given, DeviceBound) else DeviceBound()


def bound_attributes(session: CookieAttributes, options: DeviceBound) -> CookieAttributes:
    """
    Return the attributes of the bound cookie, derived from those of the *session* cookie.

    Raises:
        ConfigurationError: A browser would not accept it as a bound cookie.
    """
    if session.partitioned:
        _refuse("device_bound= cannot be used with partitioned=True: browsers accept no partitioned bound cookie.")
    if session.secure is False:
        _refuse("device_bound= needs HTTPS: leave secure=False out.")
    if session.domain is not None and not options.include_site:
        _refuse(
            f"device_bound=: the cookie goes to all hosts under {session.domain}, where its binding would not be "
            "renewed: leave domain= out, or pass DeviceBound(include_site=True, origin='https://…')."
        )
    if session.domain is None and options.include_site:
        _refuse("include_site=True needs a cookie that goes to subdomains: set domain=, or leave include_site out.")
    changes: dict[str, Any] = {"key": session.key + _SUFFIX, "secure": True, "max_age": options.seconds, "extra": ""}
    return session.changed(changes)


def device_attributes(session: CookieAttributes) -> CookieAttributes:
    """Return the attributes of the cookie that keeps the device's public key if no table does."""
    return session.changed({"key": session.key + _DEVICE_SUFFIX, "secure": True, "extra": ""})


def _origin(text: str) -> str:
    parts = urlsplit(text)
    return f"https://{parts.netloc}" if parts.netloc else ""


def _is_plain(path: str) -> bool:
    # It appears within quotes in a header, and in the browser's own comparison of paths.
    return path.isascii() and path.isprintable() and not set(path) & set(' "\\?#%;')


def _refuse(message: str) -> None:
    raise ConfigurationError(message)
