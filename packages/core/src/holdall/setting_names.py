"""Let messages name the settings that an application's author wrote, where an adapter makes options of them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from holdall.errors import ConfigurationError

__all__ = ["naming", "setting_name", "setting_names"]

# An option with its value or its fault, not one in a list of all options.
_NAMED = re.compile(r"(?<![\w.])[a-z_]+(?==| is )")

_names: ContextVar[Mapping[str, str]] = ContextVar("holdall setting names", default={})  # noqa: B039  # never changed


def setting_name(option: str) -> str:
    """Return the setting that *option* was made of, or its own name."""
    return _names.get().get(option, option)


def setting_names() -> Mapping[str, str]:
    """Return the settings, by the options that are made of them: for ``naming`` where a part is made later."""
    return _names.get()


@contextmanager
def naming(names: Mapping[str, str]) -> Iterator[None]:
    """
    Call options by these *names* of settings, in errors and warnings of the ``Sessions`` that are made here.

    Args:
        names: The settings, by the options that are made of them.
    """
    token = _names.set({**_names.get(), **names})
    try:
        yield
    except ConfigurationError as exc:
        exc.args = (_NAMED.sub(lambda found: names.get(found[0], found[0]), str(exc)),)
        raise
    finally:
        _names.reset(token)
