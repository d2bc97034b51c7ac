"""Show the measurements as text, as Markdown, and as JSON."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.machine import Machine
from bench.measuring import Figure

__all__ = ["Cell", "Report", "Table", "as_json", "as_lines", "as_markdown", "heading", "shown", "write"]

#: A figure, or a word if there is none.
Cell = Figure | str

#: A column's unit; ``"x"`` is a ratio.
Unit = Literal["x", "s", "ms", "µs", "/s", "B", ""]


@dataclass(frozen=True)
class Table:
    """
    Figures by row and column.

    Attributes:
        columns: Their units, by name.
        along: What the columns' names count, if they are points on an axis.
        note: One or two sentences that a reader needs to know.
    """

    title: str
    columns: Mapping[str, Unit]
    rows: Mapping[str, Mapping[str, Cell]]
    note: str = ""
    along: str = ""


@dataclass(frozen=True)
class Report:
    """A run: its machine, and the tables of each suite by name."""

    machine: Machine
    suites: dict[str, list[Table]] = field(default_factory=dict)


def as_lines(table: Table) -> list[str]:
    """Return *table* as a Markdown table, aligned so that it is also readable in a terminal."""
    head = ["", *(heading(name, unit) for name, unit in table.columns.items())]
    body = [
        [name, *(shown(cells[column], unit) if column in cells else "" for column, unit in table.columns.items())]
        for name, cells in table.rows.items()
    ]
    widths = [max(len(line[place]) for line in (head, *body)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)) + " |"

    return [line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, body)]


def heading(column: str, unit: Unit) -> str:
    """Return a column's name and unit."""
    return f"{column}, {unit}" if unit else column


def shown(cell: Cell, unit: Unit) -> str:
    """Return *cell* as text: a median, its quartiles, and whether it meets its target."""
    if isinstance(cell, str):
        return cell
    text = _number(cell.median)
    if _number(cell.low) != _number(cell.high):
        text += f" ({_number(cell.low)}..{_number(cell.high)})"
    if cell.at_most is not None:
        text += f" {'≤' if cell.is_met else '**>**'} {cell.at_most:g}"
    if cell.at_least is not None:
        text += f" {'≥' if cell.is_met else '**<**'} {cell.at_least:g}"
    return text


def as_markdown(report: Report) -> str:
    """Return the whole run as a Markdown page."""
    return "\n".join(_page(report)) + "\n"


def as_json(report: Report) -> str:
    """Return the whole run as JSON, for programs."""
    return json.dumps(dataclasses.asdict(report), indent=1, ensure_ascii=False) + "\n"


def write(report: Report, folder: Path) -> None:
    """Write the run into *folder*, as a page and as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(as_json(report), encoding="utf-8")
    (folder / "results.md").write_text(as_markdown(report), encoding="utf-8")


def _page(report: Report) -> Iterable[str]:
    yield from report.machine.lines()
    for suite, tables in report.suites.items():
        yield from ("", f"## {suite.capitalize()}")
        for table in tables:
            yield from ("", f"### {table.title}", "")
            if table.note:
                yield from (table.note, "")
            yield from as_lines(table)


def _number(value: float) -> str:
    """Return *value* with three significant digits."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
