"""`python -m zoo.gallery MODEL …`: the gallery of `zoo.evaluate --gallery` alone, without an evaluation."""

import argparse
import sys
from pathlib import Path

from zoo.errors import UsageError
from zoo.evaluation.gallery import DEFAULT_DECODERS, OPTIONS, RULE, Gallery, add_options, decoders_of
from zoo.models.kinds import answers_with
from zoo.support.command import Parser, import_tensorflow, run

CROP = 64  # images smaller than this are left out


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "gallery",
        description="Shows pages of a data set in grey, in every model's colours, and as they are. A rule chooses the"
        f" pages: {RULE}.",
    )
    p.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights",
    )
    p.add_argument("--data", required=True, metavar="NAME|PATH", help="a data set's name, a folder, or a .zip/.cbz")
    p.add_argument("--split", choices=("train", "val", "test"), default="test", help="of the data set")
    p.add_argument(
        "--decode", metavar="NAMES", help=f"a classifier's decoders, a column each (default: {DEFAULT_DECODERS})"
    )
    p.add_argument("--seed", type=int, default=0, help="of the decoder sample")
    p.add_argument(
        "-o", "--out", type=Path, required=True, metavar="DIR", help="write a picture for each page, and gallery.json"
    )
    add_options(p)
    return p


def make(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo.data.dataset import open_dataset
    from zoo.support.console import say, scanning, stderr_console

    decoders = decoders_of(arguments, DEFAULT_DECODERS)
    gallery = Gallery(arguments.out, **{name: getattr(arguments, name) for name in OPTIONS})
    answers = {answers_with(spec) for spec in arguments.models}  # a mistyped name is to be refused at once
    if arguments.decode and answers == {"uv"}:
        raise UsageError(f"--decode {arguments.decode}: none of the models is a classifier")
    console = stderr_console()
    with scanning(console) as progress:
        dataset = open_dataset(arguments.data, crop=CROP, progress=progress)
    import_tensorflow()
    say("loading the models")
    with scanning(console, "colouring") as progress:
        count = gallery.write(dataset, arguments.split, arguments.models, decoders, arguments.seed, progress)
    say(f"written: {count} pages in {arguments.out}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: make(parsed))


if __name__ == "__main__":
    sys.exit(main())
