"""Replace parts of ``Sessions`` at setup for ``Sessions(device_bound=…)``."""

from collections.abc import Callable, Iterable
from typing import Any

from holdall._cookie_header import FindHeader, SentCookie, cookie_finder
from holdall._errors import ConfigurationError
from holdall._settings import Settings
from holdall.device_bound._bindings import BindingStore
from holdall.device_bound._marks import finder
from holdall.device_bound._options import DeviceBound, bound_attributes, device_attributes
from holdall.device_bound._told import Committing

__all__ = ["bindable", "finding_bound_cookies"]


def finding_bound_cookies(
    find: Callable[[FindHeader | str | Iterable[str]], list[SentCookie]], settings: Settings, options: DeviceBound
) -> Callable[[FindHeader | str | Iterable[str]], list[SentCookie]]:
    """
    Return a function like *find* that adds the binding's cookies to each value.

    Raises:
        ConfigurationError: No browser would bind the session's cookie.
    """
    bound, device = bound_attributes(settings.attributes, options), device_attributes(settings.attributes)
    return finder(find, cookie_finder(bound.key), cookie_finder(device.key))


def bindable(
    store: Any, options: DeviceBound, settings: Settings, now: Callable[[], int], random: Callable[[int], bytes]
) -> tuple[BindingStore, Committing]:
    """
    Return *store* wrapped so that its sessions can be bound to a device, and a function that commits them.

    Raises:
        ConfigurationError: The store is of another type, or its sessions have no users.
    """
    if not settings.principals:
        msg = "device_bound= binds the sessions of visitors who log in: leave out principal_key=None."
        raise ConfigurationError(msg)
    if hasattr(store, "format"):
        from holdall.device_bound._sealed import BoundCookieStore

        return _with_commit(BoundCookieStore(store, options, settings, now, random))
    from holdall.device_bound._rows import BoundTableStore
    from holdall.stores._table import TableStore

    if hasattr(store, "rows"):
        msg = (
            "device_bound= needs sessions that are entirely in cookies or entirely in a table: "
            "leave out overflow= and revocable=, or keep sessions in a table (store='table')."
        )
        raise ConfigurationError(msg)
    if not isinstance(getattr(store, "store", store), TableStore):
        msg = f"device_bound= needs a TableStore or a CookieStore, not a {type(store).__name__}."
        raise ConfigurationError(msg)
    return _with_commit(BoundTableStore(store, options, settings, now, random))


def _with_commit(store: BindingStore) -> tuple[BindingStore, Committing]:
    return store, Committing(store)
