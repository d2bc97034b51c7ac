"""
Concurrent HTTP requests on real servers.

Each scenario counts faults. All scenarios also run against a naive server, where every fault occurs.
``HOLDALL_RACES_ROUNDS`` sets how often each is tried, and how often each of many clients writes; with
``HOLDALL_FULL``, those in which a logout or a login comes in between are tried 2,000 times.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from threading import Barrier, Event

import pytest

from races.shop import FRAMEWORKS, Served, serving, serving_naively
from races.visitors import Gate, Visitor, at_once
from servers.web import SECONDS
from sizes import FULL, sized

Record = Callable[[str, object], None]

_WANTED = os.environ.get("HOLDALL_RACES_ROUNDS")
ROUNDS = int(_WANTED or "10")
# If a gate decides the order of requests, a few rounds show almost as much as many.
GATED = ROUNDS if FULL or _WANTED else 3
OVERTAKINGS = sized(GATED, 2000)
PROCESSES = sized(2, 4)
CLIENTS = sized(8, 16)
WRITERS = 4


ENGINES = ["memory", "sqlite", "valkey", "postgres"]
# At a small size, each framework by itself has its sessions in memory, and all of them share the other engines.
PLACES = [
    (engine, framework)
    for engine in ENGINES
    for framework in (*FRAMEWORKS, "all")
    if FULL or (engine == "memory") is (framework != "all")
]
# The same scope as the servers, so that pytest sorts the tests by server, and starts each once.
everywhere = pytest.mark.parametrize(("frameworks", "served"), PLACES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def frameworks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Serve the shop in each framework, with its sessions in one engine."""
    match request.param:
        case "memory":
            # Only one process can see this table.
            table, processes = "memory://shop", 1
        case "sqlite":
            table, processes = f"sqlite:///{tmp_path_factory.mktemp('shop') / 'sessions.db'}", PROCESSES
        case server:
            table, processes = request.getfixturevalue(server).url, PROCESSES
    with serving(table, processes=processes) as served:
        yield served


@pytest.fixture
def served(request: pytest.FixtureRequest, frameworks: dict[str, Served]) -> Served:
    """Return the address of one framework, or of all of them, which share each session."""
    if request.param == "all":
        # Each request goes to a different framework than the one before.
        return Served([*chain.from_iterable(zip(*(each.ports for each in frameworks.values()), strict=True))])
    return frameworks[request.param]


@pytest.fixture(scope="module")
def naive() -> Iterator[Served]:
    with serving_naively() as served:
        yield served


@everywhere
def test_no_write_of_many_clients_is_lost(served: Served) -> None:
    assert writes_of_many_clients(served) == {}


@everywhere
def test_no_count_of_many_clients_in_one_counter_is_lost(served: Served) -> None:
    assert counts_of_many_clients(served) == {}


@everywhere
def test_readers_undo_no_writes(served: Served) -> None:
    assert writes_among_readers(served) == {}


@everywhere
def test_a_write_that_a_logout_overtakes_brings_nothing_back(served: Served, record_property: Record) -> None:
    assert often(logout_before_a_write, served, OVERTAKINGS) == {}
    record_property("logouts before a slow write, after which nothing came back", OVERTAKINGS)


@everywhere
def test_a_body_that_a_logout_overtakes_brings_nothing_back(served: Served) -> None:
    assert often(logout_during_a_body, served, GATED) == {}


@everywhere
def test_a_logout_among_concurrent_writers_takes_effect(served: Served) -> None:
    assert often(logout_amid_writers, served) == {}


@everywhere
def test_writes_that_a_login_overtakes_stay_out_of_the_new_session(served: Served, record_property: Record) -> None:
    assert often(login_before_writes, served, OVERTAKINGS) == {}
    record_property("logins before slow writes, all without a fault", OVERTAKINGS)


@everywhere
def test_a_login_among_concurrent_writers_takes_effect(served: Served) -> None:
    assert often(login_amid_writers, served) == {}


@everywhere
def test_one_of_two_concurrent_renewals_is_carried_out(served: Served) -> None:
    assert often(two_renewals, served) == {}


@everywhere
def test_a_body_and_a_concurrent_request_both_save_their_changes(served: Served) -> None:
    assert often(write_during_a_body, served, GATED) == {}


def test_naive_sessions_show_all_faults_that_these_tests_look_for(naive: Served) -> None:
    wrong = {
        scenario.__name__: set(often(scenario, naive))
        for scenario in (
            logout_before_a_write,
            logout_during_a_body,
            logout_amid_writers,
            login_before_writes,
            login_amid_writers,
            two_renewals,
            write_during_a_body,
        )
    }

    assert set(writes_of_many_clients(naive)) == {"write lost"}
    assert set(writes_among_readers(naive)) == {"write lost"}
    assert set(counts_of_many_clients(naive, "count")) == {"write lost"}
    assert wrong == {
        "logout_before_a_write": {"late cookie", "browser has a session", "session is back"},
        "logout_during_a_body": {"late cookie", "browser has a session", "session is back"},
        "logout_amid_writers": {"late cookie", "login is back", "session is back"},
        "login_before_writes": {"late cookie", "logged out", "other data", "old id lives"},
        "login_amid_writers": {"late cookie", "logged out", "other data", "old id lives"},
        "two_renewals": {"not one cookie", "not one id"},
        "write_during_a_body": {"write lost"},
    }


def often(scenario: Callable[[Served], Mapping[str, int]], served: Served, rounds: int = ROUNDS) -> Counter[str]:
    """Count the faults in many *rounds* of *scenario*."""
    return sum((Counter(scenario(served)) for _ in range(rounds)), Counter())


def writes_of_many_clients(served: Served) -> Counter[str]:
    """Let each of many clients of one session count under its own key."""
    visitor = new_visitor(served)

    def write(client: int) -> None:
        for _ in range(ROUNDS):
            visitor.ask(f"count/{client}")

    at_once(*(partial(write, client) for client in range(CLIENTS)))
    found = visitor.look()
    return +Counter({"write lost": sum(ROUNDS - found.get(str(client), 0) for client in range(CLIENTS))})


def counts_of_many_clients(served: Served, verb: str = "atomic") -> Counter[str]:
    """Let each of many clients of one session increment one counter."""
    visitor = new_visitor(served)

    def count() -> None:
        for _ in range(ROUNDS):
            visitor.ask(f"{verb}/visits")

    at_once(*[count] * CLIENTS)
    return +Counter({"write lost": CLIENTS * ROUNDS + 1 - visitor.look()["visits"]})


def writes_among_readers(served: Served) -> Counter[str]:
    """Let one client write while all others only read."""
    visitor = new_visitor(served)
    written = Event()

    def write() -> None:
        try:
            for _ in range(ROUNDS):
                visitor.ask("count/mine")
        finally:
            written.set()

    def read() -> None:
        while not written.is_set():
            visitor.look()

    at_once(write, *[read] * (CLIENTS - 1))
    return +Counter({"write lost": ROUNDS - visitor.look().get("mine", 0)})


def logout_before_a_write(served: Served, verb: str = "count") -> dict[str, int]:
    """Log out while a slow request has read the session and has not changed it yet."""
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    cookie = visitor.cookie
    with ThreadPoolExecutor(1) as pool, Gate() as gate:
        slow = pool.submit(visitor.ask, f"{verb}/slow", gate=gate)
        gate.hold(1)
        visitor.ask("logout/now")
        gate.open()
    return {
        "late cookie": bool(slow.result().set_cookies),
        "browser has a session": visitor.cookie is not None,
        "session is back": Visitor(served, cookie).look() != {},
    }


def logout_during_a_body(served: Served) -> dict[str, int]:
    """Log out while a body is sent that has not changed the session yet."""
    return logout_before_a_write(served, "stream")


def logout_amid_writers(served: Served) -> dict[str, int]:
    """Log out while four tabs write repeatedly."""
    visitor = new_visitor(served)
    visitor.ask("login/ada")
    cookie = visitor.cookie
    begun = Barrier(WRITERS + 1, timeout=SECONDS)
    logged_out = Event()
    late_cookies = []

    def write(tab: int) -> None:
        begun.wait()
        while not logged_out.is_set():
            answer = visitor.ask(f"count/{tab}", cookie=cookie)
            if "user" in answer.seen:
                late_cookies.extend(answer.set_cookies)

    def log_out() -> None:
        begun.wait()
        try:
            visitor.look()
            visitor.ask("logout/now")
        finally:
            logged_out.set()

    at_once(log_out, *(partial(write, tab) for tab in range(WRITERS)))
    return {
        # A request after the logout begins a new session. Earlier ones send no cookie.
        "late cookie": len(late_cookies),
        "login is back": "user" in visitor.look(),
        "session is back": Visitor(served, cookie).look() != {},
    }


def login_before_writes(served: Served) -> dict[str, int]:
    """Log in while four requests have read the anonymous session and not written yet; a fifth comes later."""
    visitor = new_visitor(served)
    cookie = visitor.cookie
    with ThreadPoolExecutor(WRITERS) as pool, Gate() as gate:
        slow = [pool.submit(visitor.ask, f"count/{tab}", gate=gate) for tab in range(WRITERS)]
        gate.hold(WRITERS)
        visitor.ask("login/ada")
        # Sent before the browser had the new cookie, and arrived after the login.
        later = visitor.ask("count/later", cookie=cookie)
        gate.open()
    found = visitor.look()
    return {
        "late cookie": any(answer.set_cookies for answer in (later, *(each.result() for each in slow))),
        "logged out": found.get("user") != "ada",
        "other data": found != {"visits": 1, "user": "ada"},
        "old id lives": Visitor(served, cookie).look() != {},
    }


def login_amid_writers(served: Served) -> dict[str, int]:
    """Run a login and four writers concurrently, once all of them have read the anonymous session."""
    visitor = new_visitor(served)
    cookie = visitor.cookie
    with ThreadPoolExecutor(WRITERS + 1) as pool, Gate() as gate:
        slow = [pool.submit(visitor.ask, f"count/{tab}", gate=gate) for tab in range(WRITERS)]
        login = pool.submit(visitor.ask, "login/ada", gate=gate)
        gate.hold(WRITERS + 1)
        gate.open()
    login.result()
    found = visitor.look()
    # A write from before the login is kept.
    expected = {str(tab): 1 for tab in range(WRITERS) if str(tab) in found} | {"visits": 1, "user": "ada"}
    return {
        "late cookie": any(each.result().set_cookies for each in slow),
        "logged out": found.get("user") != "ada",
        "other data": found != expected,
        "old id lives": Visitor(served, cookie).look() != {},
    }


def two_renewals(served: Served) -> dict[str, int]:
    """Let two requests renew the session concurrently, once both have read it."""
    visitor = new_visitor(served)
    old = visitor.cookie
    with ThreadPoolExecutor(2) as pool, Gate() as gate:
        renewals = [pool.submit(visitor.ask, "renew/now", gate=gate) for _ in range(2)]
        gate.hold(2)
        gate.open()
    sent = [line for renewal in renewals for line in renewal.result().set_cookies]
    ids = {old, *(line.partition(";")[0].partition("=")[2] for line in sent)}
    living = {each: found for each in ids if (found := Visitor(served, each).look())}
    return {"not one cookie": len(sent) != 1, "not one id": living != {visitor.cookie: {"visits": 1}}}


def write_during_a_body(served: Served) -> dict[str, int]:
    """Write while a body is sent that then writes under another key."""
    visitor = new_visitor(served)
    with ThreadPoolExecutor(1) as pool, Gate() as gate:
        streamed = pool.submit(visitor.ask, "stream/body", gate=gate)
        gate.hold(1)
        visitor.ask("count/other")
        gate.open()
    assert streamed.result().body == b"begun and ended"
    return {"write lost": visitor.look() != {"visits": 1, "body": 1, "other": 1}}


def new_visitor(served: Served) -> Visitor:
    """Return a visitor with an anonymous session."""
    visitor = Visitor(served)
    visitor.ask("count/visits")
    return visitor
