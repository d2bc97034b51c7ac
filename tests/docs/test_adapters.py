"""Test that the adapters of ``docs/adapters.md`` are complete: the suite on that page passes with each of them."""

import json
from typing import Any

import pytest

from docs.blocks import compiled, python_blocks
from holdall import Sessions
from holdall.testing import AdapterConformance, Client, asgi_client, perform_async
from holdall.testing._adapters.suite import Mount

PAGE = "docs/adapters.md"
NAMES: dict[str, Any] = {"__name__": __name__}
for line, source in python_blocks(PAGE):
    exec(compiled(PAGE, line, source), NAMES)

TestOfThePage = NAMES["TestAdapter"]


class TestAsyncAdapter(AdapterConformance):
    streams = False
    awaits_tables = True
    keeps_several = False
    answers_failures = False
    binds_devices = False

    @pytest.fixture
    def mount(self) -> Mount:
        def mount(sessions: Sessions, also: object = ()) -> Client:
            bodies: list[bytes] = []

            async def act(session: Any, scope: Any) -> Any:
                script = json.loads(bodies.pop())
                result, status = await perform_async(session, script)
                return status, list(script.get("headers", {}).items()), json.dumps(result).encode()

            adapter = NAMES["AsyncAdapter"](act, sessions)

            async def app(scope: Any, receive: Any, send: Any) -> None:
                bodies.append((await receive())["body"])
                await adapter(scope, receive, send)

            return asgi_client(app)

        return mount
