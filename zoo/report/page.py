"""The page: one HTML file that holds its style, script, figures and pictures, and asks no network for anything."""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo.evaluation.record import CLASSIFICATION
from zoo.evaluation.tables import TITLES
from zoo.metrics import INDICES, names_of
from zoo.metrics.images import GROUPS
from zoo.models.registry import get_card, list_models
from zoo.report.collected import Sources
from zoo.report.evaluation_page import FIGURES, number
from zoo.report.figures import PLOTS, is_control, is_reference, parts_of
from zoo.report.markdown import changes, conditions, plural, value_text
from zoo.report.page_figures import curves_figure, svg, tradeoff_figure
from zoo.report.plots import digest_of
from zoo.results import METRICS, Record, machine_name, slug
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

Cell = dict[str, Any]


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
        models=[_model(name, machines) for name in list_models()],
        evaluations=[_evaluation(name, sources, drawn) for name in _ordered(sources)],
        tradeoff=_tradeoff(sources, machines, drawn),
        runs=_runs(sources, drawn),
        benchmarks=_benchmarks(machines),
        machines=[_machine(name, rows) for name, rows in machines.items()],
        metrics=[
            {
                "name": name,
                "arrow": each.arrow,
                "meaning": each.meaning.replace("`", "") + (f" ({each.unit})" if each.unit != "1" else ""),
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
    path, found, rest = message.partition(".json")
    return f"{Path(path).name}.json{rest}" if found else message


def _ordered(sources: Sources) -> list[str]:
    """The evaluations' names; first those that know the possible colours."""
    return sorted(sources.evaluations, key=lambda name: (not sources.evaluations[name]["ideal_indices"], name))


def _counts(sources: Sources) -> list[str]:
    found = (
        (len(sources.evaluations), "evaluation"),
        (len(sources.runs), "training run"),
        (len(sources.benchmarks), "benchmarked machine"),
    )
    return [plural(count, thing) for count, thing in found if count]


def _figure(
    name: str, caption: str, source: Any, draw: "Callable[[], Figure | None]", drawn: Mapping[str, str]
) -> Cell | None:
    """A figure of what `source` holds, drawn unless it was already; None if there is nothing to show."""
    digest = digest_of(source)[:16]
    inside = drawn.get(f"{name} {digest}")
    if inside is None:
        figure = draw()
        if figure is None:
            return None
        inside = svg(figure, name)
    return {"name": name, "caption": caption, "digest": digest, "svg": inside}


def _cell(value: float | None, text: str, low: float | None = None, high: float | None = None, **more: Any) -> Cell:
    interval = "" if low is None or high is None or number(low) == number(high) else f"{number(low)} – {number(high)}"
    sort = "" if value is None else repr(float(value))
    return {"sort": sort, "text": text, "interval": interval, "words": False} | more


def _words(text: str) -> Cell:
    return _cell(None, text, words=True)


def _column(name: str, title: str, group: str = "") -> Cell:
    metric = METRICS[name]
    first = "ascending" if metric.higher_is_better is False or metric.target == 0 else "descending"
    meaning = metric.meaning + (f" ({metric.unit})" if metric.unit != "1" else "")
    return {"title": title, "meaning": meaning, "group": group, "first": first, "words": False}


def _text_column(title: str) -> Cell:
    return {"title": title, "meaning": "", "group": "", "first": "ascending", "words": True}


def _title(name: str) -> str:
    return TITLES.get(name) or f"{name.replace('_', ' ')} {METRICS[name].arrow}"


def _model(name: str, machines: dict[str, list[Record]]) -> Cell:
    card = get_card(name)
    facts = []
    for machine, rows in machines.items():
        found = [(heading, _fact(rows, name, *where)) for heading, *where in FACTS]
        shown = [(heading, f"{value_text(row)} ({conditions(row)})") for heading, row in found if row]
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


def _evaluation(name: str, sources: Sources, drawn: Mapping[str, str]) -> Cell:
    result = sources.evaluations[name]
    found = {each["name"]: scores_of(each) for each in result["candidates"]}
    groups = {"averaging": INDICES, **{group: names_of(group) for group in GROUPS}, "distributions": CLASSIFICATION}
    columns = [
        (metric, group)
        for group, metrics in groups.items()
        for metric in metrics
        if any(metric in s for s in found.values())
    ]
    best = {metric: _best(metric, found) for metric, _ in columns}
    rows = []
    for candidate, scores in found.items():
        cells = []
        for metric, group in columns:
            each = scores.get(metric) or {"value": None, "low": None, "high": None}
            text = number(each["value"])
            more = {"group": group, "best": candidate == best[metric]}
            cells.append(_cell(each["value"], text, each["low"], each["high"], **more))
        rows.append({"name": candidate, "reference": is_control(candidate), "cells": cells})
    here = result["environment"]
    figures = [
        _figure(f"{slug(name)}-{each}", FIGURES[each], [result, each], partial(draw, result), drawn)
        for each, draw in PLOTS.items()
    ]
    return {
        "name": name,
        "id": slug(name),
        "about": f"{plural(len(result['images']), 'image')} of the {result['split']} split of {result['data']},"
        f" in {plural(len({image['group'] for image in result['images']}), 'group')}; larger ones cut to the middle"
        f" {result['max_side']}²; sampling seed {result['seed']}. Evaluated on {here['cpu']},"
        f" keras {here['libraries']['keras']}, tensorflow {here['libraries']['tensorflow']}"
        f"{', commit ' + here['commit'][:7] if here['commit'] else ''}.",
        "groups": list(dict.fromkeys(group for _, group in columns)),
        "table": {
            "id": f"evaluation-{slug(name)}",
            "columns": [
                _text_column("candidate"),
                *(_column(metric, _title(metric), group) for metric, group in columns),
            ],
            "rows": rows,
        },
        "figures": [figure for figure in figures if figure],
        "gallery": _gallery(name, sources),
    }


def scores_of(candidate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A candidate's metrics, indices, and what is said of its distributions, by name."""
    classification = candidate["classification"] or {}
    return (
        candidate["metrics"]
        | (candidate["indices"] or {})
        | {name: classification[name] for name in CLASSIFICATION if name in classification}
    )


def _best(metric: str, found: dict[str, dict[str, Any]]) -> str | None:
    """The candidate with the best value, references and controls left out; None where no value is the best one."""
    if metric in UNRANKED:
        return None
    values = {
        name: scores[metric]["value"]
        for name, scores in found.items()
        if not is_control(name) and metric in scores and scores[metric]["value"] is not None
    }
    if len(set(values.values())) < 2:
        return None
    better = METRICS[metric].higher_is_better
    if better is not None:
        return (max if better else min)(values, key=lambda name: values[name])
    truth = found.get("truth", {}).get(metric, {}).get("value")
    return None if truth is None else min(values, key=lambda name: abs(values[name] - truth))


def _gallery(name: str, sources: Sources) -> Cell | None:
    folder = sources.pictures.get(name)
    if folder is None:
        return None
    result = sources.evaluations[name]
    names = [each["name"] for each in result["candidates"]]
    pictures: dict[int, dict[str, str]] = {}
    for path in sorted(folder.glob("*.webp")):
        row, column = (int(part) for part in path.stem.split("-"))
        data = base64.b64encode(path.read_bytes()).decode()
        pictures.setdefault(row, {})[names[column]] = f"data:image/webp;base64,{data}"
    shown = [each for each in names if not is_control(each)]
    first = [*shown, "truth"][0]
    # The same model's answer of another kind, or the last candidate: two that differ.
    second = next((each for each in reversed(shown) if parts_of(each)[0] != parts_of(first)[0]), "truth")
    return {
        "id": slug(name),
        "candidates": names,
        "first": first,
        "second": second,
        "images": [result["images"][row]["name"] for row in pictures],
        "json": json.dumps([pictures[row] for row in pictures], ensure_ascii=False).replace("<", "\\u003c"),
    }


def _tradeoff(sources: Sources, machines: dict[str, list[Record]], drawn: Mapping[str, str]) -> Cell | None:
    """Quality against speed and memory: a row a candidate whose model is known, and a figure an evaluation."""
    rows, figures = [], []
    facts = {(machine, heading): where for machine in machines for heading, *where in FACTS}
    for name in _ordered(sources):
        result = sources.evaluations[name]
        points = []
        for candidate in result["candidates"]:
            label = parts_of(candidate["name"])[0]
            model = result["runs"][label]["config"]["model"] if label in result["runs"] else label
            if is_reference(candidate["name"]) or model not in list_models():
                continue
            scores = scores_of(candidate)
            cells = [_words(name)]
            for metric in TRADEOFF:
                value = scores[metric]["value"] if metric in scores else None
                cells.append(_cell(value, number(value)))
            for (machine, _), where in facts.items():
                row = _fact(machines[machine], model, *where)
                cells.append(_cell(row["value"], value_text(row, spread=False)) if row else _cell(None, "–"))
            rows.append({"name": candidate["name"], "reference": False, "cells": cells})
            speeds = {machine: _fact(found, model, *FACTS[0][1:]) for machine, found in machines.items()}
            points.append({"name": candidate["name"], "scores": scores, "speeds": speeds})
        source = [[point["name"], point["speeds"], {m: point["scores"].get(m) for m in TRADEOFF}] for point in points]
        caption = f"{name}: error and pooled energy distance against the speed of inference on each machine."
        draw = partial(tradeoff_figure, result, points)
        figures.append(_figure(f"tradeoff-{slug(name)}", caption, source, draw, drawn))
    if not rows or not machines:
        return None
    columns = [_text_column("candidate"), _text_column("evaluation"), *(_column(m, _title(m)) for m in TRADEOFF)]
    columns += [
        _column(where[2], f"{heading} {METRICS[where[2]].arrow}, {machine}")
        for (machine, heading), where in facts.items()
    ]
    return {
        "table": {"id": "tradeoff-table", "columns": columns, "rows": rows},
        "figures": [figure for figure in figures if figure],
    }


def _runs(sources: Sources, drawn: Mapping[str, str]) -> Cell:
    columns = ["run", "model", "data", "recipe", "training", "machine"]
    measured = ("rmse_ab", "chroma_ratio", "images_per_second")
    rows = []
    for name, run in sources.runs.items():
        config, here = run["config"], run["environment"]
        crops = f"{config['steps']:,} × {config['batch_size']} of {config['crop']}², seed {config['seed']}"
        if "scores" not in run:
            crops += f"; not finished, at step {run['step']:,}"
        data = f"{config['overfit']} crops of {config['data']}" if config["overfit"] else config["data"]
        device = ", ".join(here["gpus"]) or plural(here["cores"], "core")
        words = [
            config["model"],
            data,
            f"{config['recipe']}, {config['optimizer']} at {config['learning_rate']:g}{changes(config)}",
            crops,
            f"{here['cpu']}, {device}, {here['precision']}",
        ]
        headline = run["scores"]["rows"][0] if "scores" in run else (run["history"]["validation"] or [{}])[-1]
        values = (headline.get("rmse_ab"), headline.get("chroma_ratio"), run["images_per_second"])
        numbers = [_cell(value, number(value)) for value in values]
        rows.append({"name": name, "reference": False, "cells": [*numbers, *map(_words, words)]})
    first, *others = map(_text_column, columns)
    table = {"id": "runs-table", "columns": [first, *(_column(m, _title(m)) for m in measured), *others]}
    figures = []
    groups: dict[str, dict[str, Any]] = {}
    for name, run in sources.runs.items():
        if run["history"]["validation"]:
            groups.setdefault(f"{run['config']['data']}", {})[name] = run
    for data, runs in groups.items():
        source = {name: [run["history"], run["config"]] for name, run in runs.items()}
        caption = f"Learning curves on {data}: RMSE-ab on the validation crops (dashed: the mean colour), and the loss."
        figures.append(_figure(f"curves-{slug(data)}", caption, source, partial(curves_figure, runs), drawn))
    return {"table": table | {"rows": rows}, "figures": [figure for figure in figures if figure]}


def _benchmarks(machines: dict[str, list[Record]]) -> Cell:
    value_column = _text_column("value [quartiles]") | {"words": False}
    rows = []
    for machine, records in machines.items():
        for row in records:
            variant = f"{row['variant']} / {row['against']}" if row["against"] else row["variant"]
            metric = f"{row['metric'].replace('_', ' ')} {METRICS[row['metric']].arrow}"
            words = [metric, row["model"] or "", variant, conditions(row)]
            value = _cell(row["value"], value_text(row))
            rows.append(
                {
                    "name": f"{row['suite']}: {row['benchmark'].replace('_', ' ')}",
                    "reference": False,
                    "machine": machine,
                    "cells": [value, *map(_words, words), _words(machine)],
                }
            )
    first, *others = map(_text_column, ("benchmark", "metric", "model", "variant", "conditions", "machine"))
    columns = [first, value_column, *others]
    return {"table": {"id": "benchmarks-table", "columns": columns, "rows": rows}, "machines": list(machines)}


def _machine(name: str, rows: list[Record]) -> Cell:
    def each(key: str) -> str:
        return ", ".join(sorted({str(row[key]) for row in rows if row[key] not in (None, "")}))

    libraries = ", ".join(f"{key} {each(key)}" for key in ("keras", "tensorflow", "torch") if each(key))
    commits = ", ".join(sorted({row["commit"][:7] for row in rows if row["commit"]}))
    return {
        "name": name,
        "about": f"{libraries}, Python {each('python')}; {each('date')}; commit {commits or 'unknown'}",
    }
