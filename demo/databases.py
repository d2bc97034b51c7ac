"""The servers that ``--store`` may name: one that runs already, or one that is started for the demo."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo.servers import ServerError

__all__ = ["SERVED", "address"]

#: The stores that are servers.
SERVED = ("redis", "postgres")


@contextmanager
def address(store: str, url: str | None, folder: str) -> Iterator[str]:
    """
    Return the URL of the server of *store*, and end the server after its use if it was started for this.

    Args:
        url: That of a server which runs already.
        folder: For the files of one that does not.

    Raises:
        ServerError: There is none, and none can be started.
    """
    if store not in SERVED or url is not None:
        yield url or ""
        return
    try:
        # What they need is installed only where they are asked for.
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
