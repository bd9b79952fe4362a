"""A contact sheet before a book is coloured: some of its pages, and what the likely choices make of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.data.pdf import Renderers
from zoo.pages.input import UNUSABLE, Page, usable
from zoo.pages.job import prepared
from zoo.pages.look import Look
from zoo.pages.scan import Scan

TILE = 320
"""The longer side of a page on the sheet, pixels."""

SIDES = (256, 512, 1024)
"""Of what the network sees: those that are tried besides the one it was trained at."""

GAP, LINE, FONT = 12, 18, 14  # pixels


@dataclass(frozen=True)
class Choice:
    """A way to colour pages.

    Attributes:
        model: as the command line names it.
        decode: of a classifier; None of a regression.
        side: the longer side of what the network sees; None for the one it was trained at.
    """

    model: str
    decode: str | None = None
    side: int | None = None

    @property
    def options(self) -> str:
        """What it adds to the command, after the model."""
        decode = f" --decode {self.decode}" if self.decode else ""
        return decode + (f" --side {self.side}" if self.side else "")


def choices(model: str, others: Sequence[str], decoders: Callable[[str], Sequence[str | None]]) -> list[Choice]:
    """The model with each of its decoders, the first of them also at other sides; then the other models.

    Args:
        model: what the user asked for.
        others: further models, each with its first decoder.
        decoders: of a model, the likely ones first; [None] of a regression.
    """
    own = [Choice(model, decode) for decode in decoders(model)]
    sides = [Choice(model, own[0].decode, side) for side in SIDES]
    return [*own, *sides, *(Choice(other, decoders(other)[0]) for other in others if other != model)]


@dataclass(frozen=True)
class Tried:
    """What a choice made.

    Attributes:
        choice: the choice.
        pages: RGB of each page.
        seconds: that a page took, the median.
    """

    choice: Choice
    pages: list[np.ndarray]
    seconds: float


def spread(pages: Sequence[Page], count: int) -> list[Page]:
    """So many pages, evenly from the first to the last."""
    places = np.linspace(0, len(pages) - 1, min(count, len(pages)))
    return [pages[round(place)] for place in places]


def read(pages: Sequence[Page], renderers: Renderers, look: Look) -> tuple[list[Scan], dict[str, str]]:
    """The pages that can be coloured, and why the others cannot, by label."""
    scans, failed = [], {}
    for page in pages:
        try:
            scans.append(usable(page, renderers, look))
        except UNUSABLE as error:
            failed[page.label] = str(error)
    return scans, failed


def try_all(asked: Sequence[Choice], scans: Sequence[Scan], look: Look) -> Iterator[Tried]:
    """What each choice makes of the pages, but for sides that the model is shown pages at anyway.

    The first page is coloured twice: what a network costs once is not counted.
    """
    from zoo.pages.colorizer import Colorizer

    network = lru_cache(maxsize=1)(_load)
    for choice in asked:
        colorizer = Colorizer(network(choice.model), decode=choice.decode, side=choice.side)
        if choice.side and choice.side == Colorizer(network(choice.model)).side:
            continue
        found, seconds = [], []
        for scan in [scans[0], *scans]:
            began = time.monotonic()
            paper, seen = prepared(scan, look)
            uv = colorizer.chroma([colorizer.pictures(seen)], seed=look.seed)[0]
            found.append(_eight_bits(colorizer.paint(paper, uv, headroom=look.headroom)))
            seconds.append(time.monotonic() - began)
        yield Tried(choice, found[1:], float(np.median(seconds[1:])))


def _load(model: str) -> object:
    from zoo.models.loading import load

    return load(model)


def sheet(scans: Sequence[Scan], made: Sequence[Tried]) -> np.ndarray:
    """The contact sheet, uint8 RGB (H, W, 3): a row a page, in grey and as each choice colours it, titles above."""
    grey = [np.repeat(scan.luma8()[..., None], 3, axis=-1) for scan in scans]
    font = ImageFont.load_default(FONT)
    titles = [["grey"], *([each.choice.model, *_lines(each.choice), f"{each.seconds:.1f} s a page"] for each in made)]
    head = LINE * max(map(len, titles)) + GAP
    tiles = [[_tile(page) for page in pages] for pages in (grey, *(each.pages for each in made))]
    widths = [
        max(max(tile.width for tile in column), *(int(font.getlength(line)) for line in lines))
        for column, lines in zip(tiles, titles, strict=True)
    ]
    heights = [max(column[row].height for column in tiles) for row in range(len(scans))]
    size = (sum(widths) + GAP * (len(widths) + 1), head + sum(heights) + GAP * (len(heights) + 1))
    picture = Image.new("RGB", size, "white")
    draw, left = ImageDraw.Draw(picture), GAP
    for column, lines, width in zip(tiles, titles, widths, strict=True):
        for index, line in enumerate(lines):
            draw.text((left, GAP + index * LINE), line, fill="black", font=font)
        top = head + GAP
        for tile, height in zip(column, heights, strict=True):
            picture.paste(tile, (left, top))
            top += height + GAP
        left += width + GAP
    return np.asarray(picture)


def _lines(choice: Choice) -> list[str]:
    return [f"--{each}" for each in choice.options.strip().removeprefix("--").split(" --") if each]


def _tile(rgb: np.ndarray) -> Image.Image:
    picture = Image.fromarray(rgb)
    picture.thumbnail((TILE, TILE))
    return picture


def _eight_bits(rgb: np.ndarray) -> np.ndarray:
    return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)
