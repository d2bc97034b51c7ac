"""The thinnest adapters, for WSGI and ASGI without a framework: the suite of adapters is run against them as well."""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any

from holdall.devices import Facts
from holdall.several import side_by_side

from holdall import LostWriteError, ResponseHeaders, Sessions, StoreError
from holdall.cache_headers import cache_headers, warn_of_public_cookie
from holdall.testing import Client, asgi_client, perform, stream, wsgi_client

Headers = list[tuple[str, str]]


class Adapter:
    """One request as both protocols see it; what an adapter can get wrong is a method each."""

    def __init__(self, sessions: Sessions, beside: Sequence[Sessions] = ()) -> None:
        self.main = sessions
        self.sessions = side_by_side(sessions, beside)
        self.named = {each.key: each for each in beside}

    def answer(
        self, cookies: list[str], https: bool, path: str, payload: bytes, facts: Facts
    ) -> tuple[int, Headers, Iterator[bytes]]:
        """Return status, headers and the chunks of the body."""
        script = json.loads(payload)
        session = self.sessions.fetch(self.cookies(cookies), https=https, facts=self.facts(facts))
        try:
            try:
                if path == "/stream":
                    status, chunks = 200, stream(session, script, lambda key: self.beside(session, key))
                else:
                    body, status = perform(session, script, lambda key: self.beside(session, key))
                    chunks = iter([json.dumps(body).encode()])
            except (StoreError, LostWriteError):
                raise
            except Exception:  # noqa: BLE001  # what a framework does with an exception that no handler took
                status, chunks = 500, iter([b"failed"])
            told = self.commit(session, status, streams=path == "/stream")
        except StoreError as exc:
            return 503, self.headers([], self.unsent(exc)), iter([b"the sessions are out of reach"])
        except LostWriteError as exc:
            return 409, self.headers([], self.unsent(exc)), iter([b"try again"])
        headers = list(script.get("headers", {}).items())
        return status, self.headers(headers, told), self.body(session, chunks)

    def cookies(self, headers: list[str]) -> list[str]:
        return headers

    def facts(self, facts: Facts) -> Facts | None:
        return facts

    def beside(self, session: Any, key: str) -> Any:
        return session.beside[self.named[key]]

    def unsent(self, error: StoreError | LostWriteError) -> ResponseHeaders:
        return ResponseHeaders(error.unsent, vary=True)

    def commit(self, session: Any, status: int, *, streams: bool) -> ResponseHeaders:
        return self.sessions.commit(session, status=status, streams=streams)

    def headers(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return self.set_cookies(self.cache_control(self.vary(headers, told), told), told)

    def set_cookies(self, headers: Headers, told: ResponseHeaders) -> Headers:
        return [*headers, *(("Set-Cookie", str(cookie)) for cookie in told.cookies)]

    def vary(self, headers: Headers, told: ResponseHeaders) -> Headers:
        named = ",".join(value for name, value in headers if name.lower() == "vary").lower()
        return [*headers, ("Vary", "Cookie")] if told.vary and "cookie" not in named else headers

    def cache_control(self, headers: Headers, told: ResponseHeaders) -> Headers:
        allow = self.sessions.allow_public
        change = cache_headers(headers, sets_cookie=bool(told.cookies), allow_public=allow)
        if change.was_public:
            warn_of_public_cookie("/")
        if change.cache_control is not None:
            headers = [each for each in headers if each[0].lower() != "cache-control"]
            headers.append(("Cache-Control", change.cache_control))
        return [each for each in headers if each[0].lower() not in change.removed]

    def body(self, session: Any, chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from chunks
        self.sessions.finish(session)
        session.close()


def mount_wsgi(adapter: Adapter) -> Client:
    """Return a client of *adapter* as a WSGI application."""

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterator[bytes]:
        cookies = [environ["HTTP_COOKIE"]] if "HTTP_COOKIE" in environ else []
        https, body = environ["wsgi.url_scheme"] == "https", environ["wsgi.input"].read()
        facts = environ.get("HTTP_USER_AGENT"), environ.get("REMOTE_ADDR")
        status, headers, chunks = adapter.answer(cookies, https, environ["PATH_INFO"], body, lambda: facts)
        start_response(f"{status} -", headers)
        return chunks

    return wsgi_client(app)


def mount_asgi(adapter: Adapter) -> Client:
    """Return a client of *adapter* as an ASGI application."""

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        cookies = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        body = (await receive())["body"]
        https, names = scope["scheme"] == "https", dict(scope["headers"])
        facts = names[b"user-agent"].decode("latin-1") if b"user-agent" in names else None, scope["client"][0]
        status, headers, chunks = adapter.answer(cookies, https, scope["path"], body, lambda: facts)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return asgi_client(app)
