"""Write the last full run into the documentation."""

from pathlib import Path

from bench.reporting import Report, as_markdown

__all__ = ["publish"]

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def publish(report: Report) -> None:
    """Write the tables of *report* below the words at the head of the page."""
    _PAGE.write_text(as_markdown(report), encoding="utf-8")
