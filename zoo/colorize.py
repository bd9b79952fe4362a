"""`python -m zoo.colorize [MODEL] INPUT … -o OUT`: colours black-and-white pages."""

import argparse
import contextlib
import json
import re
import shlex
import sys
import time
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from zoo.chroma.decoders import PAGE_DECODER, WHOLE_DECODER, Decoder, page_decoder
from zoo.errors import InterruptError, RunError, UsageError
from zoo.export.prepared import chosen_runtime, open_network
from zoo.models.kinds import answers_with, trained_side, weights_digest
from zoo.models.loading import model_name
from zoo.pages.colorize_flags import parser
from zoo.pages.defaults import DEFAULT_MODEL, GUIDED_MODEL, PREVIEWED, is_input
from zoo.pages.input import BOOKS
from zoo.pages.look import SIDE, Look
from zoo.support.command import import_tensorflow, naming, program, run, silence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zoo.data.pdf import Renderers
    from zoo.pages.colorizer import Colorizer
    from zoo.pages.input import Page
    from zoo.pages.scan import Scan

PICTURES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""What a preview is written as."""

PREVIEWED_DECODERS = (PAGE_DECODER, WHOLE_DECODER, "mode+coherent")


def colorize(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    shard = checked(arguments)
    from zoo.data.pdf import Renderers

    with Renderers() as renderers:
        if arguments.preview is None:
            report = color_pages(arguments, renderers, shard)
            _report(report, arguments.json, arguments.out.suffix.lower() in BOOKS)
        else:
            _preview(arguments, renderers)


def checked(arguments: argparse.Namespace) -> slice:
    """Fills in the model that was left out, and says which of the pages `--shard` asks for.

    Raises:
        UsageError: a value that is none, or options that do not go together.
    """
    if is_input(arguments.model):
        guided = arguments.hints or arguments.reference or arguments.palette or arguments.sheet
        arguments.inputs = [arguments.model, *arguments.inputs]
        arguments.model = GUIDED_MODEL if guided else DEFAULT_MODEL
    if not arguments.inputs:
        raise UsageError(
            f"{arguments.model} is taken for the MODEL, and no INPUT comes after it: give both, as in"
            f" {program('colorize')} conditional page.png -o {arguments.out}"
        )
    for name, low, high in (("samples", 1, 1000), ("quality", 1, 100), ("batch_size", 1, 1000), ("seed", 0, 2**31)):
        value = getattr(arguments, name)
        if not low <= value <= high:
            raise UsageError(f"--{name.replace('_', '-')} must be in {low} … {high}, not {value}")
    if arguments.descreen is not None and not 2 <= arguments.descreen <= 64:
        raise UsageError(f"--descreen takes the period of a screen in pixels, 2 to 64, not {arguments.descreen}")
    if not 0 <= arguments.headroom <= 0.5:
        raise UsageError(f"--headroom must be in 0 … 0.5, not {arguments.headroom}")
    if arguments.side is not None and arguments.side < 8:
        raise UsageError(f"--side must be at least 8, not {arguments.side}")
    if arguments.decode:
        with naming("--decode"):
            Decoder.parse(arguments.decode)
    shard = _shard(arguments)
    if arguments.preview is not None and arguments.runtime == "onnx":
        raise UsageError("--runtime onnx and --preview do not go together: leave one of them out")
    if arguments.preview is None and arguments.preview_models is not None:
        raise UsageError("--preview-models needs --preview N: give both")
    if arguments.preview is not None:
        for name in ("hints", "sheet", "palette", "reference"):
            if getattr(arguments, name):
                raise UsageError(
                    f"--{name} and --preview do not go together, since a preview compares models: leave one of them out"
                )
    if arguments.carry_hints and not arguments.hints:
        raise UsageError("--carry-hints needs --hints: give both")
    if arguments.sheet and arguments.sheet.suffix.lower() != ".json":
        raise UsageError(f"--sheet {arguments.sheet}: give a name that ends in .json")
    if arguments.sheet and not arguments.sheet.parent.is_dir():
        raise UsageError(f"--sheet {arguments.sheet}: there is no folder {arguments.sheet.parent}")
    if arguments.samples > 1 and not (arguments.decode or "").startswith("sample"):
        raise UsageError("--samples is for a sampling decoder: give --decode sample too")
    return shard


def _shard(arguments: argparse.Namespace) -> slice:
    """Which of the pages `--shard` asks for.

    Raises:
        UsageError: it is no shard, or something else of the command wants all pages.
    """
    if arguments.shard is None:
        return slice(None)
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", arguments.shard)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard takes I/N, as 1/4 to 4/4, not {arguments.shard!r}")
    if arguments.preview is not None:
        raise UsageError("--shard and --preview do not go together: leave one of them out")
    if arguments.out.suffix.lower() in BOOKS:
        raise UsageError(f"--shard: shards fill a folder, and {arguments.out} is one file; give a folder")
    if arguments.sheet and not arguments.sheet.exists():
        raise UsageError(f"--sheet {arguments.sheet}: make it by a call without --shard, from all pages, first")
    return slice(int(found[1]) - 1, None, int(found[2]))


def _preview(arguments: argparse.Namespace, renderers: "Renderers") -> None:
    from zoo.pages import preview
    from zoo.pages.input import find_pages
    from zoo.support.console import say, scanning, stderr_console
    from zoo.support.files import atomic_path
    from zoo.training.rundir import disk_error

    if not 1 <= arguments.preview <= 100:
        raise UsageError(f"--preview takes a number of pages, 1 to 100, not {arguments.preview}")
    kind = PICTURES.get(arguments.out.suffix.lower())
    if kind is None:
        raise UsageError(f"--preview writes one picture: give -o NAME.png, .jpg or .webp, not {arguments.out}")
    if arguments.out.exists() and not arguments.overwrite:
        raise UsageError(f"{arguments.out} is there already: --overwrite makes it anew")
    if not arguments.out.parent.is_dir():
        raise UsageError(f"-o {arguments.out}: there is no folder {arguments.out.parent}")
    words = arguments.preview_models
    others = PREVIEWED if words is None else [word.strip() for word in words.split(",") if word.strip()]

    def decoders_of(model: str) -> list[str | None]:
        answer = answers_with(model)
        if answer != "logits":  # of a model of one's own, only the model itself can tell
            return [None if answer == "uv" else arguments.decode]
        first = arguments.decode or page_decoder(trained_side(model) > 0)
        return [first] if arguments.decode else [first, *(each for each in PREVIEWED_DECODERS if each != first)]

    asked = preview.choices(arguments.model, others, decoders_of, arguments.side)
    pages = preview.spread(find_pages(arguments.inputs, renderers), arguments.preview)
    look = Look(**{field.name: getattr(arguments, field.name) for field in fields(Look)})
    failed = _unusable(pages, renderers, look)
    if failed:
        lines = "\n  ".join(f"{name}: {why}" for name, why in failed.items())
        raise RunError(f"none of the pages can be coloured:\n  {lines}")
    import_tensorflow()
    with scanning(stderr_console(), "trying", "pages") as progress:
        scans = _readable(pages, renderers, look, failed, progress)
        along_edges = arguments.upsampling == "edges"
        grey, tried = preview.try_all(asked, scans, look, along_edges=along_edges, panels=arguments.panels)
    if not grey:
        raise RunError(f"none of the pages can be coloured: {next(iter(failed.values()))}")
    try:
        with atomic_path(arguments.out) as temporary:
            preview.sheet(grey, tried).save(temporary, kind, quality=arguments.quality)
    except OSError as error:
        raise disk_error(error, arguments.out) from error
    inputs, kept = shlex.join(arguments.inputs), _kept(arguments)
    rows = [
        {
            "command": f"{program('colorize')} {shlex.quote(each.choice.model)} {inputs} -o OUT"
            f"{each.choice.options}{kept}",
            "seconds a page": each.seconds,
        }
        for each in tried
    ]
    if arguments.json:
        print(json.dumps({"out": str(arguments.out), "choices": rows, "failed": failed}, indent=2))
        return
    for row in rows:
        print(f"{row['seconds a page']:6.1f} s a page  {row['command']}")
    for name, why in failed.items():
        say(f"left out: {name}: {why}")


def _readable(
    pages: "list[Page]",
    renderers: "Renderers",
    look: Look,
    failed: dict[str, str],
    progress: "Callable[[int, int], None]",
) -> "Iterator[Scan]":
    """The pages that can be coloured, read one at a time; why another cannot goes into `failed`."""
    from zoo.pages.input import UNUSABLE, reason, usable

    for done, page in enumerate(pages):
        progress(done, len(pages))
        try:
            yield usable(page, renderers, look)
        except UNUSABLE as error:
            failed[page.label] = reason(error)


KEPT = (
    *("seed", "panels", "upsampling", "descreen", "white_paper", "headroom"),
    *("desaturate", "format", "quality", "summary", "batch_size"),
)
"""Options that a preview's commands have if it had them; decoder and side are each command's own."""


def _kept(arguments: argparse.Namespace) -> str:
    """The options `KEPT` that were given, as a command line has them."""
    words = ""
    for name in KEPT:
        value, flag = getattr(arguments, name), name.replace("_", "-")
        if value != parser().get_default(name):
            words += f" --{'no-' * (value is False)}{flag}" + f" {value}" * (not isinstance(value, bool))
    return words


def color_pages(
    arguments: argparse.Namespace,
    renderers: "Renderers",
    shard: slice = slice(None),
    *,
    pages: "list[Page] | None" = None,
    loaded: "Colorizer | None" = None,
    scanning: "Callable[[str], AbstractContextManager[Callable[[int, int], None]]] | None" = None,
    renew: bool = False,
    notes: bool = True,
) -> dict[str, Any]:
    """Colours pages as a command line says.

    Args:
        arguments: of the command, `checked`.
        renderers: of PDF files.
        shard: which of the pages.
        pages: the pages, where they were found already.
        loaded: the model, where it is in memory already, with the decoder and the side that the arguments name.
        scanning: shows progress inside a block, of what its text says: how many are done, of how many. What it raises
            ends the work; pages that are done stay. The console's by default.
        renew: make anew what a folder holds that was made with other settings.
        notes: say on the console which hints become another colour.

    Returns:
        What was done, as `--json` prints it.
    """
    from zoo.pages.cleaning import prepared
    from zoo.pages.input import UNUSABLE, find_pages, usable
    from zoo.pages.output import Output
    from zoo.pages.said import read_said
    from zoo.pages.sheet import grouped, read_sheet, write_sheet
    from zoo.support.console import say
    from zoo.training.rundir import disk_error

    scanning = scanning or _on_console
    pages = find_pages(arguments.inputs, renderers) if pages is None else pages
    kind = arguments.format or "png"
    if len(pages) == 1 and arguments.out.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
        kind = arguments.out.suffix.lower().lstrip(".").replace("jpeg", "jpg")
        if arguments.format not in (None, kind):
            raise UsageError(f"--format {arguments.format}: -o {arguments.out} is another; leave one of them out")
    look = Look(**{field.name: getattr(arguments, field.name) for field in fields(Look)})
    output = Output(arguments.out, kind, overwrite=arguments.overwrite, single=len(pages) == 1, renew=renew)
    if arguments.summary and output.is_book:
        raise UsageError(f"--summary: a book holds its pages alone; give a folder instead of -o {arguments.out}")
    output.check_apart(pages, look.extras, summary=look.summary)
    answer = answers_with(arguments.model)
    if arguments.decode and answer == "uv":
        raise UsageError(f"--decode {arguments.decode}: this model answers with one colour; leave --decode out")
    side = trained_side(arguments.model)
    used = {
        "model": model_name(arguments.model),
        "decode": arguments.decode or (page_decoder(side > 0) if answer == "logits" else None),
    }
    settings = asdict(look) | used | {"weights": weights_digest(arguments.model), "format": kind}
    settings |= {"side": arguments.side or side or SIDE, "upsampling": arguments.upsampling}
    if side > 0 if arguments.panels is None else arguments.panels:  # folders of an older version do not know it
        settings["panels"] = True
    said = read_said(arguments.hints, arguments.palette, arguments.reference, pages, carried=arguments.carry_hints)
    weights = weights_digest(arguments.model)
    runtime = "tensorflow" if loaded else chosen_runtime(arguments.runtime, arguments.model)

    def colorizer() -> "Colorizer":
        """The model, loaded once."""
        nonlocal loaded
        if loaded is None:
            if runtime == "onnx":
                model = open_network(arguments.model)
            else:
                import_tensorflow()
                say(f"loading {used['model']}")
                model = arguments.model
            from zoo.pages.colorizer import Colorizer

            options = {"decode": arguments.decode, "side": arguments.side, "panels": arguments.panels}
            loaded = Colorizer(model, along_edges=arguments.upsampling == "edges", **options)
        return loaded

    if len(pages) == 1 and said.files:  # of a book, hints that are wrong cost their page alone
        scan = None
        with contextlib.suppress(*UNUSABLE), silence():
            scan = prepared(usable(pages[0], renderers, look), look)[0]
        if scan:
            said.of(pages[0].name, scan, look.headroom)
    entries = []
    if arguments.sheet:
        # Of pages that cannot be coloured a sheet would stay that says nothing of them.
        if not arguments.sheet.exists() and not _unusable(pages, renderers, look):
            from zoo.pages.job import Job

            job = Job(colorizer(), output, renderers, look, batch_size=arguments.batch_size)
            with scanning("gathering what is alike") as progress:
                parts = job.sheet(pages, progress)
            drawn = write_sheet(arguments.sheet, *grouped(parts, colorizer().rule, len(pages)), weights)
            again = "" if arguments.out.suffix == "" else " with --overwrite"
            say(f"colours in {arguments.sheet}, pictured in {drawn}: change one, and call again{again}")
        entries = read_sheet(arguments.sheet, weights) if arguments.sheet.exists() else []
        said = replace(said, sheet=" ".join(each.color for each in entries))
    settings |= said.settings
    digests = said.digests([page.name for page in pages])
    if output.is_book and digests:
        settings["hints"] = {str(name): digest for name, digest in digests.items()}
    output.follow(digests)
    with output.alone():
        mine = pages[shard]
        output.check(settings, mine, look.extras)
        todo = output.missing(mine, look.extras)
        report = {"pages": len(mine), "coloured": 0, "already there": len(mine) - len(todo)}
        report |= {"made by an unknown command": 0 if arguments.overwrite else output.unknown}
        failed, bilevel = _unusable(todo, renderers, look), []
        began = time.monotonic()
        try:
            if todo and not failed:
                from zoo.pages.job import Job

                used["decode"] = colorizer().decode
                output.begin(mine, look.extras)  # now that nothing can be found wrong any more
                said = said.with_references(colorizer().references)
                job = Job(colorizer(), output, renderers, look, batch_size=arguments.batch_size, said=said)
                if arguments.carry_hints:
                    job.carry(pages)
                job.follow(tuple(each.given for each in entries))
                began = time.monotonic()
                try:
                    with scanning("colouring") as progress:
                        report["coloured"] = job.run(mine, progress)
                finally:
                    output.record()
                failed, bilevel = job.failed, sorted(job.bilevel)
                for note in job.notes if notes else ():
                    say(note)
            output.finish([(page.name, extra) for page in pages for extra in look.extras])
        except OSError as error:
            raise disk_error(error, arguments.out) from error
        except KeyboardInterrupt:
            raise InterruptError("interrupted: the same command goes on where it stopped") from None
    about = {"seconds": round(time.monotonic() - began, 2), "out": str(arguments.out), **used, "runtime": runtime}
    return report | {"failed": failed, "almost black and white": bilevel} | about


def _on_console(what: str) -> "AbstractContextManager[Callable[[int, int], None]]":
    from zoo.support.console import scanning, stderr_console

    return scanning(stderr_console(), what)


def _unusable(pages: "list[Page]", renderers: "Renderers", look: Look) -> dict[str, str]:
    """Why none of the pages can be coloured, by their labels; nothing as soon as one can."""
    from zoo.data.decode import inspect
    from zoo.pages.input import UNUSABLE, reason, usable

    found = {}
    for page in pages:
        if page.index is not None:  # of a PDF, which was opened to count its pages
            return {}
        try:
            if page.fault or not inspect(page.source.read())[1]:
                with silence():  # TensorFlow decodes 16 bits
                    usable(page, renderers, look)
            return {}
        except UNUSABLE as error:
            found[page.label] = reason(error)
    return found


def _report(report: dict[str, Any], as_json: bool, is_book: bool) -> None:
    """Says what was done; raises RunError if pages could not be coloured."""
    from zoo.support.console import say

    count, done, there, failed, out = (report[key] for key in ("pages", "coloured", "already there", "failed", "out"))
    by = ", ".join(filter(None, (report["model"], report["decode"], report["runtime"])))
    unknown = report["made by an unknown command"]
    made = (
        f"{unknown} of them " * (unknown < there) + "made by an unknown command"
        if unknown
        else "made by the same settings"
    )
    if as_json:
        print(json.dumps(report, indent=2))
    elif count and there == count:
        say(f"{count} of {count} pages are there already in {out}; {made}: --overwrite makes them anew")
    else:
        kept = f"; {there} there already, {made}, left as they are (--overwrite makes them anew)" * bool(there)
        say(f"{done} of {count} pages coloured in {report['seconds']} s by {by}, in {out}{kept}")
    if report["almost black and white"]:
        first, *others = report["almost black and white"]
        what = f"{first} and {len(others)} more are" if others else f"{first} is"
        say(f"{what} almost black and white alone, where no colour fits: --headroom 0.2 makes room, often for a tint")
    if failed:
        lines = "\n  ".join(f"{name}: {reason}" for name, reason in failed.items())
        without = ""
        if is_book:
            without = f"\n{out} is without them: --overwrite makes it anew"
            without = without if len(failed) < count else f"\n{out} was not written"
        raise RunError(f"{len(failed)} of {count} pages could not be coloured:\n  {lines}{without}")


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: colorize(parsed))


if __name__ == "__main__":
    sys.exit(main())
