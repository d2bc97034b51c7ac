"""What a response that sets a session cookie tells caches, whatever the application asked for."""

__all__ = ["merged_cache_control"]

# With these a cache that several visitors share keeps the response, and its cookie with it.
_SHARED = ("public", "s-maxage")


def merged_cache_control(present: str | None, *, sets_cookie: bool, allow_public: bool) -> str | None:
    """
    Return the Cache-Control header that the response needs, or ``None`` to leave it as it is.

    Args:
        present: The header that the application has set, if any.
        sets_cookie: The response sets a session cookie.
        allow_public: The application takes the risk that a shared cache hands out the cookie.
    """
    if not sets_cookie:
        return None
    directives = [each.strip() for each in (present or "").split(",") if each.strip()]
    if not directives:
        return "no-store"
    names = [each.partition("=")[0].strip().lower() for each in directives]
    if allow_public or not any(name in _SHARED for name in names):
        return None
    kept = [each for each, name in zip(directives, names, strict=True) if name not in (*_SHARED, "private")]
    return ", ".join((*kept, "private"))
