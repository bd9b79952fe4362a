"""Markdown tables of runs and benchmarks, for `reports/benchmarks.md` and the README."""

from collections.abc import Mapping, Sequence
from typing import Any

from zoo.metrics import IMAGE_METRICS, INDICES
from zoo.results import METRICS, Record, machine_name

SHOWN = ("sky", "grass")  # classes of one colour: their error as a share of the mean colour's
MEMORY = ("working_memory", "held_memory", "rss_growth")


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int) -> str:
    """A Markdown table whose last `numbers` columns are numbers."""
    rules = ["---"] * (len(headings) - numbers) + ["--:"] * numbers
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rules, *rows))


def plural(count: int, thing: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _order(result: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(result["config"][key] for key in ("overfit", "data", "recipe", "model", "seed"))


def changes(config: dict[str, Any]) -> str:
    """What a run's configuration does to its crops, loss and weights, as in ", zoom 2, ema 0.999, encoder trained"."""
    plain = {"rebalance": 0, "zoom": 1, "contrast": 0, "scans": 0, "ema": 0}  # older runs lack some of these
    found = "".join(f", {name} {config[name]:g}" for name, none in plain.items() if config.get(name, none) != none)
    return found + (", encoder trained" if config.get("train_encoder") else "")


def run_table(runs: list[Record], *, decoders: bool = True) -> str:
    """RMSE-ab of runs beside the baselines', and the paired difference to the mean colour.

    Args:
        runs: details of runs.
        decoders: a line for every decoder of a classifier; without, only for the first, the mean.
    """
    rows = []
    for result in sorted(runs, key=_order):
        config, scores, here = result["config"], result["scores"], result["environment"]
        grey, mean = scores["baselines"]
        minutes = config["steps"] * config["batch_size"] / result["images_per_second"] / 60
        for index, row in enumerate(scores["rows"] if decoders else scores["rows"][:1]):
            difference, low, high = row["against_mean"]
            data = f"{config['overfit']} crops of {config['data']}" if config["overfit"] else config["data"]
            rate = f"{config['optimizer']} at {config['learning_rate']:g}{changes(config)}"
            crops = f"{config['steps']:,} × {config['batch_size']} crops of {config['crop']}², seed {config['seed']}"
            crops += _kept(result)
            device = ", ".join(here["gpus"]) or f"{plural(here['cores'], 'core')}"
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


def _kept(result: Record) -> str:
    """Which step's weights a run kept, where they are not the last ones."""
    losses = {each["step"]: each["loss"] for each in result["history"]["validation"] if each["step"]}
    best = min(losses, key=losses.__getitem__, default=result["config"]["steps"])
    scored = result["scores"]["step"]
    if best == result["config"]["steps"]:
        return ""
    # Older runs were scored at their end, whatever they kept.
    return f", kept at step {best:,}" + ("" if scored == best else f", scored at {scored:,}")


ABLATION = "ablation-"
"""How the names of runs begin that are compared with `ablation-base`; their table says in what they differ."""

WATCHING = ("validate_every", "checkpoint_every")
"""What does not change a training, but when it is looked at and saved."""


def ablation_table(runs: Mapping[str, Record]) -> str:
    """A line a run of `ABLATION`: what differs from the base, the mean's error, and how colourful the decoders are.

    Args:
        runs: details by name.
    """
    chosen = {name: run for name, run in runs.items() if name.startswith(ABLATION) and "scores" in run}
    base = chosen.pop(f"{ABLATION}base", None)
    if base is None:
        return f"There is no run {ABLATION}base.\n"
    rows = []
    for name, run in {f"{ABLATION}base": base, **chosen}.items():
        by_decoder = {row["name"].rpartition(", ")[2]: row for row in run["scores"]["rows"]}
        first = run["scores"]["rows"][0]
        difference, low, high = first["against_mean"]
        ratios = [by_decoder[each] for each in ("annealed", "sample") if each in by_decoder]
        rows.append(
            (
                "as it is" if run is base else _changed(base["config"], run["config"]),
                f"{first['rmse_ab']:.2f}",
                f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−"),
                *(f"{row['chroma_ratio']:.2f}" for row in (first, *ratios)),
                f"`{name}`",
            )
        )
    headings = (
        *("what differs", "RMSE-ab ↓", "to mean colour", "chroma ratio → 1"),
        *("of it annealed → 1", "of it sampled → 1", "run"),
    )
    return markdown(headings[: len(rows[0]) - 1] + headings[-1:], rows, numbers=len(rows[0]) - 1)


def _changed(base: dict[str, Any], config: dict[str, Any]) -> str:
    keys = [key for key in sorted(base | config) if base.get(key) != config.get(key) and key not in WATCHING]
    return ", ".join(
        key.replace("_", " ") + ("" if config[key] is True else f" {config[key]}") for key in keys if key in config
    )


def _machines(environments: list[Record]) -> str:
    lines = set()
    for here in environments:
        versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow"))
        gpus = f", {', '.join(here['gpus'])}" if here["gpus"] else ""
        lines.add(f"{here['cpu']} ({', '.join(here['cpu_flags'])}){gpus}, {versions}, Python {here['python']}")
    return f"\nMeasured on: {'; '.join(sorted(lines))}.\n"


def runs_page(runs: list[Record]) -> str:
    """Every run and decoder."""
    return (
        "# Training runs\n\nMade from `reports/results/run-*.json` by `python -m zoo.report build`. RMSE-ab on fixed"
        " validation crops; the difference to the mean colour with its paired 95 % bootstrap interval over crops.\n\n"
        + run_table(runs)
    )


def ratio_rows(records: list[Record]) -> dict[tuple[str, ...], str]:
    """What was measured in turn with something else on a machine, as ratios with quartiles.

    Returns:
        By what, of which, conditions and what was measured, in words.
    """
    what = {"ratio": "time", "working_memory_ratio": "working memory", "rss_growth_ratio": "growth in RSS"}
    found: dict[tuple[str, ...], str] = {}
    for record in _sorted(records):
        if record["against"] and record["value"] is not None:
            spread = "" if record["low"] is None else f" [{record['low']:.3f}, {record['high']:.3f}]"
            row = (
                f"{record['model'] or record['suite']}, {record['benchmark'].replace('_', ' ')}",
                f"{record['variant']} / {record['against']}",
                conditions(record),
                what[record["metric"]],
            )
            found[row] = f"{record['value']:.3f}{spread}"
    return found


def ratio_table(machines: list[list[Record]]) -> str:
    """The ratios of `ratio_rows`; a column a machine."""
    found: dict[tuple[str, ...], dict[int, str]] = {}
    for column, records in enumerate(machines):
        for row, cell in ratio_rows(records).items():
            found.setdefault(row, {})[column] = cell
    columns = [f"{machine_name(records[0])} ↓ [quartiles]" for records in machines]
    rows = [(*row, *(cells.get(column, "") for column in range(len(machines)))) for row, cells in found.items()]
    return markdown(("what", "of which", "conditions", "measured", *columns), rows, numbers=len(machines))


def target_table(targets: Sequence[Mapping[str, Any]], machines: list[list[Record]]) -> str:
    """What ratios were aimed at and what they are, those that came as far marked; a column a machine with some.

    Args:
        targets: each with a `name`, the `ratio` as in `ratio_rows`, and what it is to be `at_most`.
        machines: rows of each.
    """
    wanted = {tuple(target["ratio"]) for target in targets}
    measured = [(records, ratio_rows(records)) for records in machines]
    shown = [(records, ratios) for records, ratios in measured if wanted & ratios.keys()]

    def cell(ratios: dict[tuple[str, ...], str], target: Mapping[str, Any]) -> str:
        text = ratios.get(tuple(target["ratio"]), "")
        return f"**{text}**" if text and float(text.split()[0]) <= target["at_most"] else text

    rows = [
        (target["name"], f"≤ {target['at_most']:g}", *(cell(ratios, target) for _, ratios in shown))
        for target in targets
    ]
    columns = [f"{machine_name(records[0])} ↓ [quartiles]" for records, _ in shown]
    table = markdown(("what", "aimed at", *columns), rows, numbers=len(shown) + 1)
    return table + "".join(machine_lines(records) for records, _ in shown)


def benchmarks_page(machines: list[list[Record]]) -> str:
    """Everything that the benchmarks measured, a section a machine."""
    parts = [
        "# Benchmarks\n\nMade from `reports/results/bench-*.json` by `python -m zoo.report build`; the rows are from"
        " `pytest bench/`.\nMedians, with quartiles in brackets. Compare numbers of one machine only.\n"
    ]
    for records in machines:
        parts.append(f"## {machine_name(records[0])}\n{machine_lines(records)}")
        parts.append(f"### Ratios\n\n{ratio_table([records])}")
        parts.append(f"### Time\n\n{_wide(records, ('seconds', 'images_per_second', 'share_of_peak'))}")
        parts.append(f"### Where a training step's time goes\n\n{profile_table(records, 'operation_seconds')}")
        parts.append(f"### First calls\n\n{_wide(records, ('first_call_seconds',))}")
        parts.append(f"### Memory\n\n{_wide(records, MEMORY)}")
        parts.append(f"### What a training step holds at its peak\n\n{profile_table(records, 'held_at_peak')}")
        if any(record["metric"] == "ink_chroma_error" for record in records):
            parts.append(f"### Colours along ink lines\n\n{_wide(records, ('ink_chroma_error', 'delta_e00'))}")
        vibrancy = [record for record in records if record["suite"] == "vibrancy"]
        if vibrancy:
            parts.append(f"### Colour\n\n{_wide(vibrancy, tuple(IMAGE_METRICS))}")
            parts.append(f"### Averaging\n\n{_wide(records, tuple(INDICES))}")
    meanings = [f"- `{name}` ({metric.unit}): {metric.meaning}" for name, metric in METRICS.items()]
    parts.append("## What the metrics are\n\n" + "\n".join(meanings) + "\n")
    return "\n".join(parts)


def profile_table(records: list[Record], metric: str) -> str:
    """A line a kind of operation, a column a model: milliseconds or MiB of a training step."""
    unit, scale = ("milliseconds", 1e3) if metric == "operation_seconds" else ("MiB", 2**-20)
    columns: dict[str, dict[str, float]] = {}
    for record in _sorted(records):
        if record["metric"] == metric:
            title = " ".join(filter(None, (record["model"], record["variant"]))) + f", {conditions(record)}"
            kind = record["benchmark"].partition(", ")[2]
            columns.setdefault(title, {})[kind] = scale * record["value"]
    kinds = sorted({kind for found in columns.values() for kind in found})
    rows = [(kind, *(f"{found[kind]:.0f}" if kind in found else "" for found in columns.values())) for kind in kinds]
    rows.append(("all", *(f"{sum(found.values()):.0f}" for found in columns.values())))
    return markdown((unit, *columns), rows, numbers=len(columns)) if columns else "Not measured.\n"


def _wide(records: list[Record], metrics: tuple[str, ...]) -> str:
    """A line a benchmark, a column a metric."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for record in _sorted(records):
        if record["metric"] in metrics and not record["against"]:
            name = (record["benchmark"], record["model"] or "", record["variant"], conditions(record))
            found.setdefault((record["suite"], *name), {})[record["metric"]] = value_text(record)
    present = [metric for metric in metrics if any(metric in values for values in found.values())]
    arrows = [f"{metric.replace('_', ' ')} {METRICS[metric].arrow}" for metric in present]
    rows = [(*name, *(values.get(metric, "") for metric in present)) for name, values in found.items()]
    return markdown(("suite", "benchmark", "model", "variant", "conditions", *arrows), rows, numbers=len(present))


def _sorted(records: list[Record]) -> list[Record]:
    keys = ("suite", "benchmark", "model", "precision", "batch_size", "variant", "against")
    return sorted(records, key=lambda record: tuple(str(record[key]) for key in keys))


def conditions(record: Record) -> str:
    """Batch, crop and precision of a row in words."""
    words = [f"batch {record['batch_size']}"] if record["batch_size"] else []
    words += [f"{record['crop']}²"] if record["crop"] else []
    return ", ".join([*words, record["precision"] or "uint8"])


def value_text(record: Record, *, spread: bool = True) -> str:
    """A row's value, bytes as MiB, with its quartiles unless `spread` is false."""
    if record["value"] is None:
        return "–"

    def form(value: float) -> str:
        if METRICS[record["metric"]].unit == "bytes":
            return f"{value / 2**20:,.0f} MiB"
        return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"

    ends = "" if record["low"] is None or not spread else f" [{form(record['low'])}, {form(record['high'])}]"
    return form(record["value"]) + ends


def machine_lines(records: list[Record]) -> str:
    """The machine, versions, seed, dates and commits of some rows."""

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
