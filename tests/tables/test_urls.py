"""What a table's URL may look like to whoever writes it wrongly."""

import pytest

from holdall import ConfigurationError, Sessions


@pytest.mark.parametrize(
    "url", ["gopher://shop:hunter2@db.example/0", "postgresq://shop:hunter2@[db.example/0", "x://shop:hunter2@d℀b/0"]
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="no table is known for") as refusal:
        Sessions("table", key="sid", table=url)

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__context__ is None
