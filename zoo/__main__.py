"""`python -m zoo`: a table of the models."""

import argparse
import sys

import zoo
from zoo.support.command import run


def show() -> None:
    """Prints the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "output", "parameters", "what it is", "source")
    for name in zoo.list_models():
        card = zoo.get_card(name)
        summary = f"{card.summary}\n{card.notes}" if card.notes else card.summary
        table.add_row(name, card.output, f"{card.parameters / 1e6:.1f} M", summary, card.source)
    Console().print(table)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m zoo",
        description="Lists the models of the zoo. Commands, each with --help: python -m zoo.train, zoo.evaluate,"
        " zoo.colorize, zoo.data, zoo.released, zoo.export, zoo.gallery, zoo.report.",
    )
    parser.add_argument("--version", action="version", version=zoo.__version__)
    parser.parse_args(arguments)
    return run(show)


if __name__ == "__main__":
    sys.exit(main())
