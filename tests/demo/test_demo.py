"""The demo, run as its users run it: in its own process, with real servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from socket import create_connection, create_server
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from demo import shop
from demo.__main__ import main
from demo.check import check
from demo.databases import SERVED, address
from demo.servers import ServerError, running
from demo.settings import FRAMEWORKS, STORES, Host, hosts
from demo.visitor import Page, Visitor
from holdall import Sessions
from servers.processes import NoProgramError, free_port
from servers.redis import RedisServer
from servers.tls import make_certificate
from sizes import FULL

ROOT = Path(__file__).parents[2]
SECONDS = 120

# Each check takes seconds. At a small size it tries cookies over HTTP and a table over HTTPS; the tables that need a
# server only keep a visitor's login, further below. `nox -s demo_check` checks all.
CHECKED = STORES if FULL else ("cookie",)
CHECKED_OVER_HTTPS = ("cookie", "sqlite") if FULL else ("sqlite",)
# One that the demo starts itself and one that it does not.
STARTED = STORES if FULL else ("cookie", "postgres")


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "demo", *options]


def checked(*options: str) -> "subprocess.CompletedProcess[str]":
    """Let the demo check itself in its own process."""
    return subprocess.run(
        command("--check", *options), cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@contextmanager
def started(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the demo in its own process group, as a terminal does."""
    process = subprocess.Popen(
        command("--port", "0", *options),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def addresses(process: "subprocess.Popen[str]") -> list[tuple[str, int]]:
    """Return the servers' addresses, from what the demo prints until it is ready."""
    found = []
    assert process.stdout is not None
    for line in process.stdout:
        if "://" in line:
            url = urlsplit(line.split()[-1])
            found.append((str(url.hostname), int(url.port or 0)))
        elif "Ctrl-C" in line:
            break
    return found


def share_a_session(where: list[tuple[str, int]]) -> None:
    """Let a visitor log in through one framework, and be known to all."""
    urls = {framework: "http://{}:{}".format(*each) for framework, each in zip(FRAMEWORKS, where, strict=True)}
    visitor = Visitor(urls, None, until=time.monotonic() + SECONDS, jar={})
    visitor.submits("FastAPI", "/login", name="Ada")
    assert [visitor.opens(framework) for framework in FRAMEWORKS] == [Page(each, "Ada") for each in FRAMEWORKS]


def is_open(address: tuple[str, int]) -> bool:
    try:
        create_connection(address, timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def complaints(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """Return what the servers logged, except for the check's deliberate faults: spoiled and replayed cookies, races."""
    meant = ("session rejected (", "session device_refused (no bound cookie)", "session lost_write (ended)")
    return [line for line in done.stderr.splitlines() if not any(each in line for each in meant)]


@pytest.mark.parametrize("store", CHECKED)
def test_the_check_passes_with_each_store(store: str) -> None:
    done = checked("--store", store)

    assert done.returncode == 0, done.stdout + done.stderr
    assert complaints(done) == []
    assert "FAILED" not in done.stdout
    for framework in FRAMEWORKS:
        assert f"ok      come back                     {framework}" in done.stdout
        assert f"ok      log out during a request      {framework:8} Still logged out." in done.stdout


@pytest.mark.parametrize("store", CHECKED_OVER_HTTPS)
def test_the_check_passes_over_https(store: str) -> None:
    done = checked("--https", "--store", store)

    assert done.returncode == 0, done.stdout + done.stderr
    assert complaints(done) == []
    assert "the cookie __Host-_demo of" in done.stdout
    for framework in FRAMEWORKS:
        assert f"ok      visit                         {framework:8} over HTTPS" in done.stdout
        assert f"ok      register a device's key       {framework:8} 200, bound to this device" in done.stdout
        assert f"ok      replay them without the key   {framework:8} Refused" in done.stdout


def test_a_running_server_is_used(valkey: RedisServer) -> None:
    valkey.client.flushdb()
    with started("--store", "redis", "--url", valkey.url) as process:
        share_a_session(addresses(process))

    assert valkey.client.keys("holdall:principal:*\x1fAda")


@pytest.mark.skipif(not FULL, reason="it takes seconds: set HOLDALL_FULL=1")
def test_the_check_passes_on_a_running_server(valkey: RedisServer) -> None:
    valkey.client.flushdb()
    done = checked("--store", "redis", "--url", valkey.url)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("store", SERVED)
@pytest.mark.parametrize("missing", ["servers.redis", "servers.processes.binary"])
def test_a_server_that_cannot_be_started_is_reported(
    store: str, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_there(package: str, pattern: str) -> str:
        raise NoProgramError(package)

    if missing == "servers.redis":
        monkeypatch.setitem(sys.modules, missing, None)
    else:
        for module in ("servers.postgres", "servers.redis"):
            monkeypatch.setattr(f"{module}.binary", none_there)

    with pytest.raises(ServerError, match=rf"give the --url .* --store {store}`"), address(store, None, str(tmp_path)):
        pytest.fail("there was none")


def test_the_check_fails_if_the_secrets_differ(capsys: pytest.CaptureFixture[str]) -> None:
    # The processes belong to different runs, so each has its own secret.
    alike, other = (hosts("cookie", "")[0].environment for _ in range(2))
    with running([Host(FRAMEWORKS[:-1], alike), Host(FRAMEWORKS[-1:], other)]) as servers:
        good = check(servers.urls, in_table=False)

    assert not good
    assert "FAILED" in capsys.readouterr().out


def test_the_check_fails_if_a_copied_cookie_outlives_its_session(capsys: pytest.CaptureFixture[str]) -> None:
    # One process serves cookies as well as three do.
    with running([Host(FRAMEWORKS, hosts("cookie", "")[0].environment)]) as servers:
        good = check(servers.urls, in_table=True)

    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAILED")]
    assert not good
    # Another user cannot be signed out either.
    for step in ("send a copy of the cookie", "look at my devices", "be signed out"):
        assert any(step in line for line in failed)


def test_the_check_fails_if_no_server_responds(capsys: pytest.CaptureFixture[str]) -> None:
    urls = {framework: f"http://127.0.0.1:{free_port()}" for framework in FRAMEWORKS}

    assert not check(urls, in_table=True)
    assert "none came" in capsys.readouterr().out


def test_the_check_fails_with_an_untrusted_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "another").mkdir()
    with running(hosts("memory", ""), certificate=make_certificate(tmp_path)) as servers:
        good = check(servers.urls, in_table=True, certificate=make_certificate(tmp_path / "another"))

    assert not good
    assert "certificate verify failed" in capsys.readouterr().out


def test_without_a_proxy_an_https_header_is_not_trusted() -> None:
    with running(hosts("memory", "")) as servers:
        for url, said in product(servers.urls.values(), ("http", "https")):
            with urlopen(Request(url, headers={"X-Forwarded-Proto": said})) as answer:
                assert b'itemprop="scheme">HTTP<' in answer.read()


def test_the_exit_code_of_a_failed_check_is_1() -> None:
    # A visitor whose browser calls the cookie by another name never gets a session back.
    misled = (
        "import sys; from demo import __main__, visitor; "
        "visitor.key_at = lambda url: '_other'; sys.exit(__main__.main())"
    )

    done = subprocess.run(
        [sys.executable, "-c", misled, "--check", "--store", "memory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C does not signal a process group there")
@pytest.mark.parametrize("options", [*(["--store", store] for store in STARTED), ["--https"]], ids=" ".join)
def test_ctrl_c_ends_everything_silently(options: list[str]) -> None:
    with started(*options) as process:
        where = addresses(process)
        if options == ["--https"]:
            assert [is_open(each) for each in where] == [True] * len(FRAMEWORKS)
        else:
            share_a_session(where)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)

    assert (process.returncode, out, err) == (0, "", "")
    assert [is_open(each) for each in where] == [False] * len(FRAMEWORKS)


def test_the_servers_end_with_the_process_that_started_them() -> None:
    with started() as process:
        where = addresses(process)
        process.kill()
        process.communicate(timeout=SECONDS)  # returns when the last server has closed the output

    assert [is_open(each) for each in where] == [False] * len(FRAMEWORKS)


def test_a_server_that_ends_by_itself_is_reported() -> None:
    with running(hosts("cookie", "")) as servers:
        lost = servers.processes[1]
        lost.kill()

        with pytest.raises(ServerError, match=r"the server of FastAPI has ended \(exit code -9\)"):
            servers.watch()

    assert not any(process.is_alive() for process in servers.processes)


@pytest.mark.parametrize("https", [False, True])
def test_a_port_in_use_is_reported(https: bool, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path) if https else None
    with (
        create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ServerError, match="cannot be used"),
        running(hosts("cookie", ""), port=taken.getsockname()[1], certificate=certificate),
    ):
        pytest.fail("the port was in use")


def test_the_default_ports_are_always_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("demo.__main__._PORT", port := taken.getsockname()[1])
        assert main(["--store", "cookie"]) == 1
        assert f"port {port} cannot be used" in capsys.readouterr().err


def test_an_unknown_item_begins_no_session() -> None:
    session = Sessions("table", key="_demo", table="demo").fetch()

    shop.add(session, "Gold", through="Flask")
    shop.remove(session, "Tea", through="Flask")

    assert not session.modified


def test_a_name_of_spaces_is_not_a_name() -> None:
    assert [shop.name_of(text) for text in ("   ", " Ada ", "x" * 50)] == ["", "Ada", "x" * shop.LONGEST_NAME]


def test_the_cart_has_a_limit() -> None:
    session = Sessions("table", key="_demo", table="demo").fetch()

    for _ in range(shop.CART_LIMIT + 1):
        shop.add(session, "Tea", through="Flask")

    assert len(session["cart"]) == shop.CART_LIMIT
