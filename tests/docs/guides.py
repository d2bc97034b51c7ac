"""A guide's shop, as the blocks of its page make it up, and the visitors that come to it."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from docs.blocks import ROOT, fenced
from docs.projects import pasted
from docs.recipes import Stage
from holdall.testing import Browser, Client, Request, Response

_TITLES = {"python": r"# (\S+)\n", "html": r"<!-- (\S+) -->\n"}

# What sets an application up, and what serves it.
_STARTS = re.compile(r"--listen=|--port |manage.py (?:migrate|createsuperuser)")


def text_of(page: str) -> str:
    """Return *page*, a file of ``docs/guides``."""
    return (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")


def commands_of(page: str) -> list[str]:
    """Return what *page* lets a shell run, line by line."""
    return [line for block in fenced(text_of(page), "sh") for line in block.splitlines()]


def smallest(page: str) -> Stage:
    """Return the smallest application of *page*: what its first server serves, as far as the page has come by then."""
    first = _starts(page)[0]
    return Stage(_files_of(page, text_of(page).partition(first)[0]), [first], {})


def shop(page: str) -> Stage:
    """Return the shop that *page* builds: what its last server serves."""
    return Stage(_files_of(page, text_of(page)), _starts(page)[1:], {})


def _starts(page: str) -> list[str]:
    return [line for line in commands_of(page) if _STARTS.search(line)]


def _files_of(page: str, text: str) -> dict[str, str]:
    """Return the files of *text*, a part of *page*, by name; blocks of the same name are one file."""
    files: dict[str, str] = {}
    for language, title in _TITLES.items():
        for source in fenced(text, language):
            named = re.match(title, source)
            assert named is not None, f"a block of {page} belongs to no file:\n{source}"
            files[named[1]] = files.get(named[1], "") + source
    return pasted(files)


class Visitor:
    """
    A visitor with a browser at a shop that is served over HTTPS.

    Args:
        page: The guide that built the shop.
        name: What the browser calls itself.
        origin: The shop's address.
    """

    def __init__(self, client: Client, page: str, name: str, origin: str) -> None:
        self.browser = Browser(client, host="localhost")
        self._page = page
        self._headers = [("User-Agent", name), ("Origin", origin)]
        if page == "django.md":
            # A form there brings the token that Django asks for from now on.
            self.sends("GET", "/login")

    def sends(self, method: str, path: str, body: bytes = b"", *headers: tuple[str, str]) -> Response:
        token = self.browser.get("csrftoken")
        tokens = [] if token is None else [("X-CSRFToken", token)]
        return self.browser.send(Request(method, path, [*self._headers, *tokens, *headers], body, https=True))

    def posts(self, path: str) -> Response:
        return self.sends("POST", path)

    def sees(self, path: str) -> Any:
        """Return what stands at *path*, which is JSON."""
        answer = self.sends("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def is_known(self) -> bool:
        """Say whether the shop takes this visitor for one who is logged in."""
        return self.sends("GET", "/devices").status == 200

    def logs_in(self, password: str = "lovelace") -> Response:
        """Send what the shop's login asks for, and return the answer."""
        if self._page == "fastapi.md":
            given = json.dumps({"name": "ada", "password": password}).encode()
            return self.sends("POST", "/login", given, ("Content-Type", "application/json"))
        name = "username" if self._page == "django.md" else "name"
        given = urlencode({name: "ada", "password": password}, errors="surrogatepass").encode()
        return self.sends("POST", "/login", given, ("Content-Type", "application/x-www-form-urlencoded"))
