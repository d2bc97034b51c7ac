"""Define the table and its statements in SQLAlchemy, for sync and async connections."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Table,
    bindparam,
    column,
    delete,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import mssql, mysql, oracle
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from holdall._errors import ConfigurationError
from holdall.tables.sql import COLUMNS, STATEMENTS
from holdall.tables.urls import checked_name

__all__ = ["NAME", "Schema", "session_table"]

NAME = "holdall_session"

# Some databases cannot index bytes of arbitrary length, and some limit large values unless told otherwise.
_DIGEST = (
    LargeBinary(32)
    .with_variant(mysql.BINARY(32), "mysql", "mariadb")
    .with_variant(mssql.BINARY(32), "mssql")
    .with_variant(oracle.RAW(32), "oracle")
)
_BYTES = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_NUMBER = BigInteger()

_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("digest", "principal_digest"), _DIGEST),
    **dict.fromkeys(("data", "principal", "client"), _BYTES),
    **dict.fromkeys(("version", "expires", "created", "seen", "due"), _NUMBER),
}
_NULLABLE = {"principal", "principal_digest", "client", "seen"}
# Values that are not named after a column.
_VALUE_TYPES = {**_TYPES, "successor": _BYTES, "until": _NUMBER, "old_version": _NUMBER, "now": _NUMBER}


def session_table(metadata: MetaData, name: str = NAME) -> Table:
    """
    Add our table to *metadata* and return it, so that tools that compare *metadata* with a database know the table.

    Raises:
        ConfigurationError: *name* is not a valid table name.
    """
    columns = (
        Column(each, _TYPES[each], primary_key=each == "digest", nullable=each in _NULLABLE, autoincrement=False)
        for each in COLUMNS
    )
    table = Table(checked_name(name), metadata, *columns)
    Index(f"{name}_due", table.c.due)
    Index(f"{name}_principal", table.c.principal_digest)
    return table


class Schema:
    """A table with a given name, and the operations on it with a connection."""

    def __init__(self, name: str, *, create: bool) -> None:
        self._table = session_table(MetaData(), name)
        self._create = create
        self._is_laid_out = False
        self._statements = {each: _typed(statement.format(table=name)) for each, statement in STATEMENTS.items()}

    def forget(self) -> None:
        """Check the table again before the next statement, because it may have been dropped."""
        self._is_laid_out = False

    def create(self, connection: Connection) -> None:
        # Each is checked, because a process may have ended between the statements for the table and its indexes.
        indexes = sorted(self._table.indexes, key=lambda index: str(index.name))
        made: list[Table | Index] = [self._table, *indexes]
        for each in made:
            try:
                each.create(connection, checkfirst=True)
                connection.commit()
            except DBAPIError:
                connection.rollback()
                # Another process may have been faster.
                if not self._has(connection, each):
                    raise
        self._check(connection)

    def _has(self, connection: Connection, wanted: Table | Index) -> bool:
        found = inspect(connection)
        if wanted is self._table:
            return found.has_table(self._table.name)
        return wanted.name in {index["name"] for index in found.get_indexes(self._table.name)}

    def fetch(self, connection: Connection, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
        self._lay_out(connection)
        return connection.execute(self._statements[statement], values).fetchall()

    def count(self, connection: Connection, statement: str, values: Mapping[str, Any]) -> int:
        self._lay_out(connection)
        return connection.execute(self._statements[statement], values).rowcount

    def pick(self, connection: Connection, bounds: Mapping[str, int], limit: int) -> Sequence[bytes]:
        self._lay_out(connection)
        return (
            connection.execute(select(self._table.c.digest).where(*self._within(bounds)).limit(limit)).scalars().all()
        )

    def drop(self, connection: Connection, bounds: Mapping[str, int], digests: Sequence[bytes]) -> int:
        which = self._table.c.digest.in_(digests)
        return connection.execute(delete(self._table).where(which, *self._within(bounds))).rowcount

    def _within(self, bounds: Mapping[str, int]) -> list[Any]:
        return [self._table.c[each] <= bound for each, bound in bounds.items()]

    def _lay_out(self, connection: Connection) -> None:
        if not self._is_laid_out:
            (self.create if self._create else self._check)(connection)
            if connection.dialect.name == "sqlite":
                # A refused insert would keep the file locked until SQLAlchemy 2.0 releases its cursor.
                insert = f"{STATEMENTS['insert']} ON CONFLICT DO NOTHING"
                self._statements["insert"] = _typed(insert.format(table=self._table.name))
            self._is_laid_out = True

    def _check(self, connection: Connection) -> None:
        name = self._table.name
        try:
            columns = {each["name"] for each in inspect(connection).get_columns(name)}
        except NoSuchTableError:
            msg = f"the database has no table {name}: call create_schema(), or add it to your migrations."
            raise ConfigurationError(msg) from None
        if columns != set(COLUMNS):
            msg = (
                f"the table {name} has other columns than this version of holdall expects: it belongs to another "
                "program or version. Name another with table=, or update holdall."
            )
            raise ConfigurationError(msg)


def _typed(statement: str) -> Any:
    """Return a *statement* with typed values and columns, because drivers represent bytes differently."""
    names = dict.fromkeys(re.findall(r":(\w+)", statement))
    typed = text(statement).bindparams(*(bindparam(each, type_=_VALUE_TYPES[each]) for each in names))
    first, _, rest = statement.strip().partition(" ")
    if first != "SELECT":
        return typed
    return typed.columns(
        *(column(each.strip(), _TYPES[each.strip()]) for each in rest.partition(" FROM ")[0].split(","))
    )
