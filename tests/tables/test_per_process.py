"""Objects that are created once per process, such as a pool of connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

from holdall._connections import PerProcess


def test_threads_that_create_one_concurrently_share_the_first() -> None:
    together = threading.Barrier(2)
    made: list[object] = []

    def make() -> object:
        # By now, neither thread has found one.
        together.wait(timeout=30)
        made.append(object())
        return made[-1]

    per_process = PerProcess(make)
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: per_process.get(), range(2))

    assert len(made) == 2
    assert first is second is per_process.get()
