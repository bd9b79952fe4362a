"""`python -m zoo.gallery MODEL …`: the gallery of `zoo.evaluate --gallery` alone, without an evaluation."""

import argparse
import sys
from pathlib import Path

from zoo.evaluation.gallery import DEFAULT_DECODERS, OPTIONS, RULE, Gallery, add_options
from zoo.support.command import import_tensorflow, run

CROP = 64  # images smaller than this are left out


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m zoo.gallery",
        description="Colours pages of a split that a rule chooses, and shows each in grey, in every model's colours and"
        f" as it is. The rule: {RULE}.",
    )
    p.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights",
    )
    p.add_argument("--data", required=True, metavar="NAME|PATH", help="a data set's name, a folder, or a .zip/.cbz")
    p.add_argument("--split", choices=("train", "val", "test"), default="test", help="(default: test)")
    p.add_argument(
        "--decode", metavar="NAMES", help=f"a classifier's decoders, a column each (default: {DEFAULT_DECODERS})"
    )
    p.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")
    p.add_argument("--out", type=Path, required=True, metavar="DIR", help="a picture a page, and gallery.json")
    add_options(p)
    return p


def make(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo.data.dataset import open_dataset
    from zoo.evaluate import decoders_of
    from zoo.models.loading import model_file
    from zoo.support.console import scanning, stderr_console

    decoders = decoders_of(arguments, DEFAULT_DECODERS)
    gallery = Gallery(arguments.out, **{name: getattr(arguments, name) for name in OPTIONS})
    for spec in arguments.models:
        model_file(spec)
    console = stderr_console()
    with scanning(console) as progress:
        dataset = open_dataset(arguments.data, crop=CROP, progress=progress)
    import_tensorflow()
    with scanning(console, "colouring") as progress:
        count = gallery.write(dataset, arguments.split, arguments.models, decoders, arguments.seed, progress)
    console.print(f"written: {count} pages in {arguments.out}", markup=False, highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: make(parsed))


if __name__ == "__main__":
    sys.exit(main())
