"""Test that a template can read a session, and do nothing else with it."""

from tests.django_project.visits import Configure, configure, environment, key_of, requested  # isort: skip

import inspect
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.test import Client

from holdall import CookieStore, MemoryTable, Session, TableStore
from holdall.formats import NativeFormat
from holdall_django import DjangoSession
from holdall_django._adopted import AdoptedSession
from holdall_django.engine import SessionStore

__all__ = ["configure", "environment"]

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

HARMLESS = {
    "copy",
    "decode",
    "exists",
    "fromkeys",  # returns another dict
    "get",
    "get_expire_at_browser_close",
    "get_expiry_age",
    "get_expiry_date",
    "get_session_cookie_age",
    "has_key",
    "is_empty",
    "items",
    "keys",
    "test_cookie_worked",
    "values",
}


@pytest.fixture(params=["cookie", "table"], autouse=True)
def stored(request: pytest.FixtureRequest, configure: Configure) -> None:
    # Django's test client expects one name for the cookie.
    in_cookie = CookieStore(NativeFormat(SECRET), generations=False)
    store = in_cookie if request.param == "cookie" else TableStore(MemoryTable())
    configure(HOLDALL={"store": store})


def shown(source: str, client: Client) -> str:
    """Return the page rendered from the template *source*."""
    template = engines["django"].from_string(source)
    answer = requested(lambda request: HttpResponse(template.render({"session": request.session}, request)), client)
    return answer.content.decode()


def visitor() -> Client:
    client = Client()
    requested(lambda request: request.session.update(_auth_user_id="7", cart=["hat"], login="yes"), client)
    return client


METHODS = sorted(
    name
    for name in dir(SessionStore)
    if not name.startswith("_") and callable(inspect.getattr_static(SessionStore, name, None)) and name not in HARMLESS
)


@pytest.mark.parametrize("kind", [DjangoSession, SessionStore, AdoptedSession])
def test_only_methods_known_to_be_harmless_can_be_called(kind: type) -> None:
    found = {
        name
        for name in dir(kind)
        if not name.startswith("_")
        and callable(getattr(kind, name))
        and not isinstance(inspect.getattr_static(kind, name), property)
        and not getattr(getattr(kind, name), "alters_data", False)
    }

    assert found == HARMLESS


def test_the_cores_own_session_is_unchanged() -> None:
    assert not hasattr(Session.logout, "alters_data")


@pytest.mark.parametrize("method", METHODS)
def test_a_template_that_names_a_method_changes_nothing(method: str) -> None:
    client = visitor()
    before = key_of(client)

    for source in (
        "{{ request.session.%s }}",
        "{%% if session.%s %%}{%% endif %%}",
        "{%% for n in session.%s %%}{%% endfor %%}",
    ):
        shown(source % method, client)

    assert key_of(client) == before
    assert dict(client.session) == {"_auth_user_id": "7", "cart": ["hat"], "login": "yes"}


def test_a_template_cannot_end_all_sessions() -> None:
    client = visitor()

    for path in ("sessions.revoke_all", "sessions.close", "sessions.sweep"):
        assert shown("{{ request.session.PATH }}".replace("PATH", path), client) == ""

    assert client.session["cart"] == ["hat"]


def test_a_key_takes_precedence_over_a_method() -> None:
    client = visitor()

    assert shown("{{ session.login }} {{ session.cart.0 }}{% if session.logout %}!{% endif %}", client) == "yes hat"


def test_the_usual_expressions_in_templates_work() -> None:
    client = visitor()
    page = (
        "{% for key, value in session.items %}{{ key }} {% endfor %}{{ session.get_expiry_age }} {{ session.is_empty }}"
    )

    assert shown(page, client) == "_auth_user_id cart login 1209600 False"
    assert len(shown("{{ session.session_key }}", client)) == 40


def test_methods_still_work_in_code() -> None:
    def view(request: HttpRequest) -> Any:
        request.session.put("n", 1)
        assert request.session.pop("n") == 1
        request.session.update(m=2)
        request.session.logout()
        return dict(request.session)

    assert requested(view, visitor()).json() == {"is": {}}
    assert inspect.signature(DjangoSession.configure) == inspect.signature(Session.configure)
    assert DjangoSession.configure.__doc__ == Session.configure.__doc__
