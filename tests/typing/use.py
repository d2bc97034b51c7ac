"""
An application's and an adapter's use of the core, as type checkers see it: nothing here is run.

``protocols.py`` tests which class implements which protocol; this file has the usual calls, and arguments that are
passed rarely.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Request

from holdall import CookieOptions, Event, ResponseHeaders, Session, SessionInfo, Sessions, SetCookie, Store
from holdall._clock import Clock, utc_now
from holdall.testing import FakeClock
from holdall.typed import typed_session
from holdall_fastapi import (
    FromSession,
    SessionDep,
    SessionMiddleware,
    SessionOf,
    TypedSession,
    fetch_session,
    flash,
    get_flashed_messages,
)
from holdall_flask import FlaskSession
from holdall_flask import fetch_session as in_flasks_request

if TYPE_CHECKING:
    from django.http import HttpRequest

    from holdall_django import DjangoSession


def parts(told: list[Event]) -> None:
    _clocks: tuple[Clock, Clock] = utc_now, FakeClock()
    Sessions("cookie", key="sid", on_event=told.append)


def application(session: Session, cookie: CookieOptions) -> None:
    session["cart"] = [*session.get("cart", []), "apple"]
    session |= {"user": 7}
    session.configure("path", "/")
    session.configure(renew=True, **cookie)
    _who: str = session.log_id
    session.login(7, level=2)
    session.require_fresh(timedelta(minutes=10))
    _since: datetime | None = session.authenticated_at
    session.level = session.level + 1
    session.logout(clear_site_data=["cache", "storage"])
    _hits: int = session.atomic_update("hits", lambda hits: hits + 1, default=0)
    session.configure(http_onyl=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    session.configure(secure="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Sessions("cookie", key="_shop", idle_timeuot=60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    session[7] = "seven"  # type: ignore[index]  # pyright: ignore[reportArgumentType]


async def owner(sessions: Sessions, session: Session) -> None:
    listed: list[SessionInfo] = sessions.list(7, current=session)
    _agents: list[str | None] = [each.user_agent for each in await sessions.list_async("7")]
    _ended: int = sessions.revoke(7, handle=listed[0].handle) + await sessions.revoke_async(7, keep=session)
    listed[0].handle = "another"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    sessions.revoke(7, keep="a cookie")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)


async def typed(
    session: Session, shop: TypedSession[Cart], cart: Annotated[Cart, FromSession("cart")], request: Request
) -> None:
    shop.items.append("hat")
    cart.items.append(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    typed_session(session, Cart, "cart").items.append("scarf")
    _theme: str = typed_session(session, str, "theme", default="dark")
    flash(request, "saved")
    _texts: list[str] = get_flashed_messages(request)
    _pairs: list[tuple[str, str]] = get_flashed_messages(request, with_categories=True)


async def awaited(session: SessionDep, plain: Session) -> None:
    await session.save()
    session.save()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    session.reload()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    session.atomic_update("n", len)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    # In a sync framework there is nothing to await.
    plain.save()


def in_flask() -> None:
    # flask.session is typed as any of Flask's sessions; this is the same one, with our type.
    session: FlaskSession = in_flasks_request()
    session.logout()
    session.login(7, level=2)
    session.permanent = True
    session.configure(renew=True)
    session.logout(clear="cookies")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def in_django(request: "HttpRequest") -> None:
    from holdall_django import fetch_session

    # As for Flask.
    session: DjangoSession = fetch_session(request)
    session.logout()
    session.set_expiry(60)
    session.logout(clear="cookies")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def awaited_in_django(session: "DjangoSession") -> None:
    await session.asave()
    session.asave()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    session.aset("n", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    session.asetdefault("n", 1)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    session.save()


basket = Sessions("table", key="_basket", table="baskets")


async def several(
    request: Request,
    session: Annotated[Session, SessionOf(basket)],
    cart: Annotated[Cart, FromSession("cart", sessions=basket)],
) -> None:
    session["n"] = cart.items
    _same: Session = await fetch_session(request, basket)
    await fetch_session(request, "_basket")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def middleware(app: FastAPI, sessions: Sessions) -> None:
    app.add_middleware(SessionMiddleware, sessions=sessions, check_ended_every=30, also=[basket])
    app.add_middleware(SessionMiddleware, secret_key="not a good one", max_age=60, read_framework_cookies=True)


def renamed(store: Store) -> None:
    Sessions(store, key="_shop", old_keys=["_old"])
    Sessions(store, key="_shop", old_keys={"_shop": {"domain": "shop.example"}, "_old": [{"path": "/a"}, {}]})
    end = datetime(2027, 1, 31, tzinfo=UTC)
    Sessions(store, key="__Host-shop", old_keys={"_shop": {"domain": "shop.example"}}, read_old_until=end)


class FrameworkSession(Session):
    __slots__ = ()


async def adapter(sessions: Sessions) -> None:
    session = await sessions.fetch_async(["a=b"], https=True, session_type=FrameworkSession)
    answer: ResponseHeaders = await sessions.commit_async(session, status=204)
    _lines: list[str] = [str(cookie) for cookie in answer.cookies]
    _cookies: tuple[SetCookie, ...] = answer.cookies
    sessions.commit(answer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
