"""
Tools for tests: conformance suites, a browser, and a clock that tests can set.

Subclass ``StoreConformance``, ``TableConformance``, ``FormatConformance``, ``SerializerConformance`` or
``AdapterConformance`` and provide the fixture that it needs; pytest then tests your implementation.
"""

from holdall.testing import _asserts  # noqa: F401  # first of all
from holdall.testing._acts import ACTS, ATOMIC_ACTS, Act
from holdall.testing._adapters import AdapterConformance, CookieConformance
from holdall.testing._adapters.visitor import Answer, Visitor
from holdall.testing._awaited import as_async
from holdall.testing._browser import Browser
from holdall.testing._clients import Client, Request, Response, asgi_client, wsgi_client
from holdall.testing._clock import FakeClock
from holdall.testing._formats import FormatConformance
from holdall.testing._init import init_test_session, init_test_session_async
from holdall.testing._interleavings import Explored, explore
from holdall.testing._scripts import METHODS, ScriptedError, perform, perform_async, stream, stream_async
from holdall.testing._serializers import SerializerConformance
from holdall.testing._stores import StoreConformance
from holdall.testing._suite import Suite
from holdall.testing._tables import TableConformance
from holdall.testing._tables.orders import InterleavingConformance

__all__ = [
    "ACTS",
    "ATOMIC_ACTS",
    "METHODS",
    "Act",
    "AdapterConformance",
    "Answer",
    "Browser",
    "Client",
    "CookieConformance",
    "Explored",
    "FakeClock",
    "FormatConformance",
    "InterleavingConformance",
    "Request",
    "Response",
    "ScriptedError",
    "SerializerConformance",
    "StoreConformance",
    "Suite",
    "TableConformance",
    "Visitor",
    "as_async",
    "asgi_client",
    "explore",
    "init_test_session",
    "init_test_session_async",
    "perform",
    "perform_async",
    "stream",
    "stream_async",
    "wsgi_client",
]
