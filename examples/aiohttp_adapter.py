"""
Sessions of holdall in aiohttp, whose servers speak neither ASGI nor WSGI: an adapter of public names alone.

``setup(app, sessions)`` gives each request its session, as ``request[SESSION]``.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from aiohttp import web

from holdall import AnsweredError, Session, Sessions, StoreError
from holdall.adapters import Exchange, ResponseHeaders, SessionGroup, with_session_headers

__all__ = ["SESSION", "fetch_session", "setup"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Under what a request holds its session.
SESSION = web.RequestKey("session", Session)

_EXCHANGE = web.RequestKey("exchange", Exchange)


def setup(app: web.Application, sessions: Sessions, also: Iterable[Sessions] = ()) -> None:
    """Let *app* keep *sessions*, and those in *also* with them."""
    group = SessionGroup(sessions, also, form="async")

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        exchange = group.begin(
            lambda name: request.headers.getall(name, []),
            https=request.secure,
            client=lambda: (request.headers.get("User-Agent"), request.remote),
            fetched=False,
        )
        request[_EXCHANGE] = exchange
        try:
            request[SESSION] = await exchange.load()
            response = await handler(request)
            if not response.prepared:
                _tell(await exchange.headers_async(response.status), request, response)
            await exchange.body_sent_async(last=True)
        except web.HTTPException as response:
            # How an aiohttp handler redirects and refuses: an exception that is a response.
            _tell(await exchange.headers_async(response.status), request, response)
            raise
        except AnsweredError as error:
            with suppress(StoreError):
                # The failure that came first is the one to report.
                await exchange.failed_async()
            return _refusal(error, exchange, request)
        except BaseException:
            # The framework answers it, or the visitor has gone.
            await exchange.failed_async()
            raise
        finally:
            exchange.close()
        return response

    app.middlewares.append(middleware)
    app.on_response_prepare.append(_on_response_prepare)


async def fetch_session(request: web.Request, sessions: Sessions | None = None) -> Session:
    """Return the request's session, or that of *sessions*, one of *also*."""
    return await request[_EXCHANGE].load(sessions)


async def _on_response_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Store the sessions before a streamed body's headers are sent; the middleware sees the response after its body."""
    exchange = request.get(_EXCHANGE)
    if exchange is not None and not isinstance(response, web.Response):
        _tell(await exchange.headers_async(response.status, streams=True), request, response)


def _refusal(error: Exception, exchange: Exchange, request: web.Request) -> web.Response:
    failure = exchange.failure(error)
    assert failure is not None  # noqa: S101  # such an error has an answer
    response = web.Response(status=failure.status, text=failure.status.phrase)
    _tell(failure.headers, request, response)
    return response


def _tell(told: ResponseHeaders, request: web.Request, response: web.StreamResponse) -> None:
    group = request[_EXCHANGE].group
    headers = with_session_headers(response.headers.items(), told, group, host=request.host, route=request.path)
    response.headers.clear()
    response.headers.extend(headers)
