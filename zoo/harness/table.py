"""The tables that a run ends with."""

from typing import Any

from zoo.harness.config import RunConfig


def print_scores(config: RunConfig, scores: dict[str, Any]) -> None:
    """Prints the final scores of a run, `Scores.as_json()`, to standard output."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    where = f"the {config.overfit} crops trained on" if config.overfit else f"{scores['crops']} validation crops"
    table = Table(title=f"{config.model} on {config.data}, step {scores['step']}, {where} of {config.crop}²")
    table.add_column("")
    for heading in ("RMSE-ab ↓", "− grey image [95 %]", "− mean colour [95 %]", "chroma ratio → 1"):
        table.add_column(heading, justify="right")
    rows = [*scores["baselines"], *scores["rows"]]
    for row in rows:
        ratio = row["chroma_ratio"]
        table.add_row(
            row["name"],
            f"{row['rmse_ab']:.2f}",
            _interval(row["against_grey"]) if row is not rows[0] else "",
            _interval(row["against_mean"]) if row is not rows[1] else "",
            "–" if ratio is None else f"{ratio:.2f}",
        )
    console.print(table)
    controls = rows[1]["controls"]
    if not controls:
        return
    table = Table(title="RMSE-ab ↓ by single-colour class (share of the mean colour's)")
    table.add_column("")
    for name in controls:
        table.add_column(name, justify="right")
    for row in rows:
        cells = [f"{row['controls'][n]:.1f} ({row['controls'][n] / controls[n]:.2f})" for n in controls]
        table.add_row(row["name"], *cells)
    console.print(table)


def _interval(values: list[float]) -> str:
    difference, low, high = values
    return f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
