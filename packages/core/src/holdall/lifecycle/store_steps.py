"""What the lifecycle asks of a store, as steps."""

from datetime import datetime
from typing import Any, NamedTuple

from holdall._discreet import discreet
from holdall.steps import Pause
from holdall.stores import Draft, Stored

__all__ = ["Delete", "Get", "Lease", "Move", "Put", "Release", "Step"]


@discreet
class Get(NamedTuple):
    """Read the session that *cookie* stands for."""

    cookie: str
    key: str

    def on(self, store: Any) -> Any:
        return store.get(self.cookie, key=self.key)


@discreet
class Move(NamedTuple):
    """Bring *stored*, which another library keeps, into the store, as *draft* says."""

    stored: Stored
    draft: Draft
    key: str

    def on(self, store: Any) -> Any:
        return store.move(self.stored, self.draft, key=self.key)


@discreet
class Put(NamedTuple):
    """Write *draft* over *stored*, or as a new session."""

    stored: Stored | None
    draft: Draft
    key: str

    def on(self, store: Any) -> Any:
        return store.put(self.stored, self.draft, key=self.key)


@discreet
class Delete(NamedTuple):
    """End *stored*."""

    stored: Stored
    key: str
    tombstone: datetime | None = None

    def on(self, store: Any) -> Any:
        return store.delete(self.stored, key=self.key, tombstone=self.tombstone)


@discreet
class Lease(NamedTuple):
    """Have a key of *stored* for this request alone. The answer is what it is given back with, or ``None``."""

    stored: Stored
    name: str
    until: datetime

    def on(self, store: Any) -> Any:
        return store.lease(self.stored, self.name, until=self.until)


@discreet
class Release(NamedTuple):
    """Give a lease back."""

    stored: Stored
    name: str
    lease: int

    def on(self, store: Any) -> Any:
        return store.release(self.stored, self.name, self.lease)


Step = Get | Move | Put | Delete | Lease | Release | Pause
