"""Test that the pages' code for Django works at the end of the files that ``django-admin startproject`` creates."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.blocks import python_blocks
from docs.guides import shop
from docs.projects import pasted
from docs.recipes import write

pytest.importorskip("django")

SECRET = "9a4d17c0e8b35f62-d07c41e95ab8263f"


def runs(folder: Path, *arguments: str, **environment: str) -> str:
    """Run this Python with *arguments* in *folder*, and return its output."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "SHOP_SECRET": SECRET, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def blocks(page: str, title: str) -> list[str]:
    return [source for _, source in python_blocks(page) if source.startswith(f"# {title}\n")]


ADAPTER = "packages/django_adapter/README.md"
LINES = {
    "README.md": blocks("README.md", "settings.py"),
    f"{ADAPTER}, cookies": blocks(ADAPTER, "settings.py")[:1],
    f"{ADAPTER}, a table": blocks(ADAPTER, "settings.py"),
}

VISIT = """
import json
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from holdall_django import configured_sessions

call_command("check")
call_command("migrate", verbosity=0)
# The default hasher is slow on purpose.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
user = User.objects.create_superuser("ada", password="lovelace")
client = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
client.get("/admin/login/")
token = client.cookies["csrftoken"].value
given = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": token, "next": "/admin/"}
before = client.cookies.get("_shop")
client.post("/admin/login/", given)
said = {"admin": client.get("/admin/").status_code, "name": any(name.startswith("_shop") for name in client.cookies)}
try:
    sessions = configured_sessions()
    said["listed"] = len(sessions.list(user.pk))
    said["revoked"] = sessions.revoke(user.pk)
    said["admin afterwards"] = client.get("/admin/").status_code
except ValueError:
    said["listed"] = None
print(json.dumps(said))
"""


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_the_readmes_lines_make_a_new_project_use_our_sessions(lines: list[str], tmp_path: Path) -> None:
    assert lines
    write(pasted({"shop/settings.py": "\n\n".join(lines)}), tmp_path)

    heard = runs(tmp_path, "manage.py", "shell", "--no-imports", "-c", VISIT)
    assert "no issues" in heard
    # The template's own secret causes a warning.
    said = json.loads(next(line for line in heard.splitlines() if line.startswith("{")))

    in_table = "'django'" in lines[-1] or '"django"' in lines[-1]
    assert said == {"admin": 200, "name": True} | (
        {"listed": 1, "revoked": 1, "admin afterwards": 302} if in_table else {"listed": None}
    )


@pytest.mark.parametrize("settings", [f"{ADAPTER}, cookies", f"{ADAPTER}, a table"])
def test_the_readmes_views_work_in_a_new_project(settings: str, tmp_path: Path) -> None:
    urls = "import views\nurlpatterns += [path('add/<item>', views.add), path('cart', views.cart)]\n"
    (views,) = blocks(ADAPTER, "views.py")
    write(pasted({"shop/settings.py": "\n\n".join(LINES[settings]), "shop/urls.py": urls, "views.py": views}), tmp_path)

    assert "[{'cart': ['hat', 'scarf']}, {'cart': ['hat', 'scarf']}]" in runs(
        tmp_path, "manage.py", "shell", "--no-imports", "-c", CARTS
    )


#: Visits the same views under WSGI and under ASGI.
CARTS = """
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.management import call_command
from django.test import AsyncClient, Client

call_command("migrate", verbosity=0)
settings.ALLOWED_HOSTS = ["testserver"]
client = Client()
assert client.get("/add/hat").status_code == 405
client.post("/add/hat")
client.post("/add/scarf")
other = AsyncClient()
other.cookies = client.cookies
print([client.get("/cart").json(), async_to_sync(other.get)("/cart").json()])
"""

SOCKET = """
import asyncio
from asgiref.testing import ApplicationCommunicator
from django.core.management import call_command
from shop.asgi import application

call_command("migrate", verbosity=0)


async def heard(origin):
    headers = [(b"origin", origin.encode()), (b"host", b"localhost")]
    socket = ApplicationCommunicator(application, {"type": "websocket", "path": "/offers", "headers": headers})
    await socket.send_input({"type": "websocket.connect"})
    return [(await socket.receive_output())["type"] for _ in range(2 if "localhost" in origin else 1)]


print(asyncio.run(heard("https://localhost")), asyncio.run(heard("https://evil.example")))
"""


def test_only_the_shops_own_pages_open_its_websockets(tmp_path: Path) -> None:
    pytest.importorskip("channels")
    write(shop("django.md").files, tmp_path)
    environment = {"SHOP_DATABASE": str(tmp_path / "shop.db"), "DJANGO_SETTINGS_MODULE": "shop.settings"}

    heard = runs(tmp_path, "-c", SOCKET, **environment)

    assert "['websocket.accept', 'websocket.send'] ['websocket.close']" in heard


def test_a_guides_project_has_no_findings(tmp_path: Path) -> None:
    write(shop("django.md").files, tmp_path)
    environment = {"SHOP_DATABASE": str(tmp_path / "shop.db"), "SHOP_COOKIE": "__Host-shop"}

    # The first finds nothing, and the second what any new project lacks, but nothing of ours.
    both = "from django.core.management import call_command as call; call('check'); call('check', deploy=True)"
    heard = runs(tmp_path, "manage.py", "shell", "--no-imports", "-c", both, **environment)

    assert "no issues" in heard
    assert "holdall" not in heard
