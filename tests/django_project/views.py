"""The views of the conformance suite's application, and some that use Django's own session features."""

import json
from collections.abc import Iterator

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import alogin, alogout, authenticate, login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from holdall import Sessions
from holdall.testing import perform, perform_async, stream
from holdall_django import afetch_session, fetch_session
from holdall_django._configuration import configuration


@csrf_exempt
def act(request: HttpRequest, path: str = "") -> HttpResponse:
    script = json.loads(request.body)
    result, status = perform(request.session, script, lambda key: fetch_session(request, _named(key)))
    return JsonResponse(result, status=status, headers=script.get("headers"))


@csrf_exempt
async def act_async(request: HttpRequest, path: str = "") -> HttpResponse:
    script = json.loads(request.body)
    result, status = await perform_async(request.session, script, lambda key: afetch_session(request, _named(key)))
    return JsonResponse(result, status=status, headers=script.get("headers"))


@csrf_exempt
def streamed(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_chunks(request))


@csrf_exempt
async def streamed_async(request: HttpRequest) -> StreamingHttpResponse:
    chunks = await sync_to_async(_chunks)(request)

    async def body():
        while chunk := await sync_to_async(next)(chunks, b""):
            yield chunk

    return StreamingHttpResponse(body())


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    return stream(request.session, json.loads(request.body), lambda key: fetch_session(request, _named(key)))


def _named(key: str) -> Sessions:
    return next(each for each in configuration().all if each.key == key)


@csrf_exempt
def log_in(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    login(request, user)
    messages.success(request, "Welcome")
    return HttpResponse()


@csrf_exempt
def log_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    messages.info(request, "Goodbye")
    return HttpResponse()


@csrf_exempt
async def log_in_async(request: HttpRequest) -> HttpResponse:
    await alogin(request, await User.objects.aget(username=request.POST["username"]))
    return HttpResponse()


@csrf_exempt
async def log_out_async(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


def who(request: HttpRequest) -> HttpResponse:
    said = [str(message) for message in messages.get_messages(request)]
    return JsonResponse({"user": request.user.get_username(), "messages": said})


async def who_async(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    return JsonResponse({"user": user.get_username()})


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.method)
