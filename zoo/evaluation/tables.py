"""The tables of an evaluation: `zoo.evaluate` ends with them, and reports show them too."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from zoo.evaluation.candidates import BASELINES
from zoo.evaluation.record import CLASSIFICATION, Evaluated, Measured
from zoo.metrics import INDICES, names_of
from zoo.results import METRICS, ORACLE
from zoo.support.table import Table, number, plural, quantity

TITLES = {
    "a_star": "A* → 0",
    "a_star_noisy_mean": "(of the mean, as noisy)",
    "bvr": "BVR → 1",
    "ned": "nED ↓",
    "did": "DiD → 0",
    "mode_rate": "at a possible colour ↑",
    "mean_rate": "at the mean ↓",
    "false_rate": "false ↓",
    "speckle": "speckle ↓",
    "mse_over_var": "MSE/Var",
}


def metric_title(name: str) -> str:
    """A metric in words, with an arrow that says which way is better."""
    return TITLES.get(name) or f"{name.replace('_', ' ')} {METRICS[name].arrow}"


def metrics_table(
    candidates: Iterable[Measured], names: Sequence[str], caption: str = "", *, squeezed: bool = False
) -> Table:
    """Image metrics by their names, a line a candidate; with `squeezed` how many pixels did not fit into RGB."""
    titles = [f"{name} {METRICS[name].arrow}" for name in names] + ["squeezed into RGB"] * squeezed
    rows = [
        [each.way.shown, *(quantity(each.scores[name]) for name in names), *[f"{each.squeezed:.1%}"] * squeezed]
        for each in candidates
    ]
    return Table.of(["", *titles], rows, numbers=len(titles), caption=caption)


def averaging_table(candidates: Iterable[Measured]) -> Table:
    """The averaging indices, a line a candidate."""
    rows = [[each.way.shown, *(quantity(each.scores[name]) for name in INDICES)] for each in candidates]
    caption = "averaging indices on objects of several equally likely colours"
    return Table.of(["", *TITLES.values()], rows, numbers=len(INDICES), caption=caption)


def ideal_table(ideal: dict[str, dict[str, float | None]], names: Iterable[str]) -> Table:
    """What some oracles score without noise and chance."""
    rows = [
        [name if name in BASELINES else f"{name}{ORACLE}", *(number(ideal[name][index]) for index in INDICES)]
        for name in names
    ]
    caption = "what the oracles score on these palettes without noise and chance"
    return Table.of(["", *TITLES.values()], rows, numbers=len(INDICES), caption=caption)


def classifiers_table(candidates: Iterable[Measured]) -> Table:
    """What is said of the classifiers' distributions; without lines where there is none."""
    rows = [
        [each.way.label, *(quantity(each.scores[name]) for name in CLASSIFICATION)]
        for each in candidates
        if each.calibration
    ]
    return Table.of(["", "bits a pixel ↓", "ECE of U ↓", "ECE of V ↓"], rows, numbers=3)


def hints_table(rows: Sequence[dict[str, Any]], images: int, data: str) -> Table:
    """What hints bought, a line a candidate and number of hints."""
    from zoo.evaluation.hinted import METRICS as HINT_METRICS

    def found(value: Sequence[float | None] | None, digits: int) -> str:
        if value is None or value[0] is None:
            return ""
        text = f"{value[0]:.{digits}f}"
        return text if value[1] is None else f"{text} [{value[1]:.{digits}f}, {value[2]:.{digits}f}]"

    over = ("psnr over no hints", "psnr over the best without learning")
    drawn = [name for name in ("a_star", "bvr", "false_rate") if any(name in row for row in rows)]
    metrics = {name: each for name, each in HINT_METRICS.items() if any(found(row.get(name), 0) for row in rows)}
    titles = [each.title for each in metrics.values()] + ["dB over no hints", "dB over the best without learning"]
    lines = [
        [
            f"{row['candidate']}, {row['hints']}",
            *(found(row.get(name), metric.digits) for name, metric in metrics.items()),
            *(found(row[name], 2) for name in over),
            *(number(row.get(name)) for name in drawn),
        ]
        for row in rows
    ]
    caption = f"{plural(images, 'image')} of {data}: candidate and number of hints; 95 % bootstrap intervals"
    return Table.of(
        ["", *titles, *(TITLES[name] for name in drawn)], lines, numbers=len(titles) + len(drawn), caption=caption
    )


def print_tables(evaluated: Evaluated) -> None:
    """Prints an evaluation to standard output."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    candidates = evaluated.candidates
    where = f"{plural(len(evaluated.images), 'image')} of {evaluated.data}, {evaluated.split} split"
    console.print(where, markup=False, highlight=False)
    how = (
        f"95 % bootstrap intervals over {'groups of ' * (evaluated.groups < len(evaluated.images))}images"
        if evaluated.groups > 1
        else "one group of images: no intervals"
    )
    console.print(metrics_table(candidates, names_of("colourfulness"), f"how colourful; {how}", squeezed=True).rich())
    accuracy = f"how near the truth: averaging is rewarded; {how}"
    console.print(metrics_table(candidates, names_of("accuracy"), accuracy).rich())
    if evaluated.ideal_indices:
        console.print(averaging_table(candidates).rich())
        shown = [each.way.title for each in candidates if each.way.title in evaluated.ideal_indices]
        if set(shown) - set(BASELINES):
            console.print(ideal_table(evaluated.ideal_indices, shown).rich())
    classifiers = classifiers_table(candidates)
    if classifiers.lines:
        console.print(classifiers.rich())
