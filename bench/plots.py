"""Draw tables: a picture for each, and a page with all of them."""

import html
import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import NullFormatter

from bench.measuring import Figure
from bench.reporting import Report, Table, heading, shown

__all__ = ["draw"]

_OURS = "#0b6e4f"
_THEIRS = "#9aa5b1"
_TARGET = "#c0392b"
_LINES = (_OURS, "#3a6ea5", "#c9772b", "#7b4fa3", "#444444", "#b03a5b")

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>holdall, measured</title><style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222 }
img { max-width: 100% } table { border-collapse: collapse; font-size: 0.85rem; margin: 1rem 0 }
td, th { border-bottom: 1px solid #ddd; padding: 0.25rem 0.6rem; text-align: left; font-variant-numeric: tabular-nums }
.missed { color: #c0392b; font-weight: 600 } div { overflow-x: auto }
</style>
"""


def draw(report: Report, folder: Path) -> Path:
    """Draw the run into *folder*, and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = ["<h1>holdall, measured</h1>", *(f"<p>{html.escape(line)}</p>" for line in report.machine.lines())]
    for suite, tables in report.suites.items():
        parts.append(f"<h2>{html.escape(suite.capitalize())}</h2>")
        for table in tables:
            name = f"{_slug(suite)}-{_slug(table.title)}.png"
            picture = _lines(table) if table.along else _bars(table)
            picture.savefig(folder / name, dpi=110)
            plt.close(picture)
            title = html.escape(table.title)
            parts += [f"<h3>{title}</h3>", f"<p>{html.escape(table.note)}</p>", f'<img src="{name}" alt="{title}">']
            parts.append(_as_html(table))
    page = folder / "index.html"
    page.write_text(_HEAD + "\n".join(parts) + "</html>\n", encoding="utf-8")
    return page


def _bars(table: Table) -> Picture:
    """Draw a panel for each column, with a bar for each row."""
    names = [name for name, cells in table.rows.items() if any(isinstance(cell, Figure) for cell in cells.values())]
    columns = [name for name in table.columns if any(isinstance(table.rows[row].get(name), Figure) for row in names)]
    # Margins in inches, computed here because matplotlib's own layout takes longer than everything else.
    left, top, bottom = 0.3 + 0.075 * max(map(len, names)), 0.4, 0.4
    width, height = left + 2.3 * len(columns), top + 0.32 * len(names) + bottom
    picture, panels = plt.subplots(1, len(columns), figsize=(width, height), sharey=True, squeeze=False)
    picture.subplots_adjust(left / width, bottom / height, 1 - 0.1 / width, 1 - top / height, wspace=0.15)
    for panel, column in zip(panels[0], columns, strict=False):
        cells = {place: table.rows[name].get(column) for place, name in enumerate(names)}
        figures = {place: cell for place, cell in cells.items() if isinstance(cell, Figure)}
        for place, cell in figures.items():
            color = _OURS if "holdall" in names[place] or "Table" in names[place] else _THEIRS
            spread = [[max(cell.median - cell.low, 0)], [max(cell.high - cell.median, 0)]]
            panel.barh(place, cell.median, xerr=spread, color=color, ecolor="#555", height=0.7)
            for target in (cell.at_most, cell.at_least):
                if target is not None:
                    panel.plot([target, target], [place - 0.45, place + 0.45], color=_TARGET, linewidth=2)
        unit = table.columns[column]
        panel.set_title(heading(column, unit), fontsize=9)
        values = [cell.median for cell in figures.values()]
        if min(values) > 0 and max(values) / min(values) > 30:
            panel.set_xscale("log")
            panel.xaxis.set_minor_formatter(NullFormatter())
        _tidy(panel)
    panels[0][0].set_yticks(range(len(names)), names, fontsize=9)
    panels[0][0].invert_yaxis()
    return picture


def _lines(table: Table) -> Picture:
    """Draw a line for each row across the columns."""
    picture, panel = plt.subplots(figsize=(8, 4.2))
    for number, (name, cells) in enumerate(table.rows.items()):
        points = {float(place.replace(",", "")): cell for place, cell in cells.items() if isinstance(cell, Figure)}
        medians = [cell.median for cell in points.values()]
        color = _LINES[number % len(_LINES)]
        panel.plot(list(points), medians, marker="o", label=name, color=color)
        lows, highs = [cell.low for cell in points.values()], [cell.high for cell in points.values()]
        panel.fill_between(list(points), lows, highs, alpha=0.15, color=color)
    panel.set(xscale="log", yscale="log", xlabel=table.along, ylabel=next(iter(table.columns.values())))
    panel.legend(fontsize=8)
    _tidy(panel)
    return picture


def _tidy(panel: Axes) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="x", labelsize=8)
    panel.grid(axis="x", color="#eee")
    panel.set_axisbelow(True)


def _as_html(table: Table) -> str:
    head = "".join(f"<th>{html.escape(heading(name, unit))}</th>" for name, unit in table.columns.items())
    lines = [f"<tr><th></th>{head}</tr>"]
    for name, cells in table.rows.items():
        line = [f"<th>{html.escape(name)}</th>"]
        for column, unit in table.columns.items():
            cell = cells.get(column, "")
            missed = ' class="missed"' if isinstance(cell, Figure) and not cell.is_met else ""
            line.append(f"<td{missed}>{html.escape(shown(cell, unit).replace('**', ''))}</td>")
        lines.append(f"<tr>{''.join(line)}</tr>")
    return f"<div><table>{''.join(lines)}</table></div>"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
