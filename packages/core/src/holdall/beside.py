"""A request's sessions beside its main one, each opened when it is asked for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdall.errors import ConfigurationError

if TYPE_CHECKING:
    from holdall.session import Phase, Session
    from holdall.sessions import Sessions

__all__ = ["ALONE", "Beside"]


class Beside(dict["Sessions", "Session"]):
    """
    The sessions that a request has asked for beside its main one, by the ``Sessions`` that keep them.

    ``session.beside[cart]`` opens that of *cart*: one that nobody asks for costs a request nothing.

    Attributes:
        phase: How far the response has come for one that is opened from now on; ``None`` before its headers go.

    Raises:
        ConfigurationError: It is asked for ``Sessions`` that the application was not given.
    """

    __slots__ = ("_open", "phase")

    def __init__(self, open: "Callable[[Sessions], Session | None]") -> None:
        self._open = open
        self.phase: Phase | None = None

    def __missing__(self, sessions: "Sessions") -> "Session":
        session = self._open(sessions)
        if session is None:
            name = getattr(sessions, "key", f"a {type(sessions).__qualname__}")
            msg = (
                f"the application was set up without these sessions, {name!r}: "
                "give beside=[…] to Holdall, to SessionMiddleware, or in Django's HOLDALL."
            )
            raise ConfigurationError(msg)
        if self.phase is not None:
            session.phase = self.phase
        self[sessions] = session
        return session


#: What stands beside a session that is the application's only one.
ALONE = Beside(lambda sessions: None)
