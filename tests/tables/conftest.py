"""Fixtures that the tests of several tables share."""

import asyncio
from collections.abc import Iterator

import pytest

from servers.postgres import PostgresServer


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """Return the URL of an empty schema in PostgreSQL."""
    return postgres.new_url()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
