"""
Mark a bound session with a text in its data, which the application can neither see nor set.

The mark is written as a change of its own key and preserved when other requests write, so that a request that was in
progress during the registration cannot undo it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdall._cookie_header import FindHeader, OldCookie, SentCookie
from holdall._lifecycle.device import Binding
from holdall.stores._contract import Changes, StoredSession, Write

__all__ = ["MARK", "BoundCookies", "finder", "marked", "read_mark", "without_mark"]

#: The key in a session's data that contains its binding.
MARK = "_holdall_device"

_KIND = "s"


class BoundCookies(str):
    """
    The value of the session's cookie, plus the bound cookies and device cookies of the same request.

    Attributes:
        bound: The values under the bound cookie's name; ``None`` if they are not needed.
        devices: The values under the name of the cookie that keeps the device's key.
    """

    __slots__ = ("bound", "devices")

    bound: list[Any] | None
    devices: list[Any]


def finder(
    find: Callable[..., list[SentCookie]],
    find_bound: Callable[..., list[Any] | None],
    find_devices: Callable[..., list[Any]],
) -> Callable[[FindHeader | str | Iterable[str]], list[SentCookie]]:
    """Return a function like *find* that adds the other two cookies of the request to each value."""

    def find_all(headers: FindHeader | str | Iterable[str]) -> list[SentCookie]:
        if callable(headers):
            headers = headers("cookie")
        header = headers if isinstance(headers, str) else "; ".join(headers)
        found = find(header)
        return [_with(each, find_bound(header), find_devices(header)) for each in found] if found else found

    return find_all


def _with(sent: SentCookie, bound: list[Any] | None, devices: list[Any]) -> SentCookie:
    if isinstance(sent, OldCookie):
        value = _with(sent.value, bound, devices)
        assert isinstance(value, str)  # noqa: S101  # because sent.value is one
        return OldCookie(sent.key, value)
    cookies = BoundCookies(sent)
    cookies.bound, cookies.devices = bound, devices
    return cookies


def read_mark(stored: StoredSession) -> Binding | None:
    """Return the binding in a session's data; ``None`` if the session is not bound."""
    kind, _, rest = str(stored.data.get(MARK, "")).partition(".")
    secret, _, since = rest.partition(".")
    return Binding(secret, int(since)) if kind == _KIND and secret.isascii() and since.isdecimal() else None


def without_mark(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return *data* as the application sees it."""
    return {key: value for key, value in data.items() if key != MARK}


def marked(write: Write, binding: Binding | None) -> Write:
    """Return *write* with this *binding*, which also preserves a binding made by another request."""
    data = without_mark(write.data)
    if binding is not None:
        data[MARK] = f"{_KIND}.{binding.secret}.{binding.since}"
    changes = write.changes
    result: Write = write.changed(data=data, changes=_Keeping(changes.put, changes.deleted, changes.cleared))
    return result


class _Keeping(Changes):
    """An application's changes, which leave the mark as it is."""

    __slots__ = ()

    def over(self, data: Mapping[str, Any]) -> dict[str, Any]:
        kept = without_mark(super().over(data))
        if MARK in data:
            kept[MARK] = data[MARK]
        return kept
