"""The page of an evaluation: every number in Markdown tables, and the plots."""

from collections.abc import Sequence
from typing import Any

from zoo.evaluation.record import Evaluated
from zoo.evaluation.tables import averaging_table, classifiers_table, ideal_table, metrics_table
from zoo.metrics import names_of
from zoo.report.markdown import changes, step_time
from zoo.support.table import Table, plural

FIGURES = {
    "averaging": "A* against the variance between objects: averaging is lower right, sampling upper left.",
    "plane": "One ambiguous class in the UV plane: a dot is an object's answer, the circles are the possible colours,"
    " the cross is their mean.",
    "chroma": "How often each chroma occurs, against the truth.",
    "calibration": "Calibration of the classifiers: accuracy against confidence.",
    "sheet": "Some images of the split: grey, a few of the candidates, truth.",
}


def evaluation_page(title: str, result: Evaluated, figures: Sequence[str]) -> str:
    """The page of one evaluation.

    Args:
        title: the data set's name.
        result: what `zoo.evaluate` found.
        figures: names of `FIGURES` that lie in `figures/evaluation-TITLE-NAME.png`.
    """
    here = result.environment
    versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow", "scikit-image"))
    intervals = ", in brackets 95 % bootstrap intervals over groups of images" if result.groups > 1 else ""
    parts = [
        f"# Evaluation on {title}\n\nMade by `zoo.report`; the numbers are from `python -m zoo.evaluate --out`:"
        f" {plural(len(result.images), 'image')} of the {result.split} split (the middle"
        f" {result.max_side}² of larger ones){intervals}. Sampling seed {result.seed}.\n\nEvaluated on:"
        f" {here['cpu']}, {versions}, Python {here['python']}.\n",
    ]
    if result.foreign:
        parts.append(f"{foreign_text(result)}\n")
    if result.runs:
        parts.append(f"## Training\n\n{runs_table(result.runs).markdown()}")
    if result.ideal_indices:
        ideal = ideal_table(result.ideal_indices, result.ideal_indices)
        parts.append(f"## Averaging\n\n{averaging_table(result.candidates).markdown()}")
        parts.append(
            "What the oracles score on these palettes when every class and every colour of it is as frequent as the"
            f" others, without noise:\n\n{ideal.markdown()}"
        )
    for heading, group in (("How colourful", "colourfulness"), ("How near the truth", "accuracy")):
        # An evaluation that was made before a metric was there does without it.
        names = [name for name in names_of(group) if all(name in each.scores for each in result.candidates)]
        parts.append(f"## {heading}\n\n{metrics_table(result.candidates, names).markdown()}")
    classifiers = classifiers_table(result.candidates)
    if classifiers.lines:
        parts.append(f"## Classifiers\n\n{classifiers.markdown()}")
    for name in figures:
        parts.append(f"![{FIGURES[name]}](figures/evaluation-{title}-{name}.png)\n\n*{FIGURES[name]}*\n")
    return "\n".join(parts)


def foreign_text(result: Evaluated) -> str:
    """Of each candidate that is not of this zoo where it is from, and its licence and source as its card says."""
    said = (
        "; ".join([f"{title}: {about['from']}", *filter(None, (about.get("licence"), about.get("source")))])
        for title, about in result.foreign.items()
    )
    return f"Not of this zoo: {'. '.join(said)}."


def runs_table(runs: dict[str, Any]) -> Table:
    """What each candidate was trained with."""
    rows = []
    for label, run in sorted(runs.items()):
        config, here = run["config"], run["environment"]
        device = ", ".join(here["gpus"]) or f"{plural(here['cores'], 'core')} of {here['cpu']}"
        rows.append(
            (
                label,
                config["model"],
                f"{config['data']}, {config['recipe']}{changes(config)}",
                f"{config['steps']:,} × {config['batch_size']} crops of {config['crop']}², seed {config['seed']}",
                f"{step_time(config, run['images_per_second'])}, {device}, {here['precision']}",
            )
        )
    return Table.of(("run", "model", "data, recipe", "crops", "time of the steps"), rows)
