"""The settings of the three applications, from the environment, so that they share one session."""

import os
import secrets
from datetime import timedelta
from typing import Any, NamedTuple

from holdall.device_bound import DeviceBound

__all__ = [
    "FRAMEWORKS",
    "PEER_PATH",
    "STORES",
    "Host",
    "behind_proxy",
    "certificate",
    "hosts",
    "keeps_rows",
    "key_at",
    "peer_name",
    "secret",
    "session_key",
    "session_options",
    "store_name",
    "urls",
]

FRAMEWORKS: tuple[str, ...] = ("Flask", "FastAPI", "Django")

#: The path under which the Flask shop serves the peer's application.
PEER_PATH = "/peer"

# Browsers identify a binding by its origin, including the port: pages on the other two ports do not wait for a new
# bound cookie, so it lives longer here than it would in a shop with one origin. The grace is short, for the demo's
# thief.
_DEVICE_BOUND = DeviceBound(cookie_max_age=timedelta(days=1), grace=2)

#: The choices of ``--store``: the cookie itself, or a table by its URL.
STORES = {
    "cookie": "cookie",
    "memory": "memory://demo",
    "sqlite": "sqlite:///{folder}/sessions.db",
    "redis": "{url}",
    "postgres": "{url}",
}


class Host(NamedTuple):
    """One process: the frameworks that it serves, and its environment."""

    frameworks: tuple[str, ...]
    environment: dict[str, str]


def hosts(store: str, folder: str, url: str = "") -> list[Host]:
    """
    Return the processes that share sessions in *store*, with a secret made for this run.

    Args:
        folder: The folder for the store's files, if it has any.
        url: The URL of the store's server, if it has one.
    """
    told = {
        "DEMO_STORE": STORES[store].format(folder=folder, url=url),
        "DEMO_STORE_NAME": store,
        "DEMO_SECRET": secrets.token_urlsafe(32),
    }
    # Memory belongs to one process. Everything else is shared by three.
    one_process = STORES[store].startswith("memory:")
    return [Host(served, told) for served in ([FRAMEWORKS] if one_process else zip(FRAMEWORKS))]


def key_at(url: str) -> str:
    """
    Return the cookie's name for a framework at *url*.

    Cookies ignore ports, so one cookie serves all three. With HTTPS, its name makes the browser refuse it from any
    other host.
    """
    return "__Host-_demo" if url.startswith("https:") else "_demo"


def session_options() -> dict[str, Any]:
    """Return the options of each application's ``Sessions``."""
    store = os.environ["DEMO_STORE"]
    place = {"store": "cookie"} if store == "cookie" else {"store": "table", "table": store, "record_client": True}
    binding = {"device_bound": _DEVICE_BOUND} if behind_proxy() else {}
    return {"key": session_key(), "secret_key_base": secret(), **place, **binding}


def secret() -> str:
    """Return the secret of this run."""
    return os.environ["DEMO_SECRET"]


def session_key() -> str:
    """Return the cookie's name."""
    return key_at(os.environ["DEMO_URLS"])


def behind_proxy() -> bool:
    """Return whether a proxy in front of each framework terminates TLS, and says so in X-Forwarded-Proto."""
    return os.environ["DEMO_URLS"].startswith("https:")


def certificate() -> str:
    """Return the file of the proxies' certificate."""
    return os.environ["DEMO_CERTIFICATE"]


def keeps_rows() -> bool:
    """Return whether the server keeps the sessions, so that they can be listed and ended."""
    return store_name() != "cookie"


def store_name() -> str:
    """Return the value of ``--store``."""
    return os.environ["DEMO_STORE_NAME"]


def peer_name() -> str:
    """Return the name of the library that keeps the peer's sessions."""
    return "Flask-Session" if keeps_rows() else "Flask's own session"


def urls() -> dict[str, str]:
    """Return the address of each framework."""
    return dict(zip(FRAMEWORKS, os.environ["DEMO_URLS"].split(), strict=True))
