"""
Adapt holdall to aiohttp, whose server speaks neither ASGI nor WSGI, with holdall's public names only.

``setup(app, sessions)`` gives each request its session, as ``request[SESSION]``.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from aiohttp import web

from holdall import AnsweredError, Session, Sessions, StoreError
from holdall.adapters import Exchange, ResponseHeaders, SessionGroup, with_session_headers

__all__ = ["SESSION", "fetch_session", "setup"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The key of a request's session.
SESSION = web.RequestKey("session", Session)

_EXCHANGE = web.RequestKey("exchange", Exchange)


def setup(app: web.Application, sessions: Sessions, also: Iterable[Sessions] = ()) -> None:
    """Add *sessions*, and those in *also*, to *app*."""
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
            # An aiohttp handler raises such a response, to redirect or to refuse a request.
            _tell(await exchange.headers_async(response.status), request, response)
            raise
        except AnsweredError as error:
            with suppress(StoreError):
                # The first failure is the one to report.
                await exchange.failed_async()
            return _refusal(error, exchange, request)
        except BaseException:
            # The framework responds to the exception, or the visitor has disconnected.
            await exchange.failed_async()
            raise
        finally:
            exchange.close()
        return response

    app.middlewares.append(middleware)
    app.on_response_prepare.append(_on_response_prepare)


async def fetch_session(request: web.Request, sessions: Sessions | None = None) -> Session:
    """Return the request's main session, or the session of *sessions*, which must be one of *also*."""
    return await request[_EXCHANGE].load(sessions)


async def _on_response_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Store the sessions before a streamed body's headers are sent, because the middleware regains control too late."""
    exchange = request.get(_EXCHANGE)
    if exchange is not None and not isinstance(response, web.Response):
        _tell(await exchange.headers_async(response.status, streams=True), request, response)


def _refusal(error: Exception, exchange: Exchange, request: web.Request) -> web.Response:
    failure = exchange.failure(error)
    assert failure is not None  # noqa: S101  # every AnsweredError has a failure
    response = web.Response(status=failure.status, text=failure.status.phrase)
    _tell(failure.headers, request, response)
    return response


def _tell(told: ResponseHeaders, request: web.Request, response: web.StreamResponse) -> None:
    group = request[_EXCHANGE].group
    headers = with_session_headers(response.headers.items(), told, group, host=request.host, route=request.path)
    response.headers.clear()
    response.headers.extend(headers)
