"""A visitor with a browser, who sends scripts to an application and reads its responses."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from holdall._clock import Clock
from holdall._cookies import SUFFIXES
from holdall.testing._browser import Browser
from holdall.testing._clients import Client, Request, Response

__all__ = ["Answer", "Line", "Talk", "Visitor"]


class Line(NamedTuple):
    """A parsed Set-Cookie header; the attributes' names are in lower case, and flags have the value ``""``."""

    name: str
    value: str
    attributes: dict[str, str]

    @property
    def key(self) -> str:
        """Return the cookie's name without the suffix that alternates."""
        return next(self.name.removesuffix(suffix) for suffix in (*SUFFIXES[1:], "") if self.name.endswith(suffix))


@dataclass(frozen=True)
class Answer:
    """A response as a visitor sees it."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def results(self) -> list[Any]:
        """Return what the script's actions returned, in order."""
        assert self.status != 500, f"the application failed: {self.response.error!r} {self.response.body!r}"
        results: list[Any] = json.loads(self.response.body.splitlines()[0])["results"]
        return results

    @property
    def later(self) -> dict[str, Any]:
        """Return a streamed script's ``later``: its ``results`` or its ``error``."""
        later: dict[str, Any] = json.loads(self.response.body.splitlines()[1])
        return later

    @property
    def cookies(self) -> list[Line]:
        return [_parsed(line) for line in self.response.all("Set-Cookie")]

    @property
    def cookie(self) -> Line:
        """Return the only cookie set, apart from expired ones; if none is set, the one that is expired."""
        (line,) = [each for each in self.cookies if each.value] or self.cookies
        return line

    @property
    def expired(self) -> Line:
        """Return the only expired cookie. A marker may replace it, so that no late response brings it back."""
        (line,) = [each for each in self.cookies if not each.value]
        return line

    @property
    def vary(self) -> list[str]:
        """Return the names in the Vary headers, in lower case."""
        return _listed(self.response.all("Vary"))

    @property
    def cache_control(self) -> list[str]:
        """Return the directives in the Cache-Control headers, in lower case."""
        return _listed(self.response.all("Cache-Control"))


@dataclass(frozen=True)
class Talk:
    """
    A WebSocket as a visitor sees it.

    Attributes:
        accepted: The headers of the handshake; ``None`` if it was refused.
        results: What each script's actions returned.
        code: The close code from the application.
    """

    accepted: list[tuple[str, str]] | None
    results: list[list[Any]]
    code: int | None

    def all(self, name: str) -> list[str]:
        """Return the values of each header of the handshake called *name*."""
        return [value for found, value in self.accepted or () if found.lower() == name.lower()]


class Visitor:
    """
    A visitor with a browser.

    Args:
        browser: A browser that also visits another application, with the same cookies.
    """

    def __init__(self, client: Client, clock: Clock, browser: Browser | None = None) -> None:
        self.client = client
        self._clock = clock
        self.browser = Browser(client, clock=clock) if browser is None else browser.at(client)

    def another(self) -> "Visitor":
        """Return another visitor of the same application."""
        return Visitor(self.client, self._clock)

    def does(
        self, *actions: list[Any], method: str = "POST", path: str = "/", https: bool = False, **script: Any
    ) -> Answer:
        """Send *actions* and the rest of the *script*, with the browser's cookies."""
        return Answer(self.browser.send(_request(path, https, (), {"actions": actions, **script}, method)))

    def talks(self, *scripts: list[list[Any]], before: list[list[Any]] | None = None) -> Talk:
        """Open the WebSocket, send these lists of actions, and disconnect; *before* runs before it is accepted."""
        cookie = self.browser.header("/ws")
        headers = [("X-Script", json.dumps({"actions": before or []})), *([("Cookie", cookie)] if cookie else [])]
        client: Any = self.client
        messages = client.talk(Request("GET", "/ws", headers), [json.dumps({"actions": each}) for each in scripts])
        accepted = next((each.get("headers", ()) for each in messages if each["type"] == "websocket.accept"), None)
        code = next((each.get("code", 1000) for each in messages if each["type"] == "websocket.close"), None)
        texts = [each["text"] for each in messages if each["type"] == "websocket.send"]
        decoded = None if accepted is None else [(name.decode(), value.decode("latin-1")) for name, value in accepted]
        talk = Talk(decoded, [_results(text) for text in texts], code)
        self.browser.keep(talk.all("Set-Cookie"), "/ws")
        return talk

    def sends(self, *cookie_headers: str, actions: list[list[Any]], **script: Any) -> Answer:
        """Send *actions* with these Cookie headers instead of the browser's, over HTTP to ``/``."""
        return Answer(self.client(_request("/", False, cookie_headers, {"actions": actions, **script})))


def _results(text: str) -> list[Any]:
    results: list[Any] = json.loads(text)["results"]
    return results


def _request(
    path: str, https: bool, cookie_headers: tuple[str, ...], script: dict[str, Any], method: str = "POST"
) -> Request:
    headers = [("Content-Type", "application/json"), *(("Cookie", each) for each in cookie_headers)]
    return Request(method, path, headers, json.dumps(script).encode(), https)


def _parsed(line: str) -> Line:
    pair, *rest = line.split(";")
    name, _, value = pair.partition("=")
    attributes = (part.strip().partition("=") for part in rest)
    return Line(name, value, {attribute.lower(): value for attribute, _, value in attributes})


def _listed(values: list[str]) -> list[str]:
    return [each.strip().lower() for value in values for each in value.split(",")]
