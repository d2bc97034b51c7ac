"""Write the figures of a run into the documentation, below the text that is written by hand."""

from pathlib import Path

from bench.reporting import Report, as_markdown

__all__ = ["publish"]

_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_MARK = "<!-- The figures below are written by `nox -s bench -- --publish`. -->\n"


def publish(report: Report) -> None:
    """Replace the old tables with those of *report*."""
    head, mark, _ = _PAGE.read_text(encoding="utf-8").partition(_MARK)
    _PAGE.write_text(f"{head}{mark}\n{as_markdown(report)}", encoding="utf-8")
