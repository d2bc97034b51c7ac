"""
What a session can ask of its store while its request lasts.

The rules are those of ``holdall.lifecycle``. Here each is offered in both forms: done at once, and awaited.
"""

from collections.abc import Awaitable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from holdall.atomic import Atomic, LoopRunner, ThreadRunner
from holdall.clock import Clock
from holdall.errors import LostWriteError
from holdall.lifecycle import can_save, reload, save
from holdall.policy import Policy
from holdall.session import Session
from holdall.stores import Changes

__all__ = ["StoreReach"]


class StoreReach:
    """A session's way to its store; see ``holdall.session.Reach``."""

    def __init__(self, policy: Policy, clock: Clock, runner: ThreadRunner | LoopRunner) -> None:
        self._policy = policy
        self._clock = clock
        self._runner = runner

    def atomic(self, session: Session, key: str, timeout: timedelta) -> Atomic:
        return Atomic(session, key, timeout, policy=self._policy, clock=self._clock, runner=self._runner)

    def save(self, session: Session) -> Awaitable[None]:
        session.check_between_blocks("save")
        session.check_savable()
        if not can_save(session, self._policy):
            return _DONE
        if self._runner.is_to_be_awaited:
            return self._save_async(session)
        with _taken(session) as changes:
            self._runner.run(save(session, self._policy, changes, now=self._clock()))
        return _DONE

    def reload(self, session: Session) -> Awaitable[None]:
        session.check_between_blocks("reload")
        steps = reload(session, self._policy, now=self._clock())
        if self._runner.is_to_be_awaited:
            return self._runner.run_async(steps)
        self._runner.run(steps)
        return _DONE

    async def _save_async(self, session: Session) -> None:
        with _taken(session) as changes:
            await self._runner.run_async(save(session, self._policy, changes, now=self._clock()))


@contextmanager
def _taken(session: Session) -> Iterator[Changes]:
    """Take what was changed, to be written; what could not be stays unsaved."""
    changes = session.take_changes()
    try:
        yield changes
    except LostWriteError:
        raise
    except BaseException:
        session.give_back(changes)
        raise


class _Done:
    """Has been waited for."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_DONE = _Done()
