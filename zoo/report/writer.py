"""Writes a report: Markdown pages, CSV tables, figures and the report page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo.report.collected import Sources
from zoo.report.evaluation_page import FIGURES, evaluation_page
from zoo.report.figures import PLOTS
from zoo.report.markdown import benchmarks_page, runs_page
from zoo.report.moved import moved_table
from zoo.report.plots import plots_of, save_plots
from zoo.report.report_page import figures_of, render, without_figures
from zoo.results import COLUMNS, Record
from zoo.support.files import write_text
from zoo.support.table import Table


def write(
    sources: Sources, reports: Path, more: Mapping[Path, str] = MappingProxyType({}), *, check: bool = False
) -> list[Path]:
    """Writes the report of some results, or with `check` only compares it.

    Args:
        sources: the results.
        reports: the directory to write to.
        more: the texts of other files, by their paths, to write with it.
        check: write nothing.

    Returns:
        Files that changed or, of a check, would change.
    """
    figures = reports / "figures"
    wanted: dict[Path, str] = {}
    if sources.benchmarks:
        moved = moved_table(list(sources.ratios.values()))
        wanted[reports / "benchmarks.md"] = benchmarks_page(list(sources.benchmarks.values()), moved)
    if any(run.scores for run in sources.runs.values()):
        wanted[reports / "runs.md"] = runs_page(sources.runs.values())
    plots = {}
    for name, result in sources.evaluations.items():
        prefix = f"evaluation-{name}"
        plots[name] = plots_of(figures, f"{prefix}-", result)
        there = [
            each
            for each in FIGURES
            if (each in plots[name] if each in PLOTS else (figures / f"{prefix}-{each}.png").is_file())
        ]
        wanted[reports / f"{prefix}.md"] = evaluation_page(name, result, there)
    everything = {
        "benchmarks": [row for rows in sources.benchmarks.values() for row in rows],
        "training": [row for run in sources.runs.values() for row in run.rows],
        "evaluation": sources.evaluation_rows,
    }
    for name, records in everything.items():
        if records:
            wanted[reports / "tables" / f"{name}.csv"] = csv_table(records)
    wanted |= more
    stale = [path for path, content in wanted.items() if text_of(path) != content]
    page = reports / "index.html"
    before = text_of(page) or ""
    html = render(sources, figures_of(before))
    if without_figures(before) != without_figures(html):
        stale.append(page)
        wanted[page] = html
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, wanted[path])
    for name, result in sources.evaluations.items():
        old = [figures / f"evaluation-{name}-{each}.png" for each, current in plots[name].items() if not current]
        stale += old
        if old and not check:
            figures.mkdir(parents=True, exist_ok=True)
            save_plots(figures, f"evaluation-{name}-", result)
    return stale


def csv_table(records: Sequence[Record]) -> str:
    """Rows as CSV with the fixed columns; the values that a row is made of stay in the JSON."""
    columns = [name for name in COLUMNS if name != "values"]

    def text(value: Any) -> str:
        return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)

    return Table.of(columns, ([text(record[name]) for name in columns] for record in records)).csv()


def text_of(path: Path) -> str | None:
    """What a text file holds; None where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else None
