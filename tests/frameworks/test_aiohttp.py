"""Test that ``examples/aiohttp_adapter.py`` is a full adapter: it passes the suite, on a server of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from holdall import Sessions
from holdall.testing import AdapterConformance, Client, Request, Response, perform_async, stream_async
from holdall.testing._adapters.suite import Mount
from holdall.testing._clients import HOST
from servers.web import http_client

web = pytest.importorskip("aiohttp.web")


def application(sessions: Sessions, also: Sequence[Sessions]) -> Any:
    from examples.aiohttp_adapter import SESSION, fetch_session, setup

    named = {each.key: each for each in also}

    @web.middleware
    async def by_https(request: Any, handler: Callable[[Any], Any]) -> Any:
        """Trust a proxy's headers about the request."""
        return await handler(request.clone(scheme=request.headers.get("X-Forwarded-Proto", "http")))

    async def act(request: Any) -> Any:
        script = await request.json()
        result, status = await perform_async(request[SESSION], script, lambda key: fetch_session(request, named[key]))
        return web.json_response(result, status=status, headers=script.get("headers"))

    async def streamed(request: Any) -> Any:
        chunks = await stream_async(
            request[SESSION], await request.json(), lambda key: fetch_session(request, named[key])
        )
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in chunks:
            await response.write(chunk)
        return response

    app = web.Application(middlewares=[by_https])
    setup(app, sessions, also)
    app.router.add_post("/stream", streamed)
    app.router.add_route("*", "/{path:.*}", act)
    return app


@contextmanager
def served(app: Any) -> Iterator[Client]:
    """Serve *app* in a thread, and yield a client of it."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, max_field_size=32768)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    port = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    send = http_client(port)

    def client(request: Request) -> Response:
        headers = [*request.headers, ("X-Forwarded-Proto", "https")] if request.https else request.headers
        if not any(name.lower() == "host" for name, _ in headers):
            headers = [*headers, ("Host", HOST)]
        return send(replace(request, headers=headers))

    try:
        yield client
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class TestAiohttp(AdapterConformance):
    answers_failures = False
    binds_devices = False
    in_process = False
    # The server itself refuses such a request.
    passes_control_characters = False

    @pytest.fixture
    def mount(self) -> Iterator[Mount]:
        with ExitStack() as open_servers:
            yield lambda sessions, also=(): open_servers.enter_context(served(application(sessions, also)))
