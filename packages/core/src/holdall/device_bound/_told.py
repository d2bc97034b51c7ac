"""Add headers for a session's binding to a response: offer the binding, or remove its cookies."""

from holdall._cookies import CookieAttributes, SetCookie
from holdall._lifecycle import ExtraHeaders, ResponseHeaders, commit
from holdall._lifecycle.device import binding_of, is_offered
from holdall._state import SessionState
from holdall.device_bound._bindings import BindingStore
from holdall.device_bound._options import bound_attributes, device_attributes
from holdall.device_bound._paths import browser_path
from holdall.device_bound._proofs import ALGORITHMS
from holdall.steps import Steps

__all__ = ["Committing", "cookies_of", "removed_cookies"]


class OfferingCookie(SetCookie):
    """A session cookie with the header that offers to bind the session."""

    __slots__ = ("extra",)

    def __init__(self, cookie: SetCookie, extra: tuple[str, str]) -> None:
        for name in SetCookie.__slots__:
            setattr(self, name, getattr(cookie, name))
        self.extra = (extra,)


class Committing:
    """A replacement for ``holdall._lifecycle.commit``, for sessions that can be bound to a device."""

    def __init__(self, store: BindingStore) -> None:
        self._store = store

    def __call__(
        self, state: SessionState, *, now: int, status: int = 200, streams: bool = False
    ) -> Steps[ResponseHeaders]:
        before = state.stored
        headers = yield from commit(state, now=now, status=status, streams=streams)
        if not headers.cookies:
            return headers
        begins = before is None or state.stored is None or before.log_id != state.stored.log_id
        cookies = tuple(self._offering(cookie, state, now, begins=begins) for cookie in headers.cookies)
        if binding_of(before) is not None and state.stored is None:
            # The browser then asks for a new bound cookie before its next request, and learns that the session is over.
            cookies = (*cookies, *removed_cookies(self._store, now))
        return ExtraHeaders(cookies, vary=headers.vary, cookie=headers.cookie, extra=headers.extra)

    def _offering(self, cookie: SetCookie, state: SessionState, now: int, *, begins: bool) -> SetCookie:
        stored, options, identity = state.stored, self._store.options, state.identity_before
        guarded = self._store.guards_registrations
        if stored is None or not is_offered(
            cookie, stored, has_user=isinstance(identity, str), https=state.https, begins=begins, guarded=guarded
        ):
            return cookie
        path, challenge = browser_path(state.mounted_at, f"{options.path}/register"), self._store.offer(stored, now)
        offer = f'({" ".join(ALGORITHMS)});path="{path}";challenge="{challenge}"'
        return OfferingCookie(cookie, ("Secure-Session-Registration", offer))


def cookies_of(store: BindingStore) -> tuple[CookieAttributes, ...]:
    """Return the cookies of a binding, the bound cookie first."""
    session = store.settings.attributes
    bound = bound_attributes(session, store.options)
    return (bound,) if hasattr(store, "table") else (bound, device_attributes(session))


def removed_cookies(store: BindingStore, now: int) -> tuple[SetCookie, ...]:
    """Return the headers that remove a binding's cookies from the browser."""
    # They were set over HTTPS and can be removed only over HTTPS.
    return tuple(SetCookie(None, each, https=True, now=now) for each in cookies_of(store))
