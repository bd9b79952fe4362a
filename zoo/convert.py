"""`python -m zoo.convert NAME FILE -o MODEL.keras`: published weights of a network as a model of the zoo."""

import argparse
import sys
from pathlib import Path

from zoo.errors import UsageError
from zoo.models.converting.published import PUBLISHED, convert, read_weights
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.files import atomic_path


def parser() -> Parser:
    """The command line."""
    files = "\n".join(f"  {name:12} {each.file}, {each.url}" for name, each in PUBLISHED.items())
    p = Parser(
        "convert",
        description="Turns weights that a paper's authors published for PyTorch into a model of the zoo. PyTorch is not"
        " needed. Nothing in the file is run, and every tensor of it is accounted for.",
        epilog=f"published weights:\n{files}",
    )
    p.add_argument("model", choices=PUBLISHED, metavar="NAME", help=f"one of {', '.join(PUBLISHED)}")
    p.add_argument("file", type=Path, metavar="FILE", help="the published file: .pth, .pt, .bin or .safetensors")
    p.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="MODEL.keras",
        help="the model to write; other commands take it",
    )
    p.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    return p


def make(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    out = arguments.out
    if out.suffix != ".keras":
        raise UsageError(f"-o {out}: a model's file ends with .keras")
    if out.exists() and not arguments.overwrite:
        raise UsageError(f"{out} is there already: give --overwrite to replace it")
    weights = read_weights(arguments.model, arguments.file)
    import_tensorflow()
    model = convert(weights)
    with atomic_path(out) as temporary:
        model.save(temporary)
    published = weights.published
    what = {
        True: "the published file",
        False: f"not the published {published.file}",
        None: f"no digest of the published {published.file} is known here",
    }[weights.genuine]
    print(f"{out}: {weights.model}, {model.count_params():,} weights of {weights.path}")
    print(f"SHA-256 of that: {weights.digest} ({what})")
    for names, reason in published.reasons.items():
        print(f"Left out: {names} ({reason})")
    print(f"Licence of the weights: {published.licence} ({published.url})")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: make(parsed))


if __name__ == "__main__":
    sys.exit(main())
