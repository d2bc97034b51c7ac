"""Name the application's own settings in messages, if an adapter translates these settings to options."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from holdall._errors import ConfigurationError

__all__ = ["naming", "setting_name", "setting_names"]

# Matches an option with its value or error, but not one in a list of all options.
_NAMED = re.compile(r"(?<![\w.])[a-z_]+(?==| is )")

_names: ContextVar[Mapping[str, str]] = ContextVar("holdall setting names", default={})  # noqa: B039  # never changed


def setting_name(option: str) -> str:
    """Return the setting that *option* came from, or *option* itself."""
    return _names.get().get(option, option)


def setting_names() -> Mapping[str, str]:
    """Return the setting for each option, so that an object created later can use ``naming`` with it."""
    return _names.get()


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """
    Use these *names* of settings for options in errors and warnings of ``Sessions`` created inside the block.

    Args:
        names: The setting for each option.
    """
    token = _names.set({**_names.get(), **names})
    try:
        yield
    except ConfigurationError as exc:
        exc.args = (_NAMED.sub(lambda found: names.get(found[0], found[0]), str(exc)),)
        raise
    finally:
        _names.reset(token)
