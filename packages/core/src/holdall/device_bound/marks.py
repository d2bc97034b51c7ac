"""
How a session says that it is bound: by a text in its data, which the application neither sees nor can set.

It is written as a change of its own key and laid over whatever other requests write, so that a page which was on its
way during the registration cannot undo it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from holdall.cookie_header import FindHeader, OldCookie, SentCookie
from holdall.lifecycle.device import Binding
from holdall.stores.contract import Changes, StoredSession, Write

__all__ = ["MARK", "BoundCookies", "finder", "marked", "read_mark", "without_mark"]

#: The key of a session's data that holds its binding.
MARK = "_holdall_device"

_KIND = "s"


class BoundCookies(str):
    """
    The value of the session's cookie, with the bound cookies and the device's that came with it.

    Attributes:
        bound: The values under the bound cookie's name; ``None`` where none is asked for.
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
    """Return what *find* does, with the other two cookies of the request along with each value."""

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
        assert isinstance(value, str)  # noqa: S101  # as it was
        return OldCookie(sent.key, value)
    cookies = BoundCookies(sent)
    cookies.bound, cookies.devices = bound, devices
    return cookies


def read_mark(stored: StoredSession) -> Binding | None:
    """Return the binding that stands in a session's data; ``None`` for one that is not bound."""
    kind, _, rest = str(stored.data.get(MARK, "")).partition(".")
    secret, _, since = rest.partition(".")
    return Binding(secret, int(since)) if kind == _KIND and secret.isascii() and since.isdecimal() else None


def without_mark(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return *data* as the application sees it."""
    return {key: value for key, value in data.items() if key != MARK}


def marked(write: Write, binding: Binding | None) -> Write:
    """Return *write* as that of a session with this *binding*, which also keeps one that another request has made."""
    data = without_mark(write.data)
    if binding is not None:
        data[MARK] = f"{_KIND}.{binding.secret}.{binding.since}"
    changes = write.changes
    result: Write = write.changed(data=data, changes=_Keeping(changes.put, changes.deleted, changes.cleared))
    return result


class _Keeping(Changes):
    """Changes of an application, which leave the mark as it is."""

    __slots__ = ()

    def over(self, data: Mapping[str, Any]) -> dict[str, Any]:
        kept = without_mark(super().over(data))
        if MARK in data:
            kept[MARK] = data[MARK]
        return kept
