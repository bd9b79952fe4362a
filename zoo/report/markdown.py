"""The Markdown pages of runs and benchmarks, and their tables."""

from collections.abc import Iterable
from typing import Any

from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.report.collected import Run
from zoo.results import METRICS, Record, machine_name
from zoo.support.table import Cell, Table, difference, plural

SHOWN = ("sky", "grass")  # classes of one colour: their error as a share of the mean colour's
MEMORY = ("working_memory", "held_memory", "rss_growth")


def changes(config: dict[str, Any]) -> str:
    """What a run's configuration does to its crops, loss and weights, as in ", zoom 2, ema 0.999, encoder trained"."""
    names = ("rebalance", "perceptual", "colorfulness", "adversarial", "zoom", "contrast", "scans", "ema")
    plain = dict.fromkeys(names, 0) | {"zoom": 1}  # older runs lack some of these
    found = "".join(f", {name} {config[name]:g}" for name, none in plain.items() if config.get(name, none) != none)
    return found + (", encoder trained" if config.get("train_encoder") else "")


def step_time(config: dict[str, Any], images_per_second: float | None) -> str:
    """How long a run's steps took, in minutes; its speed is not known of a run that was too short to measure it."""
    if not images_per_second:
        return "unknown time"
    return f"{config['steps'] * config['batch_size'] / images_per_second / 60:.0f} min"


def run_table(runs: Iterable[Run], *, decoders: bool = True) -> str:
    """RMSE-ab of the runs that are done beside the baselines', and the paired difference to the mean colour.

    Args:
        runs: some runs.
        decoders: a line for every decoder of a classifier; without, only for the first, the mean.
    """
    keys = ("overfit", "data", "recipe", "model", "seed")
    done = sorted((run for run in runs if run.scores), key=lambda run: tuple(run.config[key] for key in keys))
    rows = []
    for run in done:
        assert run.scores
        config, here, (grey, mean) = run.config, run.environment, run.scores.baselines
        data = f"{config['overfit']} crops of {config['data']}" if config["overfit"] else config["data"]
        rate = f"{config['optimizer']} at {config['learning_rate']:g}{changes(config)}"
        crops = f"{config['steps']:,} × {config['batch_size']} crops of {config['crop']}², seed {config['seed']}"
        device = ", ".join(here["gpus"]) or plural(here["cores"], "core")
        time = f"{step_time(config, run.images_per_second)}, {device}, {here['precision']}"
        for index, row in enumerate(run.scores.rows if decoders else run.scores.rows[:1]):
            shares = [f"{row.controls[c] / mean.controls[c]:.2f}" for c in SHOWN if c in row.controls]
            rows.append(
                (
                    row.way.title,
                    *((data, f"{config['recipe']}, {rate}, {crops}{_kept(run)}", time) if index == 0 else ("", "", "")),
                    *(f"{each.rmse_ab:.2f}" for each in (grey, mean, row)),
                    difference(row.against_mean),
                    ", ".join(shares),
                )
            )
    titles = ("model", "data", "recipe", "training", "grey image", "mean colour", "model ↓", "to mean colour")
    table = Table.of((*titles, "sky, grass ↓"), rows, numbers=5)
    return table.markdown() + "\n" + _machines([run.environment for run in done])


def _kept(run: Run) -> str:
    """Which step's weights a run kept, where they are not the last ones."""
    losses = {
        each["step"]: each["loss"] for each in run.history["validation"] if each["step"] and each["loss"] is not None
    }
    best = min(losses, key=losses.__getitem__, default=run.config["steps"])
    if best == run.config["steps"]:
        return ""
    # Older runs were scored at their end, whatever they kept.
    return f", kept at step {best:,}" + ("" if run.step == best else f", scored at {run.step:,}")


def _machines(environments: list[Record]) -> str:
    lines = set()
    for here in environments:
        versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow"))
        gpus = f", {', '.join(here['gpus'])}" if here["gpus"] else ""
        lines.add(f"{here['cpu']} ({', '.join(here['cpu_flags'])}){gpus}, {versions}, Python {here['python']}")
    return f"\nMeasured on: {'; '.join(sorted(lines))}.\n"


def runs_page(runs: Iterable[Run]) -> str:
    """Every run and decoder."""
    return (
        "# Training runs\n\nMade by `zoo.report`. RMSE-ab on fixed"
        " validation crops; the difference to the mean colour with its paired 95 % bootstrap interval over crops.\n\n"
        + run_table(runs)
    )


def ratio_rows(records: list[Record]) -> dict[tuple[str, ...], Cell]:
    """What was measured in turn with something else on a machine, as ratios with quartiles.

    Returns:
        By what, of which, conditions and what was measured, in words.
    """
    found: dict[tuple[str, ...], Cell] = {}
    for record in _sorted(records):
        if record["against"] and record["value"] is not None:
            ends = None if record["low"] is None else (f"{record['low']:.3f}", f"{record['high']:.3f}")
            found[measured_of(record)] = Cell(f"{record['value']:.3f}", record["value"], ends)
    return found


def measured_of(ratio: Record) -> tuple[str, ...]:
    """What a ratio is of, of which, its conditions and what was measured, in words."""
    what = {"ratio": "time", "working_memory_ratio": "working memory", "rss_growth_ratio": "growth in RSS"}
    return (
        f"{ratio['model'] or ratio['suite']}, {ratio['benchmark'].replace('_', ' ')}",
        f"{ratio['variant'] or 'as it is'} / {ratio['against']}",
        conditions(ratio),
        what[ratio["metric"]],
    )


def ratio_table(machines: list[list[Record]]) -> str:
    """The ratios of `ratio_rows`; a column a machine."""
    found: dict[tuple[str, ...], dict[int, Cell]] = {}
    for column, records in enumerate(machines):
        for row, cell in ratio_rows(records).items():
            found.setdefault(row, {})[column] = cell
    columns = [f"{machine_name(records[0])} ↓ [quartiles]" for records in machines]
    rows = [(*row, *(cells.get(column, "") for column in range(len(machines)))) for row, cells in found.items()]
    titles = ("what", "of which", "conditions", "measured", *columns)
    return Table.of(titles, rows, numbers=len(machines)).markdown()


def benchmarks_page(machines: list[list[Record]], moved: Table | None = None) -> str:
    """Everything that the benchmarks measured, a section a machine.

    Args:
        machines: rows of each.
        moved: what `zoo.report.moved.moved_table` makes of earlier commits.
    """
    parts = [
        "# Benchmarks\n\nMade by `zoo.report`; the rows are from `pytest bench/`.\nMedians, with quartiles in brackets."
        " Compare numbers of one machine only.\n"
    ]
    for records in machines:
        parts.append(f"## {machine_name(records[0])}\n{machine_lines(records)}")
        parts.append(f"### Ratios\n\n{ratio_table([records])}")
        parts.append(f"### Time\n\n{_wide(records, ('seconds', 'images_per_second', 'share_of_peak'))}")
        parts.append(f"### Where a training step's time goes\n\n{profile_table(records, 'operation_seconds')}")
        if any(record["metric"] == "processor_seconds" for record in records):
            parts.append(
                "### Where a page's time goes\n\nProcessor time on all cores, one part after another.\n\n"
                + profile_table(records, "processor_seconds")
            )
        parts.append(f"### First calls\n\n{_wide(records, ('first_call_seconds',))}")
        parts.append(f"### Memory\n\n{_wide(records, MEMORY)}")
        parts.append(f"### What a training step holds at its peak\n\n{profile_table(records, 'held_at_peak')}")
        if any(record["metric"] == "ink_chroma_error" for record in records):
            parts.append(f"### Colours along ink lines\n\n{_wide(records, ('ink_chroma_error', 'delta_e00'))}")
        vibrancy = [record for record in records if record["suite"] == "vibrancy"]
        if vibrancy:
            parts.append(f"### Colour\n\n{_wide(vibrancy, tuple(IMAGE_METRICS))}")
            parts.append(f"### Averaging\n\n{_wide(records, tuple(INDICES))}")
    if moved and moved.lines:
        parts.append(
            "## How ratios have moved\n\nEvery ratio that was measured at more than one commit, the oldest first."
            f"\n\n{moved.markdown()}"
        )
    meanings = [f"- `{name}` ({metric.unit}): {metric.meaning}" for name, metric in METRICS.items()]
    parts.append("## What the metrics are\n\n" + "\n".join(meanings) + "\n")
    return "\n".join(parts)


def profile_table(records: list[Record], metric: str) -> str:
    """A line a kind of operation or a part, a column a model: milliseconds or MiB of a training step or a page."""
    unit, scale = ("MiB", 2**-20) if metric == "held_at_peak" else ("milliseconds", 1e3)
    columns: dict[str, dict[str, float]] = {}
    for record in _sorted(records):
        if record["metric"] == metric:
            title = " ".join(filter(None, (record["model"], record["variant"]))) + f", {conditions(record)}"
            kind = record["benchmark"].partition(", ")[2]
            columns.setdefault(title, {})[kind] = scale * record["value"]
    kinds = sorted({kind for found in columns.values() for kind in found})
    rows = [(kind, *(f"{found[kind]:.0f}" if kind in found else "" for found in columns.values())) for kind in kinds]
    rows.append(("all", *(f"{sum(found.values()):.0f}" for found in columns.values())))
    return Table.of((unit, *columns), rows, numbers=len(columns)).markdown() if columns else "Not measured.\n"


def _wide(records: list[Record], metrics: tuple[str, ...]) -> str:
    """A line a benchmark, a column a metric."""
    found: dict[tuple[str, ...], dict[str, Cell]] = {}
    for record in _sorted(records):
        if record["metric"] in metrics and not record["against"]:
            name = (record["benchmark"], record["model"] or "", record["variant"], conditions(record))
            found.setdefault((record["suite"], *name), {})[record["metric"]] = value_cell(record)
    present = [metric for metric in metrics if any(metric in values for values in found.values())]
    arrows = [f"{metric.replace('_', ' ')} {METRICS[metric].arrow}" for metric in present]
    rows = [(*name, *(values.get(metric, "") for metric in present)) for name, values in found.items()]
    titles = ("suite", "benchmark", "model", "variant", "conditions", *arrows)
    return Table.of(titles, rows, numbers=len(present)).markdown()


def _sorted(records: list[Record]) -> list[Record]:
    keys = ("suite", "benchmark", "model", "precision", "batch_size", "variant", "against")
    return sorted(records, key=lambda record: tuple(str(record[key]) for key in keys))


def conditions(record: Record) -> str:
    """Batch, crop and precision of a row in words."""
    words = [f"batch {record['batch_size']}"] if record["batch_size"] else []
    words += [f"{record['crop']}²"] if record["crop"] else []
    return ", ".join([*words, record["precision"] or "uint8"])


def value_cell(record: Record) -> Cell:
    """A row's value, bytes as MiB, with its quartiles."""
    if record["value"] is None:
        return Cell("–")

    def form(value: float) -> str:
        if METRICS[record["metric"]].unit == "bytes":
            return f"{value / 2**20:,.0f} MiB"
        return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"

    ends = None if record["low"] is None else (form(record["low"]), form(record["high"]))
    return Cell(form(record["value"]), record["value"], ends)


def machine_lines(records: list[Record]) -> str:
    """The machine, versions, seed, dates and commits of some rows."""

    def each(key: str) -> str:
        return ", ".join(sorted({str(record[key]) for record in records if record[key] is not None}))

    first = records[0]
    gpus = f", {', '.join(first['gpus'])}" if first["gpus"] else ""
    libraries = ", ".join(f"{name} {each(name)}" for name in ("keras", "tensorflow", "torch") if each(name))
    commits = ", ".join(sorted({record["commit"][:7] for record in records if record["commit"]}))
    return (
        f"\nMeasured on: {first['cpu']}, {first['cores']} cores ({', '.join(first['cpu_flags'])}){gpus};"
        f" {libraries}, Python {each('python')}; seed {each('seed')}; {each('date')}, commit {commits}.\n"
    )
