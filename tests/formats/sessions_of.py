"""Sessions made by Hypothesis, of what the cookies of the Python libraries can hold."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from markupsafe import Markup

from strategies import recursive

JSON_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()

# Dicts of one key that begins with a space are what Flask has to escape.
TAG_LIKE = st.sampled_from([" t", " b", " m", " u", " d", " di", " t__", " di__", " x"])


def json_sessions() -> st.SearchStrategy[dict[str, Any]]:
    """Sessions of JSON and nothing else."""
    return _sessions(JSON_SCALARS, st.text(), st.lists)


def flask_sessions() -> st.SearchStrategy[dict[str, Any]]:
    """Sessions of all that Flask has a tag for."""
    scalars = (
        JSON_SCALARS
        | st.binary()
        | st.uuids()
        | st.text().map(Markup)
        | st.integers(-30_000_000_000, 250_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
    )
    return _sessions(scalars, st.text() | TAG_LIKE, lambda values: st.lists(values) | st.lists(values).map(tuple))


def _sessions(scalars: Any, names: Any, sequences: Any) -> st.SearchStrategy[dict[str, Any]]:
    values = recursive(
        scalars,
        lambda values: sequences(values) | st.dictionaries(names, values) | st.dictionaries(names, values, max_size=1),
        max_leaves=15,
    )
    return st.dictionaries(names, values, max_size=6)
