"""Django's tests of its sessions and of the features built on them, with our engine and our middleware."""

from collections.abc import Iterator, Sequence

from peers import runs
from peers.runs import STORE, Run, Suite

__all__ = ["OPTIONS", "SUITES"]

#: The stores that only a Django project can choose: its own database.
OPTIONS = {**runs.OPTIONS, "django": {"store": "table", "table": "django"}}

_SESSIONS = (
    "peers.django_tests",
    "sessions_tests.tests.SessionBaseTests",
    "sessions_tests.tests.ClearSessionsCommandTests",
)
_USERS = ("auth_tests", "messages_tests", "csrf_tests", "test_client", "admin_views")

_ENGINES = ("db", "signed_cookies")


def _run(name: str, tests: Sequence[str], **environment: str) -> Run:
    return Run(name, ("runtests.py", "--settings=peers.django_settings", "--verbosity=0", *tests), environment)


def _suites() -> Iterator[Suite]:
    for title, tests in (("sessions_tests", _SESSIONS), (", ".join(_USERS), _USERS)):
        yield Suite(
            framework="django",
            title=title,
            folder="tests",
            own=[_run(f"Django's own, {engine}", tests, PEERS_ENGINE=engine) for engine in _ENGINES],
            ours={store: _run(f"holdall, {store}", tests, **{STORE: store}) for store in OPTIONS},
        )


SUITES = tuple(_suites())
