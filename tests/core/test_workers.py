"""Test that a memory table reports that it belongs to one process, and warns if there are several processes."""

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdall import MemoryTable
from holdall._workers import several_workers
from holdall.tables import Row
from holdall.testing import FakeClock
from servers.processes import free_port

DIGEST = bytes(32)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove any request for workers from the tests' environment."""
    for name in list(os.environ):
        if "WORKERS" in name or "PROCESSES" in name or name in ("WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "argv", ["program"])


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("WEB_CONCURRENCY", "4", "WEB_CONCURRENCY=4"),
        ("UVICORN_WORKERS", "2", "UVICORN_WORKERS=2"),
        ("GRANIAN_WORKERS", "2", "GRANIAN_WORKERS=2"),
        ("UWSGI_PROCESSES", "2", "UWSGI_PROCESSES=2"),
        ("GUNICORN_CMD_ARGS", "--workers=4", "GUNICORN_CMD_ARGS"),
        ("GUNICORN_CMD_ARGS", "--bind 127.0.0.1 --workers '4'", "GUNICORN_CMD_ARGS"),
        ("GUNICORN_CMD_ARGS", "-w4", "GUNICORN_CMD_ARGS"),
        ("GUNICORN_CMD_ARGS", "-w 4", "GUNICORN_CMD_ARGS"),
        ("GUNICORN_CMD_ARGS", "-w 4 -w 1", None),
        ("GUNICORN_CMD_ARGS", "--worker-class gthread --threads 4", None),
        ("GUNICORN_CMD_ARGS", "--bind host-w4", None),
        ("WEB_CONCURRENCY", "1", None),
        ("WEB_CONCURRENCY", "", None),
        ("WEB_CONCURRENCY", "auto", None),
    ],
)
def test_several_workers_are_detected_in_the_environment(
    variable: str, value: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    assert several_workers() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/usr/bin/gunicorn shop:app -w 4", "the command line of gunicorn"),
        ("/site-packages/uvicorn/__main__.py shop:app --workers 2", "the command line of uvicorn"),
        ("fastapi run shop.py --workers=2", "the command line of fastapi"),
        (r"hypercorn.exe --workers 2 shop:app", "the command line of hypercorn"),
        ("uvicorn shop:app", "WEB_CONCURRENCY=3"),
        ("uvicorn shop:app --workers 1", None),
        ("manage.py report -w 4", "WEB_CONCURRENCY=3"),
    ],
)
def test_several_workers_are_detected_on_a_servers_command_line_which_takes_precedence(
    line: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", line.split())
    monkeypatch.setenv("WEB_CONCURRENCY", "3")

    assert several_workers() == expected


@pytest.mark.parametrize(("processes", "expected"), [(4, "uWSGI with 4 processes"), (1, None), (None, None)])
def test_several_processes_of_uwsgi_are_detected(
    processes: int | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(numproc=processes))  # type: ignore[arg-type]  # as uWSGI's

    assert several_workers() == expected


def test_a_new_table_logs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "holdall")

    MemoryTable(name="mine", max_rows=10)

    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert f"'mine' keeps sessions only in process {os.getpid()}, up to 10 rows" in record.getMessage()


def test_a_table_warns_of_several_workers(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    MemoryTable(name="mine")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "WEB_CONCURRENCY=4 asks for several workers" in record.getMessage()
    assert "sqlite:///sessions.db" in record.getMessage()


def test_each_worker_of_a_real_server_warns(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "from holdall import MemoryTable\ntable = MemoryTable(name='mine')\nasync def app(scope, receive, send): ...\n"
    )
    options = ["--workers", "2", "--host", "127.0.0.1", "--port", str(free_port()), "--lifespan", "off"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "shop:app", *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    # Without a warning, the server's end stops the wait.
    in_time = threading.Timer(60, server.terminate)
    in_time.start()
    warned = next((line for line in server.stderr if "its own memory table" in line), "")
    in_time.cancel()
    server.terminate()
    server.communicate()

    assert "the command line of uvicorn asks for several workers" in warned


# The tests run threads of their own, which do not matter in the child.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("verb", ["insert", "remove"])
def test_a_table_used_in_a_forked_process_warns_once(
    verb: str, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    table = MemoryTable(name="mine", clock=clock)
    row = Row(b"", 1, clock.now.replace(year=2030), clock())
    table.insert(DIGEST, row)

    def use() -> None:
        for number in range(3):
            table.insert(number.to_bytes(32, "big"), row) if verb == "insert" else table.remove(DIGEST)
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        told = f"'mine' was created in process {os.getppid()} and is used in process {os.getpid()}"
        os._exit(0 if len(warnings) == 1 and told in warnings[0] else 1)

    child = multiprocessing.get_context("fork").Process(target=use)
    child.start()
    child.join()

    assert child.exitcode == 0
    assert caplog.records == []
