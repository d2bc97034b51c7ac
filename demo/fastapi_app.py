"""The shop in FastAPI."""

from collections import deque
from typing import Annotated, Literal

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from demo import page, shop, thief
from demo.race import RACES
from demo.settings import keeps_rows, session_key, session_options
from holdall import Event, Sessions
from holdall_fastapi import SessionDep, SessionMiddleware
from holdall_fastapi.login import CurrentPrincipal

events: deque[Event] = deque(maxlen=page.EVENTS_SHOWN)

sessions = Sessions(**session_options(), on_event=events.append)

app = FastAPI(openapi_url=None)
app.add_middleware(SessionMiddleware, sessions=sessions)

Field = Annotated[str, Form()]


@app.get("/", response_class=HTMLResponse)
async def home(request: Request, user: CurrentPrincipal, session: SessionDep) -> str:
    return page.home("FastAPI", user, session, request.cookies.get(session_key()), request.url.scheme)


# Not async, so that FastAPI runs it in a thread, because it waits for the thief.
@app.get("/replay", response_class=HTMLResponse)
def replay(request: Request, user: CurrentPrincipal, session: SessionDep) -> str:
    cookie, taken_for = request.cookies.get(session_key()), thief.replay("FastAPI", request.cookies)
    return page.home("FastAPI", user, session, cookie, request.url.scheme, thief=taken_for)


@app.get("/race/{name}", response_class=HTMLResponse)
def race(request: Request, user: CurrentPrincipal, session: SessionDep, name: Literal["writes", "logout"]) -> str:
    cookie = request.cookies.get(session_key())
    return page.home("FastAPI", user, session, cookie, request.url.scheme, race=RACES[name]("FastAPI"))


@app.post("/slow")
def slow(session: SessionDep, name: Field) -> RedirectResponse:
    shop.note_slowly(session, name)
    return RedirectResponse("/seen", 303)


@app.get("/seen", response_class=HTMLResponse)
async def seen(user: CurrentPrincipal, session: SessionDep) -> str:
    return page.seen("FastAPI", user, session, events)


@app.get("/devices", response_class=HTMLResponse)
async def devices(user: CurrentPrincipal, session: SessionDep) -> str:
    found = await sessions.list_async(user, current=session) if keeps_rows() else None
    return page.devices("FastAPI", user, session, found)


@app.post("/devices/end")
async def end_device(user: CurrentPrincipal, handle: Field = "") -> RedirectResponse:
    await sessions.revoke_async(user, handle=handle)
    return RedirectResponse("/devices", 303)


@app.post("/devices/end-others")
async def end_other_devices(user: CurrentPrincipal, session: SessionDep) -> RedirectResponse:
    await sessions.revoke_async(user, keep=session)
    return RedirectResponse("/devices", 303)


@app.post("/login")
async def login(session: SessionDep, name: Field = "") -> RedirectResponse:
    if user := shop.name_of(name):
        session.login(user)
        shop.note_login(session)
    return RedirectResponse("/", 303)


@app.post("/logout")
async def logout(session: SessionDep) -> RedirectResponse:
    session.logout()
    return RedirectResponse("/", 303)


@app.post("/add")
async def add(session: SessionDep, item: Field = "") -> RedirectResponse:
    shop.add(session, item, through="FastAPI")
    return RedirectResponse("/", 303)


@app.post("/remove")
async def remove(session: SessionDep, item: Field = "", through: Field = "") -> RedirectResponse:
    shop.remove(session, item, through)
    return RedirectResponse("/", 303)
