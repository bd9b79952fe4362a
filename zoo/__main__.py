"""`zoo`, or `python -m zoo`: tables of the models and encoders, or one of the commands."""

import importlib
import sys
from types import ModuleType

import zoo
from zoo.models.encoders import ENCODERS
from zoo.support.command import Parser, run

COMMANDS = {
    "train": "train a model on images, and show what it learnt",
    "evaluate": "compare models: how near the truth, how colourful, how averaging",
    "colorize": "colour black-and-white pages",
    "studio": "colour a book with the mouse, on a page of this machine",
    "hints": "find the places of a page where a colour from you is worth most",
    "data": "list, download, prepare and check data sets",
    "released": "list the weights that come with the package",
    "convert": "turn weights that a paper's authors published into a model of the zoo",
    "export": "write a model for ONNX Runtime, LiteRT or TensorFlow",
    "gallery": "show pages of a data set in every model's colours",
    "report": "make a report of results, or compare two of them",
}
"""What each module of the package that is a command does."""


def show() -> None:
    """Prints the tables of models and of encoders."""
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    whole = (Column(name, no_wrap=True) for name in ("model", "year", "to", "weights"))
    table = Table(*whole, "what it is")
    for name in zoo.list_models():
        card = zoo.get_card(name)
        table.add_row(name, str(card.year or ""), card.output, f"{card.parameters / 1e6:.1f} M", card.summary)
    console.print(table)
    table = Table(Column("encoder", no_wrap=True), "maps", "parameters", "weights", "licence")
    for name in zoo.list_encoders():
        encoder = ENCODERS[name].card
        maps = ", ".join(f"1/{tap.stride}: {tap.channels}" for tap in encoder.taps)
        table.add_row(name, maps, f"{encoder.parameters / 1e6:.1f} M", encoder.weights, encoder.licence)
    console.print(table)


def command_module(name: str) -> ModuleType:
    """The module of a command, with its `parser` and `main`."""
    module = importlib.import_module(f"zoo.{name}")
    return importlib.import_module(f"zoo.{name}.__main__") if hasattr(module, "__path__") else module


def parser() -> Parser:
    """The command line, without the commands' own."""
    p = Parser("", description="Lists the models of the zoo, or runs a command. `zoo COMMAND --help` explains it.")
    p.add_argument("--version", action="version", version=zoo.__version__)
    commands = p.add_subparsers(metavar="COMMAND")
    for name, words in COMMANDS.items():
        commands.add_parser(name, help=words)
    return p


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in COMMANDS:
        return int(command_module(words[0]).main(words[1:]))
    parser().parse_args(words)
    return run(show)


if __name__ == "__main__":
    sys.exit(main())
