"""The cost of device-bound sessions: nothing if disabled, and no calls to the table if enabled."""

import tests.django_project  # noqa: F401  # sets Django up

# isort: split

import sys
from types import FrameType
from typing import Any

import pytest
from django.test import override_settings

from holdall import MemoryTable, Sessions, TableStore
from holdall.testing import Request
from holdall.testing._device_browser import DeviceBrowser
from tests.adapters import test_calls
from tests.adapters.mounts import flask as flask_mount
from tests.adapters.test_calls import MOUNTS, OURS, SECRET, calls, nothing_left

__all__ = ["nothing_left"]

pytestmark = pytest.mark.usefixtures("nothing_left")

WHAT = ("nothing", "read", "write")


class CountingTable(MemoryTable):
    """A table that notes its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def read(self, digest: bytes) -> Any:
        self.asked.append("read")
        return super().read(digest)

    def insert(self, digest: bytes, row: Any) -> bool:
        self.asked.append("insert")
        return super().insert(digest, row)

    def replace(self, digest: bytes, row: Any, *, version: int) -> Any:
        self.asked.append("replace")
        return super().replace(digest, row, version=version)

    def touch(self, digest: bytes, expires: Any, seen: Any) -> bool:
        self.asked.append("touch")
        return super().touch(digest, expires, seen)


def sessions(store: str, table: CountingTable, *, device_bound: bool) -> Sessions:
    if store == "cookie":
        return Sessions("cookie", key="sid", secret_key_base=SECRET, device_bound=device_bound)
    return Sessions(TableStore(table), key="sid", device_bound=device_bound)


def logged_in(kept: Sessions) -> str:
    """Return the cookies of a logged-in visitor, whose session is bound if possible."""
    browser = DeviceBrowser(flask_mount.mount(kept))
    headers = [("Content-Type", "application/json")]
    for _ in range(2):
        # From the second response on, the session's own cookie says that it is bound.
        browser.send(Request("POST", "/", headers, b'{"actions": [["login", 7], ["put", "n", 0]]}', https=True))
    assert len(browser.sessions) == (kept.device_bound is not None)
    return browser.header(https=True)


#: The highest number of calls of a request with a bound session that ignores it, reads it, or writes to it.
MOST_BOUND = {
    ("asgi", "cookie"): (21, 83, 145),
    ("asgi", "table"): (21, 83, 149),
    ("flask", "cookie"): (27, 92, 166),
    ("flask", "table"): (27, 91, 164),
    ("django", "cookie"): (38, 99, 178),
    ("django", "table"): (38, 98, 168),
}


@pytest.mark.parametrize(("framework", "store"), MOST_BOUND, ids="-".join)
def test_a_bound_session_adds_few_calls_and_none_to_the_table(framework: str, store: str) -> None:
    counted, asked = [], []
    for device_bound in (False, True):
        table = CountingTable()
        kept = sessions(store, table, device_bound=device_bound)
        with override_settings(
            ROOT_URLCONF=test_calls.__name__,
            MIDDLEWARE=["holdall_django.SessionMiddleware"],
            ALLOWED_HOSTS=["localhost"],
            HOLDALL={"sessions": kept},
        ):
            visit, cookie = MOUNTS[framework](kept), logged_in(kept)
            table.asked.clear()
            counted.append(tuple(calls(visit, what, cookie) for what in WHAT))
            asked.append(table.asked)

    assert asked[0] == asked[1]
    assert all(each <= most for each, most in zip(counted[1], MOST_BOUND[framework, store], strict=True)), counted


@pytest.mark.parametrize("framework", MOUNTS)
def test_if_binding_is_disabled_none_of_its_code_is_called(framework: str) -> None:
    kept = sessions("table", CountingTable(), device_bound=False)
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            called.add(frame.f_code.co_filename)

    with override_settings(
        ROOT_URLCONF=test_calls.__name__,
        MIDDLEWARE=["holdall_django.SessionMiddleware"],
        ALLOWED_HOSTS=["localhost"],
        HOLDALL={"sessions": kept},
    ):
        visit, cookie = MOUNTS[framework](kept), logged_in(kept)
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            for what in (*WHAT, "login"):
                visit(what, cookie)
        finally:
            sys.setprofile(before)

    assert called
    assert [each for each in called if "device" in each.rpartition("/src/")[2]] == []
