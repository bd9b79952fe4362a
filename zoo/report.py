"""`python -m zoo.report build`: tables made from the files of `reports/results/`, and a check that they still are.

`bench-*.json` are the rows of `pytest bench/` (`zoo.results`), `run-*.json` the `result.json` of training runs, and
`evaluation-*.json` the `results.json` of `zoo.evaluate --out`. What they say goes to `reports/benchmarks.md` and
`reports/evaluation-*.md` in full, with plots in `reports/figures/`, and, shortened, between two markers in the README.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from zoo.cli import run
from zoo.errors import UsageError
from zoo.evaluation.page import FIGURES, evaluation_page, markdown, readme_table
from zoo.evaluation.plots import PLOTS, save_plots, stale_plots
from zoo.evaluation.results import load_evaluation
from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.paths import write_text
from zoo.results import METRICS, load_result, machine_name

MARKER = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end of table -->)", re.S)
SHOWN = ("sky", "grass")  # classes of one colour: their error as a share of the mean colour's
ARROWS = {True: "↑", False: "↓", None: "→"}
MEMORY = ("working_memory", "held_memory", "rss_growth")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog="python -m zoo.report", description="Makes the tables of reports/ from results.")
    commands = p.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write the pages and plots of reports/, and the tables in the README")
    build.add_argument("--root", type=Path, default=Path(), help="the project's directory (default: here)")
    build.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a table is stale")
    return p


def build(root: Path, *, check: bool = False) -> list[Path]:
    """Writes the tables, or with `check` only compares them.

    Args:
        root: the directory that holds `reports/results/` and `README.md`.
        check: write nothing.

    Returns:
        The files that changed or, with `check`, would change.

    Raises:
        UsageError: no results, a file that is no result file, or a README with a marker of no known table.
    """
    results = root / "reports" / "results"
    if not results.is_dir():
        raise UsageError(f"{results}: no such directory. Run this where the project is, or give --root")
    machines = {path: load_result(path, "benchmark").rows for path in sorted(results.glob("bench-*.json"))}
    runs = {path: load_result(path, "training").details for path in sorted(results.glob("run-*.json"))}
    evaluations = {path.stem: load_evaluation(path) for path in sorted(results.glob("evaluation-*.json"))}
    figures = root / "reports" / "figures"
    tables = {
        "runs": run_table(list(runs.values())),
        "ratios": ratio_table(list(machines.values())) + "".join(map(_machine, machines.values())),
    } | {name: readme_table(result) for name, result in evaluations.items()}
    readme = root / "README.md"
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{readme}: {error.strerror}") from None

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in tables:
            raise UsageError(f"{readme}: no table {name!r}; there are {', '.join(tables)}")
        return f"{match[1]}\n{tables[name]}\n{match[3]}"

    wanted = {
        root / "reports" / "benchmarks.md": benchmarks_page(list(machines.values())),
        readme: MARKER.sub(table, text),
    }
    for name, result in evaluations.items():
        there = [
            each
            for each in FIGURES
            if (PLOTS[each](result) if each in PLOTS else (figures / f"{name}-{each}.png").is_file())
        ]
        wanted[root / "reports" / f"{name}.md"] = evaluation_page(name.removeprefix("evaluation-"), result, there)
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_text("utf-8") != content]
    if not check:
        for path in stale:
            write_text(path, wanted[path])
    for name, result in evaluations.items():
        old = stale_plots(figures, f"{name}-", result)
        stale += old
        if old and not check:
            figures.mkdir(exist_ok=True)
            save_plots(figures, f"{name}-", result)
    return stale


def _order(result: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(result["config"][key] for key in ("overfit", "data", "recipe", "model", "seed"))


def run_table(runs: list[dict[str, Any]]) -> str:
    """One line a run and decoder: RMSE-ab beside the baselines', the paired difference to the mean colour."""
    rows = []
    for result in sorted(runs, key=_order):
        config, scores, here = result["config"], result["scores"], result["environment"]
        grey, mean = scores["baselines"]
        minutes = config["steps"] * config["batch_size"] / result["images_per_second"] / 60
        for index, row in enumerate(scores["rows"]):
            difference, low, high = row["against_mean"]
            data = f"{config['overfit']} crops of {config['data']}" if config["overfit"] else config["data"]
            rate = f"{config['optimizer']} at {config['learning_rate']:g}"
            crops = f"{config['steps']:,} × {config['batch_size']} crops of {config['crop']}², seed {config['seed']}"
            device = ", ".join(here["gpus"]) or f"{here['cores']} core{'s' if here['cores'] > 1 else ''}"
            time = f"{minutes:.0f} min, {device}, {here['precision']}"
            rows.append(
                (
                    row["name"],
                    *((data, f"{config['recipe']}, {rate}, {crops}", time) if index == 0 else ("", "", "")),
                    *(f"{base['rmse_ab']:.2f}" for base in (grey, mean)),
                    f"{row['rmse_ab']:.2f}",
                    f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−"),
                    ", ".join(f"{row['controls'][c] / mean['controls'][c]:.2f}" for c in SHOWN if c in row["controls"]),
                )
            )
    headings = (
        "model",
        "data",
        "recipe",
        "training",
        "grey image",
        "mean colour",
        "model ↓",
        "to mean colour",
        "sky, grass ↓",
    )
    return markdown(headings, rows, numbers=5) + "\n" + _machines([result["environment"] for result in runs])


def _machines(environments: list[dict[str, Any]]) -> str:
    lines = set()
    for here in environments:
        versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow"))
        gpus = f", {', '.join(here['gpus'])}" if here["gpus"] else ""
        lines.add(f"{here['cpu']} ({', '.join(here['cpu_flags'])}){gpus}, {versions}, Python {here['python']}")
    return f"\nMeasured on: {'; '.join(sorted(lines))}.\n"


def ratio_table(machines: list[list[dict[str, Any]]]) -> str:
    """What was measured in turn with something else, as ratios; a column a machine."""
    what = {"ratio": "time", "working_memory_ratio": "working memory", "rss_growth_ratio": "growth in RSS"}
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for column, record in [(index, record) for index, records in enumerate(machines) for record in _sorted(records)]:
        if record["against"] and record["value"] is not None:
            spread = "" if record["low"] is None else f" [{record['low']:.3f}, {record['high']:.3f}]"
            row = (
                f"{record['model'] or record['suite']}, {record['benchmark'].replace('_', ' ')}",
                f"{record['variant']} / {record['against']}",
                _conditions(record),
                what[record["metric"]],
            )
            found.setdefault(row, {})[column] = f"{record['value']:.3f}{spread}"
    columns = [f"{machine_name(records[0])} ↓ [quartiles]" for records in machines]
    rows = [(*row, *(cells.get(column, "") for column in range(len(machines)))) for row, cells in found.items()]
    return markdown(("what", "of which", "conditions", "measured", *columns), rows, numbers=len(machines))


def benchmarks_page(machines: list[list[dict[str, Any]]]) -> str:
    """Everything that the benchmarks measured, a section a machine."""
    parts = [
        "# Benchmarks\n\nMade from `reports/results/bench-*.json` by `python -m zoo.report build`; the rows are from"
        " `pytest bench/`.\nMedians, with quartiles in brackets. Compare numbers of one machine only.\n"
    ]
    for records in machines:
        parts.append(f"## {machine_name(records[0])}\n{_machine(records)}")
        parts.append(f"### Ratios\n\n{ratio_table([records])}")
        parts.append(f"### Time\n\n{_wide(records, ('seconds', 'images_per_second', 'share_of_peak'))}")
        parts.append(f"### Where a training step's time goes\n\n{profile_table(records)}")
        parts.append(f"### First calls\n\n{_wide(records, ('first_call_seconds',))}")
        parts.append(f"### Memory\n\n{_wide(records, MEMORY)}")
        if any(record["suite"] == "vibrancy" for record in records):
            parts.append(f"### Colour\n\n{_wide(records, tuple(IMAGE_METRICS))}")
            parts.append(f"### Averaging\n\n{_wide(records, INDICES)}")
    meanings = [f"- `{name}` ({metric.unit}): {metric.meaning}" for name, metric in METRICS.items()]
    parts.append("## What the metrics are\n\n" + "\n".join(meanings) + "\n")
    return "\n".join(parts)


def profile_table(records: list[dict[str, Any]]) -> str:
    """A line a kind of operation, a column a model: milliseconds of a training step."""
    columns: dict[str, dict[str, float]] = {}
    for record in _sorted(records):
        if record["metric"] == "operation_seconds":
            title = " ".join(filter(None, (record["model"], record["variant"]))) + f", {_conditions(record)}"
            kind = record["benchmark"].partition(", ")[2]
            columns.setdefault(title, {})[kind] = 1000 * record["value"]
    kinds = sorted({kind for found in columns.values() for kind in found})
    rows = [(kind, *(f"{found[kind]:.0f}" if kind in found else "" for found in columns.values())) for kind in kinds]
    rows.append(("all", *(f"{sum(found.values()):.0f}" for found in columns.values())))
    headings = ("milliseconds", *columns)
    return markdown(headings, rows, numbers=len(columns)) if columns else "Not measured.\n"


def _wide(records: list[dict[str, Any]], metrics: tuple[str, ...]) -> str:
    """A line a benchmark, a column a metric."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for record in _sorted(records):
        if record["metric"] in metrics and not record["against"]:
            name = (record["benchmark"], record["model"] or "", record["variant"], _conditions(record))
            found.setdefault((record["suite"], *name), {})[record["metric"]] = _value(record)
    present = [metric for metric in metrics if any(metric in values for values in found.values())]
    arrows = [f"{metric.replace('_', ' ')} {ARROWS[METRICS[metric].higher_is_better]}" for metric in present]
    rows = [(*name, *(values.get(metric, "") for metric in present)) for name, values in found.items()]
    return markdown(("suite", "benchmark", "model", "variant", "conditions", *arrows), rows, numbers=len(present))


def _sorted(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("suite", "benchmark", "model", "precision", "batch_size", "variant", "against")
    return sorted(records, key=lambda record: tuple(str(record[key]) for key in keys))


def _conditions(record: dict[str, Any]) -> str:
    words = [f"batch {record['batch_size']}"] if record["batch_size"] else []
    words += [f"{record['crop']}²"] if record["crop"] else []
    return ", ".join([*words, record["precision"] or "uint8"])


def _value(record: dict[str, Any]) -> str:
    if record["value"] is None:
        return "–"

    def form(value: float) -> str:
        if METRICS[record["metric"]].unit == "bytes":
            return f"{value / 2**20:,.0f} MiB"
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"

    spread = "" if record["low"] is None else f" [{form(record['low'])}, {form(record['high'])}]"
    return form(record["value"]) + spread


def _machine(records: list[dict[str, Any]]) -> str:
    def each(key: str) -> str:
        return ", ".join(sorted({str(record[key]) for record in records if record[key]}))

    first = records[0]
    gpus = f", {', '.join(first['gpus'])}" if first["gpus"] else ""
    libraries = ", ".join(f"{name} {each(name)}" for name in ("keras", "tensorflow", "torch") if each(name))
    commits = ", ".join(sorted({record["commit"][:7] for record in records if record["commit"]}))
    return (
        f"\nMeasured on: {first['cpu']}, {first['cores']} cores ({', '.join(first['cpu_flags'])}){gpus};"
        f" {libraries}, Python {each('python')}; seed {each('seed') or 0}; {each('date')}, commit {commits}.\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    stale: list[Path] = []
    code = run(lambda: stale.extend(build(parsed.root, check=parsed.check)))
    if code or not stale:
        return code
    names = ", ".join(str(path) for path in stale)
    if parsed.check:
        print(f"stale: {names}; run python -m zoo.report build", file=sys.stderr)
        return 1
    print(f"written: {names}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
