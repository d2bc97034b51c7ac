"""django-allauth: its list of a user's sessions stores session keys, and its social logins read the session again."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("allauth")

SETUP = """
import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

settings.configure(
    SECRET_KEY="b7a1d0c4e9f25368-4f1c9a7be2d80356",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "holdall_django",
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.usersessions",
    ],
    MIDDLEWARE=[
        "holdall_django.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
        "allauth.usersessions.middleware.UserSessionsMiddleware",
    ],
    USERSESSIONS_TRACK_ACTIVITY=True,
    SESSION_ENGINE="holdall_django.engine",
    HOLDALL=HOLDALL,
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
)
django.setup()

import json
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from allauth.socialaccount.internal import statekit
from allauth.usersessions.models import UserSession


def enter(request):
    login(request, User.objects.get())
    return JsonResponse({})


def own(request):
    return JsonResponse({"user": request.user.get_username(), "key": request.session.session_key})


def stash(request):
    return JsonResponse({"state": statekit.stash_state(request, provider_id="p", state={"process": "login"})})


def unstash(request, state):
    return JsonResponse({"found": statekit.unstash_state(request, state_id=state, provider_id="p")})


urlpatterns = [
    path("enter", enter),
    path("own", own),
    path("stash", stash),
    path("unstash/<state>", unstash),
]
call_command("migrate", verbosity=0)
User.objects.create_user("ada")
laptop, phone = Client(), Client()
said = {}
"""

DEVICES = """
for client in (laptop, phone):
    client.get("/enter")
    client.get("/own")
stored = [each.session_key for each in UserSession.objects.all()]
cookies = [client.cookies["sessionid"].value for client in (laptop, phone)]
said["stored"] = [len(key) for key in stored]
said["credentials"] = [key for key in stored if key in cookies]
said["opened"] = [Client(headers={"cookie": "sessionid=" + key}).get("/own").json()["user"] for key in stored]
said["current"] = laptop.get("/own").json()["key"] in stored
said["listed"] = len(UserSession.objects.purge_and_list(User.objects.get()))
other = UserSession.objects.exclude(session_key=laptop.get("/own").json()["key"]).first()
if other is not None:
    other.end()
said["users"] = [client.get("/own").json()["user"] for client in (laptop, phone)]
print(json.dumps(said))
"""

STATES = """
laptop.get("/own")
state = laptop.get("/stash").json()["state"]
said["found"] = laptop.get("/unstash/" + state).json()["found"]
print(json.dumps(said))
"""

OPTIONS = {
    "table": {"store": "table", "table": "sessions"},
    "django": {"store": "table", "table": "django"},
    "cookie": {},
}


def ran(script: str, store: str) -> dict[str, object]:
    program = f"HOLDALL = {OPTIONS[store]!r}\n{SETUP}{script}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("store", ["table", "django"])
def test_a_users_sessions_are_listed_and_ended(store: str) -> None:
    assert ran(DEVICES, store) == {
        "stored": [40, 40],
        "credentials": [],
        "opened": ["", ""],
        "current": True,
        "listed": 2,
        "users": ["ada", ""],
    }


def test_with_sessions_in_cookies_stored_keys_open_nothing() -> None:
    said = ran(DEVICES, "cookie")

    assert (said["stored"], said["credentials"], said["opened"]) == ([40, 40], [], ["", ""])
    assert said["users"] == ["ada", "ada"]


@pytest.mark.parametrize("store", OPTIONS)
def test_the_state_of_a_social_login_is_kept(store: str) -> None:
    assert ran(STATES, store) == {"found": {"process": "login"}}
