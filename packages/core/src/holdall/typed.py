"""
Read session values as typed objects: a dataclass, a ``TypedDict``, or a pydantic or msgspec model.

The session stores plain JSON values, so that any reader understands them; pydantic or msgspec converts them to objects
and back. Changes to such an object are saved when the request ends.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar, overload

from holdall._errors import ConfigurationError
from holdall._session import Session, state_of
from holdall._state import Phase

__all__ = ["MISSING", "View", "check_model", "typed_session"]

M = TypeVar("M")

#: The default if none is passed, because ``None`` may be passed as one.
MISSING: Any = object()


@overload
def typed_session(session: Any, model: type[M], key: str | None = None) -> M: ...


@overload
def typed_session(session: Any, model: Any, key: str | None = None, *, default: M) -> M: ...


def typed_session(session: Any, model: Any, key: str | None = None, *, default: Any = MISSING) -> Any:
    """
    Return the value under *key* as a *model*; without a key, the whole session.

    Within one request it is always the same object. Changes to it are saved with the session; keys that the *model*
    does not define are left alone. A value that does not fit counts as absent, with an ``invalid_value`` event.

    Args:
        session: The request's session, in any framework: ``flask.session``, ``request.session``.
        model: Any type that pydantic 2 or msgspec can create from JSON.
        default: Copied if the value is absent; otherwise ``None`` if the type allows it, or an empty *model*.

    Raises:
        ConfigurationError: There is no default, and the *model* cannot be created without data.
    """
    state = state_of(session)
    tracked = state.loaded()
    if state.phase is Phase.ENDED:
        state.watch(tracked)
    name = (key, repr(model))
    view = tracked.views.get(name)
    if view is None:
        view = View(session, model, key, default)
        tracked.views = {**tracked.views, name: view}
        tracked.is_touched = True
    return view.value


def check_model(model: Any, *, default: Any = MISSING) -> None:
    """Raise ``ConfigurationError`` at setup if *model* cannot be created when its value is absent."""
    _default(_codec(model), default)


class View(Generic[M]):
    """One typed value of one request's session."""

    def __init__(self, session: Session, model: Any, key: str | None, default: Any) -> None:
        self._codec = _codec(model)
        self._session = session
        self._key = key
        self.value = self._load(default)
        # As the model dumps it, so that a stored value that the model merely formats differently is not a change.
        self._before = self._codec.dump(self.value)

    def changed(self) -> dict[str, Any]:
        """Return the changes since the last call, by session key."""
        before, now = self._before, self._codec.dump(self.value)
        if now == before:
            return {}
        self._before = now
        state = state_of(self._session)
        data, principals = state.data, state.settings.principals
        if self._key is not None:
            altered = {self._key: _over(data.get(self._key), before, now)}
        else:
            altered = {k: _over(data.get(k), before.get(k), now[k]) for k in now if now[k] != before.get(k)}
        # A principal's key set to None counts as absent.
        contradicted = [principals.keys_to_remove(key, altered[key], data) for key in altered if key in principals]
        return {**dict.fromkeys(chain.from_iterable(contradicted)), **altered}

    def _load(self, default: Any) -> Any:
        data = state_of(self._session).data
        if self._key is None:
            return self._load_all(data, default)
        if self._key not in data:
            return _default(self._codec, default)
        try:
            return self._codec.load(data[self._key])
        except ValueError:
            _report(self._session, self._key)
            return _default(self._codec, default)

    def _load_all(self, data: Mapping[str, Any], default: Any) -> Any:
        try:
            return self._codec.load(data)
        except ValueError:
            pass
        fits = {}
        for key, value in data.items():
            try:
                self._codec.load({key: value})
            except ValueError:
                _report(self._session, key)
            else:
                fits[key] = value
        try:
            return self._codec.load(fits)
        except ValueError:
            return _default(self._codec, default)


def _report(session: Session, key: str) -> None:
    state_of(session).settings.emit("invalid_value", key, session.log_id)


def _over(present: Any, before: Any, now: Any) -> Any:
    """Return *now*, plus the keys of *present* that the model does not define, which *before* and *now* both lack."""
    if not (isinstance(present, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return now
    unknown = {key: value for key, value in present.items() if key not in before and key not in now}
    return unknown | {key: _over(present.get(key), before.get(key), value) for key, value in now.items()}


class _Codec(NamedTuple):
    """
    A converter of plain values to objects of a type and back.

    ``load`` raises ``ValueError`` for a value that does not fit, and does not modify its argument.
    """

    model: Any
    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]


def _codec(model: Any) -> _Codec:
    try:
        return _cached_codec(model)
    except TypeError:
        # A type can contain values that are not hashable: Annotated[int, [1]].
        return _make_codec(model)


def _make_codec(model: Any) -> _Codec:
    # Only msgspec can create its own models. Both can create all others, and pydantic validates more.
    if hasattr(model, "__struct_fields__"):
        return _msgspec_codec(model)
    try:
        from pydantic import TypeAdapter
    except ImportError:
        return _msgspec_codec(model)
    return _pydantic_codec(TypeAdapter, model)


_cached_codec = lru_cache(maxsize=256)(_make_codec)


def _pydantic_codec(adapter_type: Any, model: Any) -> _Codec:
    from pydantic.errors import PydanticUserError
    from pydantic_core import PydanticSerializationError

    try:
        adapter = adapter_type(model)
    except PydanticUserError as exc:
        msg = f"pydantic cannot create a {model!r}: {exc.message}"
        raise ConfigurationError(msg) from exc

    def dump(value: Any) -> Any:
        try:
            return adapter.dump_python(value, mode="json", by_alias=True, warnings=False)
        except PydanticSerializationError as exc:
            msg = f"a {model!r} contains a value that cannot be stored: {exc}"
            raise TypeError(msg) from exc

    return _Codec(model, lambda plain: adapter.validate_python(deepcopy(plain)), dump)


def _msgspec_codec(model: Any) -> _Codec:
    try:
        import msgspec
    except ImportError:
        msg = "typed sessions need pydantic 2 or msgspec: pip install pydantic."
        raise ConfigurationError(msg) from None

    def load(plain: Any) -> Any:
        try:
            return msgspec.convert(deepcopy(plain), model)
        except msgspec.ValidationError as exc:
            # In older versions of msgspec it is not a ValueError.
            raise ValueError(str(exc)) from exc

    return _Codec(model, load, msgspec.to_builtins)


def _default(codec: _Codec, given: Any) -> Any:
    """Return the value to use if none is stored: a copy of the *given* default, or an empty one of the model."""
    if given is not MISSING:
        return deepcopy(given)
    # A model's own defaults define its value when nothing is stored.
    empty_values: tuple[Any, ...] = (None, {}, [])
    for empty in empty_values:
        try:
            return codec.load(empty)
        except ValueError:
            continue
    msg = f"{codec.model!r} cannot be created without data when the session has none yet: pass a default."
    raise ConfigurationError(msg)
