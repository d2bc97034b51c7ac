"""What a table's URL may look like to whoever writes it wrongly."""

import pytest

import tests.django_project  # noqa: F401  # sets Django up
from holdall import ConfigurationError, MemoryTable, Sessions
from holdall.clock import utc_now
from holdall.tables import table_opener


@pytest.mark.parametrize(
    "url", ["gopher://shop:hunter2@db.example/0", "postgresq://shop:hunter2@[db.example/0", "x://shop:hunter2@d℀b/0"]
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no table is known for") as refusal:
        Sessions("table", key="sid", table=url)

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize("url", ["django", "django://", "Django://default"])
def test_another_package_brings_a_table_of_its_own(url: str) -> None:
    found = table_opener(url, clock=utc_now)("sync")

    assert (type(found).__module__, type(found).__name__) == ("holdall_django.table", "DjangoTable")


def test_what_no_package_brings_is_a_table_in_memory() -> None:
    assert isinstance(table_opener("jango", clock=utc_now)("sync"), MemoryTable)
