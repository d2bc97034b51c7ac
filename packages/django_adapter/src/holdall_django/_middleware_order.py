"""Check that ``MIDDLEWARE`` has one session middleware, and that it comes before those that need the session."""

from collections.abc import Iterator

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

__all__ = ["OUR_AUTH", "middleware_order", "session_middlewares"]

_OURS = "holdall_django.SessionMiddleware"
OUR_AUTH = "holdall_django.auth.AuthenticationMiddleware"

# These read the session, so they must come after the middleware that provides it.
_READERS = {
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
    "django.contrib.auth.middleware.RemoteUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_otp.middleware.OTPMiddleware",
    OUR_AUTH,
}
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"

# It caches responses by their Vary header, so it must see the one that we add.
_CACHE = "django.middleware.cache.UpdateCacheMiddleware"


def session_middlewares() -> tuple[list[str], list[str]]:
    """Return the session middlewares in ``MIDDLEWARE``: ours, and Django's own."""
    ours: list[str] = []
    djangos: list[str] = []
    # Middlewares with other names need not be imported for this.
    for path in (path for path in settings.MIDDLEWARE if "session" in path.rpartition(".")[2].lower()):
        try:
            found = import_string(path)
        except ImportError:
            # Django reports that itself.
            continue
        if isinstance(found, type) and issubclass(found, SessionMiddleware):
            is_ours = any(base.__module__ == "holdall_django._middleware" for base in found.__mro__)
            (ours if is_ours else djangos).append(path)
    return ours, djangos


def middleware_order() -> Iterator[CheckMessage]:
    """Check that there is a session middleware, and that it is in the right place."""
    ours, _ = session_middlewares()
    if not ours:
        msg = "MIDDLEWARE has no session middleware of holdall, so requests get no session from it."
        yield Error(msg, hint=f"Replace Django's own with {_OURS!r}.", id="holdall_django.E004")
        return
    place = settings.MIDDLEWARE.index(ours[0])
    readers = _READERS | ({_CSRF} if settings.CSRF_USE_SESSIONS else set())
    for early in [path for path in settings.MIDDLEWARE[:place] if path in readers]:
        msg = f"MIDDLEWARE has {early!r} before {ours[0]!r}, whose session it needs."
        yield Error(msg, hint=f"Move {ours[0]!r} before it.", id="holdall_django.E005")
    if _CACHE in settings.MIDDLEWARE[place:]:
        msg = f"MIDDLEWARE has {_CACHE!r} after {ours[0]!r}: it would cache one visitor's page for everyone."
        yield CheckWarning(msg, hint=f"Move it before {ours[0]!r}.", id="holdall_django.W001")
