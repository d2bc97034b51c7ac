"""
A session's values as objects of a type: a dataclass, a ``TypedDict``, a model of pydantic's or of msgspec's.

The session keeps plain values, as JSON would say them, so that any reader understands them; pydantic or msgspec turns
them into objects and back. What was altered in such an object is written when the request ends.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import lru_cache
from itertools import chain
from typing import Any, Generic, NamedTuple, TypeVar, overload

from holdall._state import Phase
from holdall.errors import ConfigurationError
from holdall.session import Session, state_of

__all__ = ["MISSING", "View", "check_model", "typed_session"]

M = TypeVar("M")

#: No default was given: ``None`` may be one.
MISSING: Any = object()


@overload
def typed_session(session: Any, model: type[M], key: str | None = None) -> M: ...


@overload
def typed_session(session: Any, model: Any, key: str | None = None, *, default: M) -> M: ...


def typed_session(session: Any, model: Any, key: str | None = None, *, default: Any = MISSING) -> Any:
    """
    Return the value under *key* as a *model*; without a key the session itself, by its keys.

    Within one request it is always the same object. What is altered in it is saved with the session; keys that the
    *model* does not know stay as they are. A value that does not fit counts as absent, with an ``invalid_value`` event.

    Args:
        session: That of the request, whatever the framework: ``flask.session``, ``request.session``.
        model: Any type that pydantic 2 or msgspec can make of JSON.
        default: Stands for what is absent, as a copy; else ``None`` if the type admits it, or an empty *model*.

    Raises:
        ConfigurationError: There is no default, and the *model* cannot be made of nothing.
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
    return view.value


def check_model(model: Any, *, default: Any = MISSING) -> None:
    """Raise ``ConfigurationError`` if *model* cannot stand for what is absent, so that it shows at set-up."""
    _default(_codec(model), default)


class View(Generic[M]):
    """One typed value of one request's session."""

    def __init__(self, session: Session, model: Any, key: str | None, default: Any) -> None:
        self._codec = _codec(model)
        self._session = session
        self._key = key
        self.value = self._load(default)
        # As the model writes it, so that a value which the model only writes in another way does not count as altered.
        self._before = self._codec.dump(self.value)

    def changed(self) -> dict[str, Any]:
        """Return what was altered since it was asked for the last time, by the session's keys."""
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
        # None under such a key counts as none.
        contradicted = [principals.overruled(key, altered[key], data) for key in altered if key in principals]
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
    """Return *now*, with what is *present* and was unknown to the model *before*."""
    if not (isinstance(present, dict) and isinstance(before, dict) and isinstance(now, dict)):
        return now
    unknown = {key: value for key, value in present.items() if key not in before and key not in now}
    return unknown | {key: _over(present.get(key), before.get(key), value) for key, value in now.items()}


class _Codec(NamedTuple):
    """
    How objects of a type are made of plain values and turned back.

    ``load`` raises ``ValueError`` for a value that does not fit, and does not alter what it is given.
    """

    model: Any
    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]


def _codec(model: Any) -> _Codec:
    try:
        return _cached_codec(model)
    except TypeError:
        # A type can hold what is not hashable, Annotated[int, [1]].
        return _make_codec(model)


def _make_codec(model: Any) -> _Codec:
    # Only msgspec can make its own models. Both can make all others, and pydantic checks more.
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
        msg = f"pydantic cannot make a {model!r}: {exc.message}"
        raise ConfigurationError(msg) from exc

    def dump(value: Any) -> Any:
        try:
            return adapter.dump_python(value, mode="json", by_alias=True, warnings=False)
        except PydanticSerializationError as exc:
            msg = f"a {model!r} holds what cannot be stored: {exc}"
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
            # In older versions it is not a ValueError.
            raise ValueError(str(exc)) from exc

    return _Codec(model, load, msgspec.to_builtins)


def _default(codec: _Codec, given: Any) -> Any:
    """Return the value to use where there is none."""
    if given is not MISSING:
        return deepcopy(given)
    # A model's own defaults say what it is when nothing is stored.
    nothings: tuple[Any, ...] = (None, {}, [])
    for nothing in nothings:
        try:
            return codec.load(nothing)
        except ValueError:
            continue
    msg = f"{codec.model!r} cannot be made of nothing, for a session that has none yet: give a default."
    raise ConfigurationError(msg)
