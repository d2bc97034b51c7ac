"""The shop in Django, including its settings, in one file."""

from collections import deque
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.decorators.http import require_POST

from demo import page, shop, thief
from demo.race import RACES
from demo.settings import behind_proxy, keeps_rows, secret, session_key, session_options
from holdall import Event, Sessions
from holdall_django import DjangoSession

events: deque[Event] = deque(maxlen=page.EVENTS_SHOWN)

sessions = Sessions(**session_options(), on_event=events.append)

settings.configure(
    SECRET_KEY=secret(),
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "holdall_django", "demo"],
    MIDDLEWARE=["holdall_django.SessionMiddleware", "holdall_django.auth.AuthenticationMiddleware"],
    AUTH_USER_MODEL="demo.Shopper",
    AUTHENTICATION_BACKENDS=["demo.accounts.AnyName"],
    # In memory, for all threads of this process. The other frameworks need no users but their names.
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:demo?mode=memory&cache=shared"}},
    SESSION_ENGINE="holdall_django.engine",
    HOLDALL=sessions,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https") if behind_proxy() else None,
)


class Request(HttpRequest):
    """A request behind the middleware: its session is ours."""

    session: DjangoSession  # pyright: ignore[reportIncompatibleVariableOverride]  # Django says only that there is one


def user_name(request: Request) -> str | None:
    return request.user.get_username() or None


def home(request: Request, **shown: Any) -> HttpResponse:
    cookie = request.COOKIES.get(session_key())
    return HttpResponse(page.home("Django", user_name(request), request.session, cookie, request.scheme or "", **shown))


def replay(request: Request) -> HttpResponse:
    return home(request, thief=thief.replay("Django", request.COOKIES))


def race(request: Request, name: str) -> HttpResponse:
    return home(request, race=RACES[name]("Django"))


@require_POST
def slow(request: Request) -> HttpResponse:
    shop.note_slowly(request.session, request.POST["name"])
    return SeeOther("/seen")


def seen(request: Request) -> HttpResponse:
    return HttpResponse(page.seen("Django", user_name(request), request.session, events))


def devices(request: Request) -> HttpResponse:
    found = sessions.list(user_name(request), current=request.session) if keeps_rows() else None
    return HttpResponse(page.devices("Django", user_name(request), request.session, found))


@require_POST
def end_device(request: Request) -> HttpResponse:
    sessions.revoke(user_name(request), handle=request.POST.get("handle", ""))
    return SeeOther("/devices")


@require_POST
def end_other_devices(request: Request) -> HttpResponse:
    sessions.revoke(user_name(request), keep=request.session)
    return SeeOther("/devices")


@require_POST
def login(request: Request) -> HttpResponse:
    user = auth.authenticate(request, name=request.POST.get("name", ""))
    if user is not None:
        auth.login(request, user)
        shop.note_login(request.session)
    return SeeOther("/")


@require_POST
def logout(request: Request) -> HttpResponse:
    auth.logout(request)
    return SeeOther("/")


@require_POST
def add(request: Request) -> HttpResponse:
    shop.add(request.session, request.POST.get("item", ""), through="Django")
    return SeeOther("/")


@require_POST
def remove(request: Request) -> HttpResponse:
    shop.remove(request.session, request.POST.get("item", ""), request.POST.get("through", ""))
    return SeeOther("/")


class SeeOther(HttpResponseRedirect):
    """The response to a form: the browser loads a page, so that a reload does not send the form again."""

    status_code = 303


urlpatterns = [
    path("", home),
    path("replay", replay),
    *(path(f"race/{name}", race, {"name": name}) for name in RACES),
    path("slow", slow),
    path("seen", seen),
    path("devices", devices),
    path("devices/end", end_device),
    path("devices/end-others", end_other_devices),
    path("login", login),
    path("logout", logout),
    path("add", add),
    path("remove", remove),
]

app = get_wsgi_application()

with connection.schema_editor() as editor:
    editor.create_model(auth.get_user_model())
