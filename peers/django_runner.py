"""Django's test runner, which also records each test's result."""

import unittest
from typing import Any

from django.test.runner import DiscoverRunner

from peers.record import note, write
from peers.runs import Outcome

__all__ = ["Runner"]


class _Result(unittest.TextTestResult):
    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802  # unittest's name, like those below
        super().addSuccess(test)
        note(test.id(), Outcome.PASSED)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        note(test.id(), Outcome.FAILED)

    def addError(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        note(test.id(), Outcome.FAILED)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        note(test.id(), Outcome.PASSED if err is None else Outcome.FAILED)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        note(test.id(), Outcome.FAILED)

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        note(test.id(), Outcome.PASSED)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        note(test.id(), Outcome.SKIPPED)


class Runner(DiscoverRunner):
    """A test runner that runs tests as Django does, and records the results."""

    def get_resultclass(self) -> type[unittest.TextTestResult]:
        """Return the class that records each test's result."""
        return _Result

    def run_suite(self, suite: unittest.TestSuite, **options: Any) -> Any:
        """Run *suite* and write the results."""
        result = super().run_suite(suite, **options)
        write()
        return result
