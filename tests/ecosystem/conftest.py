"""Sessions as an application would keep them: in a cookie, and in a table."""

import pytest

from holdall import Sessions

SECRET = "6d0a9be2c7f1483595-e4b81f7c20d93a6b"


@pytest.fixture(params=["cookie", "table"])
def stored(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the options of ``Sessions`` for a store."""
    if request.param == "cookie":
        return {"store": "cookie", "secret_key_base": SECRET}
    return {"store": "table", "table": f"memory://{request.node.name}"}


@pytest.fixture
def sessions(stored: dict[str, str]) -> Sessions:
    return Sessions(**stored, key="sid")
