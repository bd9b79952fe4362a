"""The tables that a run ends with."""

import sys

from rich.console import Console

from zoo.support.table import Table, difference, plural
from zoo.training.config import RunConfig
from zoo.training.outcome import KEPT_BY, Scores

FEW = 5
"""Pages of validation that are too few for numbers to be trusted."""


def print_scores(config: RunConfig, scores: Scores) -> None:
    """Prints the scores of a run's best model to standard output."""
    # A file or a pipe has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    where = f"the {config.overfit} crops trained on" if config.overfit else f"{scores.crops} validation crops"
    by = "RMSE-ab" if len(scores.rows) == 1 else f"RMSE-ab, {KEPT_BY}"
    kept = f"step {scores.step} of {config.steps} (its colours are the nearest: {by})"
    line = f"{config.model} on {config.data}, {kept}, {where} of {config.crop}²"
    console.print(line, markup=False, highlight=False)
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
    if any(row.before for row in scores.rows):
        console.print(_bought(config, scores).rich())
    if 0 < scores.pages < FEW and not config.overfit:
        console.print(
            f"Validation has {plural(scores.pages, 'page')}: what these numbers say of other pages is little. The"
            " pictures say more.",
            highlight=False,
        )
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


def _bought(config: RunConfig, scores: Scores) -> Table:
    """The scores of the weights that a run began from beside its own."""

    def ratio(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    lines = [
        (
            row.way.title,
            f"{before['rmse_ab']:.2f}",
            f"{row.rmse_ab:.2f}",
            difference(before["difference"]).line,
            ratio(before["chroma_ratio"]),
            ratio(row.chroma_ratio),
        )
        for row in scores.rows
        if (before := row.before)
    ]
    over = "with its paired 95 % bootstrap interval over pages" if scores.pages > 1 else "of one page: no interval"
    return Table.of(
        ["what it bought", "RMSE-ab before", "after ↓", "difference", "chroma ratio before", "after → 1"],
        lines,
        numbers=5,
        caption=f"before: {config.start}, on the same crops; the difference {over}",
    )
