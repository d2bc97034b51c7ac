"""
Create and drop our table in Alembic migrations; importing this module adds the operations to ``op``.

They work offline too, as in ``alembic upgrade head --sql``.
"""

from typing import Any

try:
    from alembic.operations import MigrateOperation, Operations
except ModuleNotFoundError as exc:
    msg = "these operations need Alembic. Install it with: pip install alembic"
    raise ModuleNotFoundError(msg, name=exc.name) from exc

from sqlalchemy import MetaData

from holdall.tables.sqlalchemy import session_table

__all__ = ["CreateSessionTable", "DropSessionTable"]


@Operations.register_operation("create_session_table")
class CreateSessionTable(MigrateOperation):
    """Create the table and its indexes: ``op.create_session_table()``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def create_session_table(cls, operations: Operations, name: str = "holdall_session") -> None:
        """
        Create the table *name* and its indexes.

        Raises:
            ConfigurationError: *name* is not a valid table name.
        """
        operations.invoke(cls(name))

    def reverse(self) -> "DropSessionTable":
        return DropSessionTable(self.name)


@Operations.register_operation("drop_session_table")
class DropSessionTable(MigrateOperation):
    """Drop the table, which ends all sessions: ``op.drop_session_table()``."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def drop_session_table(cls, operations: Operations, name: str = "holdall_session") -> None:
        """Drop the table *name*."""
        operations.invoke(cls(name))

    def reverse(self) -> CreateSessionTable:
        return CreateSessionTable(self.name)


@Operations.implementation_for(CreateSessionTable)
def _create(operations: Any, operation: CreateSessionTable) -> None:
    operations.impl.create_table(session_table(MetaData(), operation.name))


@Operations.implementation_for(DropSessionTable)
def _drop(operations: Any, operation: DropSessionTable) -> None:
    operations.impl.drop_table(session_table(MetaData(), operation.name))
