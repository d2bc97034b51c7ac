"""Keep two names of one cookie in sync: ours and ``SESSION_COOKIE_NAME``, which Django's test client reads."""

from django.conf import settings

from holdall import ConfigurationError

__all__ = ["is_named", "name_the_cookie"]

_NAME = "SESSION_COOKIE_NAME"

# The names that this module, and not the project, has put into the setting.
_names_given: set[str] = set()


def name_the_cookie(key: str) -> None:
    """
    Set Django's setting to the same *key*.

    Raises:
        ConfigurationError: The project has set another name.
    """
    if key == settings.SESSION_COOKIE_NAME:
        return
    if is_named():
        msg = (
            f"HOLDALL names the cookie {key!r} but {_NAME} says {settings.SESSION_COOKIE_NAME!r}: "
            "set only one of the two, and the other follows."
        )
        raise ConfigurationError(msg)
    settings.SESSION_COOKIE_NAME = key
    _names_given.add(key)


def is_named() -> bool:
    """Return whether the project itself has named the cookie."""
    return settings.is_overridden(_NAME) and settings.SESSION_COOKIE_NAME not in _names_given
