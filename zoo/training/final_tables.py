"""The tables that a run ends with."""

import sys

from rich.console import Console

from zoo.support.table import Table, difference
from zoo.training.config import RunConfig
from zoo.training.outcome import Scores


def print_scores(config: RunConfig, scores: Scores) -> None:
    """Prints the scores of a run's best model to standard output."""
    # A file or a pipe has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    where = f"the {config.overfit} crops trained on" if config.overfit else f"{scores.crops} validation crops"
    kept = f"step {scores.step} of {config.steps} (its validation loss is the lowest)"
    console.print(f"{config.model} on {config.data}, {kept}, {where} of {config.crop}²", highlight=False)
    grey, mean = scores.baselines
    rows = [grey, mean, *scores.rows]
    table = Table.of(
        ["", "RMSE-ab ↓", "to grey image", "to mean colour", "chroma ratio → 1"],
        [
            (
                row.way.title,
                f"{row.rmse_ab:.2f}",
                "" if row is grey else difference(row.against_grey).line,
                "" if row is mean else difference(row.against_mean).line,
                "–" if row.chroma_ratio is None else f"{row.chroma_ratio:.2f}",
            )
            for row in rows
        ],
        numbers=4,
        caption="difference of RMSE-ab to each baseline, with its paired 95 % bootstrap interval",
    )
    console.print(table.rich())
    if mean.controls:
        controls = Table.of(
            ["class", *(row.way.title for row in rows)],
            [
                (name, *(f"{row.controls[name]:.1f} ({row.controls[name] / base:.2f})" for row in rows))
                for name, base in mean.controls.items()
            ],
            numbers=len(rows),
            caption="RMSE-ab ↓ on classes of one colour, and as a share of the mean colour's",
        )
        console.print(controls.rich())
