"""Logged-in customers of a shop, each with a browser, who count along with it, one request at a time."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from queue import SimpleQueue

from holdall.testing import Browser, Client, Request

_AT_ONCE = 16


class Customer:
    """
    A browser that is logged in as user *number*.

    Attributes:
        count: The count that the shop must have reached.
        logged_out: How many responses did not recognize the user.
        lost: How many responses had another count.
        unanswered: How many requests got no response, because their server had ended.
    """

    def __init__(self, client: Client, number: int) -> None:
        self.browser = Browser(client)
        self.number = number
        self.count = self.logged_out = self.lost = self.unanswered = 0

    def log_in(self) -> None:
        self._ask(f"login/{self.number}")

    def counts(self) -> None:
        """Count once more. A request without a response may have counted or not: look, and count if it has not."""
        try:
            counted = self._ask("count")
        except (ConnectionError, HTTPException):
            self.unanswered += 1
            counted = self._ask("look")
            if counted == self.count:
                counted = self._ask("count")
        self.count += 1
        self.looks_at(counted)

    def looks(self) -> None:
        """Check that everything is there."""
        self.looks_at(self._ask("look"))

    def looks_at(self, counted: int) -> None:
        self.lost += counted != self.count
        # Each loss counts once.
        self.count = counted

    def _ask(self, what: str) -> int:
        response = self.browser.send(Request("POST", f"/{what}"))
        assert response.status == 200, response
        answer = json.loads(response.body)
        self.logged_out += answer["user"] != self.number
        counted: int = answer["count"]
        return counted


def all_of(customers: Iterable[Customer], act: Callable[[Customer], None]) -> None:
    """Let each of *customers* act, several concurrently."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(act, customers))


def shopping(customers: list[Customer], *, times: int, half_way: Callable[[], None]) -> None:
    """Let each of *customers* count this many *times*, several concurrently, and call *half_way* in the middle."""
    waiting: SimpleQueue[Customer] = SimpleQueue()
    for customer in customers:
        waiting.put(customer)
    turns = times * len(customers)

    def take_turn(turn: int) -> None:
        if turn == turns // 2:
            half_way()
        customer = waiting.get()
        customer.counts()
        waiting.put(customer)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(take_turn, range(turns)))
