"""Browsers that send several concurrent HTTP requests, and the gate at which a test holds some of them."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from socket import create_server, socket
from threading import Lock
from typing import Any, Self

from holdall.testing import Browser, Request, Response
from races.shop import KEY, Served
from servers.web import SECONDS, http_client


class Gate:
    """A gate that holds requests that have read their session and have not changed it yet."""

    def __init__(self) -> None:
        self._listener = create_server(("127.0.0.1", 0))
        self._listener.settimeout(SECONDS)
        self._held: list[socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def hold(self, requests: int) -> None:
        """Wait until this many *requests* have arrived."""
        self._held += [self._listener.accept()[0] for _ in range(requests)]

    def open(self) -> None:
        """Release the requests that have arrived."""
        for held in self._held:
            held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.open()
        self._listener.close()


class Answer:
    """A response, with the parts that concern sessions."""

    def __init__(self, response: Response) -> None:
        assert response.status == 200, response
        self.set_cookies = response.all("Set-Cookie")
        self.body = response.body

    @property
    def seen(self) -> dict[str, Any]:
        """Return the data that the request found in its session."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Visitor:
    """
    A browser with many tabs, optionally with the *cookie* of a session.

    Its requests go to the processes in turn. The cookies of each response are kept when it arrives, whenever the
    request was sent.
    """

    _turns = count()

    def __init__(self, served: Served, cookie: str | None = None) -> None:
        self._served = served
        self._browser = Browser()
        self._lock = Lock()
        if cookie is not None:
            self._browser.keep([f"{KEY}={cookie}; path=/"])

    def copied(self) -> "Visitor":
        """Return another browser that has copies of this one's cookies."""
        thief = Visitor(self._served)
        thief._browser.keep([f"{kept.name}={kept.value}; path=/" for kept in self._browser.jar])
        return thief

    @property
    def cookie(self) -> str | None:
        """Return the cookie that represents the session now."""
        return self._browser.get(KEY)

    def ask(self, what: str, *, gate: Gate | None = None, cookie: str | None = None) -> Answer:
        """Request *what*, ``"verb/value"``, optionally with a *cookie* that the browser held before."""
        with self._lock:
            header = self._browser.header() if cookie is None else f"{KEY}={cookie}"
            port = self._served.ports[next(self._turns) % len(self._served.ports)]
        headers = [("Cookie", header)] if header else []
        if gate is not None:
            headers.append(("Gate", str(gate.port)))
        answer = Answer(http_client(port)(Request("POST", f"/{what}", headers)))
        with self._lock:
            self._browser.keep(answer.set_cookies)
        return answer

    def look(self) -> dict[str, Any]:
        """Return the session's data."""
        return self.ask("read/all").seen


def at_once(*works: Callable[[], object]) -> None:
    """Run all *works* concurrently, and wait for them."""
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()
