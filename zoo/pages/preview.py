"""A contact sheet before a book is coloured: some of its pages, and what the likely choices make of them."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.pages.cleaning import prepared
from zoo.pages.input import Page
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


def choices(
    model: str,
    others: Sequence[str],
    decoders: Callable[[str], Sequence[str | None]],
    side: int | None = None,
) -> list[Choice]:
    """The model with each of its decoders, the first of them also at other sides; then the other models.

    Args:
        model: what the user asked for.
        others: further models, each with its first decoder.
        decoders: of a model, the likely ones first; [None] of a regression.
        side: the longer side of what the network sees, if the user asked for one.
    """
    own = [Choice(model, decode, side) for decode in decoders(model)]
    sides = [Choice(model, own[0].decode, each) for each in SIDES if each != side]
    return [*own, *sides, *(Choice(other, decoders(other)[0]) for other in others if other != model)]


@dataclass(frozen=True)
class Tried:
    """What a choice made.

    Attributes:
        choice: the choice.
        pages: each page in colour, at the sheet's size.
        seconds: that a page took, the median.
    """

    choice: Choice
    pages: list[Image.Image]
    seconds: float


def spread(pages: Sequence[Page], count: int) -> list[Page]:
    """So many pages, evenly from the first to the last."""
    places = np.linspace(0, len(pages) - 1, min(count, len(pages)))
    return [pages[round(place)] for place in places]


def try_all(
    asked: Sequence[Choice],
    pages: Iterable[Scan],
    look: Look,
    *,
    along_edges: bool = True,
    panels: bool | None = None,
) -> tuple[list[Image.Image], list[Tried]]:
    """The pages in grey and what each choice makes of them, but for sides that the model is shown pages at anyway.

    One page is held at a time. The first is coloured twice: what a network costs once is not counted.

    Args:
        asked: the choices.
        pages: read as they are asked for.
        look: of the pages.
        along_edges: see `Colorizer`.
        panels: see `Colorizer`.
    """
    from zoo.models.loading import load
    from zoo.pages.colorizer import Colorizer

    network = lru_cache(maxsize=None)(load)
    found = []
    for choice in asked:
        model, decode, side = network(choice.model), choice.decode, choice.side
        if side is None or asked[0].side or side != Colorizer(model).side:
            colorizer = Colorizer(model, decode=decode, side=side, along_edges=along_edges, panels=panels)
            found.append((choice, colorizer))
    grey: list[Image.Image] = []
    made: list[list[Image.Image]] = [[] for _ in found]
    seconds: list[list[float]] = [[] for _ in found]
    for scan in pages:
        for (_, colorizer), tiles, times in zip(found, made, seconds, strict=True):
            for _ in range(1 if grey else 2):
                began = time.monotonic()
                paper, seen = prepared(scan, look)
                uv = colorizer.chroma(colorizer.pictures(seen), seed=look.seed)
                rgb = colorizer.paint(paper, uv, headroom=look.headroom)
                took = time.monotonic() - began
            tiles.append(_tile(rgb))
            times.append(took)
        grey.append(_tile(np.repeat(scan.luma8()[..., None], 3, axis=-1)))
    tried = zip(found, made, seconds, strict=True)
    return grey, [Tried(choice, tiles, float(np.median(times))) for (choice, _), tiles, times in tried]


def sheet(grey: Sequence[Image.Image], made: Sequence[Tried]) -> Image.Image:
    """The contact sheet: a row a page, in grey and as each choice colours it, titles above."""
    font = ImageFont.load_default(FONT)
    titles = [["grey"], *([each.choice.model, *_lines(each.choice), f"{each.seconds:.1f} s a page"] for each in made)]
    head = LINE * max(map(len, titles)) + GAP
    tiles = [grey, *(each.pages for each in made)]
    widths = [
        max(max(tile.width for tile in column), *(int(font.getlength(line)) for line in lines))
        for column, lines in zip(tiles, titles, strict=True)
    ]
    heights = [max(column[row].height for column in tiles) for row in range(len(grey))]
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
    return picture


def _lines(choice: Choice) -> list[str]:
    return [f"--{each}" for each in choice.options.strip().removeprefix("--").split(" --") if each]


def _tile(rgb: np.ndarray) -> Image.Image:
    picture = Image.fromarray(rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8))
    picture.thumbnail((TILE, TILE), reducing_gap=2)
    return picture
