"""Test the suites themselves: broken implementations fail, and overriding a test does not help."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import Phase
from hypothesis.errors import FlakyFailure

from conformance import mutants
from holdall import MemoryTable, Sessions
from holdall.testing import (
    AdapterConformance,
    FakeClock,
    FormatConformance,
    Request,
    Response,
    SerializerConformance,
    StoreConformance,
    Suite,
    TableConformance,
    as_async,
    wsgi_client,
)
from holdall.testing._adapters.mounted import check_mount
from holdall.testing._tables.failures import FailureTests
from holdall.testing._tables.machine import try_sequences
from holdall.testing._tables.suite import check_awaited


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Run the suites against all mutants and return the classes that failed."""
    report = tmp_path_factory.mktemp("mutants") / "report.xml"
    # The model finds them too, but takes long to shrink its sequences.
    options = ["-q", "--tb=no", "-k", "not agrees_with_a_dict", f"--junitxml={report}"]
    plugins = ["-p", "no:cacheprovider", "-p", "tests.conformance.until_noticed"]
    command = [sys.executable, "-m", "pytest", *options, *plugins, mutants.__file__]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=False, capture_output=True)
    cases = ElementTree.parse(report).iter("testcase")
    return {
        case.attrib["classname"].rpartition(".")[2]
        for case in cases
        if (failure := case.find("failure")) is not None
        # A mutant that no longer fits the code fails too, which proves nothing.
        and not failure.attrib["message"].startswith(("AttributeError", "KeyError", "TypeError"))
    }


@pytest.mark.parametrize(
    "mutant",
    [
        *mutants.TABLES,
        *mutants.BROKEN,
        *mutants.STORES,
        *mutants.FORMATS,
        *mutants.SERIALIZERS,
        *mutants.ADAPTERS,
        *mutants.EXCHANGES,
        *mutants.PARSERS,
    ],
    ids=lambda each: each.__name__,
)
def test_each_mutant_fails(failed: set[str], mutant: type) -> None:
    assert f"Test{mutant.__name__}" in failed


@pytest.mark.parametrize("mutant", [mutants.TouchesBackwards, mutants.FindsExpiredRows], ids=lambda each: each.__name__)
def test_the_model_finds_mutants(mutant: type[MemoryTable]) -> None:
    clock = FakeClock()

    # If it cannot reproduce a failure, because others have used the table since, it says so and shows the failure.
    with (
        asyncio.Runner() as runner,
        pytest.raises((AssertionError, FlakyFailure), match=r"after step|Flaky|unreliable"),
    ):
        # This test needs any failing sequence, not the shortest.
        try_sequences(as_async(mutant(clock=clock)), clock, runner, phases=[Phase.generate], max_examples=1000)


@pytest.mark.parametrize(
    ("suite", "test"),
    [
        (TableConformance, "test_replace_never_creates_a_row"),
        (StoreConformance, "test_a_write_does_not_bring_a_deleted_session_back"),
        (FormatConformance, "test_no_part_of_a_cookie_opens"),
        (SerializerConformance, "test_the_limit_does_not_depend_on_the_stack"),
        (AdapterConformance, "test_drop_ends_the_session_and_its_cookie"),
    ],
)
def test_a_test_of_a_suite_cannot_be_overridden(suite: type[Suite], test: str) -> None:
    for override in (lambda self: None, None):
        with pytest.raises(TypeError, match=test):
            type("TestMine", (suite,), {test: override})


def test_a_misspelt_capability_is_explained() -> None:
    with pytest.raises(TypeError, match=r"TestMine\.sweep = False declares nothing.* Did you mean sweeps\?"):
        type("TestMine", (TableConformance,), {"sweep": False})
    with pytest.raises(TypeError, match=r"It has .*streams"):
        type("TestMine", (AdapterConformance,), {"colourful": True})


@pytest.mark.parametrize(
    ("table", "explained"),
    [
        (MemoryTable(), r"this one is sync: let table return as_async\(…\) instead"),
        ({}, "the fixture table returned a dict, which is not a table"),
    ],
    ids=["sync", "none"],
)
def test_a_table_that_cannot_be_awaited_is_explained(table: Any, explained: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=explained):
        check_awaited("table", table)
    check_awaited("table", as_async(MemoryTable()))


_GOOD = b'{"results": [null, 1]}'


def _divide(request: Request | Sessions) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("mount", "explained"),
    [
        (_divide, r"mount\(sessions\) failed: ZeroDivisionError"),
        (lambda sessions: None, "returned a NoneType, which is not a client"),
        (
            lambda sessions: lambda request: None,
            r"the client returned a NoneType instead of a holdall\.testing\.Response",
        ),
        (lambda sessions: _divide, "the client raised ZeroDivisionError"),
        (lambda sessions: wsgi_client(_divide), "because the application raised TypeError"),
        (lambda sessions: lambda request: Response(200, body=b"hello"), "the response is 200 with b'hello'"),
        (lambda sessions: lambda request: Response(200, body=b""), "the response is 200 with b''"),
        (lambda sessions: lambda request: Response(200 if request.path == "/" else 404, body=_GOOD), "GET /any/path"),
        (
            lambda sessions: lambda request: Response(404 if request.path == "/stream" else 200, body=_GOOD),
            "POST /stream with .* Respond to every method and path with the result of stream",
        ),
    ],
)
def test_a_broken_mount_is_explained_to_each_test(mount: Any, explained: str) -> None:
    suite = type("TestMine", (), {})

    for _ in range(2):
        with pytest.raises(pytest.fail.Exception, match=f"the mount of TestMine does not .*{explained}"):
            check_mount(suite, mount, Sessions("table", key="_shop", table="mounted"), streams=True)


def test_a_mount_without_streams_need_not_support_them() -> None:
    good: Any = lambda sessions: lambda request: Response(404 if request.path == "/stream" else 200, body=_GOOD)  # noqa: E731

    check_mount(type("TestMine", (), {}), good, Sessions("table", key="_shop", table="mounted"), streams=False)


@pytest.mark.parametrize(
    ("table", "explained"),
    [
        (mutants.LetsErrorsThrough, "read lets the driver's ConnectionRefusedError through"),
        (mutants.AnswersWithoutADatabase, "read returned None, as if"),
    ],
)
def test_a_drivers_errors_are_explained(table: type[MemoryTable], explained: str) -> None:
    test: Any = FailureTests().test_a_database_that_is_down_is_a_store_error_without_secrets

    with asyncio.Runner() as runner, pytest.raises(pytest.fail.Exception, match=explained):
        test(runner, broken_table=as_async(table()), clock=FakeClock(), verb="read")


def test_a_suites_test_cannot_be_overridden_by_another_base_class() -> None:
    class Lenient:
        def test_insert_never_overwrites(self) -> None:
            """Check nothing."""

    with pytest.raises(TypeError, match="test_insert_never_overwrites"):
        type("TestMine", (Lenient, TableConformance), {})


def test_a_subclass_may_add_fixtures_capabilities_and_tests() -> None:
    class TestMine(TableConformance):
        sweeps = False

        @pytest.fixture
        def table(self) -> None:
            """Be a table."""

        def test_of_my_own(self) -> None:
            """Check something."""

    class TestMore(TestMine):
        def test_of_my_own(self) -> None:
            """Check more."""

    assert TestMore.sweeps is False


def test_each_suite_reports_the_fixture_that_it_needs() -> None:
    for suite, fixture in (
        (TableConformance, "table"),
        (StoreConformance, "store"),
        (FormatConformance, "format"),
        (FormatConformance, "other_format"),
        (SerializerConformance, "serializer"),
        (AdapterConformance, "mount"),
    ):
        assert f"``{fixture}``" in (suite.__doc__ or "")
