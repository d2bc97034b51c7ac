"""What the three applications are told, by environment, so that their sessions are the same ones."""

import os
import secrets
from typing import Any, NamedTuple

__all__ = ["FRAMEWORKS", "KEY", "STORES", "Host", "hosts", "keeps_rows", "session_options", "store_name", "urls"]

FRAMEWORKS: tuple[str, ...] = ("Flask", "FastAPI", "Django")

#: The cookie's name. A browser does not tell ports apart, so one cookie serves all three.
KEY = "_demo"

#: What ``--store`` takes: sessions in the cookie itself, or a table by its URL.
STORES = {
    "cookie": "cookie",
    "memory": "memory://demo",
    "sqlite": "sqlite:///{folder}/sessions.db",
    "redis": "{url}",
    "postgres": "{url}",
}


class Host(NamedTuple):
    """One process: the frameworks that it serves, and what its environment tells them."""

    frameworks: tuple[str, ...]
    environment: dict[str, str]


def hosts(store: str, folder: str, url: str = "") -> list[Host]:
    """
    Return the processes that share sessions in *store*, under a secret made for this run.

    Args:
        folder: For its files, if it has any.
        url: Where its server is, if it has one.
    """
    told = {
        "DEMO_STORE": STORES[store].format(folder=folder, url=url),
        "DEMO_STORE_NAME": store,
        "DEMO_SECRET": secrets.token_urlsafe(32),
    }
    # Memory is seen by its own process alone. All else is shared by three.
    one_process = STORES[store].startswith("memory:")
    return [Host(served, told) for served in ([FRAMEWORKS] if one_process else zip(FRAMEWORKS))]


def session_options() -> dict[str, Any]:
    """Return what each application makes its ``Sessions`` of."""
    store = os.environ["DEMO_STORE"]
    if store == "cookie":
        kept: dict[str, Any] = {"store": "cookie", "secret_key_base": os.environ["DEMO_SECRET"]}
    else:
        kept = {"store": "table", "table": store, "devices": True}
    return {"key": KEY, "principal_key": "user", **kept}


def keeps_rows() -> bool:
    """Return whether the server knows of sessions, so that they can be listed and ended."""
    return store_name() != "cookie"


def store_name() -> str:
    """Return what ``--store`` was."""
    return os.environ["DEMO_STORE_NAME"]


def urls() -> dict[str, str]:
    """Return where each framework answers."""
    return dict(zip(FRAMEWORKS, os.environ["DEMO_URLS"].split(), strict=True))
