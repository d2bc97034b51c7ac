"""Hide the secrets in the setting ``HOLDALL`` from Django's error reports, ``diffsettings`` and debug toolbars."""

import re
from collections import UserDict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.views.debug import SafeExceptionReporterFilter

__all__ = ["HiddenOptions", "hide_options"]

# These are not secret. Everything else is hidden, so that no new option is shown by mistake.
_SHOWN = (
    "store",
    "key",
    "path",
    "domain",
    "same_site",
    "principal_key",
    "format",
    "fetch",
    "transport",
    "on_lost_write",
    "timeouts",
)
_PLAIN_TYPES = (bool, int, float, date, timedelta, type(None))

_WORD = re.compile(r"[\w/.\-]*")
_SCHEME = re.compile(r"([a-z+.\-]+)://", re.IGNORECASE)


class HiddenOptions(UserDict[str, Any]):
    """
    Options that act as a ``dict`` but show neither a secret nor the password in a URL.

    Django hides settings by their names, and looks for further names only inside dicts, so it shows this object as a
    whole.
    """

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {_shown(name, value)}" for name, value in self.items()) + "}"


def hide_options() -> None:
    """Make ``settings.HOLDALL`` show no secret from here on."""
    given = getattr(settings, "HOLDALL", None)
    if isinstance(given, Mapping) and not isinstance(given, HiddenOptions):
        settings.HOLDALL = HiddenOptions(given)


def _shown(name: object, value: object) -> str:
    if isinstance(value, _PLAIN_TYPES) or (name in _SHOWN and isinstance(value, str) and _WORD.fullmatch(value)):
        return repr(value)
    scheme = _SCHEME.match(value) if isinstance(value, str) else None
    hidden = SafeExceptionReporterFilter.cleansed_substitute
    return repr(hidden if scheme is None else f"{scheme[0]}{hidden}")
