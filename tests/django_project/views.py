"""The views of the conformance suite's application, and a few that use what Django has about sessions."""

import json

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import alogin, alogout, authenticate, login, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from holdall.testing import perform, perform_async, stream


@csrf_exempt
def act(request: HttpRequest, path: str = "") -> HttpResponse:
    script = json.loads(request.body)
    result, status = perform(request.session, script)
    return JsonResponse(result, status=status, headers=script.get("headers"))


@csrf_exempt
async def act_async(request: HttpRequest, path: str = "") -> HttpResponse:
    script = json.loads(request.body)
    result, status = await perform_async(request.session, script)
    return JsonResponse(result, status=status, headers=script.get("headers"))


@csrf_exempt
def streamed(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(stream(request.session, json.loads(request.body)))


@csrf_exempt
async def streamed_async(request: HttpRequest) -> StreamingHttpResponse:
    chunks = stream(request.session, json.loads(request.body))

    async def body():
        while chunk := await sync_to_async(next)(chunks, b""):
            yield chunk

    return StreamingHttpResponse(body())


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
