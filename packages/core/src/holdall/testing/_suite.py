"""The base of conformance suites, whose tests need no plugin and cannot be overridden."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from holdall._option_hints import meant_by
from holdall.testing._clock import FakeClock

__all__ = ["Suite"]


class Suite:
    """
    Base of the suites.

    A class made with ``sealed=True`` contains tests, which may be ``async`` and need no plugin; third parties subclass
    it and provide fixtures. What the tested object cannot do is declared by a class attribute, and its tests are
    skipped with the reason. An overridden test would look green and check nothing, so such a class cannot be created.
    """

    def __init_subclass__(cls, *, sealed: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if sealed:
            _let_async_tests_run(cls)
        cls._sealed = sealed
        if not sealed:
            _check_attributes(cls)
        for suite in (base for base in cls.__mro__ if vars(base).get("_sealed")):
            for name, test in vars(suite).items():
                if name.startswith("test_") and inspect.getattr_static(cls, name) is not test:
                    msg = (
                        f"{cls.__qualname__} overrides {suite.__name__}.{name}, which then checks nothing: "
                        "declare missing capabilities in the suite's class attributes, and add tests under other names."
                    )
                    raise TypeError(msg)

    _sealed: ClassVar[bool] = False

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return a clock that stands still until it is moved; pass it to the tested object."""
        return FakeClock()

    @pytest.fixture
    def runner(self) -> Iterator[asyncio.Runner]:
        """Return the event loop for a test's ``async`` parts; fixtures may use it to open and close."""
        with asyncio.Runner() as runner:
            yield runner


def _check_attributes(suite: type) -> None:
    """Refuse a capability that no suite has, because it is misspelt and would declare nothing."""
    bases = [base for base in suite.__mro__ if base is not suite and issubclass(base, Suite)]
    known = {name for base in bases for name, value in vars(base).items() if isinstance(value, bool) and name[0] != "_"}
    for name, value in vars(suite).items():
        if isinstance(value, bool) and name[0] != "_" and name not in known and known:
            meant = meant_by(name, known)
            hint = f"Did you mean {' or '.join(meant)}?" if meant else f"It has {', '.join(sorted(known))}."
            msg = f"{suite.__qualname__}.{name} = {value} declares nothing, because the suite knows no {name}. {hint}"
            raise TypeError(msg)


def _let_async_tests_run(suite: type) -> None:
    for name, test in list(vars(suite).items()):
        if name.startswith("test_") and inspect.iscoroutinefunction(test):
            setattr(suite, name, _run(test))


def _run(test: Callable[..., Any]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(self: Any, runner: asyncio.Runner, **fixtures: Any) -> None:
        given = fixtures if "runner" not in wanted.parameters else {**fixtures, "runner": runner}
        runner.run(test(self, **given))

    wanted = inspect.signature(test)
    parameters = [each for each in wanted.parameters.values() if each.name != "runner"]
    runner = inspect.Parameter("runner", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = wanted.replace(parameters=[parameters[0], runner, *parameters[1:]])  # type: ignore[attr-defined]
    return run
