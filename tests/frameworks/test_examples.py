"""Test that the examples of ``docs/any-framework.md`` run unchanged, and share one session."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from docs.blocks import python_blocks
from holdall.testing import Browser, Client, Request, asgi_client, wsgi_client

PAGE = "docs/any-framework.md"
BLOCKS = {source.partition("\n")[0].removeprefix("# "): source for _, source in python_blocks(PAGE)}

#: The packages that each needs, and its protocol.
NEEDED = {
    "litestar_app.py": ("litestar", asgi_client),
    "quart_app.py": ("quart", asgi_client),
    "falcon_app.py": ("falcon", asgi_client),
    "bottle_app.py": ("bottle", wsgi_client),
    "pyramid_app.py": ("pyramid", wsgi_client),
}

pytestmark = pytest.mark.filterwarnings("ignore:.cgi. is deprecated:DeprecationWarning", "ignore:.*pkg_resources")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_SECRET", "9a4d17c0e8b35f62-d07c41e95ab8263f")
    monkeypatch.syspath_prepend(tmp_path)
    for name, source in BLOCKS.items():
        (tmp_path / name).write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    return tmp_path


def test_every_example_is_run() -> None:
    assert BLOCKS.keys() == {"sessions.py", *NEEDED}


@pytest.mark.usefixtures("folder")
def test_all_examples_share_one_session() -> None:
    clients: list[Client] = []
    for name, (package, client) in NEEDED.items():
        pytest.importorskip(package)
        clients.append(client(importlib.import_module(name.removesuffix(".py")).app))
    browser = Browser(clients[0])

    counts = [json.loads(browser.at(client).send(Request("GET")).body) for client in (*clients, *clients)]

    assert counts == [{"n": n} for n in range(1, 2 * len(clients) + 1)]
