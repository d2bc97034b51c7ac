"""
A shop whose sessions become ours while its customers use it: none is logged out, and nothing is lost.

Its process is killed during their requests, and another takes over its port. ``HOLDALL_CLIENTS`` sets the number of
customers; ``pytest -s`` shows what happened to them.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from socket import create_server, socket
from time import monotonic

import pytest

from holdall._base64url import from_text
from holdall.formats import NativeFormat
from migration.customers import Customer, all_of, shopping
from migration.shops import KEY, OURS, SHOPS, Stage, open_shop
from servers.web import http_client, start
from sizes import sized

CLIENTS = int(os.environ.get("HOLDALL_CLIENTS", sized(20, 50)))
TIMES = 8


class Shop:
    """A shop that can be reopened in another stage, at the same address."""

    def __init__(self, name: str, folder: Path, listener: socket) -> None:
        self._name = name
        self._folder = folder
        self._listener = listener
        self._process: BaseProcess | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def open(self, stage: Stage) -> None:
        self.close()
        self._process = start(open_shop, self._name, stage, self._folder, self._listener)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()


def moved(shop: Shop, to: Stage, clients: int) -> list[Customer]:
    """Return customers who used *shop* while it was moved."""
    shop.open("before")
    customers = [Customer(http_client(shop.port), number) for number in range(1, clients + 1)]
    all_of(customers, Customer.log_in)
    began = monotonic()
    shopping(customers, times=TIMES, half_way=partial(shop.open, to))
    all_of(customers, Customer.looks)
    print(  # noqa: T201
        f"{clients} customers, {clients * TIMES} requests in {monotonic() - began:.1f} s: "
        f"{sum(each.unanswered for each in customers)} unanswered at the switch, "
        f"{sum(each.logged_out > 0 for each in customers)} logged out, "
        f"{sum(each.lost > 0 for each in customers)} lost data"
    )
    return customers


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    # The test keeps it open, so that no visitor is refused while no process accepts requests.
    with create_server(("127.0.0.1", 0), backlog=1024) as listener:
        opened = Shop(request.param, tmp_path, listener)
        yield opened
        opened.close()


def is_ours(cookie: str) -> bool:
    """Return whether *cookie* is one of ours, or the ID of a row of ours."""
    return NativeFormat(OURS).open(cookie, key=KEY) is not None or len(from_text(cookie) or b"") == 30


def rows_of_django(folder: Path) -> int:
    """Return how many sessions Django has in its database, if there is one."""
    path = folder / "django.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM django_session").fetchone()[0])


def test_no_customer_is_logged_out_and_nothing_is_lost_during_the_move(shop: Shop, tmp_path: Path) -> None:
    customers = moved(shop, "after", CLIENTS)

    assert [each.number for each in customers if each.logged_out] == []
    assert [each.number for each in customers if each.lost] == []
    assert sum(each.count for each in customers) == CLIENTS * TIMES
    assert all(is_ours(each.browser[KEY]) for each in customers)
    assert rows_of_django(tmp_path) == 0


# Without its source, the last shop is the one before it.
@pytest.mark.parametrize("shop", SHOPS[:-1], indirect=True)
def test_without_also_read_all_customers_would_be_logged_out(shop: Shop) -> None:
    customers = moved(shop, "unread", 10)

    assert all(each.logged_out for each in customers)
    assert any(each.lost for each in customers)
