"""Check that the several ``Sessions`` of one application are compatible."""

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
        msg = "also= takes a list of Sessions: pass also=[…]."
        raise ConfigurationError(msg)
    others = tuple(also)
    for each in others:
        if not isinstance(each, Sessions):
            msg = f"also= contains a {type(each).__qualname__}: pass Sessions objects."
            raise ConfigurationError(msg)
    return others


def check_keys(group: Iterable[Sessions]) -> None:
    """
    Refuse a *group* of ``Sessions`` that a request's headers could not tell apart.

    Raises:
        ConfigurationError: Two of them read the same cookie or header, or one is not a ``Sessions``.
    """
    owners: dict[str, str] = {}
    for each in group:
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
                    f"the Sessions {owners[key]!r} and {each.key!r} of one application both read the cookie {key!r}: "
                    "give each its own key, and do not list the other's key in old_keys."
                )
                raise ConfigurationError(msg)
            owners[key] = each.key
