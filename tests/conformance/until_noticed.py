"""A plugin of pytest that runs the tests of each class until one fails: by then the suite has noticed what is wrong."""

from typing import Any

import pytest

_noticed: set[type] = set()


def pytest_runtestloop(session: pytest.Session) -> bool:
    for item in session.items:
        if item.cls not in _noticed:  # type: ignore[attr-defined]  # all of these are methods
            # Of no next item, for which of them that will be is not known yet.
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Any:
    report = yield
    if report.failed:
        _noticed.add(item.cls)
    return report
