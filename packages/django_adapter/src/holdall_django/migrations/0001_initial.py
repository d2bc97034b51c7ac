"""Create the table."""

from typing import ClassVar

from django.db import migrations, models

import holdall_django.models


class Migration(migrations.Migration):
    """Create the table and its indexes."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="SessionRow",
            fields=[
                ("digest", holdall_django.models.DigestField(max_length=32, primary_key=True, serialize=False)),
                ("data", models.BinaryField()),
                ("version", models.BigIntegerField()),
                ("expires", models.BigIntegerField()),
                ("created", models.BigIntegerField()),
                ("principal", models.BinaryField(null=True)),
                ("principal_digest", holdall_django.models.DigestField(max_length=32, null=True)),
                ("client", models.BinaryField(null=True)),
                ("seen", models.BigIntegerField(null=True)),
                ("due", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "session",
                "db_table": "holdall_django_session",
                "indexes": [
                    models.Index(fields=["due"], name="holdall_django_due"),
                    models.Index(fields=["principal_digest"], name="holdall_django_principal"),
                ],
            },
        ),
    ]
