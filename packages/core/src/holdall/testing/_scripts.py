"""
Scripts: a request's actions on its session, as JSON in its body, so that one suite can drive every framework.

A script looks like ``{"actions": [["put", "cart", [7]], ["get", "cart"]], "status": 200}``. It may also have

* ``status``: the response's status, 200 by default;
* ``headers``: an object of headers that the application itself sets on the response;
* ``fails``: ``true`` makes the handler raise ``ScriptedError`` after its actions;
* ``later``: actions for ``stream``, performed when the response has started;
* ``breaks``: ``true`` makes that body raise ``ScriptedError`` afterwards.

``["also", "_cart", "put", "n", 1]`` is an action on the other session whose key is ``_cart``, and
``["also", "_cart"]`` only asks for that session.
"""

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from inspect import isawaitable, iscoroutine
from typing import Any

from holdall._errors import SessionError

__all__ = ["METHODS", "FindOther", "ScriptedError", "kept", "perform", "perform_async", "stream", "stream_async"]

#: The sessions that scripts have kept, for tests of what happens after their requests.
kept: deque[Any] = deque(maxlen=1)

#: Returns an additional session of the request by its key; awaited in an async handler.
FindOther = Callable[[str], Any]


#: The methods with which an application of the suite accepts a script.
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


class ScriptedError(Exception):
    """The exception that a script makes its handler raise."""


def perform(session: Any, script: Mapping[str, Any], other: FindOther | None = None) -> tuple[dict[str, Any], int]:
    """
    Perform the actions of *script* on *session*.

    Return the response's body, to be sent as JSON, and its status. The handler sets ``script["headers"]``, if there
    are any, on the response.
    """
    return _told(script, _act(session, script.get("actions", ()), other))


async def perform_async(
    session: Any, script: Mapping[str, Any], other: FindOther | None = None
) -> tuple[dict[str, Any], int]:
    """Do the same as ``perform``, in an async handler."""
    return _told(script, [await _do_async(session, action, other) for action in script.get("actions", ())])


def stream(session: Any, script: Mapping[str, Any], other: FindOther | None = None) -> Iterator[bytes]:
    """
    Perform the actions of *script* on *session* before the response starts, and its ``later`` after the first chunk.

    Return the body's chunks: two lines of JSON.
    """
    body, _ = perform(session, script, other)

    def chunks() -> Iterator[bytes]:
        yield _line(body)
        try:
            late: dict[str, Any] = {"results": _act(session, script.get("later", ()), other)}
        except SessionError as exc:
            late = {"error": type(exc).__name__}
        yield _last_line(late, script)

    return chunks()


async def stream_async(session: Any, script: Mapping[str, Any], other: FindOther | None = None) -> AsyncIterator[bytes]:
    """Do the same as ``stream`` in an async handler: await it before the response starts, and iterate over the body."""
    body, _ = await perform_async(session, script, other)

    async def chunks() -> AsyncIterator[bytes]:
        yield _line(body)
        try:
            late: dict[str, Any] = {
                "results": [await _do_async(session, each, other) for each in script.get("later", ())]
            }
        except SessionError as exc:
            late = {"error": type(exc).__name__}
        yield _last_line(late, script)

    return chunks()


def _line(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _last_line(late: Mapping[str, Any], script: Mapping[str, Any]) -> bytes:
    if script.get("breaks"):
        raise ScriptedError
    return _line(late)


def _told(script: Mapping[str, Any], results: list[Any]) -> tuple[dict[str, Any], int]:
    if script.get("fails"):
        raise ScriptedError
    return {"results": results}, script.get("status", 200)


def _act(session: Any, actions: Any, other: FindOther | None) -> list[Any]:
    results = [_do(session, action, other) for action in actions]
    return [None if isawaitable(result) else result for result in results]


def _do(session: Any, action: Any, other: FindOther | None) -> Any:
    if other is not None and action[0] == "also":
        session, action = other(action[1]), action[2:]
    return _perform(session, *action) if action else None


async def _do_async(session: Any, action: Any, other: FindOther | None) -> Any:
    if other is not None and action[0] == "also":
        session, action = await other(action[1]), action[2:]
    return await _perform_async(session, *action) if action else None


def _perform(session: Any, verb: str, *args: Any) -> Any:
    return _VERBS[verb](session, *args)


async def _perform_async(session: Any, verb: str, *args: Any) -> Any:
    if verb == "count":
        return await _count(session, *args)
    if verb == "save":
        # In an async handler, Django's save() would wait for its database.
        return await getattr(session, "asave", session.save)()
    return _perform(session, verb, *args)


def _count(session: Any, key: str) -> Any:
    return session.atomic_update(key, lambda count: count + 1, default=0)


def _put(session: Any, key: str, value: Any) -> None:
    session[key] = value


def _hide_object(session: Any, key: str) -> None:
    session[key].append(object())


def _keep(session: Any) -> None:
    # Keep the session itself, because a framework may return a proxy for the current request's session.
    kept.append(session.put.__self__)


def _ask(session: Any, name: str) -> Any:
    value = getattr(session, name)
    return value.isoformat() if isinstance(value, datetime) else value


def _configure(session: Any, *args: Any) -> None:
    if isinstance(args[0], dict):
        session.configure(**args[0])
    else:
        session.configure(*args)


_VERBS: Mapping[str, Callable[..., Any]] = {
    "get": lambda session, key, default=None: session.get(key, default),
    "put": _put,
    "put_object": lambda session, key: _put(session, key, object()),  # an object that no store accepts
    "hide_object": _hide_object,  # the same in a list that is already stored, so that it goes unnoticed until the end
    "delete": lambda session, key: session.delete(key),
    "clear": lambda session: session.clear(),
    "mutate": lambda session, key, item: session[key].append(item),  # in place, in a list
    "all": lambda session: dict(session.items()),
    "ask": _ask,  # ask for is_new, log_id, principal, created, expires
    "configure": _configure,  # takes an object of options, or Dynamo's name and value
    "login": lambda session, principal: session.login(principal),
    "confirm_login": lambda session: session.confirm_login(),
    "require_fresh": lambda session, seconds: session.require_fresh(timedelta(seconds=seconds)),
    "level": lambda session, level: setattr(session, "level", level),
    "logout": lambda session, *kinds: session.logout(clear_site_data=kinds),
    "keep": _keep,  # hold on to the session after the request has ended
    "save": lambda session: session.save(),  # before the request ends
    "forget_to_await_save": lambda session: iscoroutine(session.save()),  # which then does nothing
    "count": _count,  # with session.atomic_update
}
