"""Test that every guarantee of docs/security.md names an existing test."""

import ast
import re
from functools import cache

import pytest

from docs.blocks import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
PROMISES = re.findall(
    r"^\| (.+?) \| .+ \| (.+?) \|$", PAGE.partition("\n## Promises\n")[2].partition("\n## ")[0], re.MULTILINE
)[2:]


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_guarantees() -> None:
    assert len(PROMISES) >= 20


@pytest.mark.parametrize(("promise", "named"), PROMISES)
def test_a_guarantee_names_an_existing_test(promise: str, named: str) -> None:
    path, _, name = named.strip("`").partition("::")

    assert name.startswith("test_")
    assert name in functions_of(path), promise
