"""
Define the backend that a session uses during its request: the settings and open store of a ``Sessions``.

The rules are in ``holdall._lifecycle``. This module applies them to the store.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import iscoroutinefunction, isgeneratorfunction
from typing import Any, TypeVar

from holdall import _async
from holdall._cookie_header import OldCookie
from holdall._errors import ConfigurationError, LostWriteError, StoreError
from holdall._lifecycle import ResponseHeaders, commit
from holdall._lifecycle.fetching import fetch, fetched_at_once
from holdall._lifecycle.saving import can_save, check_savable, reload, save, update
from holdall._settings import Settings
from holdall._state import NOT_STORED, FetchResult, SessionState
from holdall._unawaited import to_be_awaited
from holdall._validity import CheckedReads
from holdall.steps import Step, Steps, run, run_async
from holdall.stores._contract import Changes, ForeignSession
from holdall.tables import Kind

__all__ = ["AsyncBackend", "SyncBackend"]

R = TypeVar("R")


class SyncBackend:
    """
    A store for requests that run in their own thread and may block it.

    Attributes:
        form: The kind of adapter that it serves.
        store: The open store.
        reading: The object that requests read sessions through: the store, or a wrapper that also checks them.
        name: The store's name in messages.
        table: The store's table, if it has one.
        list_from: The table that lists are read from, if there is a separate one.
        sources: Other libraries' session stores that the store also reads.
        check: Raises ``TypeError`` for a value that cannot be stored, if the store can tell.
        can_mark_ended: Whether the store leaves a marker in the browser when a session ends (``MarkingEnds``).
        can_renew: Whether the store can renew a session in one operation (``Renewing``).
        can_revoke: Whether the store knows its sessions' owners (``Revocable``).
        can_sweep: Whether the store keeps expired sessions until they are swept.
        can_update: Whether the store can update a value atomically (``Updating``).
        waits: Whether an async adapter must wait for the store.
        waits_to_read: Whether an async adapter must wait for reads.
        commit: Carries out what the application decided (``holdall._lifecycle.commit``).
    """

    form: Kind = "sync"
    commit: Callable[..., Steps[ResponseHeaders]] = staticmethod(commit)

    def __init__(self, settings: Settings, store: Any, now: Callable[[], int]) -> None:
        self.settings = settings
        self.name = type(store).__name__
        self.table = getattr(store, "table", None)
        self.list_from = getattr(store, "list_from", None)
        self.sources: tuple[Any, ...] = getattr(store, "sources", ())
        self.check: Callable[[str, Any], None] = getattr(store, "check", None) or _taken_as_it_is
        self.can_mark_ended, self.can_renew, self.can_revoke, self.can_sweep, self.can_update = (
            hasattr(store, verb) for verb in ("mark_ended", "renew", "revoke", "sweep", "update")
        )
        target = store if self.table is None else self.table
        self.is_async = iscoroutinefunction(getattr(target, "read", None)) or iscoroutinefunction(store.get)
        self.waits_to_read = self.is_async or bool(getattr(target, "blocking_reads", False))
        self.waits = self.waits_to_read or bool(getattr(target, "blocking_writes", False))
        for source in self.sources:
            # Reading a session from a source moves it into the store.
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

    def fetch(self, state: SessionState) -> FetchResult:
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

    async def load(self, state: SessionState) -> None:
        """Read the session ahead for async code that a sync adapter runs, because its event loop must not block."""
        if self.waits_to_read and state.tracked is None and state.read_ahead is None and state.cookies:
            state.read_ahead = await run_async(fetch(state.cookies, self, now=self.now()))

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

    form: Kind = "async"

    def __init__(self, settings: Settings, store: Any, now: Callable[[], int]) -> None:
        super().__init__(settings, store, now)
        if self.waits and not self.is_async:
            # asyncio imports it when it first uses a thread; import it now, so that no request waits for that.
            import concurrent.futures.thread  # noqa: F401
        #: The event loop that last read a session here, for handlers that run in threads.
        self._loop: _async.Loop | None = None

    async def load(self, state: SessionState) -> None:
        """Read the session ahead if that requires waiting, and allow *state* to be used from now on."""
        if state.is_fetched:
            return
        if not self.waits_to_read or not state.cookies:
            state.is_fetched = True
            return
        self._loop = _async.current_loop()
        # Kept apart, because a request that does not use the session must not send a header for it.
        state.read_ahead = await run_async(fetch(state.cookies, self, now=self.now()))
        state.is_fetched = True

    async def run_async(self, steps: Steps[R]) -> R:
        """Run *steps* to completion."""
        return await run_async(steps) if self.waits else run(steps)

    async def finish(self, steps: Steps[R], waits: bool | None = None) -> R:
        """
        Run *steps* that write something, and complete them even if the request is cancelled.

        Args:
            waits: Whether any of the stores must be waited for, if *steps* also use other stores.
        """
        return await _async.shielded(run_async(steps)) if (self.waits if waits is None else waits) else run(steps)

    # Async handlers always await these, whatever the store. For sync handlers, which run in a thread, they have
    # finished when they return.

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
    """A step that calls a store whose methods are not generators of steps."""

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
    """A wrapper that turns the methods of a store that waits for I/O into generators of steps."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, verb: str) -> Any:
        kind = _AskToRead if verb in ("get", "list", "follow") else _Ask
        return self._asking(kind, getattr(self._store, verb))

    def _asking(self, kind: type[_Ask], call: Callable[..., Any]) -> Callable[..., Steps[Any]]:
        def ask(*args: Any, **options: Any) -> Steps[Any]:
            answer: Any = yield kind(self._store, call, args, options)
            if isinstance(answer, ForeignSession) and answer.move is not None:
                # Moving the session calls the same store, so it must be a generator of steps too.
                answer.move = self._asking(_Ask, answer.move)
            return answer

        return ask


def _taken_as_it_is(key: str, value: Any) -> None:
    """Accept any value, because the store cannot tell whether it can store it."""


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
