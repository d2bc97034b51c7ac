"""Stores by name: the options of ``Sessions`` that say how sessions are kept, and the store that they make."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypedDict

from holdall import formats, stores
from holdall.clock import Clock
from holdall.cookies import OPTION_NAMES, CookieOptions
from holdall.errors import ConfigurationError
from holdall.formats import Derivation, Format, Salt
from holdall.serializers import Serializer
from holdall.sources.contract import AnySource
from holdall.stores import Store
from holdall.tables import Form, table_opener

__all__ = ["Options", "RowOptions", "TableStoreOptions", "check_known", "store_opener"]

SerializerName = Literal["external_term_format", "json"]


class CookieStoreOptions(TypedDict, total=False):
    """What ``Sessions(store="cookie")`` takes besides: ``CookieStore`` and its format, by name."""

    format: str
    secret_key_base: str | bytes | None
    fallbacks: Iterable[str | bytes]
    encrypt: bool
    app: str
    signing_salt: Salt
    encryption_salt: Salt | None
    key_iterations: int
    key_length: int
    key_digest: str
    serializer: Serializer | SerializerName
    otp: Literal[25, 26]
    salt: str | bytes
    key_derivation: Derivation
    digest: str
    weak_secrets: bool
    also_read: Iterable[Format]
    rewrite_on: Literal["write", "read"]
    read_old_until: datetime


class RowOptions(TypedDict, total=False):
    """The options of a table's rows, but for the application's name."""

    table: str
    encrypt: bool
    secret_key_base: str | bytes | None
    fallbacks: Iterable[str | bytes]
    weak_secrets: bool
    serializer: Serializer | SerializerName
    migrate_from: Iterable[AnySource]
    read_old_until: datetime


class TableStoreOptions(RowOptions, total=False):
    """What ``Sessions(store="table")`` takes besides: ``TableStore`` and its table, by name."""

    app: str


class Options(CookieOptions, CookieStoreOptions, TableStoreOptions, total=False):
    """Options of the cookie, and of a store given by name."""


def store_opener(
    store: Store | str, options: dict[str, Any], clock: Clock, random: Callable[[int], bytes]
) -> Callable[[Form], Any]:
    """Return what opens the store, having checked all that can be checked before."""
    if isinstance(options.get("serializer"), str) and options.get("format") != "plug":
        msg = f"serializer={options['serializer']!r} is a name of Plug's: give an object with dumps() and loads()."
        raise ConfigurationError(msg)
    match store:
        case "cookie":
            check_known(options, CookieStoreOptions.__annotations__, 'store="cookie"')
            cookie_store = _cookie_store(options, clock, random)
            return lambda form: cookie_store
        case "table":
            check_known(options, TableStoreOptions.__annotations__, 'store="table"')
            if "table" not in options:
                msg = 'store="table" needs a table: table="session" keeps one in memory, or name one by its URL.'
                raise ConfigurationError(msg)
            table = options.pop("table")
            if not isinstance(table, str):
                msg = f"table= takes a name or a URL: give a {type(table).__name__} as Sessions(TableStore(table), …)."
                raise ConfigurationError(msg)
            return _table_store_opener(table, options, clock, random)
        case str():
            hint = f' For the table "{store}://" give its URL.' if store in _SCHEMES else ""
            msg = f'store={store!r} is neither "cookie", nor "table", nor the URL of a table, nor a store.{hint}'
            raise ConfigurationError(msg)
    if not hasattr(store, "put"):
        msg = f"a {type(store).__name__} is no store: give a table as Sessions(TableStore(table), …)."
        raise ConfigurationError(msg)
    check_known(options, {}, "a store given as an object")
    return lambda form: store


def _cookie_store(options: dict[str, Any], clock: Clock, random: Callable[[int], bytes]) -> Store:
    name = options.pop("format", "native")
    if name not in _FORMATS:
        msg = f"format={name!r} is not known. Known are: {', '.join(_FORMATS)}."
        raise ConfigurationError(msg)
    make_format = _FORMATS[name]()
    fallbacks = options.pop("fallbacks", ())
    if isinstance(fallbacks, str | bytes):
        msg = "fallbacks is one secret: give a list of them."
        raise ConfigurationError(msg)
    also_read = tuple(options.pop("also_read", ()))
    reading = {name: options.pop(name) for name in ("rewrite_on", "read_old_until") if name in options}
    secret = options.pop("secret_key_base", None)
    parameters = inspect.signature(make_format).parameters
    check_known(options, CookieStoreOptions.__annotations__.keys() & parameters, f'format="{name}"')
    ours = {"clock": clock, "random": random}
    options |= {name: ours[name] for name in ours.keys() & parameters}
    old = (make_format(fallback, **options) for fallback in fallbacks)
    return stores.CookieStore(make_format(secret, **options), also_read=(*old, *also_read), clock=clock, **reading)


def _table_store_opener(
    table: str, options: dict[str, Any], clock: Clock, random: Callable[[int], bytes]
) -> Callable[[Form], Any]:
    open_table = table_opener(table, clock=clock)
    sources = tuple(options.pop("migrate_from", ()))
    read_old_until = options.pop("read_old_until", None)

    def open_store(form: Form) -> Any:
        store = stores.TableStore(open_table(form), random=random, **options)
        if not sources:
            return store
        from holdall.stores.migration import MigratingStore

        return MigratingStore(store, sources, read_old_until=read_old_until, clock=clock, random=random)

    return open_store


_SCHEMES = ("memory", "sqlite", "redis", "rediss", "valkey", "postgresql", "postgres")

# Only the one that is named is loaded.
_FORMATS: Mapping[str, Callable[[], Callable[..., Format]]] = {
    "native": lambda: formats.NativeFormat,
    "plug": lambda: formats.PlugFormat,
    "dynamo": lambda: formats.DynamoFormat,
    "flask": lambda: formats.FlaskFormat,
    "django": lambda: formats.DjangoFormat,
    "starlette": lambda: formats.StarletteFormat,
}


def check_known(options: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ``ConfigurationError`` if *what* is given an option that is not *known*."""
    unknown = sorted(options.keys() - set(known))
    if unknown:
        names = ", ".join(sorted((*known, *OPTION_NAMES - {"key"})))
        msg = f"{what} does not take {', '.join(unknown)}. It takes {names}."
        raise ConfigurationError(msg)
