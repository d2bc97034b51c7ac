"""What the three applications are told, by environment, so that their sessions are the same ones."""

import os
import secrets
from typing import Any, NamedTuple

__all__ = [
    "FRAMEWORKS",
    "STORES",
    "Host",
    "behind_proxy",
    "hosts",
    "keeps_rows",
    "key_at",
    "session_key",
    "session_options",
    "store_name",
    "urls",
]

FRAMEWORKS: tuple[str, ...] = ("Flask", "FastAPI", "Django")

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


def key_at(url: str) -> str:
    """
    Return the cookie's name where a framework answers at *url*.

    A browser does not tell ports apart, so one cookie serves all three. By HTTPS its name makes the browser see to it
    that nobody but this host has set it.
    """
    return "__Host-_demo" if url.startswith("https:") else "_demo"


def session_options() -> dict[str, Any]:
    """Return what each application makes its ``Sessions`` of."""
    store = os.environ["DEMO_STORE"]
    if store == "cookie":
        kept: dict[str, Any] = {"store": "cookie", "secret_key_base": os.environ["DEMO_SECRET"]}
    else:
        kept = {"store": "table", "table": store, "record_client": True}
    return {"key": session_key(), "principal_key": "user", **kept}


def session_key() -> str:
    """Return the cookie's name."""
    return key_at(os.environ["DEMO_URLS"])


def behind_proxy() -> bool:
    """Return whether a proxy stands before each framework, which ends TLS and says so in X-Forwarded-Proto."""
    return os.environ["DEMO_URLS"].startswith("https:")


def keeps_rows() -> bool:
    """Return whether the server knows of sessions, so that they can be listed and ended."""
    return store_name() != "cookie"


def store_name() -> str:
    """Return what ``--store`` was."""
    return os.environ["DEMO_STORE_NAME"]


def urls() -> dict[str, str]:
    """Return where each framework answers."""
    return dict(zip(FRAMEWORKS, os.environ["DEMO_URLS"].split(), strict=True))
