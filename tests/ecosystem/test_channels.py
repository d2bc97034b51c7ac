"""Django Channels: its ``SessionMiddleware`` finds a WebSocket's session through our engine."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import asyncio
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

pytest.importorskip("channels")


def begin(request: HttpRequest) -> HttpResponse:
    request.session["user"] = "ada"
    return HttpResponse()


def look(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(sorted(request.session.items())))


def consumer() -> Any:
    # It reads Django's settings at import.
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.sessions import SessionMiddlewareStack

    class Greeter(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            user = await self.scope["session"].aget("user", "nobody")
            await self.send(f"hello {user}")

        async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
            await self.scope["session"].aset("said", text_data)
            await self.scope["session"].asave()
            await self.send("kept")

    return SessionMiddlewareStack(Greeter.as_asgi())


async def talk(cookie: str) -> list[str]:
    headers = [(b"cookie", cookie.encode())] if cookie else []
    socket = ApplicationCommunicator(consumer(), {"type": "websocket", "path": "/", "headers": headers})
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output())["type"] == "websocket.accept"
    heard = [(await socket.receive_output())["text"]]
    if cookie:
        await socket.send_input({"type": "websocket.receive", "text": "good morning"})
        heard.append((await socket.receive_output())["text"])
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait()
    return heard


def test_a_websocket_has_the_session_of_its_visitor() -> None:
    settings = {"store": "table", "table": "memory://channels", "key": "sessionid"}
    with override_settings(HOLDALL=settings, ROOT_URLCONF=(path("begin", begin), path("look", look))):
        client = Client()
        client.get("/begin")
        cookie = f"sessionid={client.cookies['sessionid'].value}"
        assert asyncio.run(talk(cookie)) == ["hello ada", "kept"]
        assert client.get("/look").content == b"[('said', 'good morning'), ('user', 'ada')]"
        assert asyncio.run(talk("")) == ["hello nobody"]


def test_a_sessions_name_opens_no_websocket(stored: dict[str, str]) -> None:
    def name(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.session.session_key)

    with override_settings(HOLDALL=stored, ROOT_URLCONF=(path("begin", begin), path("name", name))):
        client = Client()
        client.get("/begin")
        assert asyncio.run(talk(f"sessionid={client.get('/name').content.decode()}"))[0] == "hello nobody"
