"""The applications of a recipe, started as its page says."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import takewhile
from pathlib import Path
from socket import create_connection
from typing import NamedTuple

from docs.blocks import ROOT, fenced
from docs.projects import pasted
from holdall.testing import Client, Request, Response
from servers.processes import Process, free_port
from servers.web import http_client

_PROGRAMS = {
    "flask": ("-m", "flask"),
    "python": (),
    "uvicorn": ("-m", "uvicorn"),
    "waitress-serve": ("-m", "waitress"),
}


class Stage(NamedTuple):
    """
    The content of a page under one heading.

    Attributes:
        files: The source of each file by name, including those before the first heading.
        commands: The commands that start the applications.
        locations: The port to which nginx sends each path; ``"= "`` before a path means exactly that path.
    """

    files: dict[str, str]
    commands: list[str]
    locations: dict[str, str]


def stages(page: str) -> dict[str, Stage]:
    """Return the content of *page*, a file of ``docs/recipes``, under each heading."""
    text = (ROOT / "docs" / "recipes" / page).read_text(encoding="utf-8")
    shared, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    return {section.partition("\n")[0]: _stage(shared, section) for section in sections}


def _stage(shared: str, section: str) -> Stage:
    named = (source for each in (shared, section) for source in fenced(each, "python") if source.startswith("# "))
    return Stage(
        pasted({source.partition("\n")[0].removeprefix("# "): source for source in named}),
        [line for block in fenced(section, "sh") for line in block.splitlines()],
        dict(re.findall(r"location +((?:= )?\S+) +\{ proxy_pass http://127\.0\.0\.1:(\d+); \}", section)),
    )


@contextmanager
def running(stage: Stage, folder: Path, environment: Mapping[str, str]) -> Iterator[Client]:
    """Start the applications of *stage* in *folder*, and yield a client of the front server."""
    with started(stage, folder, environment) as ports:
        yield _front({said: http_client(port) for said, port in ports.items()}, stage.locations)


@contextmanager
def started(stage: Stage, folder: Path, environment: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Start the applications of *stage* in *folder*, and yield the port of each by the port that its command names."""
    folder.mkdir()
    write(stage.files, folder)
    with ExitStack() as processes:
        ports = {}
        for command in stage.commands:
            words, variables = _taken_apart(command)
            said = re.search(r"--(?:listen=127\.0\.0\.1:|port )(\d+)", command)
            if said is None:
                subprocess.run(words, cwd=folder, env={**os.environ, **environment, **variables}, check=True)
                continue
            port = free_port()
            words = [word.replace(said[1], str(port)) for word in words]
            process = Process(words, folder, partial(_listens, port), {**environment, **variables})
            process.start()
            processes.callback(process.kill)
            ports[said[1]] = port
        yield ports


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write *files*, by name, into *folder*."""
    for name, source in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(source, encoding="utf-8")


def _taken_apart(command: str) -> tuple[list[str], dict[str, str]]:
    """Return the words of *command*, to be run by this Python, and the variables set before it."""
    words = shlex.split(command)
    variables = dict(word.split("=", 1) for word in takewhile(lambda word: re.match(r"[A-Z_]+=", word), words))
    program, *options = words[len(variables) :]
    return [sys.executable, *_PROGRAMS[program], *options], variables


def _listens(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionError:
        return False
    return True


def _front(clients: Mapping[str, Client], locations: Mapping[str, str]) -> Client:
    """Return a client that sends each request to the application named in *locations*, as nginx does."""

    def send(request: Request) -> Response:
        exact = f"= {request.path}"
        found = exact if exact in locations else max(filter(request.path.startswith, locations), key=len)
        return clients[locations[found]](request)

    if locations:
        return send
    (client,) = clients.values()
    return client
