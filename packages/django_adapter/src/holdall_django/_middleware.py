"""
Give each request its session, and add the session's headers to the response.

It works under WSGI and ASGI, and uses a thread only if the store blocks.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.sessions import middleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from holdall import AnsweredError, ResponseHeaders, StoreError
from holdall.adapters import after_failure
from holdall_django import _rollback as rollback
from holdall_django._checks import refuse_what_cannot_work
from holdall_django._configuration import configuration
from holdall_django._loading import load
from holdall_django._opening import begin, prepare_to_commit, still_ours
from holdall_django._requests import Opened, opened_for
from holdall_django._responses import (
    answer,
    answer_instead,
    answer_instead_async,
    finished_with_body,
    streams,
    with_headers,
)

__all__ = ["SessionMiddleware"]


class SessionMiddleware(middleware.SessionMiddleware):
    """
    Give each request its session, as ``request.session``.

    It replaces Django's own middleware, and Django's system checks accept it instead.

    Raises:
        ConfigurationError: The settings are invalid; the message says what to do.
    """

    def __new__(cls, get_response: Callable[[HttpRequest], Any]) -> Any:
        if cls is SessionMiddleware and configuration().has_devices:
            from holdall_django._devices import with_devices

            return object.__new__(with_devices(cls))  # type: ignore[arg-type]  # mypy considers no class hashable
        return super().__new__(cls)

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        refuse_what_cannot_work()
        super().__init__(get_response)
        # Invalid settings are refused here.
        self.group = configuration().async_group if self.async_mode else configuration().sync_group

    def __call__(self, request: HttpRequest) -> Any:
        opened = opened_for(request)
        if opened is not None and opened.is_open:
            # Another instance, further out, has already begun it.
            return self.get_response(request)
        if self.async_mode:
            return self.__acall__(request)
        rollback.begin()
        self.process_request(request)
        try:
            response = cast("HttpResponseBase", self.get_response(request))
        except BaseException:
            # Django handles exceptions further in, unless it was told to let them through.
            _abandon(request)
            raise
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        opened = begin(request, is_async=True)
        if configuration().fetches:
            try:
                await load(opened.session)
            except StoreError as exc:
                still_ours(request, opened)
                return await answer_instead_async(request, exc, opened)
        rollback.begin()
        try:
            response = await cast("Awaitable[HttpResponseBase]", self.get_response(request))
        except BaseException:
            # The same, or the client has disconnected.
            await _abandon_async(request)
            raise
        noted = rollback.take()
        if not still_ours(request, opened):
            return response
        try:
            await _repeat_endings(noted)
            if opened.is_shared:
                return with_headers(request, response, opened, ResponseHeaders())
            prepare_to_commit(opened)
            headers = await opened.exchange.headers_async(response.status_code, streams=streams(response))
        except AnsweredError as exc:
            return await answer_instead_async(request, exc, opened)
        return finished_with_body(with_headers(request, response, opened, headers), opened.exchange)

    def process_request(self, request: HttpRequest) -> None:
        begin(request, is_async=False)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        opened, noted = cast("Opened", opened_for(request)), rollback.take()
        if not still_ours(request, opened):
            return response
        try:
            if noted:
                rollback.repeat(noted)
            if opened.is_shared:
                return with_headers(request, response, opened, ResponseHeaders())
            prepare_to_commit(opened)
            headers = opened.exchange.headers(response.status_code, streams=streams(response))
        except AnsweredError as exc:
            return answer_instead(request, exc, opened)
        return finished_with_body(with_headers(request, response, opened, headers), opened.exchange)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Respond to a view's error if it is an ``AnsweredError``."""
        return answer(exception) if isinstance(exception, AnsweredError) else None


def _abandon(request: HttpRequest) -> None:
    opened, noted = cast("Opened", opened_for(request)), rollback.take()
    still_ours(request, opened)
    with after_failure():
        rollback.repeat(noted)
    if not opened.is_shared:
        opened.exchange.failed()
        opened.exchange.close()


async def _abandon_async(request: HttpRequest) -> None:
    opened, noted = cast("Opened", opened_for(request)), rollback.take()
    still_ours(request, opened)
    with after_failure():
        await _repeat_endings(noted)
    if not opened.is_shared:
        await opened.exchange.failed_async()
        opened.exchange.close()


async def _repeat_endings(noted: list[Callable[[], object]]) -> None:
    """Repeat the endings that a sync view carried out in a transaction."""
    if noted:
        await sync_to_async(rollback.repeat)(noted)
