"""
Concurrent HTTP requests with sessions in cookies: no late response undoes a login or a logout.

Plain writes are not merged there, and a cookie that was copied before the logout opens until it expires, unless the
sessions are revocable.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from races.shop import COOKIE, FORGETFUL, FRAMEWORKS, REVOCABLE, Served, serving
from races.test_http import PROCESSES, WRITERS, new_visitor, often
from races.visitors import Gate, at_once
from servers.web import SECONDS
from sizes import sized

Record = Callable[[str, object], None]

ROUNDS = sized(5, 300)


@pytest.fixture(scope="module", params=[COOKIE, REVOCABLE], ids=["cookie", "revocable"])
def frameworks(request: pytest.FixtureRequest) -> Iterator[dict[str, Served]]:
    kind = request.param
    if kind == REVOCABLE:
        kind += request.getfixturevalue("valkey").url
    with serving(kind, processes=PROCESSES) as served:
        yield served


@pytest.fixture(params=FRAMEWORKS)
def served(request: pytest.FixtureRequest, frameworks: dict[str, Served]) -> Served:
    return frameworks[request.param]


def slow_write_against(served: Served, what: str) -> dict[str, bool]:
    """Log in or out while a slow request has read the session and has not changed it yet."""
    visitor = new_visitor(served)
    if what == "logout/now":
        visitor.ask("login/ada")
    with ThreadPoolExecutor(1) as pool, Gate() as gate:
        slow = pool.submit(visitor.ask, "count/slow", gate=gate)
        gate.hold(1)
        visitor.ask(what)
        gate.open()
    assert slow.result().set_cookies
    return judged(visitor.look(), what)


def four_writers_amid(served: Served, what: str) -> dict[str, bool]:
    """Log in or out while four tabs write."""
    visitor = new_visitor(served)
    if what == "logout/now":
        visitor.ask("login/ada")
    begun = Barrier(WRITERS + 1, timeout=SECONDS)

    def write(tab: int) -> None:
        begun.wait()
        for _ in range(3):
            visitor.ask(f"count/{tab}")

    def change() -> None:
        begun.wait()
        visitor.ask(what)

    at_once(change, *(partial(write, tab) for tab in range(WRITERS)))
    return judged(visitor.look(), what)


def judged(found: dict[str, object], what: str) -> dict[str, bool]:
    is_logged_in = found.get("user") == "ada"
    return {
        "login is back": what == "logout/now" and is_logged_in,
        "logged out": what == "login/ada" and not is_logged_in,
    }


@pytest.mark.parametrize("what", ["login/ada", "logout/now"])
@pytest.mark.parametrize("scenario", [slow_write_against, four_writers_amid], ids=lambda each: each.__name__)
def test_no_late_response_undoes_a_login_or_a_logout(
    served: Served, scenario: Callable[[Served, str], dict[str, bool]], what: str, record_property: Record
) -> None:
    assert often(lambda served: scenario(served, what), served, ROUNDS) == {}
    record_property(f"{what} during writes to cookies, all in effect afterwards", ROUNDS)


def test_a_copy_of_the_cookie_ends_with_the_logout_if_it_is_revocable(
    served: Served, request: pytest.FixtureRequest
) -> None:
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    thief = visitor.copied()
    assert thief.look()["user"] == "ada"

    visitor.ask("logout/now")

    assert ("user" in thief.look()) is (request.node.callspec.params["frameworks"] == COOKIE)


def test_cookies_without_generations_show_the_faults_that_these_tests_look_for() -> None:
    with serving(FORGETFUL, processes=1, frameworks=("Flask",)) as forgetful:
        found = {what: slow_write_against(forgetful["Flask"], what) for what in ("login/ada", "logout/now")}

    assert found == {
        "login/ada": {"login is back": False, "logged out": True},
        "logout/now": {"login is back": True, "logged out": False},
    }
