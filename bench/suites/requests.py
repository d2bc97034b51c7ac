"""Whole requests in this process: what sessions cost beyond the same application without them."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.apps import BARE, PAGES, Site, asgi, cookie_header
from bench.measuring import Effort, Rounds, figure, overhead, ratio, rotate
from bench.reporting import Cell, Table

__all__ = ["tables"]

_NO_COOKIE = "no cookie"
_USES = (_NO_COOKIE, *PAGES)

#: At most so much of what the framework's own sessions cost.
_TARGETS = {
    "ASGI": {"untouched": 0.15, "read": 0.75, "write": 0.80},
    "Flask": {"untouched": 0.1, "read": 0.35, "write": 0.35},
    "Django": {"untouched": 0.6, "read": 0.6, "write": 0.5},
}
#: What a request with a session in an encrypted cookie takes in Plug, in microseconds.
_PLUG = {"read": 18, "write": 25}


def tables(effort: Effort) -> Iterator[Table]:
    """Measure each framework in its turn."""
    from bench.apps import flask

    yield from _compared("ASGI", asgi.sites(), asgi.OWN, effort)
    yield from _compared("Flask", flask.sites(), flask.OWN, effort)
    yield from _django(effort)


def _django(effort: Effort) -> Iterator[Table]:
    from bench.apps import django

    with tempfile.TemporaryDirectory() as folder:
        sites, switch = django.sites(Path(folder))
        yield from _compared("Django", sites, django.OWN, effort, switch)


def _compared(
    framework: str,
    sites: Mapping[str, Site],
    own: str,
    effort: Effort,
    switch: Callable[[str], object] = lambda site: None,
) -> Iterator[Table]:
    """
    Measure *sites* against each other.

    Args:
        own: The site with the framework's own sessions.
        switch: Called with a site's name before it is used.
    """
    acts: dict[tuple[str, str], Callable[[], object]] = {}
    for name, site in sites.items():
        switch(name)
        cookie = site.begin()
        acts[name, _NO_COOKIE] = site.act("untouched", cookie_header(""))
        acts |= {(name, page): site.act(page, cookie) for page in PAGES}
    taken = rotate(acts, effort, before=lambda key: switch(key[0]), waits=lambda key: "SQLite" in key[0])

    def cost(name: str, use: str) -> Rounds:
        return overhead(taken[name, use], taken[BARE, use])

    costs: dict[str, dict[str, Cell]] = {BARE: {use: figure(taken[BARE, use], scale=1e6) for use in _USES}}
    ratios: dict[str, dict[str, Cell]] = {}
    for name in sites:
        if name == BARE:
            continue
        is_ours = name.startswith("holdall")
        limits = _PLUG if framework == "ASGI" and name == "holdall, cookie" else {}
        costs[name] = {use: figure(cost(name, use), scale=1e6, at_most=limits.get(use)) for use in _USES}
        targets = _TARGETS[framework] if is_ours else {}
        ratios[name] = {use: ratio(cost(name, use), cost(own, use), at_most=targets.get(use)) for use in _USES}
    yield Table(
        f"{framework}: what sessions add to a request",
        dict.fromkeys(_USES, "µs"),
        costs,
        "The first line is the whole request without sessions."
        + (" The targets are the times that Plug takes for such a request." if framework == "ASGI" else ""),
    )
    yield Table(f"{framework}: the same, against {own}", dict.fromkeys(_USES, "x"), ratios)
