"""Check once, before its tests, whether a third party's mount fits the suite, and explain what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from holdall._sessions import Sessions
from holdall.testing._clients import Request, Response

__all__ = ["check_mount"]

_ACTIONS = [["put", "n", 1], ["get", "n"]]
_RESULTS = [None, 1]


# The result for each class whose mount was tried.
_faults: dict[type, str | None] = {}


def check_mount(suite: type, mount: Any, sessions: Sessions, *, streams: bool) -> None:
    """
    Fail with an explanation if the *mount* of a *suite* cannot be tested. Each is tried once.

    Args:
        streams: The suite declares that the framework can send a body piece by piece.
    """
    if suite not in _faults:
        _faults[suite] = _fault_of(mount, sessions, streams=streams)
    fault = _faults[suite]
    if fault is not None:
        pytest.fail(f"the mount of {suite.__name__} does not fulfil the suite's contract. {fault}")


def _fault_of(mount: Any, sessions: Sessions, *, streams: bool) -> str | None:
    """Return what is wrong with a *mount*; ``None`` if its application does what a script says."""
    try:
        client = mount(sessions)
    except Exception as error:  # noqa: BLE001  # any exception is shown
        return f"mount(sessions) failed: {error!r}"
    if not callable(client):
        return (
            f"mount(sessions) returned a {type(client).__name__}, which is not a client: "
            "return wsgi_client(app), for example."
        )
    for method, path in (("POST", "/"), ("GET", "/any/path")):
        fault = _fault_at(client, method, path, lambda body: body["results"] == _RESULTS)
        if fault is not None:
            return fault
    if streams:
        return _fault_at(client, "POST", "/stream", lambda body: body["results"] == _RESULTS, later=[["get", "n"]])
    return None


def _fault_at(
    client: Callable[[Request], Any], method: str, path: str, is_right: Callable[[Any], bool], **script: Any
) -> str | None:
    body = json.dumps({"actions": _ACTIONS, **script}).encode()
    what = f"{method} {path} with the script {body.decode()}"
    try:
        response = client(Request(method, path, [("Content-Type", "application/json")], body))
    except Exception as error:  # noqa: BLE001  # as above
        return f"{what}: the client raised {error!r}. A client must respond whatever the application does."
    if not isinstance(response, Response):
        return f"{what}: the client returned a {type(response).__name__} instead of a holdall.testing.Response."
    told = f"the response is {response.status} with {response.body[:200]!r}"
    if response.error is not None:
        told += f", because the application raised {response.error!r}"
    try:
        if response.status == 200 and is_right(json.loads(response.body.splitlines()[0])):
            return None
    except (ValueError, LookupError, TypeError):
        pass
    result = "the result of stream(session, script)" if path == "/stream" else "perform(session, script) as JSON"
    return f"{what}: {told}. Respond to every method and path with {result}."
