"""Let a middleware handle the requests that a browser sends by itself."""

from collections.abc import Callable
from typing import Any

__all__ = ["answer_by"]


def answer_by(answering: type, noting: Callable[[Any, Any], Any], middleware: Any, group: Any) -> None:
    """
    Let *middleware* handle these requests, and record for other requests where the application is mounted.

    The middleware becomes an instance of a separate class, so that one without bound sessions pays nothing.

    Args:
        answering: Handles them with the ``DeviceRoutes`` in its attribute ``_devices``; the base class of that class.
        noting: Wraps the application, to record where it is mounted.
        group: The middleware's ``SessionGroup``, which contains sessions that can be bound.
    """
    kind = type(middleware)
    members = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_devices": group.devices}
    middleware.__class__ = type(kind.__name__, (answering, kind), members)
    middleware.app = noting(middleware.app, group)
