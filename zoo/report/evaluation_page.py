"""The page of an evaluation in `reports/`: every number in Markdown tables, and the plots."""

from collections.abc import Sequence
from typing import Any

from zoo.evaluation.record import CLASSIFICATION
from zoo.evaluation.tables import TITLES
from zoo.metrics import INDICES, names_of
from zoo.report.markdown import changes, markdown, plural
from zoo.results import METRICS

Found = dict[str, float | None]
FIGURES = {
    "averaging": "A* against the variance between objects: averaging is lower right, sampling upper left.",
    "plane": "One ambiguous class in the UV plane: a dot is an object's answer, the circles are the possible colours,"
    " the cross is their mean.",
    "chroma": "How often each chroma occurs, against the truth.",
    "calibration": "Calibration of the classifiers: accuracy against confidence.",
    "sheet": "Some images of the split: grey, a few of the candidates, truth.",
}
README_INDICES = ("a_star", "a_star_noisy_mean", "bvr", "ned", "mode_rate", "false_rate", "speckle")
README_METRICS = ("chroma_ratio", "ab_energy", "ab_energy_pooled", "delta_e00")


def evaluation_page(title: str, result: dict[str, Any], figures: Sequence[str]) -> str:
    """The page of one evaluation.

    Args:
        title: the data set's name.
        result: `results.json` of `zoo.evaluate`.
        figures: names of `FIGURES` that lie in `figures/evaluation-TITLE-NAME.png`.
    """
    candidates = result["candidates"]
    here = result["environment"]
    versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow", "scikit-image"))
    intervals = ", in brackets 95 % bootstrap intervals over groups of images" if len(result["images"]) > 1 else ""
    parts = [
        f"# Evaluation on {title}\n\nMade from `reports/results/evaluation-{title}.json` by"
        " `python -m zoo.report build`;"
        f" the numbers are from `python -m zoo.evaluate --out`: {plural(len(result['images']), 'image')} of the"
        f" {result['split']} split (the middle {result['max_side']}² of larger ones){intervals}. Sampling seed"
        f" {result['seed']}.\n\nEvaluated on: {here['cpu']}, {versions}, Python {here['python']}."
        "\n",
    ]
    if result["runs"]:
        parts.append(f"## Training\n\n{runs_table(result['runs'])}")
    if result["ideal_indices"]:
        rows = [(each["name"], *(interval(each["indices"][name]) for name in INDICES)) for each in candidates]
        parts.append(f"## Averaging\n\n{markdown(('', *TITLES.values()), rows, numbers=len(INDICES))}")
        rows = [(name, *(number(found[index]) for index in INDICES)) for name, found in result["ideal_indices"].items()]
        parts.append(
            "What the oracles score on these palettes when every class and every colour of it is as frequent as the"
            f" others, without noise:\n\n{markdown(('', *TITLES.values()), rows, numbers=len(INDICES))}"
        )
    for heading, group in (("How colourful", "colourfulness"), ("How near the truth", "accuracy")):
        # An evaluation that was made before a metric was there does without it.
        names = [name for name in names_of(group) if all(name in each["metrics"] for each in candidates)]
        titles = [f"{name} {METRICS[name].arrow}" for name in names]
        rows = [(each["name"], *(interval(each["metrics"][name]) for name in names)) for each in candidates]
        parts.append(f"## {heading}\n\n{markdown(('', *titles), rows, numbers=len(names))}")
    classifiers = [each for each in candidates if each["classification"]]
    if classifiers:
        rows = [
            (each["name"].rpartition(", ")[0], *(interval(found[name]) for name in CLASSIFICATION))
            for each in classifiers
            for found in (each["classification"],)
        ]
        titles = ["", "bits a pixel ↓", "ECE of U ↓", "ECE of V ↓"]
        parts.append(f"## Classifiers\n\n{markdown(titles, rows, numbers=3)}")
    for name in figures:
        parts.append(f"![{FIGURES[name]}](figures/evaluation-{title}-{name}.png)\n\n*{FIGURES[name]}*\n")
    return "\n".join(parts)


def runs_table(runs: dict[str, Any]) -> str:
    """What each candidate was trained with."""
    rows = []
    for label, run in sorted(runs.items()):
        config, here = run["config"], run["environment"]
        minutes = config["steps"] * config["batch_size"] / run["images_per_second"] / 60
        device = ", ".join(here["gpus"]) or f"{here['cores']} core{'s' if here['cores'] > 1 else ''} of {here['cpu']}"
        rows.append(
            (
                label,
                config["model"],
                f"{config['data']}, {config['recipe']}{changes(config)}",
                f"{config['steps']:,} × {config['batch_size']} crops of {config['crop']}², seed {config['seed']}",
                f"{minutes:.0f} min, {device}, {here['precision']}",
            )
        )
    return markdown(("run", "model", "data, recipe", "crops", "time of the steps"), rows, numbers=0)


def readme_table(result: dict[str, Any]) -> str:
    """The few columns that the README shows."""
    indices = README_INDICES if result["ideal_indices"] else ()
    rows = [
        (
            each["name"],
            *(number(each["indices"][name]["value"]) for name in indices),
            *(number(each["metrics"][name]["value"]) for name in README_METRICS),
        )
        for each in result["candidates"]
    ]
    titles = [f"{name.replace('_', ' ')} {METRICS[name].arrow}" for name in README_METRICS]
    return markdown(("", *(TITLES[name] for name in indices), *titles), rows, numbers=len(indices) + len(titles))


def interval(found: Found) -> str:
    """Value [low, high]."""
    spread = "" if found["low"] is None else f" [{number(found['low'])}, {number(found['high'])}]"
    return number(found["value"]) + spread


def number(value: float | None) -> str:
    """Three digits; rounding errors are no results."""
    if value is None:
        return "–"
    return f"{value:.3g}".replace("-", "−") if abs(value) >= 0.0005 else "0"
