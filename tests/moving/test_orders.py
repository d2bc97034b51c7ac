"""Two requests with the old cookie of one session in every order in which they can meet, and three in some orders."""

import os
from itertools import combinations_with_replacement

import pytest

from moving.orders import ACTS, BEFORE, Outcome, orders
from sizes import sized

#: The number of orders of three requests; 0 tries all, which takes some hours.
_TRIPLES = int(os.environ.get("HOLDALL_ORDERS", sized(10, 40))) or None

_ENDS = {"logout"}
_RENEWS = {"login", "renew"}


@pytest.mark.parametrize("names", list(combinations_with_replacement(ACTS, 2)), ids=" + ".join)
def test_two_requests_with_the_old_cookie_keep_every_guarantee_in_every_order(names: tuple[str, ...]) -> None:
    outcomes = [broken(names, outcome) for outcome in orders(names)]

    assert len(outcomes) > 10
    assert not any(outcomes), next(filter(None, outcomes))


@pytest.mark.parametrize("names", list(combinations_with_replacement(ACTS, 3)), ids=" + ".join)
def test_three_requests_with_the_old_cookie_keep_every_promise_in_some_orders(names: tuple[str, ...]) -> None:
    outcomes = [broken(names, outcome) for outcome in orders(names, at_most=_TRIPLES)]

    assert not any(outcomes), next(filter(None, outcomes))


def broken(names: tuple[str, ...], outcome: Outcome) -> str:
    """Return the guarantee that an order breaks, and the order."""
    fault = _fault(names, outcome)
    return fault and f"{fault}\n  {outcome}"


def _fault(names: tuple[str, ...], outcome: Outcome) -> str:
    told = list(zip(names, outcome.events, strict=True))
    if outcome.is_left:
        return "the source still has the moved session"
    if outcome.old and "user_id" in outcome.old:
        return "the old cookie opens a logged-in session"
    saved = [name for name, events in told if "lost_write" not in events]
    dropped = any("ended" in events for _, events in told)
    began = sum("created" in events for _, events in told)
    # A login that finds the session renewed or ended begins a new one, and so does a write after a logout.
    if outcome.live > (0 if dropped else 1) + began:
        return "there are two sessions"
    if dropped:
        came_back = [data for data in (outcome.browser, outcome.old) if data and data.keys() & BEFORE.keys()]
        # A login that came first has taken the session's data along.
        return "the dropped session came back" if came_back and "login" not in names else ""
    if not _RENEWS.intersection(names) and len(saved) < len(names):
        return "a write was lost although the session is alive"
    if outcome.browser is None:
        return "the visitor has lost the session"
    if not outcome.is_new and {*names} != {"fail"}:
        return "the browser has only the old cookie"
    if began:
        return "" if "login" not in names or "user_id" in outcome.browser or "renew" in names else "a login is lost"
    if not outcome.browser.items() >= BEFORE.items():
        return "data that no request changed is gone"
    for name in saved:
        lost = [key for key, value in ACTS[name].puts.items() if outcome.browser.get(key) != value]
        if lost and ACTS[name].status < 500:
            return f"a change to {lost} was lost and not reported"
    return ""
