"""`python -m zoo.released`: lists the weights that come with the package, or makes such weights of a run."""

import sys
from pathlib import Path

from zoo.models import releases
from zoo.models.loading import load, model_file
from zoo.models.registry import get_card
from zoo.models.releases import list_releases
from zoo.support.command import Parser, import_tensorflow, run


def show(model: str | None) -> None:
    """Prints a table of the released weights, and whom their data are to be credited to."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "weights", "MB", "trained on", "licence", "RMSE-ab")
    cards = list_releases(model)
    for card in cards:
        size = (releases.FOLDER / f"{card.model}-{card.name}.npz").stat().st_size / 1e6
        score = min(card.scores.values(), default=float("nan"))
        hinted = " with hints" * ("hints" in get_card(card.model).inputs)
        table.add_row(card.model, card.name, f"{size:.1f}", card.data, card.licence, f"{score:.2f}{hinted}")
    console = Console()
    console.print(table)
    console.print("RMSE-ab is on the validation crops of the data trained on: compare it within one data set alone.")
    for name in sorted({card.name for card in cards}):
        credits = sorted({card.attribution for card in cards if card.name == name})
        console.print(f"Attribution of {name}: {'; '.join(credits)}", markup=False, highlight=False)


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "released",
        description="Lists the weights that come with the package, or turns a run into such weights.",
    )
    commands = p.add_subparsers(dest="command", metavar="COMMAND", required=True)
    lister = commands.add_parser(
        "list", help="list the weights", description="Lists the weights, what they were trained on, and their licences."
    )
    lister.add_argument("model", nargs="?", help="only the weights of this model")
    adder = commands.add_parser(
        "add",
        help="turn a finished run into weights of the package",
        description="Turns a finished run into weights that come with the package, in a clone of it.",
    )
    adder.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    adder.add_argument("name", metavar="NAME", help="what to call them: zoo.create(MODEL, weights=NAME)")
    adder.add_argument(
        "--last",
        action="store_true",
        help="take the run's last model, not the one with the nearest colours",
    )
    adder.add_argument("--data", required=True, help="what they were trained on")
    adder.add_argument("--attribution", required=True, help="whom to credit, as the licences of the data ask")
    adder.add_argument("--licence", required=True, help="of the weights")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)

    def add() -> None:
        model_file(parsed.run)  # a mistyped name is to be refused at once
        import_tensorflow()
        from zoo.training.releasing import release

        card = release(
            load(parsed.run / "last.keras" if parsed.last else parsed.run),
            parsed.run,
            parsed.name,
            data=parsed.data,
            attribution=parsed.attribution,
            licence=parsed.licence,
            last=parsed.last,
        )
        print(f"{releases.FOLDER / f'{card.model}-{card.name}.npz'}", file=sys.stderr)

    return run(add if parsed.command == "add" else lambda: show(parsed.model))


if __name__ == "__main__":
    sys.exit(main())
