"""
The settings and the open store of a ``Sessions``, either sync or async: what a session uses during its request.

The rules are in ``holdall.lifecycle``. This module runs them on the store.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction, isgeneratorfunction
from typing import Any, TypeVar

from holdall import _async
from holdall._errors import ConfigurationError, LostWriteError, StoreError
from holdall._state import NOT_STORED, Fetched, SessionState
from holdall._unawaited import to_be_awaited
from holdall._validity import CheckedReads
from holdall.cookie_header import OldCookie
from holdall.lifecycle import ResponseHeaders, commit
from holdall.lifecycle.fetching import fetch, fetched_at_once
from holdall.lifecycle.saving import can_save, check_savable, reload, save, update
from holdall.settings import Settings
from holdall.steps import Step, Steps, run, run_async
from holdall.stores.contract import Changes, ForeignSession

__all__ = ["AsyncBackend", "SyncBackend"]

R = TypeVar("R")


class SyncBackend:
    """
    A store for requests that run in their own thread and may block it.

    Attributes:
        store: The open store.
        reading: The object that reads sessions from it for a request.
        name: Its name in messages.
        table: Its table, if it has one.
        list_from: The table that lists are read from, if it has one.
        sources: Other libraries' session stores that it also reads.
        check: Raises ``TypeError`` for a value that cannot be stored, if the store can tell.
        can_bury: It leaves a marker in the browser when a session ends (``Burying``).
        can_renew: It can renew a session in one operation (``Renewing``).
        can_revoke: It knows its sessions' owners (``Revocable``).
        can_sweep: It keeps expired sessions until they are swept.
        waits: An async adapter must wait for the store.
        waits_to_read: An async adapter must wait for reads.
        commit: Carries out what the application decided (``holdall.lifecycle.commit``).
    """

    commit: Callable[..., Steps[ResponseHeaders]] = staticmethod(commit)

    def __init__(self, settings: Settings, store: Any, now: Callable[[], int]) -> None:
        self.settings = settings
        self.name = type(store).__name__
        self.table = getattr(store, "table", None)
        self.list_from = getattr(store, "list_from", None)
        self.sources: tuple[Any, ...] = getattr(store, "sources", ())
        self.check: Callable[[str, Any], None] = getattr(store, "check", None) or _taken_as_it_is
        self.can_bury, self.can_renew, self.can_revoke, self.can_sweep = (
            hasattr(store, verb) for verb in ("bury", "renew", "revoke", "sweep")
        )
        target = store if self.table is None else self.table
        self.is_async = iscoroutinefunction(getattr(target, "read", None)) or iscoroutinefunction(store.get)
        self.waits_to_read = self.is_async or bool(getattr(target, "blocking_reads", False))
        self.waits = self.waits_to_read or bool(getattr(target, "blocking_writes", False))
        for source in self.sources:
            # Reading moves a session here.
            self.waits = self.waits_to_read = self.waits or iscoroutinefunction(source.read) or _blocks(source)
        is_plain = not isgeneratorfunction(store.get)
        self.store = _Asked(store) if is_plain and self.waits else store
        self.reading = self.store
        if settings.valid_since is not None:
            self.reading = CheckedReads(self.store, settings.valid_since, settings.principals)
            self.waits = self.waits_to_read = True
            self.is_async = self.is_async or not self.reading.blocking_reads
        self.now = now
        self._answers_plainly = is_plain and not self.waits

    def fetch(self, state: SessionState) -> Fetched:
        """Read the request's cookies without waiting."""
        cookies = state.cookies
        if not cookies:
            return NOT_STORED
        now, settings, first = self.now(), self.settings, None
        try:
            if len(cookies) == 1 and type(cookies[0]) is not OldCookie:
                # The fast path for most requests.
                first = self.reading.get(cookies[0], key=settings.attributes.key)
                if not self._answers_plainly:
                    first = self.run(first)
                found = fetched_at_once(first, settings, now=now)
                if found is not None:
                    return found
            return self.run(fetch(cookies, self, now=now, first=first))
        except StoreError:
            # Error reports show the local variables of every call that failed.
            del cookies, first
            raise

    #: Run steps to completion.
    run = staticmethod(run)

    def save(self, state: SessionState) -> Awaitable[None]:
        """Implement ``Session.save``."""
        state.loaded()
        check_savable(state)
        if can_save(state):
            with _taken(state) as changes:
                self.run(save(state, changes, now=self.now()))
        return _DONE

    def reload(self, state: SessionState) -> Awaitable[None]:
        """Implement ``Session.reload``."""
        state.loaded()
        self.run(reload(state, now=self.now()))
        return _DONE

    def update(self, state: SessionState, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Implement ``Session.atomic_update``."""
        state.loaded()
        return self.run(update(state, key, function, default, now=self.now()))


class AsyncBackend(SyncBackend):
    """A store for requests that share an event loop."""

    def __init__(self, settings: Settings, store: Any, now: Callable[[], int]) -> None:
        super().__init__(settings, store, now)
        if self.waits and not self.is_async:
            # asyncio's thread support imports it on first use, and no visitor should wait for that.
            import concurrent.futures.thread  # noqa: F401
        #: The event loop that last read a session here, for handlers that run in threads.
        self._loop: _async.Loop | None = None

    async def load(self, state: SessionState) -> None:
        """Allow *state* to be used from now on."""
        if state.is_fetched:
            return
        if not self.waits_to_read or not state.cookies:
            state.is_fetched = True
            return
        self._loop = _async.current_loop()
        # A request that does not use the session sends nothing, although the session was read.
        state.read_ahead = await run_async(fetch(state.cookies, self, now=self.now()))
        state.is_fetched = True

    async def run_async(self, steps: Steps[R]) -> R:
        """Run *steps* to completion."""
        return await run_async(steps) if self.waits else run(steps)

    async def finish(self, steps: Steps[R], waits: bool | None = None) -> R:
        """
        Run *steps* that change something to completion, even if the request is cancelled in the middle.

        Args:
            waits: Whether any store involved must be waited for, if other stores take part.
        """
        return await _async.shielded(run_async(steps)) if (self.waits if waits is None else waits) else run(steps)

    # Awaited in every async handler, whatever the store. In a handler's thread they are finished when they return.

    def save(self, state: SessionState) -> Awaitable[None]:
        if _async.current_loop() is None:
            return super().save(state)
        state.loaded()
        check_savable(state)
        return to_be_awaited(state, "save", partial(self._save, state))

    async def _save(self, state: SessionState) -> None:
        if can_save(state):
            with _taken(state) as changes:
                await self.finish(save(state, changes, now=self.now()))

    def reload(self, state: SessionState) -> Awaitable[None]:
        if _async.current_loop() is None:
            return super().reload(state)
        state.loaded()
        return to_be_awaited(state, "reload", lambda: self.run_async(reload(state, now=self.now())))

    def update(self, state: SessionState, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        if _async.current_loop() is None:
            return super().update(state, key, function, default)
        steps = partial(update, state, key, function, default)
        return to_be_awaited(state, "atomic_update", lambda: self.finish(steps(now=self.now())))

    def run(self, steps: Steps[R]) -> R:
        """Run *steps* to completion in a thread, such as that of a sync handler."""
        if not self.is_async:
            return run(steps)
        if _async.current_loop() is not None:
            msg = "this store is async: await the call, in an async handler."
            raise ConfigurationError(msg)
        call: Callable[[], Coroutine[Any, Any, R]] = lambda: run_async(steps)  # noqa: E731
        return _async.call_in(self._loop, call)


class _Ask(Step):
    """A step that calls a store that is not made of steps."""

    __slots__ = ("args", "call", "options")

    def __init__(self, store: Any, call: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.target = store
        self.call = call
        self.args = args
        self.options = options

    def take(self) -> Any:
        return self.call(*self.args, **self.options)


class _AskToRead(_Ask):
    __slots__ = ()
    waits = "blocking_reads"


class _Asked:
    """Wraps a store that waits for I/O but is not made of steps as one that is."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, verb: str) -> Any:
        kind = _AskToRead if verb in ("get", "list", "follow") else _Ask
        return self._asking(kind, getattr(self._store, verb))

    def _asking(self, kind: type[_Ask], call: Callable[..., Any]) -> Callable[..., Steps[Any]]:
        def ask(*args: Any, **options: Any) -> Steps[Any]:
            answer: Any = yield kind(self._store, call, args, options)
            if isinstance(answer, ForeignSession) and answer.move is not None:
                # It uses the same store.
                answer.move = self._asking(_Ask, answer.move)
            return answer

        return ask


def _taken_as_it_is(key: str, value: Any) -> None:
    """Check nothing: the store cannot tell what it will take."""


def _blocks(source: Any) -> bool:
    return bool(getattr(source, "blocking_reads", False) or getattr(source, "blocking_writes", False))


@contextmanager
def _taken(state: SessionState) -> Iterator[Changes]:
    """Take the changes to be written, and restore them if the write fails."""
    tracked = state.loaded()
    changes = tracked.changes()
    tracked.begin_anew()
    try:
        yield changes
    except LostWriteError:
        raise
    except BaseException:
        tracked.restore(changes)
        raise


class _Done:
    """An awaitable that is already done."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


_DONE = _Done()
