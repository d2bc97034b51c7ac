"""The memory table and other places in this process: the dict that bounds it, caches, another library's store."""

import random
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.apps.django import set_up
from bench.measuring import Effort, Rounds, compare, figure, in_threads, latencies, overhead, ratio, rotate
from bench.places import BOUND, OURS, PLACES, Place
from bench.reporting import Cell, Table

__all__ = ["tables"]

_EMPTY = "nothing"
_USES = ("get", "put", "mixed")
_THREADS = 4
_READS_PER_WRITE = 4
#: At most so many times what a dict takes.
_TARGETS = {"get": 3.5, "put": 3.5}


def tables(effort: Effort) -> Iterator[Table]:
    """Measure all of them with a tenth of the rows, and with all."""
    set_up(Path())
    for rows in (effort.rows // 10, effort.rows):
        places = {name: make() for name, make in PLACES.items()}
        for place in places.values():
            for number in range(rows):
                place.begin(place.key(number))
        yield _alone(places, rows, effort)
        yield _together(places, rows, effort)
    yield _expiring(effort)


def _alone(places: dict[str, Place], rows: int, effort: Effort) -> Table:
    some = _keys(places[BOUND], rows)
    acts: dict[tuple[str, str], Callable[[], object]] = {("get", _EMPTY): lambda: next(some)}
    for name, place in places.items():
        keys = _keys(place, rows)
        acts["get", name] = _calling(place.get, keys)
        acts["put", name] = _calling(place.put, keys)
        acts["mixed", name] = _mixed(place, keys)
    taken = rotate(acts, effort)

    def cost(use: str, name: str) -> Rounds:
        return overhead(taken[use, name], taken["get", _EMPTY])

    cells: dict[str, dict[str, Cell]] = {}
    for name in places:
        targets = _TARGETS if name == OURS else {}
        cells[name] = {
            f"{use}, x": ratio(cost(use, name), cost(use, BOUND), at_most=targets.get(use)) for use in _USES
        } | {f"{use}, µs": figure(cost(use, name), scale=1e6) for use in _USES}
    columns = {f"{use}, {unit}": "" for unit in ("x", "µs") for use in _USES}
    return Table(
        f"{rows:,} sessions, one thread, against a dict",
        columns,
        cells,
        "Of five mixed calls, four read and one writes. A dict has no expiry, no versions and no limit.",
    )


def _together(places: dict[str, Place], rows: int, effort: Effort) -> Table:
    bursts: dict[tuple[str, str, int], Callable[[], float]] = {}
    for name, place in places.items():
        keys = _keys(place, rows)
        for use, call in (("get", place.get), ("put", place.put)):
            for threads in (1, _THREADS):
                bursts[name, use, threads] = partial(in_threads, [_calling(call, keys)] * threads, effort)
    taken = compare(bursts, effort)
    cells: dict[str, dict[str, Cell]] = {
        name: {
            use: ratio(taken[name, use, 1], taken[name, use, _THREADS], at_least=0.8 if name == OURS else None)
            for use in ("get", "put")
        }
        for name in places
    }
    return Table(
        f"{rows:,} sessions, four threads together, against one thread",
        {"get": "x", "put": "x"},
        cells,
        "The number of calls that four threads make in total while a single thread makes one.",
    )


def _expiring(effort: Effort) -> Table:
    rows = effort.rows // 10
    cells: dict[str, dict[str, Cell]] = {}
    for name, make in PLACES.items():
        place = make()
        tracemalloc.start()
        for number in range(rows):
            place.begin(place.key(number))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        cells[name] = {"per session": figure([size / rows])}
        if place.sweeps:
            place.expire()
            new = (partial(place.begin, place.key(number)) for number in range(rows, rows * 2))
            cells[name]["longest write"] = figure([max(latencies(new, waits=False))], scale=1e3)
        elif name != BOUND:
            cells[name]["longest write"] = "sweeps nothing"
    return Table(
        f"{rows:,} sessions that have all expired",
        {"per session": "B", "longest write": "ms"},
        cells,
        "The memory that a session takes, including its key, and the longest time that it takes to begin one of as "
        "many new sessions while the old ones are removed.",
    )


def _keys(place: Place, rows: int) -> Iterator[Any]:
    return cycle([place.key(number) for number in random.sample(range(rows), min(rows, 10_000))])


def _calling(call: Callable[[Any], object], keys: Iterator[Any]) -> Callable[[], object]:
    return lambda: call(next(keys))


def _mixed(place: Place, keys: Iterator[Any]) -> Callable[[], object]:
    turns = cycle([place.put, *[place.get] * _READS_PER_WRITE])
    return lambda: next(turns)(next(keys))
