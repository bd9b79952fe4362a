"""The report page: one HTML file that holds its style, script, figures and pictures, and asks no network."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo.evaluation.record import CLASSIFICATION, Measured
from zoo.evaluation.tables import metric_title
from zoo.metrics import INDICES, names_of
from zoo.metrics.images import GROUPS
from zoo.models.registry import get_card, list_models
from zoo.report.collected import Run, Sources
from zoo.report.evaluation_page import FIGURES, foreign_text
from zoo.report.figures import PLOTS
from zoo.report.markdown import changes, conditions, value_cell
from zoo.report.moved import moved_figure, moves_of
from zoo.report.page_figures import curves_figure, svg, tradeoff_figure
from zoo.report.plots import digest_of
from zoo.results import METRICS, Record, machine_name, slug
from zoo.support.table import Cell, Column, Line, Table, plural, quantity
from zoo.support.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).parent / "templates"
FIGURE = re.compile(r"<!--figure ([\w-]+ [0-9a-f]+)-->(.*?)<!--end of figure-->", re.S)
UNRANKED = ("a_star_noisy_mean", "mse_over_var")
TRADEOFF = ("delta_e00", "ab_energy_pooled", "chroma_ratio", "a_star", "bvr")
FACTS = (  # of a model on a machine: heading, suite, benchmark, metric
    ("inference, images/s", "throughput", "inference", "images_per_second"),
    ("training, images/s", "throughput", "training_step", "images_per_second"),
    ("training step, working memory", "memory", "training_step", "working_memory"),
)

Shown = dict[str, Any]
"""What the template shows of something."""


def render(sources: Sources, drawn: Mapping[str, str] = MappingProxyType({})) -> str:
    """The page of these results. The same results give the same page, but for the insides of the figures.

    Args:
        sources: the results.
        drawn: the figures that need not be drawn again, as `figures_of` finds them in an older page.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    machines = {machine_name(rows[0]): rows for rows in sources.benchmarks.values()}
    return environment.get_template("page.html").render(
        version=__version__,
        broken=[_without_directory(each) for each in sources.broken],
        counts=_counts(sources),
        averaging=any(each.ideal_indices for each in sources.evaluations.values()),
        models=[_model(name, machines) for name in list_models()],
        evaluations=[_evaluation(name, sources, drawn) for name in _ordered(sources)],
        tradeoff=_tradeoff(sources, machines, drawn),
        runs=_runs(sources, drawn),
        benchmarks=_benchmarks(machines) | {"moved": _moved(sources, drawn)},
        machines=[_machine(name, rows) for name, rows in machines.items()],
        metrics=[
            {
                "name": name,
                "arrow": each.arrow,
                "meaning": each.described.replace("`", ""),
            }
            for name, each in METRICS.items()
        ],
    )


def without_figures(page: str) -> str:
    """A page without the insides of its figures, which depend on matplotlib's version; digests say what they show."""
    return FIGURE.sub(r"<!--figure \1-->", page)


def figures_of(page: str) -> dict[str, str]:
    """The insides of a page's figures, by name and digest of what they show."""
    return {match[1]: match[2] for match in FIGURE.finditer(page)}


def _without_directory(message: str) -> str:
    """An error about a file without where that file lies: the page is for other machines."""
    end = ".json" if ".json" in message else ": "
    path, found, rest = message.partition(end)
    return f"{Path(path).name}{end}{rest}" if found else message


def _ordered(sources: Sources) -> list[str]:
    """The evaluations' names; first those that know the possible colours."""
    return sorted(sources.evaluations, key=lambda name: (not sources.evaluations[name].ideal_indices, name))


def _counts(sources: Sources) -> list[str]:
    found = (
        (len(sources.evaluations), "evaluation"),
        (len(sources.runs), "training run"),
        (len(sources.benchmarks), "benchmarked machine"),
    )
    return [plural(count, thing) for count, thing in found if count]


def _figure(
    name: str, caption: str, source: Any, draw: "Callable[[], Figure | None]", drawn: Mapping[str, str]
) -> Shown | None:
    """A figure of what `source` holds, drawn unless it was already; None if there is nothing to show."""
    digest = digest_of(source)[:16]
    inside = drawn.get(f"{name} {digest}")
    if inside is None:
        figure = draw()
        if figure is None:
            return None
        inside = svg(figure, name)
    return {"name": name, "caption": caption, "digest": digest, "svg": inside}


def _metric_column(name: str, title: str = "", group: str = "") -> Column:
    """The column of a metric, sorted first from the better end."""
    metric = METRICS[name]
    ascending = metric.higher_is_better is False or metric.target == 0
    return Column(title or metric_title(name), True, metric.described, group, descending=not ascending)


def _model(name: str, machines: dict[str, list[Record]]) -> Shown:
    card = get_card(name)
    facts = []
    for machine, rows in machines.items():
        found = [(heading, _fact(rows, name, *where)) for heading, *where in FACTS]
        shown = [(heading, f"{value_cell(row).line} ({conditions(row)})") for heading, row in found if row]
        if shown:
            facts.append({"machine": machine, "found": shown})
    return {"card": card, "parameters": f"{card.parameters / 1e6:.1f} million", "facts": facts}


def _fact(rows: Sequence[Record], model: str, suite: str, benchmark: str, metric: str) -> Record | None:
    """A model's row of its usual form, with the largest batch."""
    found = [
        row
        for row in rows
        if (row["suite"], row["benchmark"], row["model"], row["metric"]) == (suite, benchmark, model, metric)
        and row["variant"] == row["against"] == ""
        and row["value"] is not None
    ]
    return max(found, key=lambda row: row["batch_size"] or 0, default=None)


def _evaluation(name: str, sources: Sources, drawn: Mapping[str, str]) -> Shown:
    result = sources.evaluations[name]
    groups = {"averaging": INDICES, **{group: names_of(group) for group in GROUPS}, "distributions": CLASSIFICATION}
    columns = [
        (metric, group)
        for group, metrics in groups.items()
        for metric in metrics
        if any(metric in each.scores for each in result.candidates)
    ]
    best = {metric: _best(metric, result.candidates) for metric, _ in columns}
    lines = [
        Line(
            [
                Cell(each.way.shown),
                *(
                    quantity(each.scores.get(metric) or {"value": None}, best=each is best[metric])
                    for metric, _ in columns
                ),
            ],
            each.way.control,
        )
        for each in result.candidates
    ]
    here = result.environment
    figures = [
        _figure(f"{slug(name)}-{each}", FIGURES[each], [result, each], partial(draw, result), drawn)
        for each, draw in PLOTS.items()
    ]
    titled = [_metric_column(metric, group=group) for metric, group in columns]
    return {
        "name": name,
        "id": slug(name),
        "about": f"{plural(len(result.images), 'image')} of the {result.split} split of {result.data},"
        f" in {plural(result.groups, 'group')}; larger ones cut to the middle"
        f" {result.max_side}²; sampling seed {result.seed}. Evaluated on {here['cpu']},"
        f" keras {here['libraries']['keras']}, tensorflow {here['libraries']['tensorflow']}"
        f"{', commit ' + here['commit'][:7] if here['commit'] else ''}."
        f"{' ' + foreign_text(result) if result.foreign else ''}",
        "groups": list(dict.fromkeys(group for _, group in columns)),
        "table": Table([Column("candidate"), *titled], lines, name=f"evaluation-{slug(name)}"),
        "figures": [figure for figure in figures if figure],
        "gallery": _gallery(name, sources),
    }


def _best(metric: str, candidates: Iterable[Measured]) -> Measured | None:
    """The candidate with the best value, controls left out; None where no value is the best one."""
    if metric in UNRANKED:
        return None
    values = [(each, value) for each in candidates for value in (each.value(metric),) if value is not None]
    ranked = [(each, value) for each, value in values if not each.way.control]
    if len({value for _, value in ranked}) < 2:
        return None
    better = METRICS[metric].higher_is_better
    if better is not None:
        return (max if better else min)(ranked, key=lambda pair: pair[1])[0]
    truth = next((value for each, value in values if each.way.title == "truth"), None)
    return None if truth is None else min(ranked, key=lambda pair: abs(pair[1] - truth))[0]


def _gallery(name: str, sources: Sources) -> Shown | None:
    pictures = sources.pictures.get(name)
    if not pictures:
        return None
    result = sources.evaluations[name]
    names = [each.way.shown for each in result.candidates]
    encoded = [[f"data:image/webp;base64,{base64.b64encode(data).decode()}" for data in row] for _, row in pictures]
    shown_by_name = [dict(zip(names, row, strict=True)) for row in encoded]
    shown = [each.way for each in result.candidates if not each.way.control]
    # Two that differ: the first one, and the last one of another model.
    second = next((way.title for way in reversed(shown) if way.label != shown[0].label), "truth")
    return {
        "id": slug(name),
        "candidates": names,
        "first": shown[0].title if shown else "truth",
        "second": second,
        "images": [result.images[row]["name"] for row, _ in pictures],
        "json": json.dumps(shown_by_name, ensure_ascii=False).replace("<", "\\u003c"),
    }


def _tradeoff(sources: Sources, machines: dict[str, list[Record]], drawn: Mapping[str, str]) -> Shown | None:
    """Quality against speed and memory: a row a candidate whose model is known, and a figure an evaluation."""
    lines, figures = [], []
    facts = {(machine, heading): where for machine in machines for heading, *where in FACTS}
    for name in _ordered(sources):
        result = sources.evaluations[name]
        points = []
        for each in result.candidates:
            model = each.way.model
            if model not in list_models():
                continue
            cells = [Cell(each.way.shown), Cell(name)]
            cells += [quantity({"value": each.value(metric)}) for metric in TRADEOFF]
            for (machine, _), where in facts.items():
                row = _fact(machines[machine], model, *where)
                cells.append(replace(value_cell(row), ends=None) if row else Cell("–"))
            lines.append(Line(cells))
            points.append((each, {machine: _fact(found, model, *FACTS[0][1:]) for machine, found in machines.items()}))
        source = [[each.way, speeds, {m: each.scores.get(m) for m in TRADEOFF}] for each, speeds in points]
        caption = f"{name}: error and pooled energy distance against the speed of inference on each machine."
        draw = partial(tradeoff_figure, result, points)
        figures.append(_figure(f"tradeoff-{slug(name)}", caption, source, draw, drawn))
    if not lines or not machines:
        return None
    columns = [Column("candidate"), Column("evaluation"), *(_metric_column(m) for m in TRADEOFF)]
    columns += [
        _metric_column(where[2], f"{heading} {METRICS[where[2]].arrow}, {machine}")
        for (machine, heading), where in facts.items()
    ]
    return {
        "table": Table(columns, lines, name="tradeoff-table"),
        "figures": [figure for figure in figures if figure],
    }


def _runs(sources: Sources, drawn: Mapping[str, str]) -> Shown:
    lines = []
    for name, run in sources.runs.items():
        config, here = run.config, run.environment
        crops = f"{config['steps']:,} × {config['batch_size']} of {config['crop']}², seed {config['seed']}"
        if not run.scores:
            crops += f"; not finished, at step {run.step:,}"
        data = f"{config['overfit']} crops of {config['data']}" if config["overfit"] else config["data"]
        device = ", ".join(here["gpus"]) or plural(here["cores"], "core")
        words = [
            config["model"],
            data,
            f"{config['recipe']}, {config['optimizer']} at {config['learning_rate']:g}{changes(config)}",
            crops,
            f"{here['cpu']}, {device}, {here['precision']}",
        ]
        if run.scores:
            values = [run.scores.rows[0].rmse_ab, run.scores.rows[0].chroma_ratio]
        else:
            newest = (run.history["validation"] or [{}])[-1]
            values = [newest.get("rmse_ab"), newest.get("chroma_ratio")]
        numbers = [quantity({"value": value}) for value in (*values, run.images_per_second)]
        lines.append(Line([Cell(name), *numbers, *map(Cell, words)]))
    measured = [_metric_column(m) for m in ("rmse_ab", "chroma_ratio", "images_per_second")]
    columns = [Column("run"), *measured, *map(Column, ("model", "data", "recipe", "training", "machine"))]
    figures = []
    groups: dict[str, dict[str, Run]] = {}
    for name, run in sources.runs.items():
        if run.history["validation"]:
            groups.setdefault(f"{run.config['data']}", {})[name] = run
    for data, runs in groups.items():
        source = {name: [run.history, run.config, run.mean_color] for name, run in runs.items()}
        caption = f"Learning curves on {data}: RMSE-ab on the validation crops (dashed: the mean colour), and the loss."
        figures.append(_figure(f"curves-{slug(data)}", caption, source, partial(curves_figure, runs), drawn))
    table = Table(columns, lines, name="runs-table")
    return {"table": table, "figures": [figure for figure in figures if figure]}


def _benchmarks(machines: dict[str, list[Record]]) -> Shown:
    lines = []
    for machine, records in machines.items():
        for row in records:
            name = f"{row['suite']}: {row['benchmark'].replace('_', ' ')}"
            variant = f"{row['variant']} / {row['against']}" if row["against"] else row["variant"]
            metric = f"{row['metric'].replace('_', ' ')} {METRICS[row['metric']].arrow}"
            value = Cell(value_cell(row).line, row["value"])
            words = [metric, row["model"] or "", variant, conditions(row), machine]
            lines.append(Line([Cell(name), value, *map(Cell, words)], group=machine))
    titles = map(Column, ("metric", "model", "variant", "conditions", "machine"))
    columns = [Column("benchmark"), Column("value [quartiles]", numbers=True), *titles]
    return {"table": Table(columns, lines, name="benchmarks-table"), "machines": list(machines)}


def _moved(sources: Sources, drawn: Mapping[str, str]) -> Shown | None:
    machines = list(sources.ratios.values())
    kept = ("value", "low", "high", "commit")
    source = [
        [machine_name(rows[0]), [[what, [[row[name] for name in kept] for row in each]] for what, each in moves]]
        for rows in machines
        if (moves := list(moves_of(rows).items()))
    ]
    caption = (
        "Ratios at each commit at which they were measured, the oldest first, with their quartiles. Below 1, the first"
        " of the two takes less."
    )
    return _figure("moved", caption, source, partial(moved_figure, machines), drawn) if source else None


def _machine(name: str, rows: list[Record]) -> Shown:
    def each(key: str) -> str:
        return ", ".join(sorted({str(row[key]) for row in rows if row[key] not in (None, "")}))

    libraries = ", ".join(f"{key} {each(key)}" for key in ("keras", "tensorflow", "torch") if each(key))
    commits = ", ".join(sorted({row["commit"][:7] for row in rows if row["commit"]}))
    return {
        "name": name,
        "about": f"{libraries}, Python {each('python')}; {each('date')}; commit {commits or 'unknown'}",
    }
