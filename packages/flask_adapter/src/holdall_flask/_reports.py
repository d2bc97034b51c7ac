"""Hide ``flask.session`` in error reports."""

import sys
from typing import Any

import flask

__all__ = ["hide_session"]


def hide_session() -> None:
    """
    Make Sentry, if it is loaded, show no items of a local variable that is ``flask.session``.

    Sentry shows the items of every mapping. A session itself prevents that, but for ``flask.session`` Sentry checks the
    class of the proxy.
    """
    serializer: Any = sys.modules.get("sentry_sdk.serializer")
    if serializer is not None and _shown not in serializer.global_repr_processors:
        serializer.add_global_repr_processor(_shown)


def _shown(value: Any, hint: Any) -> Any:
    return "<flask.session>" if value is flask.session else NotImplemented
