"""`python -m zoo.hints [MODEL] PAGE -o OUT.json`: where a hint is worth most, and which colours are likely there."""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from zoo.errors import RunError, UsageError
from zoo.pages.defaults import GUIDED_MODEL, is_input
from zoo.pages.look import Look
from zoo.support.command import Parser, import_tensorflow, program, run


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "hints",
        usage="%(prog)s [MODEL] PAGE -o OUT.json [options]",
        description="Finds the regions of a page where a colour from you is worth most. Writes them to a file with"
        " their most probable colours, and a picture with numbered places beside it.",
        epilog="Fill in the colours that you know, leave the others null, and give the file to zoo colorize --hints.",
    )
    p.add_argument("model", metavar="MODEL", help=f"as in zoo colorize; without it, {GUIDED_MODEL}")
    p.add_argument("page", metavar="PAGE", nargs="?", help="an image")
    p.add_argument(
        "-o", "--out", metavar="OUT", type=Path, required=True, help="a .json file; the picture is OUT-places.jpg"
    )
    p.add_argument("--count", type=int, default=12, metavar="N", help="at most so many regions")
    p.add_argument("--side", type=int, metavar="PIXELS", help="as in zoo colorize")
    p.add_argument("--desaturate", action="store_true", help="take a page that has colours already")
    p.add_argument("--overwrite", action="store_true", help="replace files that are there already")
    p.add_argument("--json", action="store_true", help="print the list as JSON too")
    return p


def ask(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    if arguments.page is None and is_input(arguments.model):
        arguments.model, arguments.page = GUIDED_MODEL, arguments.model
    if arguments.page is None:
        raise UsageError(f"no PAGE: give one, as in {program('hints')} page.png -o page.json")
    if not 1 <= arguments.count <= 1000:
        raise UsageError(f"--count must be in 1 … 1000, not {arguments.count}")
    if arguments.out.suffix.lower() != ".json":
        raise UsageError(f"-o {arguments.out}: give a name that ends in .json")
    if not arguments.out.parent.is_dir():
        raise UsageError(f"-o {arguments.out}: there is no folder {arguments.out.parent}")
    drawn = arguments.out.with_name(f"{arguments.out.stem}-places.jpg")
    for path in (arguments.out, drawn):
        if path.exists() and not arguments.overwrite:
            raise UsageError(f"{path} is there already: --overwrite writes it anew")

    from zoo.data.pdf import Renderers
    from zoo.pages.input import UNUSABLE, find_pages, reason, usable
    from zoo.support.console import say
    from zoo.support.files import atomic_path, write_text
    from zoo.training.rundir import disk_error

    with Renderers() as renderers:
        pages = find_pages([arguments.page], renderers)
        if len(pages) > 1:
            raise UsageError(f"PAGE {arguments.page} has {len(pages)} pages: ask about one at a time")
        try:
            scan = usable(pages[0], renderers, Look(desaturate=arguments.desaturate))
        except UNUSABLE as error:
            raise RunError(f"{pages[0].label}: {reason(error)}") from None
    import_tensorflow()
    from zoo.pages.asking import picture, questions
    from zoo.pages.colorizer import Colorizer

    colorizer = Colorizer(arguments.model, side=arguments.side)
    (examined,) = colorizer.examined([colorizer.pictures(scan)])
    asked = questions(examined, arguments.count, scan=scan)
    held: dict[str, Any] = {"page": pages[0].label, "hints": [each.as_json() for each in asked]}
    rgb = colorizer.paint(scan, examined.chroma(colorizer.decode))
    try:
        with atomic_path(drawn) as temporary:
            picture(rgb if rgb.dtype == "uint8" else (rgb >> 8).astype("uint8"), asked).save(
                temporary, "JPEG", quality=92
            )
        write_text(arguments.out, json.dumps(held, indent=1) + "\n")
    except OSError as error:
        raise disk_error(error, arguments.out) from error
    if arguments.json:
        print(json.dumps(held, indent=1))
    else:
        say(f"{len(asked)} places in {arguments.out}, and numbered in {drawn}: fill in colours that you know, then")
        words = ["--side", str(arguments.side)] if arguments.side else []
        words += ["--desaturate"] * arguments.desaturate
        given = shlex.join([arguments.model, arguments.page, "-o", "OUT", "--hints", str(arguments.out), *words])
        say(f"{program('colorize')} {given}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: ask(parsed))


if __name__ == "__main__":
    sys.exit(main())
