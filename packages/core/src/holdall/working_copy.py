"""
A session's data as one request sees it, with what that request has changed there.

Changes are kept by top-level key, so that what others write to other keys meanwhile is not lost. A list, a dict or an
object of a type (``holdall.typed``) can be altered in place by whoever it was handed out to: what it looked like then
is remembered, and compared when somebody asks what was changed.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from holdall.stores.contract import Changes

__all__ = ["IMMUTABLE", "WorkingCopy", "copied"]

#: What cannot change after it was handed out, so that it need not be looked at again.
IMMUTABLE = frozenset({str, int, float, bool, type(None), bytes, datetime, date, time, timedelta, UUID, Decimal})

_DELETED = object()
_NO_CHANGES = Changes({})
_NONE: frozenset[str] = frozenset()


class WorkingCopy:
    """
    What a request reads and writes of its session.

    Attributes:
        data: All of it, as it stands now.
        marked: What was handed out of it counts as changed even if no change is seen in it.
        views: What shows values of it as objects of a type, and tells what was altered in them.
    """

    __slots__ = ("_changes", "_cleared", "_snapshots", "data", "marked", "views")

    def __init__(self, data: dict[str, Any], *, marked: bool = False) -> None:
        self.data = data
        self.marked = marked
        self.views: dict[Any, Any] = {}
        self._changes: dict[str, Any] = {}
        self._cleared = False
        self._snapshots: dict[str, str] = {}

    # Reading and writing.

    def hand_out(self, key: str, value: Any) -> None:
        """Remember what *value*, which can be altered in place, looks like."""
        if key not in self._changes and key not in self._snapshots:
            self._snapshots[key] = repr(value)

    def put(self, key: str, value: Any) -> None:
        self.data[key] = self._changes[key] = value

    def delete(self, key: str) -> None:
        """Remove *key*, which is a change whether or not it was there."""
        self.data.pop(key, None)
        self._changes[key] = _DELETED

    def clear(self) -> None:
        self.data.clear()
        self._changes.clear()
        self._cleared = True

    # What was changed.

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was changed, nor handed out to be altered."""
        return not (self._changes or self._snapshots or self._cleared or self.marked or self.views)

    def changes(self) -> Changes:
        """Return what was changed, in place too."""
        data = self.current()
        if not (self._changes or self._snapshots or self._cleared):
            return _NO_CHANGES
        put = {key: value for key, value in self._changes.items() if value is not _DELETED}
        deleted = frozenset(self._changes.keys() - put.keys()) if len(put) < len(self._changes) else _NONE
        for key, before in self._snapshots.items():
            if key in data and key not in self._changes and (self.marked or repr(data[key]) != before):
                put[key] = data[key]
        return Changes(put, deleted, self._cleared)

    def current(self) -> dict[str, Any]:
        """Return the data, with what was altered in objects of a type put into it."""
        for view in self.views.values():
            altered = view.changed()
            self.data.update(altered)
            self._changes.update(altered)
        return self.data

    # When something was written, or is seen anew.

    def begin_anew(self) -> None:
        """Take the data as it is now for what is stored."""
        # What the request has put it may still hold on to, and alter while the body is sent.
        held, data = self._snapshots.keys() | self._changes.keys(), self.data
        self._changes = {}
        self._snapshots = {key: repr(data[key]) for key in held if key in data and type(data[key]) not in IMMUTABLE}
        self._cleared = self.marked = False

    def give_back(self, changes: Changes) -> None:
        """Let *changes* that were taken, and not written, count as changes again."""
        if not self._cleared:
            self._changes = {**changes.put, **dict.fromkeys(changes.deleted, _DELETED), **self._changes}
        self._cleared = self._cleared or changes.cleared

    def see(self, stored: Mapping[str, Any]) -> None:
        """Show what is *stored* now, with this request's changes laid over it."""
        changes = self.changes()
        view = self.data
        self.data = data = _kept_objects(view, changes.over(stored))
        self._snapshots = {key: old for key, old in self._snapshots.items() if _is_kept(key, view, data)}
        self._set_views_aside(lambda name: _is_kept(name, view, data))

    # For blocks that have a key to themselves.

    def isolate(self, key: str, latest: Mapping[str, Any] | None) -> tuple[dict[str, Any], Changes]:
        """
        Show *key* as it is in *latest*, if there is any.

        Return all data as it stands then, and what was changed before: copies, which nobody else holds.
        """
        before = self.changes()
        # Of the key itself the latest is to be seen, be it that this request has put another: that it holds on to.
        self._snapshots.pop(key, None)
        self._set_views_aside(lambda name: name not in (None, key))
        pristine = copied(self.data if latest is None else latest)
        if latest is not None:
            self._rebase(latest, before)
        if key in before.put:
            self._changes[key] = before.put[key]
        return pristine, before._replace(put=copied(before.put))

    def take_written(self, key: str, stored: Mapping[str, Any]) -> None:
        """Take what was written of *key*, as it is *stored*, for what there is; all else is still to be written."""
        self.current()
        self._snapshots.pop(key, None)
        if not self._cleared:
            # Else it is put once more, for what is to be cleared is all that is there.
            self._changes.pop(key, None)
        self._rebase(stored, self.changes())
        if key in self.data and type(self.data[key]) not in IMMUTABLE:
            self._snapshots[key] = repr(self.data[key])

    def restore(self, pristine: Mapping[str, Any], before: Changes) -> None:
        """Show what ``isolate`` returned, as if nothing had been changed since."""
        # Objects of a type tell now what was altered in them, and not again later.
        self.current()
        view = self.data
        self.data = data = _kept_objects(view, before.over(pristine))
        self._changes = {key: data[key] for key in before.put} | dict.fromkeys(before.deleted, _DELETED)
        self._cleared = before.cleared
        self._snapshots = {
            key: snapshot for key, snapshot in self._snapshots.items() if key in data and data[key] is view.get(key)
        }
        self._set_views_aside(lambda name: _is_kept(name, view, data))

    def _rebase(self, stored: Mapping[str, Any], changes: Changes) -> None:
        """Show what is *stored*, with *changes* of this request laid over it."""
        view = self.data
        self.data = changes.over(stored)
        # What was handed out may yet be altered in place.
        self.data.update((key, view[key]) for key in self._snapshots if key in view)

    def _set_views_aside(self, is_kept: Callable[[str | None], bool]) -> None:
        """
        Let whoever asks again for an object of a type get it anew, but where *is_kept* says so of its key.

        One that shows all of the session is still heard: who holds it may know of no block, and alters another key.
        """
        self.views = {
            name if is_kept(name[0]) else (None, object()): view
            for name, view in self.views.items()
            if name[0] is None or is_kept(name[0])
        }


def copied(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of *data* in which nothing can be altered in place from outside."""
    return {key: value if type(value) in IMMUTABLE else deepcopy(value) for key, value in data.items()}


def _kept_objects(view: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return *data*, in which what is as in *view* is the same object: who holds it may go on."""
    return {key: view[key] if key in view and repr(view[key]) == repr(value) else value for key, value in data.items()}


def _is_kept(key: str | None, view: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Say whether a value, or for ``None`` each of them, is the same object in both."""
    return all(view.get(name) is data.get(name) for name in (view.keys() | data.keys() if key is None else (key,)))
