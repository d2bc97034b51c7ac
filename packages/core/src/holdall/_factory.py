"""Create a store from the options of ``Sessions`` that describe it."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypedDict

from holdall import formats, stores
from holdall._clock import Clock
from holdall._cookies import OPTION_NAMES, CookieOptions
from holdall._errors import ConfigurationError
from holdall._keys import several_secrets
from holdall._option_hints import check_known, store_hint
from holdall._setting_names import naming, setting_name, setting_names
from holdall._settings import Settings, check_kinds
from holdall.formats import Derivation, Format, Salt
from holdall.serializers import Serializer
from holdall.sources._contract import AnySource
from holdall.stores import Store
from holdall.tables import AsyncTable, Kind, Table, table_opener

__all__ = ["Options", "TableStoreOptions", "store_opener"]

#: Which cookie names may end with one of ``SUFFIXES``: none (``""``), only old ones, or all.
Suffixed = Literal["", "old", "all"]
SerializerName = Literal["external_term_format", "json"]


class CookieStoreOptions(TypedDict, total=False):
    """The options of ``Sessions(store="cookie")`` that configure the ``CookieStore`` and its format."""

    format: str
    secret_key_base: str | bytes | None
    fallbacks: Iterable[str | bytes]
    encrypt: bool
    app_name: str
    signing_salt: Salt
    encryption_salt: Salt | None
    key_iterations: int
    key_length: int
    key_digest: str
    serializer: Serializer | SerializerName
    compress: bool
    otp: Literal[25, 26]
    salt: str | bytes
    key_derivation: Derivation
    digest: str
    weak_secrets: bool
    also_read: Iterable[Format]
    rewrite_on: Literal["write", "read"]
    read_old_until: datetime
    generations: bool
    revocable: str | Table | AsyncTable
    when_unreachable: Literal["refuse", "trust"]
    overflow: str | Table | AsyncTable


class TableStoreOptions(TypedDict, total=False):
    """The options of ``Sessions(store="table")`` that configure the ``TableStore`` and its table."""

    table: str
    list_from: str
    app_name: str
    encrypt: bool
    secret_key_base: str | bytes | None
    fallbacks: Iterable[str | bytes]
    weak_secrets: bool
    serializer: Serializer | SerializerName
    migrate_from: Iterable[AnySource]
    read_old_until: datetime


class Options(CookieOptions, CookieStoreOptions, TableStoreOptions, total=False):
    """Options of the cookie, and of a store selected by name."""


def store_opener(
    store: Store | str,
    options: dict[str, Any],
    clock: Clock,
    random: Callable[[int], bytes],
    *,
    taken: Iterable[str],
) -> tuple[Callable[[Kind, Settings], Any], Suffixed]:
    """
    Check the options. Return a function that opens the store, and which kind of cookie names may have suffixes.

    The function takes the kind of store that the adapter needs, sync or async, and the settings of the ``Sessions``.

    Args:
        taken: The options that ``Sessions`` takes itself, for error messages.

    Raises:
        ConfigurationError: An option is unknown or invalid.
    """
    own = {*taken, *OPTION_NAMES}
    flags = ("encrypt", "compress", "generations", "weak_secrets")
    check_kinds(flags={name: options[name] for name in flags if name in options}, functions={}, several={})
    if not isinstance(options.get("app_name", ""), str):
        msg = f"app_name={options['app_name']!r} is not text."
        raise ConfigurationError(msg)
    if isinstance(options.get("serializer"), str) and options.get("format") != "plug":
        msg = (
            f"serializer={options['serializer']!r} is a name that only format='plug' knows: pass an object with "
            "dumps() and loads()."
        )
        raise ConfigurationError(msg)
    match store:
        case "cookie":
            _check(options, CookieStoreOptions, 'store="cookie"', own)
            overflows = options.get("overflow") is not None
            open_rows = _rows_opener(options, clock, random)
            cookie_store = _cookie_store(options, clock, random, own)
            if overflows and not cookie_store.keeps_generations:
                msg = (
                    "overflow= needs cookies with generations, or a late response would undo a move: remove "
                    "generations=False, and use format='native'."
                )
                raise ConfigurationError(msg)
            if open_rows is not None:
                return partial(open_rows, cookie_store), _suffixed(cookie_store)
            return (lambda kind, settings: cookie_store), _suffixed(cookie_store)
        case "table":
            _check(options, TableStoreOptions, 'store="table"', own)
            if "table" not in options:
                msg = 'store="table" needs a table: pass table="session" for one in memory, or the URL of another.'
                raise ConfigurationError(msg)
            table = options.pop("table")
            if not isinstance(table, str):
                msg = f"table= takes a name or a URL: pass a {type(table).__name__} as Sessions(TableStore(table), …)."
                raise ConfigurationError(msg)
            if not isinstance(options.get("list_from", ""), str):
                msg = "list_from= takes a URL: pass a table as Sessions(TableStore(table, list_from=replica), …)."
                raise ConfigurationError(msg)
            sources = _several(options, "migrate_from", "sources, such as FlaskSessionSource(…)", "name")
            return _table_store_opener(table, options, sources, clock, random), _suffixed(*sources)
        case str():
            hint, credentials, at, place = store_hint(store), *store.rpartition("@")
            # A misspelt URL may hold a password.
            shown = f"{'…' if credentials else ''}{at}{place}"
            msg = f'store={shown!r} is neither "cookie", nor "table", nor the URL of a table, nor a store.{hint}'
            raise ConfigurationError(msg)
    if not hasattr(store, "put"):
        msg = f"a {type(store).__name__} is not a store: pass a table as Sessions(TableStore(table), …)."
        raise ConfigurationError(msg)
    _check(options, None, "a store passed as an object", own)
    return (lambda kind, settings: store), _suffixed(store, *getattr(store, "sources", ()))


def _several(options: dict[str, Any], option: str, what: str, attribute: str) -> tuple[Any, ...]:
    """Remove *option* from *options* and return its objects, each of which must have the given *attribute*."""
    objects = tuple(options.pop(option, ()))
    if not all(hasattr(each, attribute) for each in objects):
        msg = f"{option}= takes a list of {what}."
        raise ConfigurationError(msg)
    return objects


def _suffixed(*keeping: Any) -> Suffixed:
    """Return which cookie names have suffixes, given a store or the sources of a migration."""
    if any(getattr(each, "keeps_generations", False) for each in keeping):
        return "all"
    return "old" if any(getattr(each, "reads_generations", False) for each in keeping) else ""


def _cookie_store(
    options: dict[str, Any], clock: Clock, random: Callable[[int], bytes], own: Collection[str]
) -> stores.CookieStore:
    name = options.pop("format", "native")
    if name not in _FORMATS:
        msg = f"format={name!r} is unknown. Choose one of: {', '.join(_FORMATS)}."
        raise ConfigurationError(msg)
    make_format = _FORMATS[name]()
    fallbacks = several_secrets(options.pop("fallbacks", ()))
    also_read = _several(options, "also_read", "formats, such as FlaskFormat(…)", "open")
    reading = {name: options.pop(name) for name in ("rewrite_on", "read_old_until", "generations") if name in options}
    secret = options.pop("secret_key_base", None)
    parameters = inspect.signature(make_format).parameters
    taken = {*own, *CookieStoreOptions.__annotations__.keys() & parameters}
    check_known(options, taken, f'format="{name}"', elsewhere={})
    ours = {"clock": clock, "random": random}
    options |= {name: ours[name] for name in ours.keys() & parameters}
    latest = make_format(secret, **options)
    with naming(dict.fromkeys(("secret_key_base", "secret"), setting_name("fallbacks"))):
        old = [make_format(fallback, **options) for fallback in fallbacks]
    return stores.CookieStore(latest, also_read=(*old, *also_read), clock=clock, **reading)


def _rows_opener(
    options: dict[str, Any], clock: Clock, random: Callable[[int], bytes]
) -> Callable[[stores.CookieStore, Kind, Settings], Any] | None:
    """Return a function that adds the rows of ``revocable=`` and ``overflow=`` to a store; ``None`` without either."""
    revocable, failing, overflow = (options.pop(name, None) for name in ("revocable", "when_unreachable", "overflow"))
    if revocable is None and failing is not None:
        msg = "when_unreachable= says what happens when the table of revocable= fails: set revocable= too."
        raise ConfigurationError(msg)
    if failing not in (None, "refuse", "trust"):
        msg = f"when_unreachable={failing!r} is neither 'refuse' nor 'trust'."
        raise ConfigurationError(msg)
    table = overflow if revocable is None else revocable
    if table is None:
        return None
    if overflow not in (None, table):
        msg = "revocable= and overflow= share one table: pass the same to both."
        raise ConfigurationError(msg)
    if not isinstance(table, str) and not hasattr(table, "replace"):
        name = "overflow" if revocable is None else "revocable"
        msg = f"{name}={table!r} is neither a table nor the URL of one."
        raise ConfigurationError(msg)
    open_table = table_opener(table, clock=clock) if isinstance(table, str) else lambda kind: table
    options["fallbacks"] = several_secrets(options.get("fallbacks", ()))
    shared = ("secret_key_base", "fallbacks", "app_name", "weak_secrets")
    given = {name: options[name] for name in shared if name in options}
    if overflow is not None:
        given |= {"serializer": options.get("serializer")}
    read_old_until, names = options.get("read_old_until"), setting_names()

    def open_store(store: stores.CookieStore, kind: Kind, settings: Settings) -> Any:
        with naming(names):
            rows = stores.TableStore(open_table(kind), random=random, **given)
        kept: Any = store
        if revocable is not None:
            from holdall.stores._revocable import RevocableCookieStore

            kept = RevocableCookieStore(
                store,
                rows,
                settings,
                trusts=failing == "trust",
                read_old_until=read_old_until,
                clock=clock,
                random=random,
            )
        if overflow is None:
            return kept
        from holdall.stores._overflow import ListedOverflowStore, OverflowStore

        return (OverflowStore if revocable is None else ListedOverflowStore)(kept, rows, settings)

    return open_store


def _table_store_opener(
    name: str, options: dict[str, Any], sources: tuple[AnySource, ...], clock: Clock, random: Callable[[int], bytes]
) -> Callable[[Kind, Settings], Any]:
    open_table = table_opener(name, clock=clock)
    # No table is created there, because it is only read.
    list_from = options.pop("list_from", None)
    open_lists = None if list_from is None else table_opener(list_from, clock=clock, create=False)
    read_old_until = options.pop("read_old_until", None)
    names = setting_names()

    def open_store(kind: Kind, settings: Settings) -> Any:
        lists = None if open_lists is None else open_lists(kind)
        table = open_table(kind)
        # The store checks the secret, so messages must still name the options as they were named at setup.
        with naming(names):
            store = stores.TableStore(table, list_from=lists, random=random, **options)
        if not sources:
            return store
        from holdall.stores._migration import MigratingStore

        return MigratingStore(store, sources, read_old_until=read_old_until, clock=clock, random=random)

    return open_store


# Functions, so that only the selected format is imported.
_FORMATS: Mapping[str, Callable[[], Callable[..., Format]]] = {
    "native": lambda: formats.NativeFormat,
    "plug": lambda: formats.PlugFormat,
    "dynamo": lambda: formats.DynamoFormat,
    "flask": lambda: formats.FlaskFormat,
    "django": lambda: formats.DjangoFormat,
    "starlette": lambda: formats.StarletteFormat,
}


def _check(options: Mapping[str, Any], store: type | None, what: str, own: Collection[str]) -> None:
    """Refuse *options* that neither the *store* nor ``Sessions`` itself takes."""
    others = {each: kinds for each, kinds in _STORES.items() if kinds is not store}
    elsewhere = {each: kinds.__annotations__ for each, kinds in others.items()}
    known = {*own, *(() if store is None else store.__annotations__)}
    check_known(options, known, what, elsewhere=elsewhere)


_STORES: Mapping[str, type] = {'store="cookie"': CookieStoreOptions, 'store="table"': TableStoreOptions}
