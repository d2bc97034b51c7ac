"""Test that the permissions that docs/operations.md gives a Redis user are sufficient."""

import re
from collections.abc import Iterator

import pytest

from docs.blocks import ROOT, fenced
from holdall import Sessions, StoreError
from servers.redis import RedisServer

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECRET = "9a4d17c0e8b35f62-d07c41e95ab8263f"
(COMMAND,) = (block for block in fenced(PAGE, "") if block.startswith("ACL SETUSER"))


@pytest.fixture
def url(valkey: RedisServer) -> Iterator[str]:
    """Return the server's address for the page's user."""
    yield valkey.url.replace("redis://", "redis://shop:password@")
    valkey.client.execute_command("ACL DELUSER", "shop")


def used(url: str) -> tuple[int, int, int]:
    """Use sessions in every way that needs its own command, and return how many were listed and ended."""
    with Sessions(url, key="sid", secret_key_base=SECRET) as sessions:
        cookie = None
        for _ in range(20):  # more than a user's index lists in one step
            session = sessions.fetch()
            session["user_id"] = 7
            (cookie,) = sessions.commit(session).cookies
        session = sessions.fetch(f"sid={cookie.value}")
        session.atomic_update("visits", lambda visits: visits + 1, default=0)
        session.configure(renew=True)
        (cookie,) = sessions.commit(session).cookies
        listed = len(sessions.list(7))
        ended = sessions.revoke(7, keep=sessions.fetch(f"sid={cookie.value}"))
        sessions.sweep()
        return listed, ended, sessions.revoke_all()


def test_the_pages_user_can_do_everything_that_sessions_need(url: str, valkey: RedisServer) -> None:
    valkey.client.execute_command(*COMMAND.split())

    listed, ended, removed = used(url)

    assert (listed, ended) == (20, 19)
    assert removed >= 1


def test_each_of_the_users_permissions_is_needed(url: str, valkey: RedisServer) -> None:
    valkey.client.execute_command(*COMMAND.replace(" +hset", "").split())

    with pytest.raises(StoreError):
        used(url)


def test_the_pages_user_cannot_access_other_keys() -> None:
    assert re.findall(r"~\S+", COMMAND) == ["~holdall:*"]
