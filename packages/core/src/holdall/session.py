"""
The session that one request holds.

A mapping that is read from its store when first touched. What becomes of it is decided in ``holdall.lifecycle`` when
the request ends.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, NamedTuple, Protocol, Self

from holdall import late_changes
from holdall._as_dict import AsDict
from holdall._discreet import discreet
from holdall._iterative_json import key_text
from holdall.beside import ALONE, Beside
from holdall.cookies import OPTION_NAMES, SentCookie
from holdall.devices import Facts
from holdall.errors import ConfigurationError, ResponseStartedError, SessionNotFetchedError
from holdall.policy import Policy
from holdall.stores.contract import Changes, Stored
from holdall.working_copy import IMMUTABLE, WorkingCopy, copied

__all__ = ["ENDS", "AtomicBlock", "Block", "Fetched", "Intent", "Phase", "Reach", "Session", "phase_after"]


class Intent(Enum):
    """What the application asked to become of the session, beyond its changes."""

    KEEP = "keep"
    RENEW = "renew"
    DROP = "drop"
    IGNORE = "ignore"
    LOGOUT = "logout"


#: After these the session that came is over.
ENDS = (Intent.DROP, Intent.LOGOUT)


class Phase(Enum):
    """How far the response has come, and so what can still be changed."""

    OPEN = "the headers have not gone"
    ROW_ONLY = "the headers have gone; a row in a table can still be changed"
    CLOSED = "nothing can be changed any more"
    ENDED = "the request has ended"


@discreet
class Fetched(NamedTuple):
    """
    What the request's cookies held.

    Attributes:
        stored: The session, or ``None`` where there is none.
        late: The cookie is that of a session renewed since the browser sent it.
        copies: The browser holds more than one cookie of it.
        renewed: What the late cookie stands for, without its data: it can still be ended.
        old_key: The old name of the cookie, if it came under one.
        moved: The browser has not got the cookie yet that the session has now.
    """

    stored: Stored | None = None
    late: bool = False
    copies: bool = False
    renewed: Stored | None = None
    old_key: str | None = None
    moved: bool = False


def phase_after(stored: Stored | None) -> Phase:
    """Return what can still be changed of a session when its response's headers have gone."""
    return Phase.CLOSED if stored is None or stored.version is None else Phase.ROW_ONLY


@discreet
@dataclass(slots=True, eq=False)
class Block:
    """
    What ``session.atomic`` found when its block was entered.

    Attributes:
        stored: The session with data that nobody else holds; ``None`` where there is no row to be written.
        before: What the request had changed by then.
        lease: Gives the lease of *key* back; ``None`` where none was taken.
        saved: The block is over and what became of *key* is decided.
    """

    key: str
    data: dict[str, Any]
    before: Changes
    stored: Stored | None = None
    lease: int | None = None
    saved: bool = False

    def saved_within(self, key: str, data: Mapping[str, Any]) -> None:
        """Take what a block within this one has written of *key* as what was there before."""
        written = copied({key: data[key]} if key in data else {})
        put = {name: value for name, value in self.before.put.items() if name != key}
        self.before = self.before._replace(
            put=put | written if self.before.cleared else put, deleted=self.before.deleted - {key}
        )
        self.data.pop(key, None)
        self.data.update(written)


class AtomicBlock(Protocol):
    """What ``session.atomic`` returns: use it by ``with``, and by ``async with`` where requests are awaited."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None: ...

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, kind: type[BaseException] | None, *failure: object) -> None: ...


class Reach(Protocol):
    """Lets a session reach its store while its request lasts. What is not done at once is done when it is awaited."""

    def atomic(self, session: "Session", key: str, timeout: timedelta) -> AtomicBlock: ...

    def save(self, session: "Session") -> Awaitable[None]: ...

    def reload(self, session: "Session") -> Awaitable[None]: ...


class Session(AsDict):
    """
    A visitor's session, for one request.

    Use it as a ``dict`` with string keys. Lists and dicts inside may be changed in place: what was read and can
    be changed is compared when the request ends, so no flag needs to be set.

    Raises:
        SessionNotFetchedError: It is touched before it was fetched (async adapters with ``fetch="explicit"``).
        ResponseStartedError: It is changed after the response has started and nothing can take the change any more.
    """

    __slots__ = (
        "__weakref__",
        "_accessed",
        "_blocks",
        "_cookies",
        "_copy",
        "_fetch",
        "_marked",
        "_policy",
        "_reach",
        "beside",
        "facts",
        "fetched",
        "https",
        "intent",
        "lifetime_before",
        "overrides",
        "phase",
        "principal_before",
    )

    def __init__(
        self,
        cookies: Sequence[SentCookie] | Callable[[], Sequence[SentCookie]] = (),
        *,
        policy: Policy,
        https: bool = False,
        facts: Facts | None = None,
    ) -> None:
        """
        Make the session of a request; ``Sessions`` does this.

        Args:
            cookies: The values that came under the session's key, and then those under old ones, or what finds
                them when they are asked for.
            facts: Says what the request came with, if a session that begins with it is to be known by that.
        """
        super().__init__()
        self._cookies = cookies
        self._fetch: Callable[[Sequence[SentCookie]], Fetched] | None = None
        self._reach: Reach | None = None
        self._blocks: tuple[Block, ...] = ()
        self._policy = policy
        #: What was read of it; ``None`` until then.
        self._copy: WorkingCopy | None = None
        self._marked = False
        self._accessed = False
        #: The other sessions of this request, where the application keeps several.
        self.beside: Beside = ALONE
        self.facts = facts
        self.fetched = _NOTHING
        self.https = https
        self.intent = Intent.KEEP
        self.overrides: dict[str, Any] = {}
        self.phase = Phase.OPEN

    # The mapping.

    def __getitem__(self, key: str) -> Any:
        copy = self._copy or self._load()
        try:
            value = copy.data[key]
        except (KeyError, TypeError):
            if type(key) is str:
                raise
            key = _session_key(key)
            value = copy.data[key]
        if type(value) not in IMMUTABLE:
            copy.hand_out(key, value)
            if self.phase is Phase.ENDED:
                self._watch(copy)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        key = _session_key(key)
        copy = self._changeable(key)
        self._policy.check(key, value)
        copy.put(key, value)

    def __delitem__(self, key: str) -> None:
        key = _session_key(key)
        copy = self._changeable(key)
        if key not in copy.data:
            raise KeyError(key)
        copy.delete(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data())

    def __len__(self) -> int:
        return len(self.data())

    def __contains__(self, key: object) -> bool:
        return _session_key(key) in self.data()

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def put(self, key: str, value: Any) -> None:
        """Set *key*; the same as ``session[key] = value``."""
        self[key] = value

    def delete(self, key: str) -> None:
        """Remove *key* and write the session, whether or not the key was there."""
        key = _session_key(key)
        self._changeable(key).delete(key)

    def clear(self) -> None:
        """Remove all keys. The session itself stays, empty; ``configure(drop=True)`` ends it."""
        self._changeable(None if self.principal is None else self._policy.principal_key).clear()

    # What becomes of it.

    def configure(self, option: str | None = None, value: Any = True, /, **options: Any) -> None:
        """
        Say what becomes of the session, or how its cookie is set by this response.

        ``renew=True`` keeps the data under a new id, ``drop=True`` ends the session, ``ignore=True`` forgets this
        request's changes. In one call they outrank each other in this order; over several calls the last one
        stands; ``False`` changes nothing.

        Any of ``key path domain secure http_only same_site max_age partitioned extra`` holds for the cookie of this
        response, if one is sent. They do not by themselves send one. ``configure("path", "/")`` is the same as
        ``configure(path="/")``.

        Raises:
            ConfigurationError: An option is unknown, or a browser would refuse the cookie.
        """
        if option is not None:
            options[option] = value
        cookie = {name: given for name, given in options.items() if name not in _INTENTS}
        unknown = cookie.keys() - OPTION_NAMES
        if unknown:
            msg = (
                f"configure() does not know {', '.join(sorted(unknown))}. "
                f"It takes {', '.join((*_INTENTS, *sorted(OPTION_NAMES)))}."
            )
            raise ConfigurationError(msg)
        intent = next((intent for name, intent in _INTENTS.items() if options.get(name)), None)
        # A row can be dropped when the headers have gone; a new id or another cookie can't reach the browser then.
        self._changeable(row=intent is Intent.DROP and not cookie)
        if cookie:
            overrides = {**self.overrides, **cookie}
            self._policy.attributes.changed(overrides)
            self.overrides = overrides
        if intent is not None:
            self.intent = intent

    def login(self, principal: Any) -> None:
        """
        Make this the session of *principal*, under a new id.

        Raises:
            ConfigurationError: ``Sessions`` was given no ``principal_key`` to keep it under.
        """
        principal_key = self._policy.principal_key
        if principal_key is None:
            msg = "login() keeps who it is under a key of the session: give Sessions(principal_key='user_id')."
            raise ConfigurationError(msg)
        self[principal_key] = principal
        self.intent = Intent.RENEW

    def logout(self) -> None:
        """
        End this session. What is put into it afterwards begins a new one, under a new id.

        Unlike ``configure(drop=True)`` the data is gone for the rest of this request too.
        """
        self._changeable().clear()
        self.intent = Intent.LOGOUT

    def atomic(self, key: str, *, timeout: timedelta = timedelta(seconds=10)) -> AtomicBlock:
        """
        Let a block change *key* as if no other request were there.

        ::

            with session.atomic("hits"):
                session["hits"] = session.get("hits", 0) + 1

        Within it *key* is as it was stored last. What becomes of it is written at the end of the block, and not with
        the response. A block that raises leaves all as it was. In an async handler it is ``async with``.

        Args:
            timeout: How long to wait for others that are changing the same key.

        Raises:
            ContentionError: They took longer, or one that does not use ``atomic`` came between.
            ConfigurationError: It is not for this key or this store, or the block stands in another of its key.
            LostWriteError: The session has ended meanwhile, if ``on_lost_write="raise"``.
        """
        return self._reaching().atomic(self, key, timeout)

    def save(self) -> Awaitable[None]:
        """
        Write what was changed so far into the row that there is, now and not at the end of the request.

        For what lasts: a WebSocket, or a body that is sent for minutes. In an async handler it is
        ``await session.save()``. More may be changed, and saved, afterwards.

        Before the response's headers have gone, what needs a cookie waits for them: a new session, a login, another
        lifetime, and all of a session that is kept in its cookie.

        Raises:
            ResponseStartedError: It was altered in place after the headers went, and nothing can take that any more.
            ConfigurationError: It stands in a block of ``atomic``.
            LostWriteError: The session has ended meanwhile, if ``on_lost_write="raise"``.
        """
        return self._reaching().save(self)

    def reload(self) -> Awaitable[None]:
        """
        See what other requests have written since; what this one has changed and not saved stays laid over it.

        In an async handler it is ``await session.reload()``. A list or dict that another request has changed is
        another object then: read it again. A session that has ended is empty from then on, and one whose id was
        renewed too, as it would be in a request that comes now with the same cookie.

        Raises:
            ConfigurationError: It stands in a block of ``atomic``.
            LostWriteError: The session has ended, and changes with it, if ``on_lost_write="raise"``.
        """
        return self._reaching().reload(self)

    def _reaching(self) -> Reach:
        self._loaded()
        if self._reach is None:
            msg = "this needs a session that Sessions has made: it has to reach the store."
            raise ConfigurationError(msg)
        return self._reach

    # What is known of it.

    @property
    def accessed(self) -> bool:
        """Whether it was looked at in this request."""
        return self._accessed or self.is_used

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._accessed = value

    @property
    def changed(self) -> bool:
        """Whether this request has changed it, in place or by key."""
        return self.marked or (self._copy is not None and bool(self._copy.changes()))

    @property
    def modified(self) -> bool:
        """Other libraries' name for ``changed``. Set to ``True`` by habit from there, it has the session written."""
        return self.changed

    @modified.setter
    def modified(self, value: bool) -> None:
        self.marked = value

    @property
    def is_new(self) -> bool:
        """Whether no session came with the request."""
        self._loaded()
        return self.fetched.stored is None

    @property
    def created(self) -> datetime | None:
        """When it began, in UTC; ``None`` for one that is not stored yet."""
        self._loaded()
        return self.fetched.stored and self.fetched.stored.created

    @property
    def expires(self) -> datetime | None:
        """When it ends if it is not used again, in UTC; ``None`` for one that is not stored yet."""
        self._loaded()
        return self.fetched.stored and self.fetched.stored.expires

    @property
    def principal(self) -> Any:
        """Whose session it is: the value under ``principal_key``, or ``None``."""
        principal_key = self._policy.principal_key
        return None if principal_key is None else self._loaded().current().get(principal_key)

    @property
    def log_id(self) -> str:
        """A short name for logs, which opens nothing; ``""`` for one that is not stored yet."""
        self._loaded()
        return self.fetched.stored.log_id if self.fetched.stored else ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ({'not touched' if self._copy is None else 'in use'})>"

    # For the lifecycle and for adapters that give a framework's own settings of one session.

    @property
    def policy(self) -> Policy:
        """The settings of the ``Sessions`` that it is one of."""
        return self._policy

    def reopen(self) -> None:
        """Take any change again, and let each beside this: another response takes the place of the one that was it."""
        self.phase = Phase.OPEN
        if self.beside is not ALONE:
            self.beside.phase = None
            for each in self.beside.values():
                each.phase = Phase.OPEN

    def close(self) -> None:
        """
        End the request: from now on every change raises, of this session and of those beside it.

        An adapter calls it when nothing that belongs to the request can come any more: the body has been sent,
        background tasks and teardown functions have run, and ``finish`` has saved what they changed.
        """
        self._end()
        if self.beside is not ALONE:
            self.beside.phase = Phase.ENDED
            for each in self.beside.values():
                each._end()

    def _end(self) -> None:
        self.phase = Phase.ENDED
        copy = self._copy
        if copy is not None and not copy.is_untouched:
            self._watch(copy)

    def _watch(self, copy: WorkingCopy) -> None:
        """Report what is altered in place from now on: no call of ours could refuse that."""
        if self.takes_forgotten_changes():
            return
        log_id = self.fetched.stored.log_id if self.fetched.stored else ""
        late_changes.watch(self, copy, partial(self._policy.emit, "lost_write", "request ended", log_id))

    def takes_forgotten_changes(self) -> bool:
        """Say whether a change after the request's end is accepted and forgotten, as a framework's tests expect it."""
        return False

    @staticmethod
    def lifetime(
        data: Mapping[str, Any], idle_timeout: timedelta | None, max_age: int | None
    ) -> tuple[timedelta | datetime | None, int | datetime | None]:
        """
        Return the idle timeout and the cookie's ``max_age`` of a session with this *data*.

        A framework that keeps a session's lifetime in the session overrides this; here all live as configured.
        Either may be a time instead, at which this session ends however it is used.
        """
        if max_age is not None and max_age <= 0:
            # Browsers are to forget the cookie at once: a copy of it opens nothing either.
            return timedelta(), max_age
        return idle_timeout, max_age

    def changes(self) -> Changes:
        """Return what this request changed, values altered in place included."""
        return self._loaded().changes()

    @property
    def marked(self) -> bool:
        """Whether what was read of it is to be written even if no change is seen in it."""
        return self._marked if self._copy is None else self._copy.marked

    @marked.setter
    def marked(self, value: bool) -> None:
        if value and self.phase in (Phase.CLOSED, Phase.ENDED):
            self._changeable()
        if self._copy is None:
            self._marked = value
        else:
            self._copy.marked = value

    @property
    def views(self) -> dict[Any, Any]:
        """What shows values of it as objects of a type (``holdall.typed``)."""
        copy = self._loaded()
        if self.phase is Phase.ENDED:
            self._watch(copy)
        return copy.views

    def report_invalid_value(self, key: str) -> None:
        """Tell the log that the value under *key* does not fit the type it is wanted as."""
        self._policy.emit("invalid_value", key, self.log_id)

    @property
    def is_fetched(self) -> bool:
        """Whether it may be touched."""
        return self._fetch is not None

    @property
    def is_loaded(self) -> bool:
        """Whether it was read: what only a framework looked at, or could not be read, was not."""
        return self._copy is not None

    @property
    def is_used(self) -> bool:
        """Whether the end of the request has to look at it: it was read, or is to be written."""
        return self._copy is not None or self._marked

    @property
    def is_as_stored(self) -> bool:
        """Whether nothing can have become of it: nothing was changed or asked for, nor handed out to be altered."""
        if self._copy is None:
            return not self._marked
        return self._copy.is_untouched and self.intent is Intent.KEEP

    @property
    def cookies(self) -> Sequence[SentCookie]:
        """The values that came under the session's key, and then those under old ones."""
        if callable(self._cookies):
            self._cookies = self._cookies()
        return self._cookies

    def use(self, fetch: Callable[[Sequence[SentCookie]], Fetched], reach: Reach | None = None) -> None:
        """Let the session be read through *fetch*, a function of its cookies, when it is first touched."""
        self._fetch = fetch
        self._reach = reach

    def data(self) -> dict[str, Any]:
        """Return the data itself, as it stands now."""
        return self._loaded().data

    def settle(self, stored: Stored | None, phase: Phase) -> None:
        """Take what was just written as what there is; *phase* says what can be changed from here on."""
        self.fetched = Fetched(stored)
        copy = self._loaded()
        copy.begin_anew()
        self.intent = Intent.KEEP
        self.phase = phase
        self._note_who_and_how_long(copy.data)

    # For what is saved and seen while the request lasts.

    def check_between_blocks(self, verb: str) -> None:
        """Raise if *verb* stands in a block of ``atomic``, whose end it would forestall."""
        if self._blocks:
            msg = f"session.{verb}() stands in a block of session.atomic, which saves at its end: call it after that."
            raise ConfigurationError(msg)

    def check_savable(self) -> None:
        """Raise if there are changes that nothing can take any more."""
        if self.phase in (Phase.CLOSED, Phase.ENDED) and self.changed:
            self._changeable()
        is_kept = self.phase is Phase.ROW_ONLY and self.intent is Intent.KEEP
        if is_kept and self.principal != self.principal_before:
            self._changeable(self._policy.principal_key)

    def take_changes(self) -> Changes:
        """Return what was changed, and see only what is changed from here on: it may be while this is written."""
        copy = self._loaded()
        changes = copy.changes()
        copy.begin_anew()
        return changes

    def give_back(self, changes: Changes) -> None:
        """Let *changes* that were taken, and not written, be unsaved again."""
        self._loaded().give_back(changes)

    def see(self, stored: Stored) -> None:
        """Take *stored* as what there is, with this request's changes laid over it."""
        self._loaded().see(stored.data)
        self._take(stored)

    def forget_data(self) -> None:
        """Be empty, as a session is that has ended while the request goes on."""
        copy = self._loaded()
        copy.data.clear()
        copy.views.clear()

    # For blocks that have a key to themselves.

    def check_block(self, key: str) -> None:
        """Raise what there is against a block of *key*."""
        _check_session_key(key)
        self._changeable(key)
        if key == self._policy.principal_key:
            msg = f"session.atomic({key!r}) is about whose session it is, which changes with its id: use login()."
            raise ConfigurationError(msg)
        if any(block.key == key for block in self._blocks):
            msg = f"session.atomic({key!r}) stands in a block of the same key, which it would wait for."
            raise ConfigurationError(msg)

    def begin_block(self, key: str, latest: Stored | None = None, *, lease: int | None = None) -> Block:
        """Take *latest*, if there is any, as what there is, and return the block of *key* that begins with it."""
        data, before = self._loaded().isolate(key, latest and latest.data)
        if latest is not None:
            self._take(latest)
        block = Block(key, data, before, latest and latest._replace(data=data), lease)
        self._blocks = (*self._blocks, block)
        return block

    def save_block(self, block: Block, written: Stored) -> None:
        """Take what was *written* of a block's key as what there is; all other changes are still to be written."""
        block.saved = True
        self._loaded().take_written(block.key, written.data)
        self._take(written)
        for around in self._blocks:
            if around is not block:
                around.saved_within(block.key, written.data)

    def end_block(self, block: Block) -> None:
        """Let a block be over. If it was not saved, all is as it was before."""
        self._blocks = tuple(each for each in self._blocks if each is not block)
        if not block.saved:
            self._loaded().restore(block.data, block.before)

    def _take(self, stored: Stored) -> None:
        """Take *stored* for what there is."""
        self.fetched = self.fetched._replace(stored=stored)
        self._note_who_and_how_long(stored.data)

    def _loaded(self) -> WorkingCopy:
        return self._copy or self._load()

    def _load(self) -> WorkingCopy:
        if self._fetch is None:
            msg = (
                "the session has not been fetched: await fetch_session(request) first, "
                "or leave fetch='explicit' out of the middleware."
            )
            raise SessionNotFetchedError(msg)
        self.fetched = fetched = self._fetch(self.cookies)
        self._copy = copy = WorkingCopy(fetched.stored.data if fetched.stored else {}, marked=self._marked)
        if self.phase is Phase.ROW_ONLY:
            self.phase = phase_after(fetched.stored)
        self._note_who_and_how_long(copy.data)
        return copy

    def _note_who_and_how_long(self, data: dict[str, Any]) -> None:
        policy = self._policy
        principal = None if policy.principal_key is None else data.get(policy.principal_key)
        # A principal that is a dict can be made another's in place.
        self.principal_before = principal if type(principal) in IMMUTABLE else deepcopy(principal)
        self.lifetime_before = self.lifetime(data, policy.idle_timeout, policy.attributes.seconds)

    def _changeable(self, key: str | None = None, *, row: bool = True) -> WorkingCopy:
        """
        Return what was read if it may be changed now.

        Args:
            key: What is to be changed. Whose session it is decides about its id, so it can't change late; nor can
                anything in a session that is to end.
            row: Whether a row in a table suffices to take the change.
        """
        copy = self._loaded()
        if self._blocks and key is not None and key == self._policy.principal_key:
            msg = "whose session it is cannot change within a block of session.atomic: log in before or after it."
            raise ConfigurationError(msg)
        if self.phase is Phase.OPEN:
            return copy
        stays_the_same = self.intent is Intent.KEEP and (key is None or key != self._policy.principal_key)
        if self.phase is Phase.ROW_ONLY and row and stays_the_same:
            return copy
        if self.phase is Phase.ENDED:
            if self.takes_forgotten_changes():
                return copy
            msg = (
                "the session was changed after its request had ended, when nothing can store it any more. "
                "Change it before that, and give a thread or task that lasts longer the values that it needs."
            )
            raise ResponseStartedError(msg)
        msg = (
            "the session was changed after the response had started, when its cookie can no longer be sent. "
            "Change it before the first byte, or keep sessions in a table, which takes changes to data until the end."
        )
        raise ResponseStartedError(msg)


_NOTHING = Fetched()

# In the order in which they outrank each other in one call.
_INTENTS = {"renew": Intent.RENEW, "drop": Intent.DROP, "ignore": Intent.IGNORE}


def _session_key(key: object) -> str:
    """Return *key* as text: a number is the same key as its text, to which the frameworks' own sessions turn it."""
    if type(key) is str:
        return key
    if key is not None and not isinstance(key, (int, float)):
        _check_session_key(key)
    return key_text(key)


def _check_session_key(key: object) -> None:
    if not isinstance(key, str):
        msg = f"a session's keys are strings, not {type(key).__qualname__}: use session[str(key)]."
        raise TypeError(msg)
