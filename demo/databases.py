"""The database server for ``--store``: one that is already running, or one that the demo starts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.servers import ServerError

__all__ = ["SERVED", "address"]

#: The stores that need a server.
SERVED = ("redis", "postgres")


@contextmanager
def address(store: str, url: str | None, folder: str) -> Iterator[str]:
    """
    Return the URL of the server of *store*; end the server afterwards if it was started here.

    Args:
        url: The URL of a running server.
        folder: The folder for the files of a server that is started here.

    Raises:
        ServerError: No server is running, and none can be started.
    """
    if store not in SERVED or url is not None:
        yield url or ""
        return
    try:
        # Their packages are installed only on demand.
        from servers.postgres import running_postgres
        from servers.processes import NoProgramError
        from servers.redis import IN_MEMORY, RedisServer, running, valkey_program
    except ModuleNotFoundError as exc:
        raise _missing(store, exc) from exc
    try:
        if store == "postgres":
            with running_postgres() as postgres:
                yield postgres.url
        else:
            with running(RedisServer(valkey_program(), Path(folder), *IN_MEMORY)) as redis:
                yield redis.url
    except NoProgramError as exc:
        raise _missing(store, exc) from exc


def _missing(store: str, exc: Exception) -> ServerError:
    return ServerError(
        f"no server can be started here ({exc}): give the --url of one, or run `nox -s demo -- --store {store}`, "
        "which installs one."
    )
