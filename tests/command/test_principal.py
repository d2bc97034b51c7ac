"""``holdall list`` and ``holdall revoke``."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from command.program import call, run
from holdall import Sessions
from servers.postgres import PostgresServer
from servers.redis import RedisServer


@pytest.fixture(params=["sqlite", "valkey", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    match request.param:
        case "valkey":
            valkey: RedisServer = request.getfixturevalue("valkey")
            valkey.client.flushdb()
            return valkey.url
        case "postgres":
            postgres: PostgresServer = request.getfixturevalue("postgres")
            return postgres.new_url()
    return f"sqlite:///{tmp_path / 'sessions.db'}"


@pytest.fixture
def sessions(url: str) -> Iterator[Sessions]:
    sessions = Sessions("table", key="sid", table=url, principal_key="user_id")
    yield sessions
    sessions.close()


def log_in(sessions: Sessions, user_id: object) -> str:
    """Begin a session and return its cookie's value."""
    session = sessions.fetch()
    session.login(user_id)
    session["note"] = "for nobody else"
    (cookie,) = sessions.commit(session).cookies
    assert cookie.value is not None
    return cookie.value


def is_alive(sessions: Sessions, sid: str) -> bool:
    return "user_id" in sessions.fetch(f"sid={sid}")


def handles(url: str, principal: str) -> list[str]:
    listed = call("list", url, "--key", "sid", "--principal", principal, "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    return [each["handle"] for each in json.loads(listed.stdout)]


def test_sessions_are_listed_with_a_handle_and_their_times(sessions: Sessions, url: str) -> None:
    sids = [log_in(sessions, 7), log_in(sessions, 7), log_in(sessions, "seven")]

    listed = call("list", url, "--key", "sid", "--principal", "7")

    assert (listed.returncode, listed.stderr) == (0, "")
    head, *rows = listed.stdout.splitlines()
    assert head.split("  ")[0] == "HANDLE"
    assert head.split() == ["HANDLE", "BEGAN", "SEEN", "ENDS", "ADDRESS", "USER", "AGENT"]
    assert len(rows) == 2
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert all(re.fullmatch(rf"[0-9a-f]{{16}}  {time}  {time}  {time}  - +-", row) for row in rows)
    assert not any(secret in listed.stdout for secret in (*sids, "nobody else"))


def test_machines_get_json(sessions: Sessions, url: str) -> None:
    log_in(sessions, 7)

    (listed,) = json.loads(call("list", url, "--key", "sid", "--principal", "7", "--json").stdout)

    assert listed.keys() == {"handle", "began", "seen", "ends", "address", "user_agent"}
    assert (listed["seen"], listed["address"], listed["user_agent"]) == (listed["began"], None, None)
    assert datetime.fromisoformat(listed["ends"]) - datetime.fromisoformat(listed["began"]) == timedelta(days=7)


def test_a_session_is_listed_with_its_client(url: str) -> None:
    noting = Sessions("table", key="sid", table=url, principal_key="user_id", record_client=True)
    session = noting.fetch(client=lambda: ("Browser\x1b[31m/1.0", "192.0.2.1"))
    session.login(7)
    noting.commit(session)
    noting.close()

    head, row = call("list", url, "--key", "sid", "--principal", "7").stdout.splitlines()

    assert row[head.index("ADDRESS") :] == "192.0.2.1  Browser[31m/1.0"


def test_one_applications_sessions_are_listed_and_ended_among_several(url: str) -> None:
    shop, blog = (
        Sessions("table", key="sid", table=url, principal_key="user_id", app_name=app) for app in ("shop", "blog")
    )
    bought, wrote = log_in(shop, 7), log_in(blog, 7)

    (listed,) = json.loads(call("list", url, "--app-name", "shop", "--key", "sid", "--principal", "7", "--json").stdout)
    one = ["--app-name", "shop", "--key", "sid", "--principal", "7", "--handle", listed["handle"]]

    assert call("list", url, "--key", "sid", "--principal", "7").stdout == "No sessions.\n"
    assert call("revoke", url, *one).stdout == "Ended 1 session.\n"
    assert (is_alive(shop, bought), is_alive(blog, wrote)) == (False, True)
    blogs = call("revoke", url, "--app-name", "blog", "--key", "sid", "--principal", "7", "--all")
    assert blogs.stdout == "Ended 1 session.\n"
    assert not is_alive(blog, wrote)
    shop.close()
    blog.close()


def test_a_renewed_session_is_listed_once_and_can_be_ended_by_its_old_handle(sessions: Sessions, url: str) -> None:
    session = sessions.fetch(f"sid={log_in(sessions, 7)}")
    (old,) = handles(url, "7")
    session.configure(renew=True)
    renewed = sessions.commit(session).cookie
    assert renewed is not None

    assert len(handles(url, "7")) == 1
    assert call("revoke", url, "--key", "sid", "--principal", "7", "--all-but", old).stdout == "Ended 0 sessions.\n"
    assert is_alive(sessions, renewed)
    assert call("revoke", url, "--key", "sid", "--principal", "7", "--handle", old).stdout == "Ended 1 session.\n"
    assert not is_alive(sessions, renewed)


def test_all_sessions_are_ended(sessions: Sessions, url: str) -> None:
    sids = [log_in(sessions, user) for user in (7, 8)]

    revoked = call("revoke", url, "--everybody")

    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, "Removed 2 rows.\n", "")
    assert not any(is_alive(sessions, sid) for sid in sids)


def test_the_sessions_to_end_must_be_specified() -> None:
    refused = run("revoke", "sqlite:///x")

    assert refused.returncode == 2
    assert "one of the arguments --principal --everybody is required" in refused.stderr


@pytest.mark.parametrize("choice", [["--handle", "0123456789abcdef"], ["--all-but", "0123456789abcdef"], ["--all"]])
def test_a_single_session_cannot_be_selected_with_everybody(choice: list[str]) -> None:
    refused = call("revoke", "sqlite:///x", "--everybody", *choice)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--everybody ends all" in refused.stderr


def test_ending_a_principals_sessions_needs_the_cookies_name() -> None:
    refused = call("revoke", "sqlite:///x", "--principal", "7", "--all")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--principal needs the name of the cookie too: pass it with --key." in refused.stderr


def test_a_principal_without_sessions_gets_an_empty_list(sessions: Sessions, url: str) -> None:
    log_in(sessions, 7)

    assert call("list", url, "--key", "sid", "--principal", "8").stdout == "No sessions.\n"
    assert call("list", url, "--key", "sid", "--principal", "8", "--json").stdout == "[]\n"


def test_all_sessions_of_a_principal_are_ended_and_no_others(sessions: Sessions, url: str) -> None:
    mine, other = [log_in(sessions, 7) for _ in range(3)], log_in(sessions, 8)

    revoked = call("revoke", url, "--key", "sid", "--principal", "7", "--all")

    assert (revoked.returncode, revoked.stdout, revoked.stderr) == (0, "Ended 3 sessions.\n", "")
    assert not any(is_alive(sessions, sid) for sid in mine)
    assert is_alive(sessions, other)
    assert call("revoke", url, "--key", "sid", "--principal", "7", "--all").stdout == "Ended 0 sessions.\n"


def test_which_of_a_principals_sessions_to_end_must_be_specified(sessions: Sessions, url: str) -> None:
    sid = log_in(sessions, 7)

    refused = call("revoke", url, "--key", "sid", "--principal", "7")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no sessions were selected: name one with --handle" in refused.stderr
    assert is_alive(sessions, sid)


def test_one_session_is_ended_by_its_handle(sessions: Sessions, url: str) -> None:
    sids = [log_in(sessions, 7) for _ in range(3)]
    chosen, *others = handles(url, "7")

    assert call("revoke", url, "--key", "sid", "--principal", "7", "--handle", chosen).stdout == "Ended 1 session.\n"
    assert sum(is_alive(sessions, sid) for sid in sids) == 2
    assert handles(url, "7") == others


def test_all_but_one_are_ended(sessions: Sessions, url: str) -> None:
    sids = [log_in(sessions, 7) for _ in range(3)]
    _, spared, _ = handles(url, "7")

    assert call("revoke", url, "--key", "sid", "--principal", "7", "--all-but", spared).stdout == "Ended 2 sessions.\n"
    assert sum(is_alive(sessions, sid) for sid in sids) == 1
    assert handles(url, "7") == [spared]


@pytest.mark.parametrize("handle", ["0123456789abcdef", ""])
@pytest.mark.parametrize("choice", ["--handle", "--all-but"])
def test_an_unknown_handle_ends_nothing(sessions: Sessions, url: str, choice: str, handle: str) -> None:
    sid = log_in(sessions, 7)

    refused = call("revoke", url, "--key", "sid", "--principal", "7", choice, handle)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"holdall: this principal has no session with the handle {handle!r}: nothing was ended.\n"
    assert is_alive(sessions, sid)


def test_a_handle_of_another_principal_ends_nothing(sessions: Sessions, url: str) -> None:
    log_in(sessions, 7)
    sid = log_in(sessions, 8)
    (handle,) = handles(url, "8")

    assert call("revoke", url, "--key", "sid", "--principal", "7", "--handle", handle).returncode == 1
    assert is_alive(sessions, sid)


def test_a_handle_stays_the_same_when_the_session_is_written(sessions: Sessions, url: str) -> None:
    sid = log_in(sessions, 7)
    before = handles(url, "7")
    session = sessions.fetch(f"sid={sid}")
    session["more"] = 1
    sessions.commit(session)

    assert handles(url, "7") == before


def test_handle_and_all_but_exclude_each_other() -> None:
    refused = call("revoke", "sqlite:///x", "--key", "sid", "--principal", "7", "--handle", "a", "--all-but", "b")

    assert refused.returncode == 2
    assert "not allowed with argument" in refused.stderr


@pytest.mark.parametrize("principal", ["ünïcødé", "a b", "-7", "' OR 1=1 --", "*", "\n"])
def test_a_principal_may_be_any_text(sessions: Sessions, url: str, principal: str) -> None:
    log_in(sessions, principal)

    assert call("revoke", url, "--key", "sid", f"--principal={principal}", "--all").stdout == "Ended 1 session.\n"


@pytest.mark.parametrize("principal", ["\udcff", ""])
@pytest.mark.parametrize("command", [["list"], ["revoke", "--all"]], ids=str)
def test_a_principal_that_is_not_valid_text_is_refused(command: list[str], principal: str) -> None:
    refused = call(*command, "sqlite:///x", "--key", "sid", "--principal", principal)

    assert refused.returncode == 2
    assert "argument --principal: " in refused.stderr
