"""Events in logs, metrics and traces, with the examples of ``docs/monitoring.md``."""

import asyncio
import logging
from typing import Any

import pytest

from docs.blocks import compiled, python_blocks
from holdall import Sessions, TableStore
from holdall.tables import MemoryTable
from holdall.testing import as_async

prometheus = pytest.importorskip("prometheus_client")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
sdk = pytest.importorskip("opentelemetry.sdk.trace")

PAGE = "docs/monitoring.md"


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Return the names that the page's blocks define. A counter can be registered once in a process."""
    defined: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SHOP_SECRET", "9a4d17c0e8b35f62-d07c41e95ab8263f")
        for line, source in python_blocks(PAGE):
            exec(compiled(PAGE, line, source), defined)
    return defined


def log_in(sessions: Sessions) -> str:
    """Begin a session, and answer another request with a forged cookie."""
    session = sessions.fetch()
    session.login(7)
    sessions.commit(session)
    assert dict(sessions.resume("forged")) == {}
    return session.log_id


def test_prometheus_counts_the_events(names: dict[str, Any]) -> None:
    log_in(names["counted"])

    text = prometheus.generate_latest().decode()
    assert 'session_events_total{cookie="_shop",event="created"} 1.0' in text
    assert 'session_events_total{cookie="_shop",event="rejected"} 1.0' in text


def test_opentelemetry_adds_the_events_to_the_requests_span(names: dict[str, Any]) -> None:
    exporter = in_memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests")
    awaited = Sessions(TableStore(as_async(MemoryTable())), key="_async", on_event=names["note"])

    async def visit() -> None:
        with tracer.start_as_current_span("async request"):
            session = await awaited.fetch_async()
            session["n"] = 1
            await awaited.commit_async(session)

    with tracer.start_as_current_span("request"):
        log_id = log_in(names["traced"])
    asyncio.run(visit())

    sync_span, async_span = exporter.get_finished_spans()
    assert [(each.name, dict(each.attributes)) for each in sync_span.events] == [
        ("session.created", {"session.cookie": "_shop", "session.reason": "", "session.log_id": log_id}),
        ("session.rejected", {"session.cookie": "_shop", "session.reason": "unreadable", "session.log_id": ""}),
    ]
    assert [each.name for each in async_span.events] == ["session.created"]


def test_a_formatter_finds_the_parts_of_an_event(names: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    log_in(names["traced"])

    (record,) = (each for each in caplog.records if each.levelno == logging.WARNING)
    assert names["Fields"]().format(record) == (
        "WARNING {'session_event': 'rejected', 'session_cookie': '_shop', 'session_reason': 'unreadable', "
        "'session_log_id': ''}"
    )
