"""Nested values, for Hypothesis to draw."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["recursive"]

Strategy = st.SearchStrategy[Any]


def recursive(scalars: Strategy, containers: Callable[[Strategy], Strategy], *, max_leaves: int = 100) -> Strategy:
    """
    Return ``st.recursive`` of these arguments, with a short name.

    When Hypothesis draws a dict's key a second time, it writes out the whole strategy with all its levels. That takes
    megabytes and causes a warning, which fails the test.
    """

    def named(inner: Strategy) -> Strategy:
        @st.composite
        def value(draw: st.DrawFn) -> Any:
            return draw(inner)

        return containers(value())

    return st.recursive(scalars, named, max_leaves=max_leaves)
