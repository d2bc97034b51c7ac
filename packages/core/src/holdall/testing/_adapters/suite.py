"""The fixtures that an adapter's tests share: stores, and a visitor of the application that a third party mounts."""

import secrets
from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from holdall._events import Event
from holdall._sessions import Sessions
from holdall.formats import NativeFormat
from holdall.stores import CookieStore, Store, TableStore
from holdall.tables import MemoryTable
from holdall.testing._adapters.mounted import check_mount
from holdall.testing._adapters.visitor import Visitor
from holdall.testing._clients import Client
from holdall.testing._clock import FakeClock
from holdall.testing._suite import Suite

__all__ = ["KEY", "AdapterSuite", "Mount", "Visit", "VisitStore", "cookie_store"]

# This secret is public.
SECRET = secrets.token_hex(32)
KEY = "_shop"


class Mount(Protocol):
    """Creates a client for an application that keeps *sessions*, and those in *also*."""

    def __call__(self, sessions: Sessions, also: Sequence[Sessions] = ()) -> Client: ...


class VisitStore(Protocol):
    """Creates a visitor of an application that keeps its sessions in *store*."""

    def __call__(self, store: Store, *, key: str = KEY, **options: Any) -> Visitor: ...


class Visit(Protocol):
    """Creates a visitor of an application whose ``Sessions`` has these options."""

    def __call__(self, *, key: str = KEY, **options: Any) -> Visitor: ...


def cookie_store() -> CookieStore:
    """Return a cookie store with a secret that no application uses."""
    return CookieStore(NativeFormat(SECRET))


class AdapterSuite(Suite):
    """Fixtures of the adapters' tests; subclasses declare capabilities here."""

    streams = True
    answers_failures = True
    keeps_several = True
    binds_devices = True
    carries_headers = True
    awaits_tables = False
    runs_in_trio = True
    websockets = False
    passes_control_characters = True
    in_process = True

    @pytest.fixture(autouse=True)
    def _works(self, mount: Mount) -> None:
        """Explain why every test would fail; checked once for each class."""
        check_mount(type(self), mount, Sessions(cookie_store(), key=KEY), streams=self.streams)

    @pytest.fixture
    def events(self) -> list[Event]:
        """Collect what ``Sessions`` reports."""
        return []

    @pytest.fixture
    def visit_store(self, mount: Mount, clock: FakeClock, events: list[Event]) -> VisitStore:
        """Return a function that makes a visitor of an application that keeps its sessions in a store."""

        def visit_store(store: Store, *, key: str = KEY, **options: Any) -> Visitor:
            return Visitor(mount(Sessions(store, key=key, clock=clock, on_event=events.append, **options)), clock)

        return visit_store

    @pytest.fixture
    def table(self, clock: FakeClock) -> MemoryTable:
        return MemoryTable(clock=clock)

    @pytest.fixture
    def visit_cookie(self, visit_store: VisitStore) -> Visit:
        """Return a function that makes a visitor whose session is in the cookie."""
        return lambda **options: visit_store(cookie_store(), **options)

    @pytest.fixture
    def visit_table(self, visit_store: VisitStore, table: MemoryTable) -> Visit:
        """Return a function that makes a visitor whose session is in ``table``."""
        return lambda **options: visit_store(TableStore(table), **options)

    @pytest.fixture(params=["cookie", "table"])
    def visit(self, request: pytest.FixtureRequest, visit_cookie: Visit, visit_table: Visit) -> Visit:
        return visit_cookie if request.param == "cookie" else visit_table

    @pytest.fixture
    def visitor(self, visit: Visit) -> Visitor:
        return visit()
