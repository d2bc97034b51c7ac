"""A guide's shop, built from the blocks of its page, and its visitors."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from docs.blocks import ROOT, fenced
from docs.projects import pasted
from docs.recipes import Stage
from holdall.testing import Browser, Client, Request, Response

_TITLES = {"python": r"# (\S+)\n", "html": r"<!-- (\S+) -->\n"}

# The commands that set an application up or serve it.
_STARTS = re.compile(r"--listen=|--port |manage.py (?:migrate|createsuperuser)")


def text_of(page: str) -> str:
    """Return *page*, a file of ``docs/guides``."""
    return (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")


def commands_of(page: str) -> list[str]:
    """Return the shell commands of *page*, line by line."""
    return [line for block in fenced(text_of(page), "sh") for line in block.splitlines()]


def smallest(page: str) -> Stage:
    """Return the smallest application of *page*: the one that its first server serves, from the blocks up to there."""
    first = _starts(page)[0]
    return Stage(_files_of(page, text_of(page).partition(first)[0]), [first], {})


def shop(page: str) -> Stage:
    """Return the shop that *page* builds: the one that its last server serves."""
    return Stage(_files_of(page, text_of(page)), _starts(page)[1:], {})


def _starts(page: str) -> list[str]:
    return [line for line in commands_of(page) if _STARTS.search(line)]


def _files_of(page: str, text: str) -> dict[str, str]:
    """Return the files of *text*, a part of *page*, by name; blocks of the same name are one file."""
    files: dict[str, str] = {}
    for language, title in _TITLES.items():
        for source in fenced(text, language):
            named = re.match(title, source)
            assert named is not None, f"a block of {page} does not belong to a file:\n{source}"
            files[named[1]] = files.get(named[1], "") + source
    return pasted(files)


class Visitor:
    """
    A visitor with a browser at a shop that is served over HTTPS.

    Args:
        page: The guide that built the shop.
        name: The browser's User-Agent.
        origin: The shop's address.
    """

    def __init__(self, client: Client, page: str, name: str, origin: str) -> None:
        self.browser = Browser(client, host="localhost")
        self._page = page
        self._headers = [("User-Agent", name), ("Origin", origin)]
        if page == "django.md":
            # From now on, a form sends the token that Django requires.
            self.sends("GET", "/login")

    def sends(self, method: str, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Response:
        token = self.browser.get("csrftoken")
        tokens = [] if token is None else [("X-CSRFToken", token)]
        return self.browser.send(Request(method, path, [*self._headers, *tokens, *headers], body, https=True))

    def posts(self, path: str) -> Response:
        return self.sends("POST", path)

    def sees(self, path: str) -> Any:
        """Return the JSON at *path*."""
        answer = self.sends("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def is_known(self) -> bool:
        """Return whether the shop considers this visitor logged in."""
        return self.sends("GET", "/devices").status == 200

    def logs_in(self, password: str = "lovelace") -> Response:
        """Send the data that the shop's login requires, and return the response."""
        if self._page == "fastapi.md":
            given = json.dumps({"name": "ada", "password": password}).encode()
            return self.sends("POST", "/login", given, ("Content-Type", "application/json"))
        name = "username" if self._page == "django.md" else "name"
        given = urlencode({name: "ada", "password": password}, errors="surrogatepass").encode()
        return self.sends("POST", "/login", given, ("Content-Type", "application/x-www-form-urlencoded"))
