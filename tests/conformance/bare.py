"""The thinnest adapters, for WSGI and ASGI without a framework; the adapter suite runs against them as well."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from holdall import AnsweredError, ResponseHeaders, Session, Sessions
from holdall.adapters import (
    Exchange,
    Failure,
    SessionGroup,
    cache_headers,
    environ_header,
    merged_vary,
    warn_if_exposed,
    warn_of_public_cookie,
)
from holdall.asgi import SessionMiddleware, fetch_session
from holdall.stores._contract import ClientInfo
from holdall.testing import Client, asgi_client, perform, perform_async, stream, stream_async, wsgi_client

Headers = list[tuple[str, str]]


class Adapter:
    """One request as both protocols see it, with a method for each thing that an adapter can get wrong."""

    def __init__(self, sessions: Sessions, also: Sequence[Sessions] = ()) -> None:
        self.main = sessions
        self.group = SessionGroup(sessions, also, form="sync")
        self.named = {each.key: each for each in also}

    def answer(
        self,
        cookies: list[str],
        https: bool,
        path: str,
        payload: bytes,
        client: ClientInfo,
        host: str | None,
        method: str,
        header: Callable[[str], str] = lambda name: "",
    ) -> tuple[int, Headers, Iterator[bytes]]:
        """Return status, headers and the chunks of the body."""
        script = json.loads(payload)
        exchange = self.group.begin(
            lambda name: self.cookies(cookies) if name == "cookie" else header(name),
            https=https,
            client=self.client(client),
        )
        try:
            try:
                if path == "/stream":
                    status, chunks = 200, stream(exchange.session, script, lambda key: self.other(exchange, key))
                else:
                    body, status = perform(exchange.session, script, lambda key: self.other(exchange, key))
                    chunks = iter([json.dumps(body).encode()])
            except AnsweredError:
                raise
            except Exception:  # noqa: BLE001  # as a framework handles an exception that no handler caught
                status, chunks = 500, iter([b"failed"])
            told = self.commit(exchange, status, streams=path == "/stream")
            self.warn(told, host)
        except AnsweredError as exc:
            failure = exchange.failure(exc)
            assert failure is not None
            return failure.status, self.headers([], self.unsent(failure)), iter([failure.status.phrase.encode()])
        headers = list(script.get("headers", {}).items())
        return status, self.headers(headers, told), self.body(exchange, chunks)

    def cookies(self, headers: list[str]) -> list[str]:
        return headers

    def client(self, client: ClientInfo) -> ClientInfo | None:
        return client

    def other(self, exchange: Exchange, key: str) -> Session:
        return exchange.session_of(self.named[key])

    def unsent(self, failure: Failure) -> ResponseHeaders:
        return failure.headers

    def commit(self, exchange: Exchange, status: int, *, streams: bool) -> ResponseHeaders:
        return exchange.headers(status, streams=streams)

    def headers(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return self.set_cookies(self.cache_control(self.vary(headers, told), told), told)

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *((cookie.header, cookie.line) for cookie in told.cookies), *told.extra]

    def warn(self, told: ResponseHeaders, host: str | None) -> None:
        warn_if_exposed(told.cookies, host)

    def vary(self, headers: Headers, told: ResponseHeaders) -> Headers:
        vary = merged_vary((value for name, value in headers if name.lower() == "vary"), told.vary)
        kept = [each for each in headers if each[0].lower() != "vary"]
        return [*kept, ("Vary", vary)] if told.vary and vary is not None else headers

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        allow = self.group.allow_public
        change = cache_headers(headers, sets_cookie=bool(told.cookies), allow_public=allow)
        if change.was_public:
            warn_of_public_cookie("/")
        if change.cache_control is not None:
            headers = [each for each in headers if each[0].lower() != "cache-control"]
            headers.append(("Cache-Control", change.cache_control))
        return [each for each in headers if each[0].lower() not in change.removed]

    def body(self, exchange: Exchange, chunks: Iterable[bytes]) -> Iterator[bytes]:
        try:
            yield from chunks
        except Exception:
            self.broken(exchange)
            raise
        exchange.body_sent(last=True)

    def broken(self, exchange: Exchange) -> None:
        exchange.failed()
        exchange.close()


def mount_wsgi(adapter: Adapter) -> Client:
    """Return a client of *adapter* as a WSGI application."""

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterator[bytes]:
        cookies = [environ["HTTP_COOKIE"]] if "HTTP_COOKIE" in environ else []
        https, body = environ["wsgi.url_scheme"] == "https", environ["wsgi.input"].read()
        client = environ.get("HTTP_USER_AGENT"), environ.get("REMOTE_ADDR")
        status, headers, chunks = adapter.answer(
            cookies,
            https,
            environ["PATH_INFO"],
            body,
            lambda: client,
            environ.get("HTTP_HOST"),
            environ["REQUEST_METHOD"],
            partial(environ_header, environ),
        )
        start_response(f"{status} -", headers)
        return chunks

    return wsgi_client(app)


def mount_asgi(adapter: Adapter) -> Client:
    """Return a client of *adapter* as an ASGI application."""

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        body = (await receive())["body"]
        https, names = scope["scheme"] == "https", dict(scope["headers"])
        client = names[b"user-agent"].decode("latin-1") if b"user-agent" in names else None, scope["client"][0]
        status, headers, chunks = adapter.answer(
            cookies,
            https,
            scope["path"],
            body,
            lambda: client,
            names[b"host"].decode("latin-1"),
            scope["method"],
            lambda name: ",".join(value.decode("latin-1") for each, value in scope["headers"] if each == name.encode()),
        )
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return asgi_client(app)


def others(scope: Any, also: Sequence[Sessions]) -> Any:
    """Return an async function that finds one of the other sessions by its key."""
    named = {each.key: each for each in also}
    return lambda key: fetch_session(scope, named[key])


async def streamed(scope: Any, also: Sequence[Sessions], script: Any) -> Any:
    """Return the chunks of a streamed body, asynchronously."""
    return await stream_async(await fetch_session(scope), script, others(scope, also))


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Perform the script of a handshake, and then those that arrive as texts."""
    session = await fetch_session(scope)
    await receive()
    await perform_async(session, json.loads(dict(scope["headers"])[b"x-script"]))
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        result, _ = await perform_async(session, json.loads(message["text"]))
        await send({"type": "websocket.send", "text": json.dumps(result)})


def mount_middleware(
    sessions: Sessions, also: Sequence[Sessions] = (), middleware: type[SessionMiddleware] = SessionMiddleware
) -> Client:
    """Return a client of an ASGI application without a framework, in the *middleware*."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await talk(scope, receive, send)
            return
        script = json.loads((await receive())["body"])
        if scope["path"] == "/stream":
            chunks = await streamed(scope, also, script)
            await send({"type": "http.response.start", "status": 200})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})
            return
        result, status = await perform_async(scope["session"], script, others(scope, also))
        body = json.dumps(result).encode()
        headers = [(name.lower().encode(), value.encode()) for name, value in script.get("headers", {}).items()]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return asgi_client(middleware(app, sessions, also=also))
