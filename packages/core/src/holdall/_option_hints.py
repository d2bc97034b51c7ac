"""Suggest known options when an unknown one is passed."""

import difflib
from collections.abc import Collection, Mapping

from holdall._errors import ConfigurationError

__all__ = ["check_known", "meant_by", "store_hint"]

# Other names that frameworks and libraries use for our options, if their spelling is not similar.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("age", "cookie_age", "duration", "expire", "expires", "expires_in", "expiry", "lifetime", "max_lifetime"),
            *("permanent_session_lifetime", "session_cookie_age", "session_lifetime", "timeout", "ttl"),
        ),
        ("idle_timeout", "absolute_timeout"),
    ),
    **dict.fromkeys(("cookie", "cookie_name", "name", "session_cookie", "session_cookie_name"), ("key",)),
    **dict.fromkeys(("secret", "secret_key"), ("secret_key_base",)),
    **dict.fromkeys(("secret_key_fallbacks", "old_secrets"), ("fallbacks",)),
    **dict.fromkeys(("https_only", "ssl"), ("secure",)),
    **dict.fromkeys(("backend", "engine", "session_type"), ("store",)),
    **dict.fromkeys(("url", "redis", "redis_url", "database_url", "dsn"), ("table",)),
    **dict.fromkeys(("user_key", "login_key", "user_id"), ("principal_key",)),
}
# How to specify each kind of store, by the names that people try: schemes, products and drivers.
_STORES: Mapping[str, str] = {
    "cookie": 'store="cookie"',
    "table": 'store="table", table="session"',
    **dict.fromkeys(("memory", "inmemory", "in_memory", "dict"), 'store="table", table="session"'),
    **dict.fromkeys(("sqlite", "sqlite3"), 'store="sqlite:///sessions.db"'),
    **dict.fromkeys(("redis", "rediss"), 'store="redis://localhost/0"'),
    **dict.fromkeys(("valkey", "valkeys"), 'store="valkey://localhost/0"'),
    **dict.fromkeys(
        ("postgresql", "postgres", "psycopg", "psycopg2", "psycopg3"), 'store="postgresql://user@localhost/database"'
    ),
    "django": 'store="table", table="django"',
    **dict.fromkeys(("file", "filesystem"), 'store="sqlite:///sessions.db", which is a file'),
}


def store_hint(store: str) -> str:
    """Return a sentence that suggests how to spell the *store*, or ``""`` if the name is unknown."""
    meant = difflib.get_close_matches(store.lower().strip(), _STORES, n=1)
    return f" Write {_STORES[meant[0]]}." if meant else ""


def meant_by(name: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the *known* options that *name* may stand for, the closest first."""
    others = {other: tuple(each for each in meant if each in known) for other, meant in _OTHER_NAMES.items()}
    names = {other: meant for other, meant in others.items() if meant} | {each: (each,) for each in known}
    plain = name.lower().removeprefix("holdall_")
    # An alternative name may be misspelt too.
    nearest = [plain] if plain in names else difflib.get_close_matches(plain, sorted(names), n=1)
    return names[nearest[0]] if nearest else ()


def check_known(
    options: Collection[str], known: Collection[str], what: str, *, elsewhere: Mapping[str, Collection[str]]
) -> None:
    """
    Refuse *options* that are not *known*.

    Args:
        what: The name of the object that takes the options, for the message.
        elsewhere: The options that other objects take, by the object's name.

    Raises:
        ConfigurationError: An option is unknown; the message suggests the closest known one, or else lists them all.
    """
    unknown = sorted(set(options) - set(known))
    if unknown:
        hints = [_hint(name, known, elsewhere) for name in unknown]
        sentences = [f"{what} does not take {name}{hint or '.'}" for name, hint in zip(unknown, hints, strict=True)]
        if not all(hints):
            sentences.append(f"It takes {', '.join(sorted(known))}.")
        raise ConfigurationError(" ".join(sentences))


def _hint(name: str, known: Collection[str], elsewhere: Mapping[str, Collection[str]]) -> str:
    """Return the end of a sentence that suggests another option, or ``""``."""
    owner = next((owner for owner, names in elsewhere.items() if name in names), None)
    if owner is not None:
        return f", an option of {owner}."
    meant = " or ".join(meant_by(name, known)) or _meant_elsewhere(name, elsewhere)
    return f": did you mean {meant}?" if meant else ""


def _meant_elsewhere(name: str, elsewhere: Mapping[str, Collection[str]]) -> str:
    found = ((" or ".join(meant_by(name, names)), owner) for owner, names in elsewhere.items())
    return next((f"{meant}, an option of {owner}" for meant, owner in found if meant), "")
