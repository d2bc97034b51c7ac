"""Define the model for the table of ``holdall_django.table``, which Django's migrations use."""

from typing import ClassVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

# The stubs require type arguments for each field; they are useless here, because rows are read without the ORM.
# mypy: disable-error-code="type-arg,var-annotated"

__all__ = ["DigestField", "SessionRow"]


class DigestField(models.BinaryField):
    """Bytes of a fixed length, in a type that every database can index."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        # Some databases cannot index bytes of arbitrary length.
        fixed = {"mysql": f"binary({self.max_length})", "oracle": f"raw({self.max_length})"}
        return fixed.get(connection.vendor) or super().db_type(connection)


class SessionRow(models.Model):
    """
    A row of the table.

    Times are Unix seconds. Principals and clients are bytes, because not every database accepts all text; a
    principal can be long, so it is found by its digest.
    """

    digest = DigestField(max_length=32, primary_key=True)
    data = models.BinaryField()
    version = models.BigIntegerField()
    expires = models.BigIntegerField()
    created = models.BigIntegerField()
    principal = models.BinaryField(null=True)
    principal_digest = DigestField(max_length=32, null=True)
    client = models.BinaryField(null=True)
    seen = models.BigIntegerField(null=True)
    due = models.BigIntegerField()

    class Meta:
        """The table's name and its indexes."""

        app_label = "holdall_django"
        db_table = "holdall_django_session"
        indexes: ClassVar = [
            models.Index(fields=["due"], name="holdall_django_due"),
            models.Index(fields=["principal_digest"], name="holdall_django_principal"),
        ]
        verbose_name = "session"
