"""The tables that a run ends with."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from zoo.training.config import RunConfig


def print_scores(config: RunConfig, scores: dict[str, Any]) -> None:
    """Prints the scores of a run's best model, `Scores.as_json()`, to standard output."""
    # A file or a pipe has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    where = f"the {config.overfit} crops trained on" if config.overfit else f"{scores['crops']} validation crops"
    kept = f"step {scores['step']} of {config.steps} (its validation loss is the lowest)"
    console.print(f"{config.model} on {config.data}, {kept}, {where} of {config.crop}²", highlight=False)
    grey, mean = scores["baselines"]
    rows = [grey, mean, *scores["rows"]]
    table = Table("", caption="difference of RMSE-ab to each baseline, with its paired 95 % bootstrap interval")
    for heading in ("RMSE-ab ↓", "to grey image", "to mean colour", "chroma ratio → 1"):
        table.add_column(heading, justify="right")
    for row in rows:
        ratio = row["chroma_ratio"]
        table.add_row(
            row["name"],
            f"{row['rmse_ab']:.2f}",
            "" if row is grey else _interval(row["against_grey"]),
            "" if row is mean else _interval(row["against_mean"]),
            "–" if ratio is None else f"{ratio:.2f}",
        )
    console.print(table)
    if not mean["controls"]:
        return
    table = Table("class", caption="RMSE-ab ↓ on classes of one colour, and as a share of the mean colour's")
    for row in rows:
        table.add_column(row["name"], justify="right")
    for name, base in mean["controls"].items():
        table.add_row(name, *(f"{row['controls'][name]:.1f} ({row['controls'][name] / base:.2f})" for row in rows))
    console.print(table)


def _interval(values: list[float]) -> str:
    difference, low, high = values
    return f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
