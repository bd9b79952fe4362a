"""`python -m zoo.colorize MODEL INPUT … -o OUT`: colours black-and-white pages."""

import argparse
import json
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.chroma.decoders import DECODERS, PAGE_DECODER, parse_decoder
from zoo.errors import InterruptError, RunError, UsageError
from zoo.models.loading import model_file, model_name
from zoo.pages.look import Look
from zoo.support.command import Parser, import_tensorflow, run

if TYPE_CHECKING:
    from zoo.data.pdf import Renderers
    from zoo.pages.job import Job
    from zoo.pages.output import Output

BATCH = 2


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "colorize",
        usage="%(prog)s MODEL INPUT [INPUT …] -o OUT [options]",
        description="Colours black-and-white pages. Every page keeps its luma: in PNG, all but the rounding.",
        epilog="A call that was interrupted goes on where it stopped; pages that are there already stay as they are.",
    )
    p.add_argument(
        "model",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights, as classifier or"
        " classifier:procedural (python -m zoo.released list shows all)",
    )
    p.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="images, folders, patterns in quotes, .cbz or .zip archives, PDF files",
    )
    p.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help="a folder, a .cbz, .zip or .pdf file or, of one page, an image file",
    )
    p.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"of a classifier: {', '.join(DECODERS)}, with a temperature as in sample:0.5, and +coherent for one"
        f" colour a region of even luma and alike answers (default: {PAGE_DECODER})",
    )
    p.add_argument("--seed", type=int, default=0, help="of sampled colours")
    p.add_argument(
        "--samples",
        type=int,
        default=1,
        metavar="N",
        help="colour every page N times: NAME-1 with the seed --seed, NAME-2 with the next, …",
    )
    p.add_argument(
        "--side",
        type=int,
        default=1024,
        metavar="PIXELS",
        help="the longer side of what the network sees; the page keeps its size",
    )
    p.add_argument(
        "--upsampling",
        choices=("edges", "bilinear"),
        default="edges",
        help="how colours get to the page's size: along ink lines, or across them, which is faster",
    )
    p.add_argument(
        "--descreen", type=float, metavar="PIXELS", help="smooth away a screen of this period in what the network sees"
    )
    p.add_argument(
        "--white-paper", action="store_true", help="make paper that is grey or stained white, in the result too"
    )
    p.add_argument(
        "--headroom",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="let light areas get darker by up to this, so that colours fit into them: for line art and 1-bit scans,"
        " 0.2 or so; at 0 luma is kept",
    )
    p.add_argument("--desaturate", action="store_true", help="colour pages anew that have colours")
    p.add_argument("--format", choices=("png", "jpg", "webp"), help="of the images in a folder or book (default: png)")
    p.add_argument("--quality", type=int, default=92, help="of jpg and webp")
    p.add_argument(
        "--summary",
        action="store_true",
        help="also write NAME-summary, unless OUT is a book: grey, colour and, with --desaturate, truth",
    )
    p.add_argument("--overwrite", action="store_true", help="make anew what is there already")
    p.add_argument("--batch-size", type=int, default=BATCH, help="pages computed at a time")
    p.add_argument("--json", action="store_true", help="print what was done as JSON")
    return p


def colorize(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    if not arguments.inputs:
        raise UsageError(
            f"{arguments.model} is taken for the MODEL, and no INPUT comes after it: give both, as in"
            f" python -m zoo.colorize conditional page.png -o {arguments.out}"
        )
    for name, low, high in (("samples", 1, 1000), ("quality", 1, 100), ("batch_size", 1, 1000), ("seed", 0, 2**31)):
        value = getattr(arguments, name)
        if not low <= value <= high:
            raise UsageError(f"--{name.replace('_', '-')} must be in {low} … {high}, not {value}")
    if arguments.descreen is not None and not 2 <= arguments.descreen <= 64:
        raise UsageError(f"--descreen takes the period of a screen in pixels, 2 to 64, not {arguments.descreen}")
    if not 0 <= arguments.headroom <= 0.5:
        raise UsageError(f"--headroom must be in 0 … 0.5, not {arguments.headroom}")
    if arguments.decode:
        parse_decoder(arguments.decode)
    if arguments.samples > 1 and not (arguments.decode or "").startswith("sample"):
        raise UsageError("--samples is for a sampling decoder: give --decode sample too")

    from zoo.data.pdf import Renderers

    with Renderers() as renderers:
        _colorize(arguments, renderers)


def _colorize(arguments: argparse.Namespace, renderers: "Renderers") -> None:
    from zoo.pages.input import find_pages
    from zoo.pages.output import Output
    from zoo.support.console import scanning, stderr_console
    from zoo.training.rundir import disk_error

    console = stderr_console()
    pages = find_pages(arguments.inputs, renderers)
    kind = arguments.format or "png"
    if len(pages) == 1 and arguments.out.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
        kind = arguments.out.suffix.lower().lstrip(".").replace("jpeg", "jpg")
        if arguments.format not in (None, kind):
            raise UsageError(f"--format {arguments.format}: -o {arguments.out} is another; leave one of them out")
    look = Look(**{field.name: getattr(arguments, field.name) for field in fields(Look)})
    settings = asdict(look) | {
        "model": str(arguments.model),
        "decode": arguments.decode,
        "side": arguments.side,
        "upsampling": arguments.upsampling,
        "format": kind,
        "pages": [page.label for page in pages],
    }
    output = Output(arguments.out, kind, overwrite=arguments.overwrite, single=len(pages) == 1)
    if arguments.summary and output.is_book:
        raise UsageError(f"--summary: a book holds its pages alone; give a folder instead of -o {arguments.out}")
    output.check_apart(pages, look.extras)
    model_file(arguments.model)  # a mistyped name is to be refused at once
    import_tensorflow()
    from zoo.pages.colorizer import Colorizer
    from zoo.pages.job import Job

    colorizer = Colorizer(
        arguments.model, decode=arguments.decode, side=arguments.side, along_edges=arguments.upsampling == "edges"
    )
    output.begin(settings)  # now that nothing can be found wrong any more
    job = Job(colorizer, output, renderers, look, batch_size=arguments.batch_size)
    began = time.monotonic()
    try:
        with scanning(console, "colouring") as progress:
            done = job.run(pages, progress)
        output.finish([(page.name, extra) for page in pages for extra in look.extras])
    except OSError as error:
        raise disk_error(error, arguments.out) from error
    except KeyboardInterrupt:
        raise InterruptError("interrupted: the same command goes on where it stopped") from None
    used = {"model": model_name(arguments.model), "decode": colorizer.decode}
    _report(arguments, used, job, output, len(pages), done, round(time.monotonic() - began, 2))


def _report(
    arguments: argparse.Namespace,
    used: dict[str, str | None],
    job: "Job",
    output: "Output",
    count: int,
    done: int,
    seconds: float,
) -> None:
    """Says what was done; raises RunError if pages could not be coloured."""
    from zoo.support.console import stderr_console

    if arguments.json:
        report = {
            "pages": count,
            "coloured": done,
            "already there": job.there,
            "failed": job.failed,
            "almost black and white": sorted(job.bilevel),
            "seconds": seconds,
            "out": str(arguments.out),
            **used,
        }
        print(json.dumps(report, indent=2))
    else:
        there = f"; {job.there} there already, left as they are (--overwrite makes them anew)" * bool(job.there)
        by = ", ".join(filter(None, used.values()))
        line = f"{done} of {count} pages coloured in {seconds} s by {by}, in {arguments.out}{there}"
        stderr_console().print(line, markup=False, highlight=False, soft_wrap=True)
    if job.bilevel:
        first, *others = sorted(job.bilevel)
        what = f"{first} and {len(others)} more are" if others else f"{first} is"
        note = f"{what} almost black and white alone, where no colour fits: --headroom 0.2 makes room, often for a tint"
        stderr_console().print(note, markup=False, highlight=False, soft_wrap=True)
    if job.failed:
        lines = "\n  ".join(f"{name}: {reason}" for name, reason in job.failed.items())
        without = ""
        if output.is_book:
            there = f"{arguments.out} is without them: --overwrite makes it anew"
            without = f"\n{there if len(job.failed) < count else f'{arguments.out} was not written'}"
        raise RunError(f"{len(job.failed)} of {count} pages could not be coloured:\n  {lines}{without}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: colorize(parsed))


if __name__ == "__main__":
    sys.exit(main())
