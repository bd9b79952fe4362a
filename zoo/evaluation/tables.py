"""The tables that an evaluation ends with."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo.evaluation.candidates import BASELINES
from zoo.evaluation.record import CLASSIFICATION
from zoo.metrics import INDICES, names_of
from zoo.results import METRICS

TITLES = {
    "a_star": "A* → 0",
    "a_star_noisy_mean": "(of the mean, as noisy)",
    "bvr": "BVR → 1",
    "ned": "nED ↓",
    "did": "DiD → 0",
    "mode_rate": "mode ↑",
    "mean_rate": "mean ↓",
    "false_rate": "false ↓",
    "speckle": "speckle ↓",
    "mse_over_var": "MSE/Var",
}


def print_tables(result: dict[str, Any]) -> None:
    """Prints the results of `zoo.evaluate` to standard output."""
    console = Console() if sys.stdout.isatty() else Console(width=160)
    candidates = result["candidates"]
    count = len(result["images"])
    console.print(
        f"{count} image{'s' if count > 1 else ''} of {result['data']}, {result['split']} split", highlight=False
    )

    captions = {"colourfulness": "how colourful", "accuracy": "how near the truth: averaging is rewarded"}
    for group, caption in captions.items():
        names = names_of(group)
        groups = len({image["group"] for image in result["images"]})
        how = "95 % bootstrap intervals over groups of images" if groups > 1 else "one group of images: no intervals"
        table = Table("", caption=f"{caption}; {how}")
        for name in names:
            table.add_column(f"{name} {METRICS[name].arrow}", justify="right")
        if group == "colourfulness":
            table.add_column("squeezed into RGB", justify="right")
        for candidate in candidates:
            cells = [_cell(candidate["metrics"][name]) for name in names]
            cells += [f"{candidate['squeezed']:.1%}"] * (group == "colourfulness")
            table.add_row(candidate["name"], *cells)
        console.print(table)

    if any(candidate["indices"] for candidate in candidates):
        table = Table("", caption="averaging indices on objects of several equally likely colours")
        for name in INDICES:
            table.add_column(TITLES[name], justify="right")
        for candidate in candidates:
            table.add_row(candidate["name"], *(_cell(candidate["indices"][name]) for name in INDICES))
        console.print(table)

    ideal = result["ideal_indices"]
    shown = [candidate["name"] for candidate in candidates if ideal and candidate["name"] in ideal]
    if set(shown) - set(BASELINES):
        table = Table("", caption="what the oracles score on these palettes without noise and chance")
        for name in INDICES:
            table.add_column(TITLES[name], justify="right")
        for name in shown:
            table.add_row(
                name, *("–" if ideal[name][index] is None else _number(ideal[name][index]) for index in INDICES)
            )
        console.print(table)

    classifiers = [candidate for candidate in candidates if candidate["classification"]]
    if classifiers:
        table = Table("", "bits a pixel ↓", "ECE of U ↓", "ECE of V ↓")
        for candidate in classifiers:
            found = candidate["classification"]
            table.add_row(
                candidate["name"].rpartition(", ")[0],
                *(_cell(found[name]) for name in CLASSIFICATION),
            )
        console.print(table)


def _cell(found: dict[str, float | None]) -> str:
    if found["value"] is None:
        return "–"
    text = _number(found["value"])
    return text if found["low"] is None else f"{text}\n[{_number(found['low'])}, {_number(found['high'])}]"


def _number(value: float | None) -> str:
    # Rounding errors are no results.
    return "–" if value is None else f"{value:.3g}" if abs(value) >= 0.0005 else "0"
