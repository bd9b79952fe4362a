"""What is between markers in README, study and docs: tables, and numbers in sentences (see `quotes`)."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from leaderboard_page import load_boards, load_pages, model_table
from quotes import VALUE, quote

from zoo.errors import UsageError
from zoo.evaluation.record import Evaluated
from zoo.evaluation.tables import metric_title
from zoo.report.collected import Run, Sources
from zoo.report.markdown import machine_lines, ratio_rows, run_table
from zoo.report.writer import text_of
from zoo.results import Record, machine_name
from zoo.support.table import Cell, Table, difference, number

MARKER = re.compile(
    r"(<!-- table: (?P<name>[\w-]+)(?: (?P<pattern>[\w*.-]+))? -->\n).*?(?P<end><!-- end of table -->)", re.S
)
README_INDICES = ("a_star", "a_star_noisy_mean", "bvr", "ned", "mode_rate", "false_rate", "speckle")
README_METRICS = ("chroma_ratio", "ab_energy", "ab_energy_pooled", "delta_e00")

ABLATION = "ablation-"
"""How the names of runs begin that are compared with `ablation-base`; their table says in what they differ."""

WATCHING = ("validate_every", "checkpoint_every")
"""What does not change a training, but when it is looked at and saved."""


def ablation_table(runs: Mapping[str, Run]) -> str:
    """A line a run of `ABLATION`: what differs from the base, the mean's error, and how colourful the decoders are.

    Args:
        runs: by name.
    """
    chosen = {name: run for name, run in runs.items() if name.startswith(ABLATION) and run.scores}
    base = chosen.pop(f"{ABLATION}base", None)
    if base is None:
        return f"There is no run {ABLATION}base.\n"
    rows = []
    for name, run in {f"{ABLATION}base": base, **chosen}.items():
        assert run.scores
        by_decoder = {row.way.decoder: row for row in run.scores.rows}
        first = run.scores.rows[0]
        ratios = [by_decoder[each] for each in ("annealed", "sample") if each in by_decoder]
        rows.append(
            (
                "as it is" if run is base else _changed(base.config, run.config),
                f"{first.rmse_ab:.2f}",
                difference(first.against_mean),
                *(f"{row.chroma_ratio:.2f}" for row in (first, *ratios)),
                f"`{name}`",
            )
        )
    titles = ["what differs", "RMSE-ab ↓", "to mean colour", "chroma ratio → 1"]
    titles += ["of it annealed → 1", "of it sampled → 1", "run"]
    shown = len(rows[0]) - 1
    return Table.of((*titles[:shown], titles[-1]), rows, numbers=shown).markdown()


def _changed(base: dict[str, Any], config: dict[str, Any]) -> str:
    keys = [key for key in sorted(base | config) if base.get(key) != config.get(key) and key not in WATCHING]
    return ", ".join(
        key.replace("_", " ") + ("" if config[key] is True else f" {config[key]}") for key in keys if key in config
    )


def target_table(targets: Sequence[Mapping[str, Any]], machines: list[list[Record]]) -> str:
    """What ratios were aimed at and what they are, those that came as far marked; a column a machine with some.

    Args:
        targets: each with a `name`, the `ratio` as in `ratio_rows`, and what it is to be `at_most`.
        machines: rows of each.
    """
    wanted = {tuple(target["ratio"]) for target in targets}
    measured = [(records, ratio_rows(records)) for records in machines]
    shown = [(records, ratios) for records, ratios in measured if wanted & ratios.keys()]

    def cell(ratios: dict[tuple[str, ...], Cell], target: Mapping[str, Any]) -> Cell:
        found = ratios.get(tuple(target["ratio"]))
        if found is None or found.value is None:
            return Cell("")
        return replace(found, best=found.value <= target["at_most"])

    rows = [
        (target["name"], f"≤ {target['at_most']:g}", *(cell(ratios, target) for _, ratios in shown))
        for target in targets
    ]
    columns = [f"{machine_name(records[0])} ↓ [quartiles]" for records, _ in shown]
    table = Table.of(("what", "aimed at", *columns), rows, numbers=len(shown) + 1)
    return table.markdown() + "".join(machine_lines(records) for records, _ in shown)


def readme_table(result: Evaluated) -> Table:
    """The few columns that the README shows."""
    names = (*(README_INDICES if result.ideal_indices else ()), *README_METRICS)
    rows = [(each.way.shown, *(number(each.value(name)) for name in names)) for each in result.candidates]
    return Table.of(("", *map(metric_title, names)), rows, numbers=len(names))


def load_targets(path: Path) -> list[dict[str, Any]]:
    """What ratios are aimed at, as `target_table` takes them; nothing where there is no such file.

    Raises:
        UsageError: it is no TOML, or a target lacks something.
    """
    try:
        targets: list[dict[str, Any]] = tomllib.loads(text_of(path) or "").get("target", [])
        if not isinstance(targets, list):
            raise TypeError("[target] is one table, where [[target]] is a list of them")
        for target in targets:
            target["name"], *target["ratio"], float(target["at_most"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path}: a target is a name, a ratio of four words, and at_most: {error}") from None
    return targets


def marked(page: Path) -> bool:
    """Whether a page has a marker of a table or of a value."""
    text = text_of(page) or ""
    return bool(MARKER.search(text) or VALUE.search(text))


def readme_text(readme: Path, reports: Path, sources: Sources, targets: Sequence[dict[str, Any]] = ()) -> str:
    """A README with its tables and quoted values made anew; what is of a broken file stays as it is.

    Args:
        readme: the file.
        reports: the directory of the report.
        sources: the results.
        targets: what ratios are aimed at.

    Raises:
        UsageError: there is no README, or it has a marker of no known table or value.
    """
    text = text_of(readme)
    if text is None:
        raise UsageError(f"{readme}: no such file. Run this where the project is, or give --root")
    tables = {
        "ablations": ablation_table(sources.runs),
        "targets": target_table(targets, list(sources.benchmarks.values())),
        "models": model_table(load_boards(reports, sources.evaluations), load_pages(reports)).markdown(),
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
