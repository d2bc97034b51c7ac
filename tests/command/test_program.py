"""What all subcommands have in common: how they start, how they fail, and what they never print."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import holdall
from command.program import HOLDALL, call, run
from holdall._command._tables import _without_password
from servers.postgres import PostgresServer
from servers.processes import free_port

SCRIPT = Path(sys.executable).with_name("holdall")


def importing_from(folder: Path) -> dict[str, str]:
    """Return an environment in which a program finds the modules in *folder* first."""
    return {"PYTHONPATH": os.pathsep.join((str(folder), *filter(None, [os.environ.get("PYTHONPATH")])))}


def test_the_installed_script_is_the_same_program() -> None:
    if not SCRIPT.exists():
        pytest.skip("holdall is not installed in this environment")

    script = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, check=True)

    assert script.stdout == run("--help").stdout


def test_help_names_every_command() -> None:
    shown = call("--help").stdout

    assert all(f"    {command} " in shown for command in ("secret", "inspect", "sweep", "list", "revoke"))


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout == f"holdall {holdall.__version__}\n" == f"holdall {version('holdall')}\n"


def test_without_a_command_it_prints_its_usage() -> None:
    refused = run()

    assert refused.returncode == 2
    assert refused.stderr.startswith("usage: holdall")


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "cookie", "--secret", "hunter2"],
        ["inspect", "cookie", "--secret=hunter2"],
        ["inspect", "cookie", "--secret-env", "hunter2"],
        ["inspect", "cookie", "hunter2"],
        ["inspect", "cookie", "--key", "sid", "-qhunter2"],
        ["sweep", "redis://127.0.0.1", "hunter2"],
    ],
)
def test_an_argument_that_may_be_a_secret_is_not_repeated(arguments: list[str]) -> None:
    refused = call(*arguments)

    assert refused.returncode != 0
    assert "hunter2" not in refused.stdout + refused.stderr


TABLE_COMMANDS = (
    ["sweep"],
    ["list", "--key", "sid", "--principal", "7"],
    ["revoke", "--key", "sid", "--principal", "7", "--all"],
)
every_table_command = pytest.mark.parametrize("command", TABLE_COMMANDS, ids=lambda command: command[0])


@every_table_command
@pytest.mark.parametrize("url", ["memory://session", "session", "memory://shop:hunter2@db.example"])
def test_a_table_in_memory_is_refused(command: list[str], url: str) -> None:
    refused = call(*command, url)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "holdall: a table in memory belongs to its own process: use another table, such as sqlite:///sessions.db.\n"
    )


@every_table_command
@pytest.mark.parametrize("url", ["sessions.db", "shop:hunter2@db.example"])
def test_a_path_or_an_address_without_a_scheme_is_refused_and_not_shown(command: list[str], url: str) -> None:
    refused = call(*command, url)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "write a path as sqlite:///path" in refused.stderr
    assert url not in refused.stderr


@every_table_command
def test_a_missing_table_is_refused(command: list[str]) -> None:
    refused = call(*command)

    assert refused.returncode == 1
    assert refused.stderr == (
        "holdall: no table was named: pass its URL, or set the environment variable HOLDALL_TABLE.\n"
    )


@every_table_command
def test_a_missing_file_is_not_created(command: list[str], tmp_path: Path) -> None:
    refused = call(*command, f"sqlite:///{tmp_path}/sesions.db")

    assert refused.returncode == 1
    assert refused.stderr == f"holdall: there is no file {tmp_path}/sesions.db.\n"
    assert list(tmp_path.iterdir()) == []


@every_table_command
def test_an_empty_file_is_left_alone(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "sessions.db").touch()

    refused = call(*command, f"sqlite:///{tmp_path}/sessions.db")

    assert refused.returncode == 1
    reason = "is an empty file, or has no table session: no session was ever kept there."
    assert refused.stderr == f"holdall: {tmp_path}/sessions.db {reason}\n"
    assert {file.name: file.stat().st_size for file in tmp_path.iterdir()} == {"sessions.db": 0}


@every_table_command
def test_in_an_empty_database_nothing_is_created(command: list[str], postgres: PostgresServer) -> None:
    url = postgres.new_url()

    refused = call(*command, url)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("holdall: the database has no table holdall_session: ")
    assert postgres.ask("SELECT to_regclass('holdall_session')", url) == [(None,)]


@every_table_command
def test_another_programs_file_is_an_error_of_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing like a database, and long enough to be looked at" * 20)

    refused = call(*command, f"sqlite:///{tmp_path}/notes.txt")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"holdall: SQLite could not use {tmp_path}/notes.txt: file is not a database.\n"


@every_table_command
@pytest.mark.parametrize(
    "url",
    [
        "gopher://shop:hunter2@db.example",
        "redis://shop:hunter2@127.0.0.1:{port}/0",
        "redis://shop:hunter2@127.0.0.1:hunter2/0",
        "valkeys://shop:hunter2@127.0.0.1:{port}/0",
        "unix://shop:hunter2@/nowhere/{port}",
        "postgresql://shop:hunter2@[127.0.0.1/shop",
    ],
)
def test_a_server_that_is_down_is_an_error_of_one_line_without_its_password(command: list[str], url: str) -> None:
    failed = call(*command, env={"HOLDALL_TABLE": url.format(port=free_port())})

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("holdall: ")
    assert failed.stderr.count("\n") == 1
    assert "hunter2" not in failed.stderr


def test_a_postgresql_that_is_down_is_an_error_of_one_line() -> None:
    port = free_port()

    failed = run("sweep", f"postgresql://shop:hunter2@127.0.0.1:{port}/shop")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("holdall: PostgreSQL ")
    assert f"127.0.0.1:{port}/shop" in failed.stderr
    assert "hunter2" not in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_a_redis_that_is_down_is_named_with_its_host_port_and_database() -> None:
    port = free_port()

    failed = run("list", f"redis://shop:hunt%65r2@127.0.0.1:{port}/3", "--key", "sid", "--principal", "7")

    assert failed.returncode == 1
    assert f"127.0.0.1:{port}/3" in failed.stderr
    assert "hunter2" not in failed.stderr
    assert "hunt%65r2" not in failed.stderr


SPEAKING_TABLE = """
from holdall import StoreError

class Table:
    def read(self): ...
    def close(self): ...
    def sweep(self, limit):
        raise StoreError("cannot reach it with hunter2\\x1b[2J\\x9b31m\\u202e\\u2066\\r\\nat {}".format(self.url))

def open_table(url, form, clock):
    table = Table()
    table.url = url
    return table
"""


def test_a_tables_error_cannot_control_the_terminal_and_shows_no_password(tmp_path: Path) -> None:
    (tmp_path / "speaking.py").write_text(SPEAKING_TABLE)
    (tmp_path / "speaking-1.dist-info").mkdir()
    (tmp_path / "speaking-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: speaking\nVersion: 1\n")
    (tmp_path / "speaking-1.dist-info" / "entry_points.txt").write_text(
        "[holdall.tables]\nspeaking = speaking:open_table\n"
    )

    failed = run("sweep", "speaking://shop:hunter2@db.example:7/shop", env=importing_from(tmp_path))

    assert failed.returncode == 1
    expected = (
        r"holdall: cannot reach it with ***\x1b[2J\x9b31m\u202e\u2066\r\nat speaking://shop:***@db.example:7/shop"
    )
    assert failed.stderr == f"{expected}\n"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("speaking://shop:hunter2@[::1/shop", "speaking://shop:***@[::1/shop"),
        ("speaking://db.example/shop?user=shop&password=hunter2", "speaking://db.example/shop?user=shop&password=***"),
        ("speaking://:hunt%65r2@db.example", "speaking://:***@db.example"),
        ("speaking://:hu@nter2@db.example", "speaking://:***@db.example"),
    ],
)
def test_a_password_is_found_anywhere_in_a_url(url: str, shown: str) -> None:
    message = _without_password(f"cannot use {url}", url)

    assert message == f"cannot use {shown}"


def test_a_refused_argument_cannot_control_the_terminal() -> None:
    refused = run("inspect", "--key-length", "\x1b[2J\x9b\u202e", "cookie")

    assert refused.returncode == 2
    assert all(each == "\n" or each.isprintable() for each in refused.stderr)


def test_a_missing_driver_is_named_with_the_way_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "redis.py").write_text("raise ModuleNotFoundError(name='redis')")

    refused = run("sweep", "redis://127.0.0.1", env=importing_from(tmp_path))

    assert refused.returncode == 1
    assert refused.stderr == "holdall: RedisTable needs redis-py. Install it with: pip install 'holdall[redis]'\n"


def test_a_reader_that_stops_early_causes_no_error() -> None:
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write) as pipe:
        done = subprocess.run([*HOLDALL, "secret"], stdout=pipe, stderr=subprocess.PIPE, check=False)

    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*HOLDALL, "secret"], stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 1
    assert done.stderr == b"holdall: the output could not be written: No space left on device.\n"
