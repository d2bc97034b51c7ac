"""Servers' databases that SQLAlchemy supports, and the statements that tests need in each dialect."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, NullPool, create_engine, make_url, text

from servers.mariadb import running_mariadb
from servers.postgres import FAST, running_postgres

__all__ = ["KINDS", "Database", "Kind"]


@dataclass(frozen=True)
class Kind:
    """The differences between them; ``{name}`` is the database, and also the user that a test creates in it."""

    running: Callable[[], AbstractContextManager[Any]]
    #: A driver for each form of the table.
    drivers: Mapping[str, str]
    #: Returns the URL of a new database, with a name by which its connections are known, and its name.
    named: Callable[[URL], tuple[URL, str]]
    #: The error for a user without the right, and for a server that is read-only.
    forbidden: str
    only_reads: str
    new_user: Sequence[str]
    #: Make that user read-only, and writable again.
    demote: str
    promote: str
    #: Show connections that wait for a lock, and all connections to the database; end one.
    waiting: str
    connections: str
    end: str
    #: Make a connection wait for locks for long, so that it is not the one that a deadlock ends.
    wait_long: str


def _of_postgresql(url: URL) -> tuple[URL, str]:
    name = str(url.query["options"]).rpartition("=")[2]
    return url.update_query_dict({"application_name": name}), name


#: By the fixture that runs the server.
KINDS = {
    "mariadb": Kind(
        running=running_mariadb,
        drivers={"sync": "mysql+pymysql", "async": "mysql+asyncmy"},
        named=lambda url: (url, str(url.database)),
        forbidden="error 1142",
        only_reads="error 1290",
        new_user=["CREATE USER '{name}' IDENTIFIED BY 'hunter2'", "GRANT {rights} ON {name}.* TO '{name}'"],
        demote="SET GLOBAL read_only = 1",
        promote="SET GLOBAL read_only = 0",
        waiting="SELECT 1 FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        connections="SELECT id FROM information_schema.processlist WHERE db = '{name}'",
        end="KILL {connection}",
        wait_long="SET innodb_lock_wait_timeout = 60",
    ),
    "postgres": Kind(
        # Its writes survive a crash of the server, though not a power failure.
        running=lambda: running_postgres(*FAST),
        drivers={"sync": "postgresql+psycopg", "async": "postgresql+psycopg"},
        named=_of_postgresql,
        forbidden="SQLSTATE 42501",
        only_reads="SQLSTATE 25006",
        new_user=[
            "CREATE ROLE {name} LOGIN",
            "GRANT USAGE ON SCHEMA {name} TO {name}",
            "GRANT {rights} ON ALL TABLES IN SCHEMA {name} TO {name}",
        ],
        # A connection gets this setting when it opens, so a pool keeps one that is read-only, as after a failover.
        demote="ALTER ROLE {name} SET default_transaction_read_only = on",
        promote="ALTER ROLE {name} RESET default_transaction_read_only",
        waiting="SELECT 1 FROM pg_locks WHERE NOT granted",
        connections="SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'",
        end="SELECT pg_terminate_backend({connection})",
        wait_long="SET deadlock_timeout = '60s'",
    ),
}


class Database:
    """An empty database on a *server*, or its equivalent."""

    def __init__(self, kind: Kind, server: Any) -> None:
        self.kind = kind
        self.server = server
        self._url, self._name = kind.named(make_url(server.new_url()))

    def url(self, form: str = "sync", **parts: Any) -> str:
        """Return its URL for that form of the table, with *parts* of it replaced."""
        url = self._url.set(drivername=self.kind.drivers[form], **parts)
        return url.render_as_string(hide_password=False)

    def ask(self, question: str) -> list[Any]:
        """Return the result of a query in it."""
        engine = create_engine(self.url(), poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            answer = connection.execute(text(question))
            return list(answer) if answer.returns_rows else []

    def new_user(self, rights: str) -> dict[str, str]:
        """Create a user with *rights* on the tables, and return the parts of a URL that name them."""
        for statement in self.kind.new_user:
            self._ask_server(statement, rights=rights)
        return {"username": self._name, "password": "hunter2"}

    @contextmanager
    def demoted(self) -> Iterator[None]:
        """Make that user read-only."""
        self._ask_server(self.kind.demote)
        try:
            yield
        finally:
            self._ask_server(self.kind.promote)

    def waiting(self) -> list[Any]:
        """Return the connections that wait for a lock."""
        return self._ask_server(self.kind.waiting)

    def connections(self) -> list[Any]:
        """Return the connections to it."""
        return [each for (each,) in self._ask_server(self.kind.connections)]

    def end(self, connection: Any) -> None:
        """End one of the connections."""
        self._ask_server(self.kind.end, connection=connection)

    def _ask_server(self, question: str, **values: Any) -> list[Any]:
        answer: list[Any] = self.server.ask(question.format(name=self._name, **values))
        return answer
