"""Check that several sessions of one application fit together."""

from collections.abc import Iterable

from holdall._errors import ConfigurationError
from holdall._sessions import Sessions

__all__ = ["check_keys", "checked_list"]


def checked_list(also: Iterable[Sessions]) -> tuple[Sessions, ...]:
    """
    Check and return the value of *also*.

    Raises:
        ConfigurationError: It contains something other than ``Sessions``.
    """
    if isinstance(also, Sessions):
        msg = "also= takes several: pass a list of Sessions, also=[…]."
        raise ConfigurationError(msg)
    others = tuple(also)
    for each in others:
        if not isinstance(each, Sessions):
            msg = f"also= contains a {type(each).__qualname__}: pass Sessions objects."
            raise ConfigurationError(msg)
    return others


def check_keys(all_of_them: Iterable[Sessions]) -> None:
    """
    Refuse sessions that could not be distinguished by a request's headers.

    Raises:
        ConfigurationError: Two of them read the same cookie or header, or one is not a ``Sessions``.
    """
    owners: dict[str, str] = {}
    for each in all_of_them:
        if not isinstance(each, Sessions):
            shown = each.__qualname__ if isinstance(each, type) else f"a {type(each).__qualname__}"
            msg = f"sessions= takes a Sessions(…), not {shown}."
            raise ConfigurationError(msg)
        for key in each.names:
            if key in owners:
                if each.transport is not None:
                    msg = f"two Sessions of one application read the header {each.transport.name}: give each its own."
                    raise ConfigurationError(msg)
                # A different path or domain is not enough: a request's Cookie header does not contain them.
                msg = (
                    f"two Sessions of one application read the cookie {key!r}, {owners[key]!r} and {each.key!r}: give "
                    "each a key of its own, and list no other's key in old_keys."
                )
                raise ConfigurationError(msg)
            owners[key] = each.key
