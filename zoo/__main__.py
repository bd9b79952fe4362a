"""`zoo`, or `python -m zoo`: tables of the models and encoders, or one of the commands."""

import importlib
import sys

import zoo
from zoo.models.encoders import ENCODERS
from zoo.support.command import Parser, run

COMMANDS = {
    "train": "train a colouriser and show what it learnt",
    "evaluate": "show candidates side by side: how good, how colourful, how averaging",
    "colorize": "colour black-and-white pages",
    "studio": "colour a book with the mouse, on a page of this machine",
    "hints": "ask where a user's word is worth most on a page",
    "data": "list, download, prepare and check data sets",
    "released": "list the weights that come with the package",
    "convert": "make a model of weights that a paper's authors published",
    "export": "write a model for other runtimes",
    "gallery": "show pages that a rule chooses, as each model colours them",
    "report": "make reports of results, and compare two results",
}
"""What each module of the package that is a command does."""


def show() -> None:
    """Prints the tables of models and of encoders."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    table = Table(Column("model", no_wrap=True), "from", "to", "parameters", "what it is", "source")
    for name in zoo.list_models():
        card = zoo.get_card(name)
        summary = f"{card.summary}\n{card.notes}" if card.notes else card.summary
        table.add_row(name, ", ".join(card.inputs), card.output, f"{card.parameters / 1e6:.1f} M", summary, card.source)
    console.print(table)
    table = Table(Column("encoder", no_wrap=True), "maps", "parameters", "weights", "licence")
    for name in zoo.list_encoders():
        encoder = ENCODERS[name].card
        maps = ", ".join(f"1/{tap.stride}: {tap.channels}" for tap in encoder.taps)
        table.add_row(name, maps, f"{encoder.parameters / 1e6:.1f} M", encoder.weights, encoder.licence)
    console.print(table)


def parser() -> Parser:
    """The command line, without the commands' own."""
    p = Parser("", description="Lists the models of the zoo, or runs a command. Each has --help.")
    p.add_argument("--version", action="version", version=zoo.__version__)
    commands = p.add_subparsers(metavar="COMMAND")
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words)
    return p


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        module = importlib.import_module(f"zoo.{words[0]}")
        if hasattr(module, "__path__"):
            module = importlib.import_module(f"zoo.{words[0]}.__main__")
        return int(module.main(words[1:]))
    parser().parse_args(words)
    return run(show)


if __name__ == "__main__":
    sys.exit(main())
