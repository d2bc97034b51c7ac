"""
Track a session's data within one request, and the request's changes to it.

Changes are kept by top-level key, so that concurrent requests can change other keys without losing writes. A list or a
dict can be mutated after it was read, so a snapshot is taken when it is handed out and compared when the changes are
requested.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from holdall._snapshots import IMMUTABLE, snapshot
from holdall.stores._contract import Changes

__all__ = ["NO_CHANGES", "Tracked"]

NO_CHANGES = Changes({})

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NONE: frozenset[str] = frozenset()


class Tracked:
    """
    A session's data as one request reads and changes it.

    Attributes:
        data: All of the current data.
        is_touched: Whether something was changed or marked, or was handed out and may be mutated.
        marked: Whether every value that was handed out counts as changed, even if its snapshot is the same.
        views: Typed views of its values (``holdall.typed``), which report their changes.
    """

    # Class attributes until they are set, because most requests only read.
    is_touched = False
    marked = False
    views: Mapping[Any, Any] = _NOTHING
    _changes: Mapping[str, Any] = _NOTHING
    _snapshots: Mapping[str, object] = _NOTHING
    _deleted: frozenset[str] = _NONE
    _cleared = False

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    # Reading and writing.

    def hand_out(self, key: str, value: Any) -> None:
        """Take a snapshot of *value*, which can be mutated in place."""
        if key not in self._changes and key not in self._snapshots:
            if self._snapshots is _NOTHING:
                self._snapshots = {}
            self._snapshots[key] = snapshot(value)  # type: ignore[index]  # a dict from here on
            self.is_touched = True

    def put(self, key: str, value: Any) -> None:
        if self._changes is _NOTHING:
            self._changes = {}
        self.is_touched = True
        self.data[key] = self._changes[key] = value  # type: ignore[index]  # a dict from here on
        if self._deleted:
            self._deleted -= {key}

    def delete(self, key: str) -> None:
        """Remove *key*, which counts as a change whether or not it existed."""
        self.data.pop(key, None)
        self._changes = {name: value for name, value in self._changes.items() if name != key}
        self._deleted |= {key}
        self.is_touched = True

    def clear(self) -> None:
        self.data.clear()
        self._changes, self._deleted, self._cleared = _NOTHING, _NONE, True
        self.is_touched = True

    # The changes.

    def changes(self) -> Changes:
        """Return the changes, including values mutated in place."""
        data = self.current() if self.views else self.data
        if not (self._changes or self._snapshots or self._deleted or self._cleared):
            return NO_CHANGES
        put = {**self._changes}
        if self._snapshots:
            for key, before in self._snapshots.items():
                if key in data and key not in self._changes and (self.marked or snapshot(data[key]) != before):
                    put[key] = data[key]
        return Changes(put, self._deleted, self._cleared)

    def current(self) -> dict[str, Any]:
        """Return the data, including changes made in typed objects."""
        for view in self.views.values():
            altered = view.changed()
            if altered:
                self.data.update(altered)
                self._changes, self._deleted = {**self._changes, **altered}, self._deleted - altered.keys()
        return self.data

    # After a write or another read.

    def begin_anew(self) -> None:
        """Treat the current data as stored and unchanged."""
        # The request may still hold values it stored and mutate them while the body streams.
        data, changed, handed_out = self.data, self._changes, self._snapshots
        self._changes, self._snapshots, self._deleted = _NOTHING, _NOTHING, _NONE
        self.is_touched = bool(self.views)
        self._cleared = self.marked = False
        for key in (*changed, *handed_out):
            if key in data and type(data[key]) not in IMMUTABLE:
                self.hand_out(key, data[key])

    def restore(self, changes: Changes) -> None:
        """Count *changes* as changes again after they could not be written."""
        if not self._cleared:
            again = {key: value for key, value in changes.put.items() if key not in self._deleted}
            self._deleted |= changes.deleted - self._changes.keys()
            self._changes = {**again, **self._changes}
        self._cleared = self._cleared or changes.cleared
        self.is_touched = True

    def rebase(self, stored: Mapping[str, Any], changes: Changes | None = None) -> None:
        """Show the *stored* data, with this request's *changes* applied on top."""
        changes = self.changes() if changes is None else changes
        before = self.data
        # If a value has not changed, the request keeps the object it already holds.
        self.data = data = {
            key: before[key] if key in before and snapshot(before[key]) == snapshot(value) else value
            for key, value in changes.over(stored).items()
        }
        self._snapshots = {key: old for key, old in self._snapshots.items() if _is_kept(key, before, data)}
        if self.views:
            self._set_views_aside(lambda name: _is_kept(name, before, data))

    def adopt(self, key: str, value: Any) -> None:
        """Show *value*, which was just written under *key*, as stored and unchanged."""
        self.current()
        self.data[key] = value
        self._changes = {name: each for name, each in self._changes.items() if name != key}
        self._deleted -= {key}
        self._snapshots = {name: each for name, each in self._snapshots.items() if name != key}
        if type(value) not in IMMUTABLE:
            self._snapshots = {**self._snapshots, key: snapshot(value)}
            self.is_touched = True
        if self.views:
            self._set_views_aside(lambda name: name not in (None, key))

    def _set_views_aside(self, is_kept: Callable[[str | None], bool]) -> None:
        """
        Discard typed objects so that they are created anew on next use, unless *is_kept* accepts their key.

        An object for the whole session still reports its changes, because its holder may change another key.
        """
        self.views = {
            name if is_kept(name[0]) else (None, object()): view
            for name, view in self.views.items()
            if name[0] is None or is_kept(name[0])
        }


def _is_kept(key: str | None, before: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Return whether a value, or every value for ``None``, is the same object in both."""
    return all(before.get(name) is data.get(name) for name in (before.keys() | data.keys() if key is None else (key,)))
