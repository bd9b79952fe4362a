"""`python tools/named_things.py DIR MODEL …`: do named things get their colours? See `zoo.evaluation.named_things`."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from zoo.errors import UsageError
from zoo.evaluation.named_things import load_named_things, scores_table
from zoo.support.command import Parser, import_tensorflow, run
from zoo.support.console import scanning, stderr_console
from zoo.support.files import write_text

CONSTANTS = {"grey": (0.0, 0.0), "sepia": (-0.09, 0.06)}
"""U and V. Who gives a light brown to everything is right about skin and wood, and has recognised nothing."""

BASELINES = ("truth", *CONSTANTS)


def parser() -> Parser:
    """The command line."""
    p = Parser(
        prog="python tools/named_things.py",
        description="Colours held-out images with models as zoo.colorize does, and prints how many regions of named"
        " things (datasets/named-things.csv) get a colour that the name tells, beside the truth, the grey image and"
        " the image in sepia.",
    )
    p.add_argument("folder", type=Path, metavar="DIR", help="in which the sets of images are, a sub-folder each")
    p.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights",
    )
    p.add_argument("--regions", type=Path, metavar="FILE", help="other regions (default: datasets/named-things.csv)")
    p.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the result as JSON, with every region's")
    return p


def probe(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    from zoo.evaluation.candidates import label_of

    things = load_named_things(arguments.regions)
    names = [*BASELINES, *map(label_of, arguments.models)]
    if len(set(names)) < len(names):
        raise UsageError(f"two of the candidates have one name: {', '.join(names)}")
    import_tensorflow()
    from zoo.chroma.yuv import compose, split_luma, to_uint8
    from zoo.pages.colorizer import Colorizer

    colorizers = {name: Colorizer(model) for name, model in zip(names[len(BASELINES) :], arguments.models, strict=True)}
    right = {name: [False] * len(things.regions) for name in names}
    with scanning(stderr_console(), "colouring") as progress:
        total, done = len({region.picture for region in things.regions}), 0
        for rgb, indices in things.pictures(arguments.folder):
            luma = split_luma(rgb / np.float32(255))[0]
            answers = {"truth": rgb} | {name: colorize(luma) for name, colorize in colorizers.items()}
            for name, uv in CONSTANTS.items():
                answers[name] = to_uint8(compose(luma, np.broadcast_to(uv, (*luma.shape[:2], 2)))[0])
            for name, answer in answers.items():
                for index, hit in zip(indices, things.judge(answer, indices), strict=True):
                    right[name][index] = hit
            progress(done := done + 1, total)
    scores = {name: things.scores(hits) for name, hits in right.items()}
    (Console() if sys.stdout.isatty() else Console(width=160)).print(scores_table(scores).rich())
    if arguments.out:
        decoders = {name: colorize.decode for name, colorize in colorizers.items()}
        record = {"regions": things.digest, "decoders": decoders, "scores": scores, "right": right}
        write_text(arguments.out, json.dumps(record, indent=1) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: probe(parsed))


if __name__ == "__main__":
    sys.exit(main())
