"""The tests' servers: what could make them collide by chance."""

import random
import subprocess
import sys
from itertools import count

import pytest

from servers.processes import free_port


def test_a_port_that_is_in_use_is_given_to_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    ask = (
        "import random, itertools; from servers.processes import free_port; "
        f"ports = itertools.count({taken}); random.randrange = lambda *_: next(ports); print(free_port())"
    )
    other = int(subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout)

    ports = count(taken)
    monkeypatch.setattr(random, "randrange", lambda *_: next(ports))

    assert taken not in (other, free_port())
