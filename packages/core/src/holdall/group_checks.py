"""What several sessions of one application must have in common, and what they must not."""

from collections.abc import Iterable

from holdall.errors import ConfigurationError
from holdall.sessions import Sessions

__all__ = ["check_keys", "checked_list"]


def checked_list(also: Iterable[Sessions]) -> tuple[Sessions, ...]:
    """
    Return what is given as *also*.

    Raises:
        ConfigurationError: It holds something else than ``Sessions``.
    """
    if isinstance(also, Sessions):
        msg = "also= takes several: give a list of Sessions, also=[…]."
        raise ConfigurationError(msg)
    others = tuple(also)
    for each in others:
        if not isinstance(each, Sessions):
            msg = f"also= has a {type(each).__qualname__} in it: give it objects of Sessions."
            raise ConfigurationError(msg)
    return others


def check_keys(all_of_them: Iterable[Sessions]) -> None:
    """
    Refuse sessions that a request's headers could not tell apart.

    Raises:
        ConfigurationError: Two of them read one cookie or one header, or one is something else.
    """
    owners: dict[str, str] = {}
    for each in all_of_them:
        if not isinstance(each, Sessions):
            shown = each.__qualname__ if isinstance(each, type) else f"a {type(each).__qualname__}"
            msg = f"sessions= takes a Sessions(…), and was given {shown}."
            raise ConfigurationError(msg)
        for key in each.names:
            if key in owners:
                if each.transport is not None:
                    msg = f"two Sessions of one application read the header {each.transport.name}: give each its own."
                    raise ConfigurationError(msg)
                # Nor by another path or domain: a request's Cookie header says nothing of those.
                msg = (
                    f"two Sessions of one application read the cookie {key!r}, {owners[key]!r} and {each.key!r}: give "
                    "each a key of its own, and list no other's key in old_keys."
                )
                raise ConfigurationError(msg)
            owners[key] = each.key
