"""Sessions in templates: a name that is one of our methods is the application's key there, or undefined."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.templating import Jinja2Templates
from flask import Flask, render_template, render_template_string, session
from jinja2 import DictLoader

from holdall import Sessions
from holdall_fastapi import SessionMiddleware, template_session
from holdall_flask import Holdall, put_session

SECRET = "b7a1d0c4e9f25368-4f1c9a7be2d80356"

#: Our sessions' public names that a dict lacks.
NAMES = sorted(
    name
    for name in dir(Sessions("cookie", key="sid", secret_key_base=SECRET).fetch())
    if not name.startswith("_") and not hasattr(dict, name)
)


def sessions() -> Sessions:
    return Sessions("cookie", key="sid", secret_key_base=SECRET)


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.testing = True
    Holdall(app, sessions())
    return app


def rendered(app: Flask, template: str, **data: Any) -> str:
    with app.test_request_context():
        for key, value in data.items():
            put_session(key, value)
        return render_template_string(template)


@pytest.mark.parametrize("name", sorted({*NAMES, "principal", "logout", "fetched"} - {"accessed", "modified"}))
def test_one_of_our_names_is_a_key_in_flasks_templates(app: Flask, name: str) -> None:
    template = f"{{% if session.{name} %}}{{{{ session.{name} }}}}{{% else %}}nothing{{% endif %}}"

    assert rendered(app, template) == "nothing"
    assert rendered(app, template, **{name: "kept"}) == "kept"


def test_a_template_uses_the_session_like_flasks_own(app: Flask) -> None:
    template = (
        "{{ session['n'] }} {{ session.n }} {{ session.get('m', 2) }} {{ session.permanent }} {{ session.new }} "
        "{{ session|length }} {{ session|tojson }} {{ 'n' in session }} {{ session.items()|list }} "
        "{{ session.modified }} {{ session.pop('n') }} {{ session.n }}"
    )

    assert rendered(
        app, template, n=1
    ) == "1 1 2 False True 1 {&#34;n&#34;: 1} True [(&#39;n&#39;, 1)] True 1 ".replace("&#34;", '"')


def test_an_import_without_context_sees_the_same(app: Flask) -> None:
    macros = "{% macro who() %}{% if session.login %}somebody{% else %}nobody {{ session.n }}{% endif %}{% endmacro %}"
    app.jinja_loader = DictLoader({"macros": macros, "page": "{% import 'macros' as m %}{{ m.who() }}"})
    with app.test_request_context():
        session["n"] = 1

        assert [render_template("page") for _ in range(2)] == ["nobody 1", "nobody 1"]


def test_an_applications_own_variable_named_session_is_kept(app: Flask) -> None:
    app.jinja_env.globals["session"] = "its own"
    app.jinja_loader = DictLoader({"macros": "{% macro who() %}{{ session }}{% endmacro %}", "page": "{{ session }}"})
    with app.test_request_context():
        assert render_template("page", session="given") == "given"
        assert render_template_string("{% import 'macros' as m %}{{ m.who() }}") == "its own"


def test_a_template_that_does_not_read_the_session_does_not_use_it(app: Flask) -> None:
    app.add_url_rule("/", view_func=lambda: render_template_string("{{ request.path }}"))

    assert "Vary" not in app.test_client().get("/").headers


def test_a_template_outside_a_request_has_no_session(app: Flask) -> None:
    with app.app_context():
        assert render_template_string("{{ g is defined }}") == "True"


def test_without_a_secret_the_session_is_flasks_null_session() -> None:
    app = Flask(__name__)
    Holdall(app)

    assert rendered(app, "{{ session.get('n', 'nothing') }}") == "nothing"


@pytest.fixture
def visitor(tmp_path: Path) -> Any:
    library = pytest.importorskip("fastapi.testclient", reason="the test client needs httpx2")
    (tmp_path / "page").write_text("{% if session.login %}somebody{% else %}nobody {{ session.n }}{% endif %}")
    templates = Jinja2Templates(tmp_path, context_processors=[template_session])
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions())

    @app.get("/{key}")
    async def page(request: Request, key: str) -> Any:
        request.session[key] = 1
        return templates.TemplateResponse(request, "page")

    return library.TestClient(app)


def test_one_of_our_names_is_a_key_in_starlettes_templates(visitor: Any) -> None:
    assert visitor.get("/n").text == "nobody 1"
    assert visitor.get("/login").text == "somebody"
