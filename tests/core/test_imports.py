"""What the core imports, and what it leaves to others."""

import ast
import importlib
import inspect
import os
import pickle
import pkgutil
import subprocess
import sys
import typing
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import holdall
from holdall import _async

#: Packages that load their contents on demand.
LAZY = ["holdall", "holdall.formats", "holdall.stores", "holdall.tables"]


def printed(program: str, *options: str) -> set[str]:
    """Return the words that a fresh interpreter prints."""
    # Coverage would measure this program too, and import its own modules there.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, *options, "-c", program]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, env=alone).stdout.split())


def modules_after(statement: str) -> set[str]:
    """Return the names of all modules in a fresh interpreter after *statement*."""
    return printed(f"import sys; {statement}; print(*sys.modules)")


def public_classes(package: str) -> list[type]:
    module = importlib.import_module(package)
    return [value for name in module.__all__ if inspect.isclass(value := getattr(module, name))]


def test_the_core_imports_no_framework_no_driver_and_no_test_tool() -> None:
    others = {"flask", "werkzeug", "starlette", "fastapi", "django", "redis", "psycopg", "sqlite3", "anyio"}
    tools = {"pytest", "_pytest", "hypothesis", "holdall.testing", "markupsafe", "pickle", "importlib.metadata"}

    assert (others | tools).isdisjoint(modules_after("import holdall, holdall.formats, holdall.tables"))


def test_the_core_imports_nothing_large_that_it_does_not_need() -> None:
    assert {"asyncio", "email"}.isdisjoint(modules_after("import holdall, holdall.formats, holdall.tables"))
    assert "asyncio" not in modules_after("import holdall_flask")


def test_no_asyncio_loop_runs_unless_asyncio_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio", raising=False)

    assert _async.current_loop() is None
    assert "asyncio" not in sys.modules


@pytest.mark.parametrize("package", LAZY)
def test_a_package_lists_names_that_are_not_loaded_yet(package: str) -> None:
    listed = set(importlib.import_module(package).__all__)

    assert listed <= printed(f"import {package}; print(*dir({package}))")
    assert listed <= printed(f"from {package} import *; print(*dir())")


@pytest.mark.parametrize("package", LAZY)
def test_an_unknown_name_is_an_ordinary_error(package: str) -> None:
    module = importlib.import_module(package)

    with pytest.raises(AttributeError, match=rf"^module '{package}' has no attribute 'Sesions'") as caught:
        _ = module.Sesions

    assert (caught.value.name, caught.value.obj) == ("Sesions", module)
    assert "Sesions" not in dir(module)


def test_only_the_selected_store_and_format_are_loaded() -> None:
    set_up = "Sessions('cookie', key='_shop', format='starlette', secret_key_base='b7a1d0c4e9f25368-4f1c9a7be2d80356')"
    loaded = modules_after(f"from holdall import Sessions; {set_up}")

    assert {name for name in loaded if name.startswith("holdall.formats.")} == {
        "holdall.formats._exact",
        "holdall.formats._json",
        "holdall.formats._stamped",
        "holdall.formats._times",
        "holdall.formats._contract",
        "holdall.formats._starlette",
    }
    assert {"holdall.stores._cookie", "cryptography", "holdall.stores._table"} & loaded == {"holdall.stores._cookie"}


@pytest.mark.parametrize("package", LAZY)
def test_type_hints_can_be_evaluated_at_run_time(package: str) -> None:
    # An error may refer to a cookie, which is defined where the errors are known.
    public = [kind for kind in public_classes(package) if not issubclass(kind, Exception)]

    for kind in public:
        typing.get_type_hints(kind)
        for method in filter(inspect.isfunction, vars(kind).values()):
            typing.get_type_hints(method)


@pytest.mark.parametrize("package", LAZY)
def test_classes_are_pickled_by_name(package: str) -> None:
    public = public_classes(package)

    assert public
    assert pickle.loads(pickle.dumps(public)) == public


def test_nothing_warns_when_it_is_imported() -> None:
    names = [name for _, name, _ in pkgutil.walk_packages(holdall.__path__, "holdall.") if "__main__" not in name]
    others = ["holdall_django", "holdall_fastapi", "holdall_flask"]

    printed(f"import {', '.join([*names, *others])}", "-W", "error")


#: What knows the core, and what its centre does not know.
ADDITIONS = {"_command", "etf", "_migrate", "msgspec_json", "sources", "testing", "typed"}
CENTRE = {"_lifecycle", "_session", "_exchange", "_state"}


def imported_by(path: Path, names: Collection[str]) -> set[str]:
    """Return which of the modules *names* a file imports anywhere, except only for types."""
    found = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                continue
            case ast.ImportFrom(module=str(module)):
                found |= {name if (name := f"{module}.{each.name}") in names else module for each in node.names}
            case ast.Import():
                found |= {each.name for each in node.names}
        nodes.extend(ast.iter_child_nodes(node))
    return found & set(names)


@pytest.mark.parametrize("package", ["holdall", "holdall_django", "holdall_fastapi", "holdall_flask"])
def test_imports_have_no_cycle(package: str) -> None:
    needs = needed_by(package)

    # Otherwise it raises a CycleError that names the modules.
    assert list(TopologicalSorter(needs).static_order())


def needed_by(package: str) -> dict[str, set[str]]:
    """Return the modules of *package*, each with those of the package that it imports."""
    (root,) = map(Path, importlib.import_module(package).__path__)
    files = {
        ".".join((package, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    return {name: imported_by(path, files) - {name} for name, path in files.items()}


def test_the_core_does_not_know_its_additions() -> None:
    needs = needed_by("holdall")
    tops = {name: name.split(".")[1] for name in needs if "." in name}

    assert set(tops.values()) >= ADDITIONS | CENTRE
    for name, top in tops.items():
        if top in CENTRE:
            assert ADDITIONS.isdisjoint(tops[each] for each in needs[name] if each in tops)


def test_listed_names_exist_and_are_sorted() -> None:
    assert [getattr(holdall, name).__name__ for name in holdall.__all__] == sorted(holdall.__all__)


def test_all_errors_have_one_base_class() -> None:
    errors = [value for name in holdall.__all__ if isinstance(value := getattr(holdall, name), type)]
    raised = [error for error in errors if issubclass(error, Exception) and not issubclass(error, Warning)]

    assert len(raised) == 11
    assert all(issubclass(error, holdall.SessionError) for error in raised)
    assert issubclass(holdall.ConfigurationError, ValueError)
