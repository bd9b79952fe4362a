"""`python -m zoo.export MODEL --format FORMAT`: a model as a file for other runtimes, its decoder included."""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.chroma.decoders import RAW, Decoder
from zoo.errors import RunError, UsageError
from zoo.export.decoding import check as check_decoder
from zoo.export.decoding import choices, chosen_decoder
from zoo.export.formats import FORMATS, VARIANTS, Format
from zoo.models.kinds import answers_with
from zoo.models.loading import model_file
from zoo.support.command import Parser, import_tensorflow, naming, run, silence
from zoo.support.files import atomic_folder, atomic_path, real
from zoo.support.names import first_line

if TYPE_CHECKING:
    from zoo.evaluation.candidates import Subject
    from zoo.export.graph import ExportedGraph

DATA, PAGES, MAX_SIDE = "procedural", 4, 256
CROP = 64  # pages smaller than this are left out


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "export",
        description="Writes a model for other runtimes, for any batch, height and width. In: luma (B, H, W, 1) in"
        " [0, 1]. Out: U and V (B, H, W, 2); a classifier's decoder is part of the model. The result is compared with"
        " Keras at once, and not kept if it differs.",
    )
    p.add_argument(
        "model",
        metavar="MODEL",
        help="a run directory, a .keras file, or the name of a model with released weights",
    )
    p.add_argument(
        "--format",
        choices=FORMATS,
        required=True,
        help="onnx for ONNX Runtime and others, litert for LiteRT (TensorFlow Lite), saved_model for TensorFlow",
    )
    p.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"a classifier's decoder: {choices()}; or {RAW}, for the logits (B, H, W, 2, 64). A sample takes Gumbel"
        " noise (2, 64) as a second input",
    )
    p.add_argument(
        "--variant",
        choices=VARIANTS,
        default="float32",
        help="the format of the weights: float16 takes half the space, int8 a quarter",
    )
    p.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="PATH",
        help="the file or folder to write (default: beside the model, named after it)",
    )
    p.add_argument("--output", dest="out", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)  # as it was
    p.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    p.add_argument(
        "--pages",
        type=int,
        metavar="N",
        help=f"compare the colours of N pages, and the speed, with Keras's (default: {PAGES} for float16 and int8, else"
        " none)",
    )
    p.add_argument(
        "--data",
        metavar="NAME|PATH",
        help=f"whose val split the pages are of: a data set's name, a folder, or a .zip/.cbz (default: {DATA})",
    )
    p.add_argument(
        "--max-side",
        type=int,
        metavar="PIXELS",
        help=f"cut larger pages to their middle part of this side (default: {MAX_SIDE})",
    )
    p.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    return p


def export(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    form = FORMATS[arguments.format]
    form.check(arguments.variant)
    decoder = _decoder(arguments.decode)
    count = _count_of_pages(arguments, form)
    source = model_file(arguments.model)
    answer = answers_with(arguments.model)
    if answer:
        check_decoder(arguments.decode, answer)
    if arguments.out:
        _check_target(arguments.out, form, source, arguments.overwrite)
    # Before TensorFlow is there: pages are drawn in processes of their own.
    pages = _pages(arguments, count) if count else []

    import_tensorflow()
    from zoo.export.graph import ExportedGraph, in_float32
    from zoo.models.contract import contract_of
    from zoo.models.loading import load
    from zoo.support.console import say

    say(f"loading {arguments.model}")
    model = in_float32(load(arguments.model))
    contract = contract_of(model)
    check_decoder(arguments.decode, contract.answer, contract.chooses)
    graph = ExportedGraph(model, decoder)
    folder = source.parent if source else Path()
    target = arguments.out or folder / _default_name(model.name, arguments.decode, arguments.variant, form)
    _check_target(target, form, source, arguments.overwrite)
    result = {
        "file": str(target),
        "format": form.name,
        "variant": arguments.variant,
        "decoder": arguments.decode,
        "inputs": [spec.name for spec in graph.signature],
        "output": graph.output,
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        say(f"writing {form.name} and comparing it with Keras")
        with (atomic_path if form.suffix else atomic_folder)(target) as temporary:
            _write(form, graph, temporary, arguments.variant)
            result["bytes"] = _size(temporary)
            result |= _compared(form, temporary, model, decoder, arguments.variant, pages)
    except OSError as error:
        raise RunError(f"{error.filename or target} could not be written: {error.strerror or error}") from error
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        _print_table(result)
    if form.runtime_missing:
        print(f"not checked: it takes the package {form.runs[0]}; {form.remedy}", file=sys.stderr)


def _decoder(text: str | None) -> Decoder | None:
    with naming("--decode"):
        return chosen_decoder(text)


def _count_of_pages(arguments: argparse.Namespace, form: Format) -> int:
    """How many pages are coloured to compare."""
    for option, value, least in (("--pages", arguments.pages, 0), ("--max-side", arguments.max_side, 1)):
        if value is not None and value < least:
            raise UsageError(f"{option} must be at least {least}, not {value}")
    given = {"--pages": arguments.pages, "--data": arguments.data, "--max-side": arguments.max_side}
    wanted = [option for option, value in given.items() if value]
    if form.runtime_missing:
        if wanted:
            raise UsageError(f"{wanted[0]}: colouring pages takes the package {form.runs[0]}; {form.remedy}")
        return 0
    if arguments.pages is not None:
        if not arguments.pages and wanted:
            raise UsageError(f"{wanted[0]}: no pages are coloured with --pages 0")
        return int(arguments.pages)
    return PAGES if wanted or arguments.variant != "float32" else 0


def _pages(arguments: argparse.Namespace, count: int) -> "list[Subject]":
    from zoo.data.dataset import open_dataset
    from zoo.evaluation.scoring import subjects
    from zoo.support.console import scanning, stderr_console

    with scanning(stderr_console()) as progress:
        dataset = open_dataset(arguments.data or DATA, crop=CROP, progress=progress)
    return list(subjects(dataset, "val", limit=count, max_side=arguments.max_side or MAX_SIDE))


def _default_name(model: str, decoder: str | None, variant: str, form: Format) -> str:
    parts = [model, *([decoder] if decoder else []), *([variant] if variant != "float32" else [])]
    parts += [] if form.suffix else [form.name]
    return re.sub(r"[^\w.-]+", "-", "-".join(parts)) + form.suffix


def _check_target(target: Path, form: Format, source: Path | None, overwrite: bool) -> None:
    """Raises UsageError if an export may not be put there."""
    if not target.exists():
        return
    if source and real(target) == real(source):
        raise UsageError(f"-o {target}: that is the model itself")
    if form.suffix and not target.is_file():
        raise UsageError(f"-o {target}: that is a folder, and {form.name} is a file")
    if not form.suffix and not (target / "saved_model.pb").is_file():
        raise UsageError(f"-o {target}: that is no SavedModel, and will not be replaced")
    if not overwrite:
        raise UsageError(f"{target} is there already: give --overwrite to replace it, or another -o")


def _write(form: Format, graph: "ExportedGraph", path: Path, variant: str) -> None:
    try:
        with silence():
            form.write(graph, path, variant)
    except OSError:
        raise
    # Converters raise nearly anything, with the whole graph in the message.
    except Exception as error:
        raise RunError(f"the model could not be converted to {form.name}: {first_line(error)}") from error


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder."""
    return sum(each.stat().st_size for each in (path, *path.rglob("*")) if each.is_file())


def _compared(
    form: Format, path: Path, model: Any, decoder: Decoder | None, variant: str, pages: "list[Subject]"
) -> dict[str, Any]:
    """What the comparisons with Keras found, None each if they were not made."""
    if form.runtime_missing:
        return {"check": None, "pages": None}
    from zoo.export.agreement import Reference, check, difference, on_pages
    from zoo.models.prediction import Predictor

    reference = Reference(Predictor(model), decoder)
    with silence():  # the runtimes say what they are when they first run
        run_exported = form.open(path)
        found = difference(run_exported, reference)
    if variant == "float32":
        check(found, decoder)
    return {"check": asdict(found), "pages": on_pages(run_exported, reference, pages) if pages else None}


def _print_table(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    # A file or a pipe has no width of its own.
    console = Console() if sys.stdout.isatty() else Console(width=160)
    answer = f"{result['output']} by {result['decoder']}" if result["decoder"] else result["output"]
    line = f"{result['file']}: {' and '.join(result['inputs'])} to {answer}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    table = Table("format", "variant")
    for heading in ("MB", "largest difference", "equal pixels", "ΔE00 to Keras ↓", "images/s", "Keras's"):
        table.add_column(heading, justify="right")
    found, pages = result["check"], result["pages"]
    cells = [f"{found['largest']:.1e}", f"{found['equal']:.2%}"] if found else ["not checked", "–"]
    names = ("delta_e00", "images_per_second", "keras_images_per_second")
    cells += [f"{pages[name]:.2f}" for name in names] if pages else ["–"] * 3
    table.add_row(result["format"], result["variant"], f"{result['bytes'] / 1e6:.1f}", *cells)
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parsed = parser().parse_args(arguments)
    return run(lambda: export(parsed))


if __name__ == "__main__":
    sys.exit(main())
