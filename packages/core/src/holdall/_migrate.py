"""Let an adapter read the cookies in which its framework previously kept sessions."""

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from holdall._errors import ConfigurationError
from holdall._keys import is_fit
from holdall.formats import Format
from holdall.sources.cookie import CookieSource

__all__ = ["reading_framework_cookies", "refuse_options"]


def reading_framework_cookies(options: Mapping[str, Any], format: Format) -> dict[str, Any]:
    """
    Return *options* of ``Sessions`` that also read cookies in the framework's *format* and replace them when used.

    Old secrets that are too weak for us are left out, because none of our own cookies were made with them.

    Raises:
        ConfigurationError: The sessions are in cookies of a different format than ours, or in another header.
    """
    store = options["store"]
    if options.get("transport", "cookie") != "cookie":
        msg = "read_framework_cookies=True reads cookies, but transport= uses none: leave one of them out."
        raise ConfigurationError(msg)
    if isinstance(store, str) and store != "cookie":
        return {**options, "migrate_from": (*options.get("migrate_from", ()), CookieSource(format, key=options["key"]))}
    if store != "cookie" or options.get("format", "native") != "native":
        msg = (
            "read_framework_cookies=True writes cookies of our own format, or rows of a table: leave out format=. "
            "A store passed as an object reads other cookies through its own also_read= or migrate_from=."
        )
        raise ConfigurationError(msg)
    reading = {"rewrite_on": "read", **options, "also_read": (*options.get("also_read", ()), format)}
    if not options.get("weak_secrets"):
        from holdall.formats._native import SECRET_BYTES

        reading["fallbacks"] = [each for each in options.get("fallbacks", ()) if is_fit(each, at_least=SECRET_BYTES)]
    return reading


def refuse_options(call: str, options: Iterable[str], *, format: str) -> NoReturn:
    """
    Refuse *options* of an adapter that was also given its ``Sessions``.

    Args:
        call: The adapter's call, for the message.
        format: The name of the format of the framework's cookies.

    Raises:
        ConfigurationError: The message says where each option belongs.
    """
    others = sorted(set(options) - {"read_framework_cookies"})
    advice = []
    if others:
        advice.append(f"pass {', '.join(others)} to Sessions(…) instead")
    if len(others) < len(set(options)):
        advice.append(
            f"instead of read_framework_cookies, pass Sessions(…) also_read=[{format}(…)] from holdall.formats if it "
            f"uses cookies, or migrate_from=[CookieSource({format}(…), key=…)] from holdall.sources.cookie if it uses "
            "a table"
        )
    msg = f"{call} already has its Sessions: {'; '.join(advice)}."
    raise ConfigurationError(msg)
