"""The flags of `zoo colorize`."""

import argparse
from pathlib import Path

from zoo.chroma.decoders import DECODERS, PAGE_DECODER, WHOLE_DECODER
from zoo.models.network import RUNTIMES
from zoo.pages.defaults import BATCH, DEFAULT_MODEL, GUIDED_MODEL, PREVIEWED
from zoo.pages.look import SIDE
from zoo.support.command import Parser


def parser() -> Parser:
    """The command line."""
    p = Parser(
        "colorize",
        usage="%(prog)s [MODEL] INPUT [INPUT …] -o OUT [options]",
        description="Colours black-and-white pages. A page keeps its luma: how light and dark it is.",
        epilog="The same command goes on where it was interrupted. Pages that are there already stay as they are.",
    )
    p.add_argument(
        "model",
        metavar="MODEL",
        help="a run directory, a .keras file, or a model that is released with weights, as classifier or"
        f" classifier:procedural (zoo released list shows all). Without MODEL it is {DEFAULT_MODEL}, or {GUIDED_MODEL}"
        " with --hints, --sheet, --palette or --reference",
    )
    p.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="*",
        help="images, folders, patterns in quotes, .cbz or .zip archives, PDF files",
    )
    colours = p.add_argument_group("the colours")
    said = p.add_argument_group("your word")
    scanned = p.add_argument_group("the pages")
    network = p.add_argument_group("the network")
    written = p.add_argument_group("what is written")
    tried = p.add_argument_group("a preview")
    p.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        type=Path,
        required=True,
        help="a folder, a .cbz, .zip or .pdf file or, of one page, an image file",
    )
    colours.add_argument(
        "--decode",
        metavar="NAME[:T]",
        help=f"how a classifier's distribution becomes a colour: {', '.join(DECODERS)}; with a temperature, as"
        " sample:0.5; with +coherent one colour for each region, with +flat only for flat and evenly shaded ones"
        f" (default: {PAGE_DECODER}; {WHOLE_DECODER} of a model that sees pictures whole, such as {DEFAULT_MODEL})",
    )
    colours.add_argument("--seed", type=int, default=0, help="of the decoder sample: another seed, other colours")
    colours.add_argument(
        "--samples",
        type=int,
        default=1,
        metavar="N",
        help="colour every page N times, as NAME-1, NAME-2, …, with seeds from --seed on",
    )
    network.add_argument(
        "--side",
        type=int,
        metavar="PIXELS",
        help="show the network the page with a longer side of PIXELS; the result keeps the page's size (default: the"
        f" size that the model was trained at, or {SIDE})",
    )
    network.add_argument(
        "--panels",
        action=argparse.BooleanOptionalAction,
        help="also show the network each panel of a page by itself (default: if the model was trained to see pictures"
        " whole)",
    )
    network.add_argument(
        "--upsampling",
        choices=("edges", "bilinear"),
        default="edges",
        help="how colours are brought to the page's size: along ink lines (edges), or faster and across them"
        " (bilinear)",
    )
    scanned.add_argument(
        "--descreen",
        type=float,
        metavar="PIXELS",
        help="smooth away screentone whose dots are PIXELS apart, for the network",
    )
    scanned.add_argument(
        "--white-paper", action="store_true", help="turn grey or stained paper white, in the result too"
    )
    colours.add_argument(
        "--headroom",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="let light areas get darker by up to this share, to make room for colours: about 0.2 for line art and"
        " 1-bit scans",
    )
    said.add_argument(
        "--hints",
        type=Path,
        metavar="FILE|FOLDER",
        help="colours at places of a page: a CSV or JSON file of x, y and colour, or a PNG of the page's size that is"
        " transparent elsewhere. For several pages, a folder with such a file NAME for each page NAME",
    )
    said.add_argument(
        "--carry-hints",
        action="store_true",
        help="use the hints of every page on all pages",
    )
    said.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE.json",
        help="give what is alike on all pages one colour. The first call writes the sheet and a picture of it; change"
        " a colour there, and the same command colours the book anew",
    )
    said.add_argument(
        "--palette",
        metavar="COLOURS|FILE",
        help="use these colours alone: '#c33,#2a6', a GIMP palette (.gpl), or those of a coloured page",
    )
    said.add_argument(
        "--reference",
        metavar="PAGE",
        nargs="+",
        default=[],
        help="take the colours of these coloured pages of the same work",
    )
    scanned.add_argument("--desaturate", action="store_true", help="colour pages that have colours already")
    written.add_argument(
        "--format", choices=("png", "jpg", "webp"), help="of the images in a folder or book (default: png)"
    )
    written.add_argument("--quality", type=int, default=92, help="of jpg and webp")
    written.add_argument(
        "--summary",
        action="store_true",
        help="also write NAME-summary: grey, coloured and, with --desaturate, as it was",
    )
    tried.add_argument(
        "--preview",
        type=int,
        metavar="N",
        help="write one picture OUT instead: N pages of the book in the likely choices of model, decoder and side, with"
        " the command of each",
    )
    tried.add_argument(
        "--preview-models",
        metavar="NAMES",
        help=f"what a preview shows besides MODEL (default: {','.join(PREVIEWED)})",
    )
    written.add_argument(
        "--shard",
        metavar="I/N",
        help="colour only every N-th page, from the I-th on: calls of 1/N to N/N fill one folder together",
    )
    written.add_argument("--overwrite", action="store_true", help="replace pages that are there already")
    network.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="what computes the network. onnx: ONNX Runtime, which starts faster; the first call prepares the model and"
        " keeps it. auto: onnx if the model is prepared already, otherwise tensorflow",
    )
    network.add_argument("--batch-size", type=int, default=BATCH, help="how many pages to compute at a time")
    written.add_argument("--json", action="store_true", help="print what was done as JSON")
    return p
