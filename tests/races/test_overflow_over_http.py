"""
Concurrent HTTP requests with sessions that move between cookies and a table: no move undoes a login or a logout.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from threading import Barrier

import pytest

from races.shop import FRAMEWORKS, OVERFLOW, Served, serving
from races.test_http import WRITERS, new_visitor, often
from races.visitors import Gate, at_once
from servers.web import SECONDS
from sizes import FULL, sized

Record = Callable[[str, object], None]

ROUNDS = sized(4, 300)
PROCESSES = sized(2, 4)


# At a small size, each framework has its large sessions on a server, and one of them in a file too.
IN_FILE = FRAMEWORKS if FULL else FRAMEWORKS[:1]
PLACES = [*(("valkey", framework) for framework in FRAMEWORKS), *(("sqlite", framework) for framework in IN_FILE)]


@pytest.fixture(scope="module")
def frameworks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    if request.param == "valkey":
        url, served = request.getfixturevalue("valkey").url, FRAMEWORKS
    else:
        url, served = f"sqlite:///{tmp_path_factory.mktemp('overflow') / 'large.db'}", IN_FILE
    with serving(OVERFLOW + url, processes=PROCESSES, frameworks=served) as running:
        yield running


@pytest.fixture
def served(request: pytest.FixtureRequest, frameworks: dict[str, Served]) -> Served:
    return frameworks[request.param]


# The same scope as the servers, so that pytest sorts the tests by server, and starts each once.
pytestmark = pytest.mark.parametrize(("frameworks", "served"), PLACES, indirect=True, scope="module")


def slow_move_against(served: Served, move: str, what: str) -> dict[str, bool]:
    """Log in or out while a slow request has read the session and has not made it larger or smaller yet."""
    visitor = new_visitor(served)
    if what == "logout/now":
        visitor.ask("login/ada")
    if move == "shrink/slow":
        visitor.ask("grow/slow")
    with ThreadPoolExecutor(1) as pool, Gate() as gate:
        slow = pool.submit(visitor.ask, move, gate=gate)
        gate.hold(1)
        visitor.ask(what)
        gate.open()
    slow.result()
    is_logged_in = visitor.look().get("user") == "ada"
    return {
        "login is back": what == "logout/now" and is_logged_in,
        "logged out": what == "login/ada" and not is_logged_in,
    }


@pytest.mark.parametrize(("move", "what"), list(product(["grow/slow", "shrink/slow"], ["login/ada", "logout/now"])))
def test_no_slow_move_undoes_a_login_or_a_logout(served: Served, move: str, what: str, record_property: Record) -> None:
    assert often(lambda served: slow_move_against(served, move, what), served, ROUNDS) == {}
    record_property(f"{what} during {move}, all in effect afterwards", ROUNDS)


def writes_in_the_table(served: Served) -> dict[str, bool]:
    """Write in several tabs concurrently while the session is in the table."""
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    visitor.ask("grow/cart")
    begun = Barrier(WRITERS, timeout=SECONDS)

    def write(tab: int) -> None:
        begun.wait()
        for _ in range(3):
            visitor.ask(f"count/{tab}")

    at_once(*(partial(write, tab) for tab in range(WRITERS)))
    found = visitor.look()
    return {"a write is lost": any(found.get(str(tab)) != 3 for tab in range(WRITERS))}


def test_no_write_is_lost_while_the_session_is_in_the_table(served: Served, record_property: Record) -> None:
    assert often(writes_in_the_table, served, ROUNDS) == {}
    record_property("concurrent writes in several tabs to a session in the overflow table, none lost", ROUNDS)


def moves_amid_reads(served: Served) -> dict[str, bool]:
    """Let the session grow and shrink in one tab while others read."""
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    begun = Barrier(WRITERS + 1, timeout=SECONDS)
    seen: list[object] = []

    def read() -> None:
        begun.wait()
        seen.extend(visitor.look().get("user") for _ in range(4))

    def move() -> None:
        begun.wait()
        for _ in range(2):
            visitor.ask("grow/cart")
            visitor.ask("shrink/cart")

    at_once(move, *[read] * WRITERS)
    return {"a request saw no user": set(seen) != {"ada"}, "the login was lost": visitor.look().get("user") != "ada"}


def test_no_move_hides_the_session_from_concurrent_requests(served: Served, record_property: Record) -> None:
    assert often(moves_amid_reads, served, ROUNDS) == {}
    record_property("moves during reads, each of which saw the login", ROUNDS)


def test_the_logout_ends_a_copy_of_a_session_in_the_table(served: Served) -> None:
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    visitor.ask("grow/cart")
    thief = visitor.copied()
    assert (thief.look()["user"], len(str(thief.look()["cart"]))) == ("ada", 4000)

    visitor.ask("logout/now")

    assert "user" not in thief.look()
