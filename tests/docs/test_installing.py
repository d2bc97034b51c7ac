"""Test that a page that installs us has a line for users with a checkout, and one for users of an index."""

import re

import pytest

from docs.blocks import ROOT

PAGES = [
    path.relative_to(ROOT).as_posix()
    for pattern in ("README.md", "docs/**/*.md", "packages/*/README.md")
    for path in sorted(ROOT.glob(pattern))
    if re.search(r"pip install (?:-\S+ )*[\"']?(?:holdall|\./packages)", path.read_text(encoding="utf-8"))
]


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/guides/flask.md", "packages/core/README.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_that_installs_us_covers_a_checkout_and_an_index(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    paths = re.findall(r"\./packages/(\w+)", text)

    assert paths
    assert [each for each in paths if not (ROOT / "packages" / each / "pyproject.toml").is_file()] == []
    assert re.search(r"(?:install|for) [`\"']*holdall", text)
