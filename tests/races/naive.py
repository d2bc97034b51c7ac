"""Naive sessions, written in an afternoon, whose races the tests must notice."""

import secrets
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin


class NaiveSession(dict[str, Any], SessionMixin):
    """A dict that is read when a request arrives and written as a whole when it ends."""

    def __init__(self, sid: str, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.sid = sid
        self.renewed = self.ended = False

    def login(self, principal: str) -> None:
        self["user"] = principal
        self.renewed = True

    def logout(self) -> None:
        self.clear()
        self.ended = True

    def configure(self, *, renew: bool) -> None:
        self.renewed = renew


class NaiveInterface(SessionInterface):
    """Keeps rows in a dict. The last writer wins, with everything it has read, and sends its cookie again."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._rows: dict[str, dict[str, Any]] = {}

    def open_session(self, app: Flask, request: Request) -> NaiveSession:
        sid = request.cookies.get(self._key) or secrets.token_urlsafe()
        return NaiveSession(sid, self._rows.get(sid, {}))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        assert isinstance(session, NaiveSession)
        if session.ended or session.renewed:
            self._rows.pop(session.sid, None)
        if session.ended:
            response.delete_cookie(self._key)
            return
        if session.renewed:
            session.sid = secrets.token_urlsafe()
        self._save(session)
        response.set_cookie(self._key, session.sid)
        # The body's changes are written too.
        if response.is_streamed:
            response.call_on_close(lambda: self._save(session))

    def _save(self, session: NaiveSession) -> None:
        if session:
            self._rows[session.sid] = dict(session)
