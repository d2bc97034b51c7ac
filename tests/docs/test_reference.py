"""Test that the reference names everything that is public."""

import ast
import re
import tomllib
from importlib import import_module

import pytest

from docs.blocks import ROOT
from holdall import Event, EventCounts, Session, SessionInfo, Sessions
from holdall._closing import Closing
from holdall._outside_requests import OutsideRequests
from holdall._recorded_login import RecordedLogin
from holdall.adapters import Exchange, SessionGroup

REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")

#: Text that the page shows as code.
NAMED = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`", REFERENCE))))

#: Modules that users import from, and the packages that each needs; the site shows the same.
MODULES = tomllib.loads((ROOT / "docs" / "public.toml").read_text(encoding="utf-8"))["modules"]


@pytest.mark.parametrize("module", MODULES)
def test_every_name_that_a_module_offers_is_mentioned(module: str) -> None:
    for needed in MODULES[module]:
        pytest.importorskip(needed)

    missing = set(import_module(module).__all__) - NAMED

    assert missing == set()


@pytest.mark.parametrize(
    "kind",
    [
        Sessions,
        OutsideRequests,
        Closing,
        Session,
        RecordedLogin,
        EventCounts,
        SessionInfo,
        Event,
        SessionGroup,
        Exchange,
    ],
)
def test_every_public_method_and_attribute_is_mentioned(kind: type) -> None:
    missing = {name for name in vars(kind) if not name.startswith("_")} - NAMED

    assert missing == set()


def test_a_module_that_is_not_public_begins_with_an_underscore() -> None:
    # Django finds these by their names.
    djangos = {"holdall_django.apps", "holdall_django.models", "holdall_django.management", "holdall_django.migrations"}
    modules = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for source in ROOT.glob("packages/*/src")
        for path in source.rglob("*.py")
    }

    plain = {module for module in modules if "._" not in module and not module.startswith(tuple(djangos))}

    assert plain == MODULES.keys()


def test_every_module_in_the_reference_is_checked() -> None:
    names = REFERENCE.partition("\n## Names\n")[2]

    assert set(re.findall(r"^\| `(holdall[\w.]*)`", names, re.MULTILINE)) <= MODULES.keys()


def test_the_cores_names_that_our_adapters_use_are_mentioned() -> None:
    taken = set()
    for path in ROOT.glob("packages/*_adapter/src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "holdall":
                taken |= {alias.name for alias in node.names}

    assert taken - NAMED == set()
