"""Writes a report: Markdown pages, CSV tables, figures, the page, and what is between markers in the READMEs."""

import re
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.report.collected import Sources, collect, load_run_directory
from zoo.report.evaluation_page import FIGURES, evaluation_page, readme_table
from zoo.report.figures import PLOTS
from zoo.report.gallery_page import gallery_page, load_gallery
from zoo.report.markdown import ablation_table, benchmarks_page, run_table, runs_page, target_table
from zoo.report.plots import plots_of, save_plots
from zoo.report.quotes import quote
from zoo.report.report_page import figures_of, render, without_figures
from zoo.results import COLUMNS, Record, load_result
from zoo.support.files import atomic_path, write_text
from zoo.support.table import Table

MARKER = re.compile(
    r"(<!-- table: (?P<name>[\w-]+)(?: (?P<pattern>[\w*.-]+))? -->\n).*?(?P<end><!-- end of table -->)", re.S
)


@dataclass(frozen=True)
class Built:
    """What building did.

    Attributes:
        stale: files that changed or, of a check, would change.
        broken: what is wrong with the result files that were left out.
    """

    stale: list[Path]
    broken: list[str]


def build(root: Path, *, runs: Sequence[Path] = (), out: Path | None = None, check: bool = False) -> Built:
    """Writes a report, or with `check` only compares it.

    Args:
        root: the directory that holds `reports/results/` and `README.md`.
        runs: run directories and evaluations, as `zoo.evaluate --out` writes them, to show as well.
        out: where to, in place of `reports/`; the README is then left alone.
        check: write nothing.

    Raises:
        UsageError: no results, or a README with a marker of no known table.
    """
    sources = collect(root / "reports" / "results", runs)
    reports = out or root / "reports"
    figures = reports / "figures"
    wanted: dict[Path, str] = {}
    if sources.benchmarks:
        wanted[reports / "benchmarks.md"] = benchmarks_page(list(sources.benchmarks.values()))
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
    if (reports / "gallery").is_dir():
        try:
            wanted[reports / "gallery.md"] = gallery_page(load_gallery(reports / "gallery"))
        except UsageError as error:
            sources.broken.append(str(error))
    if out is None:
        readme, study = root / "README.md", reports / "README.md"
        targets = load_targets(reports / "targets.toml")
        wanted[readme] = readme_text(readme, sources, targets)
        if study.is_file():
            wanted[study] = readme_text(study, sources, targets)
    stale = [path for path, content in wanted.items() if _text(path) != content]
    page = reports / "index.html"
    before = _text(page) or ""
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
    return Built(stale, sources.broken)


def csv_table(records: Sequence[Record]) -> str:
    """Rows as CSV with the fixed columns; the values that a row is made of stay in the JSON."""
    columns = [name for name in COLUMNS if name != "values"]

    def text(value: Any) -> str:
        return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)

    return Table.of(columns, ([text(record[name]) for name in columns] for record in records)).csv()


def load_targets(path: Path) -> list[dict[str, Any]]:
    """What ratios are aimed at, as `target_table` takes them; nothing where there is no such file.

    Raises:
        UsageError: it is no TOML, or a target lacks something.
    """
    try:
        targets: list[dict[str, Any]] = tomllib.loads(_text(path) or "").get("target", [])
        if not isinstance(targets, list):
            raise TypeError("[target] is one table, where [[target]] is a list of them")
        for target in targets:
            target["name"], *target["ratio"], float(target["at_most"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path}: a target is a name, a ratio of four words, and at_most: {error}") from None
    return targets


def readme_text(readme: Path, sources: Sources, targets: Sequence[dict[str, Any]] = ()) -> str:
    """A README with its tables and quoted values made anew; what is of a broken file stays as it is.

    Args:
        readme: the file.
        sources: the results.
        targets: what ratios are aimed at.

    Raises:
        UsageError: there is no README, or it has a marker of no known table or value.
    """
    text = _text(readme)
    if text is None:
        raise UsageError(f"{readme}: no such file. Run this where the project is, or give --root or --out")
    tables = {
        "ablations": ablation_table(sources.runs),
        "targets": target_table(targets, list(sources.benchmarks.values())),
    } | {f"evaluation-{name}": readme_table(result).markdown() for name, result in sources.evaluations.items()}

    def table(match: re.Match[str]) -> str:
        name, pattern = match["name"], match["pattern"]
        if name == "runs":
            done = {name: run for name, run in sources.runs.items() if run.scores}
            chosen = [run for name, run in done.items() if fnmatchcase(name, pattern or "*")]
            if pattern and not chosen:
                raise UsageError(f"{readme}: no run {pattern!r}; there are {', '.join(sources.runs)}")
            return f"{match[1]}\n{run_table(chosen, decoders=False)}\n{match['end']}"
        if name in tables:
            return f"{match[1]}\n{tables[name]}\n{match['end']}"
        if any(f"{name}.json" in each for each in sources.broken):
            return match[0]
        raise UsageError(f"{readme}: no table {name!r}; there are runs, {', '.join(tables)}")

    return quote(MARKER.sub(table, text), readme, sources)


def add(root: Path, source: Path, name: str, *, pictures: bool = True, replace: bool = False) -> list[Path]:
    """Keeps a run's or an evaluation's result in `reports/results/`, where `build` finds it.

    Args:
        root: the project's directory.
        source: a run directory, or what `zoo.evaluate --out` wrote.
        name: what to call it.
        pictures: an evaluation's pictures too.
        replace: let it take the place of an older one of that name.

    Returns:
        The files written.

    Raises:
        UsageError: there is no result in `source`, or the name is none, or is taken.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise UsageError(f"{name!r} cannot be a name: use lower-case letters, digits, dots and hyphens")
    results = root / "reports" / "results"
    if not results.is_dir():
        raise UsageError(f"{results}: no such directory. Run this where the project is, or give --root")
    if (source / "results.json").is_file():
        load_result(source / "results.json", "evaluation")
        target = _free(results / f"evaluation-{name}.json", replace=replace)
        _copy(source / "results.json", target)
        files = sorted((source / "gallery").glob("*.webp")) if pictures else []
        folder = target.with_suffix("")
        with tempfile.TemporaryDirectory(dir=results, prefix=f".{name}-") as temporary:
            made = Path(temporary) / "pictures"
            made.mkdir()
            for picture in files:
                shutil.copyfile(picture, made / picture.name)
            if folder.is_dir():
                folder.rename(Path(temporary) / "before")
            if files:
                made.rename(folder)
        return [target, *([folder] if files else [])]
    if (source / "result.json").is_file():
        load_run_directory(source)
        target = _free(results / f"run-{name}.json", replace=replace)
        _copy(source / "result.json", target)
        return [target]
    raise UsageError(f"{source} holds neither a finished run's result.json nor an evaluation's results.json")


def _free(target: Path, *, replace: bool) -> Path:
    if target.exists() and not replace:
        raise UsageError(f"{target} is there already: choose another name, or replace it with --replace")
    return target


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
