"""
Measure competitors side by side.

All of them run in short bursts, round after round, and each round begins with a different one, so that a disturbance of
the machine affects all alike. Measurements are compared round by round.
"""

import gc
import math
import statistics
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter, perf_counter_ns, thread_time, thread_time_ns
from typing import TypeVar

__all__ = [
    "Act",
    "Effort",
    "Figure",
    "Rounds",
    "compare",
    "figure",
    "in_threads",
    "latencies",
    "overhead",
    "quantile",
    "ratio",
    "rotate",
]

Act = Callable[[], object]
Name = TypeVar("Name", bound=Hashable)

#: Seconds per call, one for each round.
Rounds = list[float]


@dataclass(frozen=True, slots=True)
class Effort:
    """
    The size of a run.

    Attributes:
        rounds: How many turns each competitor gets.
        burst: Approximate length of a turn, in seconds.
        rows: How many sessions to use for "a million".
        seconds: How many seconds an open-ended measurement takes.
        sites: How many of a framework's sites are served at the same time.
    """

    rounds: int
    burst: float
    rows: int
    seconds: float
    sites: int


@dataclass(frozen=True, slots=True)
class Figure:
    """
    A median and its quartiles.

    Attributes:
        at_most: The target's upper limit, if there is one.
        at_least: The target's lower limit, if there is one.
    """

    median: float
    low: float
    high: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        """Return whether the target is met; ``None`` without a target."""
        under = self.at_most is None or self.median <= self.at_most
        return under and (self.at_least is None or self.median >= self.at_least)


def figure(
    values: Sequence[float], *, scale: float = 1, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """Return the median and the quartiles of *values*, each multiplied by *scale*."""
    scaled = [value * scale for value in values]
    if len(scaled) == 1:
        return Figure(scaled[0], scaled[0], scaled[0], at_most, at_least)
    low, median, high = statistics.quantiles(scaled, n=4, method="inclusive")
    return Figure(median, low, high, at_most, at_least)


def ratio(values: Rounds, to: Rounds, *, at_most: float | None = None, at_least: float | None = None) -> Figure:
    """Return the ratio of *values* to *to*, round by round."""
    return figure([ours / theirs for ours, theirs in zip(values, to, strict=True)], at_most=at_most, at_least=at_least)


def overhead(values: Rounds, bare: Rounds) -> Rounds:
    """Return by how much *values* exceed *bare*, round by round."""
    return [whole - part for whole, part in zip(values, bare, strict=True)]


def rotate(
    acts: Mapping[Name, Act],
    effort: Effort,
    *,
    before: Callable[[Name], object] = lambda name: None,
    waits: Callable[[Name], bool] = lambda name: False,
) -> dict[Name, Rounds]:
    """
    Return how long each of *acts* takes, in seconds per call, one for each round.

    It measures CPU time, so that other programs on the machine do not matter. On an idle machine, the wall clock shows
    the same.

    Args:
        before: Called with a name before its burst.
        waits: Tells whether an act waits for a disk or another process, so that the wall clock must be used.
    """
    calls: dict[Name, int] = {}
    for name, act in acts.items():
        before(name)
        calls[name] = _calibrated(act, effort.burst)

    def burst(name: Name) -> float:
        before(name)
        act, count = acts[name], calls[name]
        clock = perf_counter if waits(name) else thread_time
        began = clock()
        for _ in range(count):
            act()
        return (clock() - began) / count

    return compare({name: partial(burst, name) for name in acts}, effort)


def compare(bursts: Mapping[Name, Callable[[], float]], effort: Effort) -> dict[Name, Rounds]:
    """Return the results of each of *bursts*, one for each round, in rotating order."""
    names = list(bursts)
    results: dict[Name, Rounds] = {name: [] for name in names}
    for number in range(effort.rounds):
        start = number % len(names)
        # A garbage collection in the middle would count against one competitor.
        gc.collect()
        gc.disable()
        try:
            for name in names[start:] + names[:start]:
                results[name].append(bursts[name]())
        finally:
            gc.enable()
    return results


def in_threads(acts: Sequence[Act], effort: Effort) -> float:
    """Return how many seconds a call takes on average over all threads; each of *acts* runs in its own thread."""
    ready = threading.Barrier(len(acts))

    def work(act: Act) -> tuple[float, float, int]:
        count, more = 0, 1
        ready.wait()
        began = perf_counter()
        until = began + effort.burst
        while True:
            for _ in range(more):
                act()
            count += more
            if (now := perf_counter()) >= until:
                return began, now, count
            # Read the clock neither after each very short call, nor only after many long ones.
            more = min(2 * more, 10)

    with ThreadPoolExecutor(len(acts)) as pool:
        done = list(pool.map(work, acts))
    began, ended = min(first for first, _, _ in done), max(last for _, last, _ in done)
    return (ended - began) / sum(count for _, _, count in done)


def latencies(
    acts: Iterable[Act], *, seconds: float = math.inf, until: Act | None = None, waits: bool = True
) -> Rounds:
    """
    Return how long each of *acts* took, in seconds; stop after all of them, after *seconds*, or once *until* is true.

    Args:
        waits: Measure wall-clock time instead of CPU time.
    """
    clock = perf_counter_ns if waits else thread_time_ns
    taken: Rounds = []
    end = time.monotonic() + seconds
    for act in acts:
        began = clock()
        act()
        taken.append((clock() - began) / 1e9)
        if time.monotonic() > end or (until is not None and until()):
            break
    return taken


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that a *share* of *values* stays under."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _calibrated(act: Act, burst: float) -> int:
    """Return how many calls fill a *burst*, after a warm-up."""
    act()
    count = 1
    while True:
        began = perf_counter()
        for _ in range(count):
            act()
        taken = perf_counter() - began
        if taken >= burst / 4:
            return max(1, round(count * burst / taken))
        count *= 2
