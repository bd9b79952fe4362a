"""Chroma of a small image brought to the size of the page, along its ink lines instead of over them.

Where a page has no thin dark strokes this is bilinear interpolation. Near strokes it is joint bilateral upsampling
(Kopf, Cohen, Lischinski, Uyttendaele: Joint Bilateral Upsampling, 2007) of *unmixed* cells: a cell of the small image
that a stroke covers by a share α has the average of the stroke's chroma and of what is beside it, so the latter is
that average less α times the ink's, over 1 − α. Of the four cells around a pixel each counts by its bilinear weight, by
how alike their lumas are, how even the cell is, and whether a stroke lies between the two.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from PIL import Image
from scipy import ndimage

DARK = (0.1, 0.25)
"""Luma: all ink below the first, none above the second."""

CONTRAST = (0.15, 0.4)
"""How much a stroke is darker than what is around it: no stroke below the first, a stroke above the second."""

# Chosen by the errors that `pytest bench/test_colorize.py -k ink` measures.
LUMA_SIGMA = 0.03  # luma, in [0, 1], at which a cell counts less by a standard deviation
EVEN_SIGMA = 0.05  # standard deviation of luma at which a cell counts half
THROUGH = 0.01  # what a cell on the other side of a stroke counts still
LEAST = 0.01  # what any cell counts: where none fits, this is bilinear again
INK_PRIOR = 0.05  # how much ink, in cells, it takes to believe its local colour rather than the page's
LOOKS = (0.25, 0.75)  # where, on the way from a pixel to a cell, strokes are looked for
STRIP_PIXELS = 1_000_000
"""How much of a page is in memory as floats at once."""

MULTIPLE = 8
"""Pixels: what height and width of a reduced image are multiples of."""

CHUNK = 1 << 15  # pixels computed at once: what fits a processor's cache


def strokes(luma: np.ndarray, scale: float) -> np.ndarray:
    """How much of each pixel is a thin dark stroke: uint8 (H, W), 255 for all of it.

    Dark by itself, and darker than its surroundings: black top-hat by a square of three cells.

    Args:
        luma: of the page, uint8 (H, W).
        scale: pixels a cell.
    """
    size = 2 * int(np.ceil(1.5 * scale)) + 3
    around = luma
    for extreme in (np.maximum, np.minimum):
        for axis in (0, 1):
            around = _running(extreme, around, size, axis)
    return _stroke_table()[around, luma]


def _running(extreme: np.ufunc, x: np.ndarray, size: int, axis: int) -> np.ndarray:
    """The maximum or minimum of `size` pixels, an odd number, centred on each along an axis.

    SciPy's `grey_closing` of the same, a value at a time in double precision, takes many times as long.
    """
    padding = [(0, 0), (0, 0)]
    padding[axis] = (size // 2, size // 2)
    # Of 1, 2, 4 … pixels from each on; at last two of these overlap.
    found = np.moveaxis(np.pad(x, padding, mode="edge"), axis, 0)
    have = 1
    while have < size:
        more = min(have, size - have)
        found = extreme(found[:-more], found[more:])
        have += more
    return np.moveaxis(found, 0, axis)


@lru_cache(maxsize=1)
def _stroke_table() -> np.ndarray:
    """`strokes` of a pixel by the luma around it and its own, uint8 (256, 256)."""
    levels = np.arange(256) / 255
    ink = _falling(levels, *DARK) * (1 - _falling(levels[:, None] - levels, *CONTRAST))
    return np.rint(255 * ink).astype(np.uint8)


def _falling(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 below `low`, 0 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return 1 - t * t * (3 - 2 * t)


class BilinearUpsampler:
    """Brings UV of a small image to a page by bilinear interpolation, some rows at a time.

    Args:
        uv: chroma of the small image, (h, w, 2).
        height: of the page.
        width: of the page.
    """

    def __init__(self, uv: np.ndarray, height: int, width: int) -> None:
        self._planes = [Image.fromarray(np.ascontiguousarray(uv[..., channel], np.float32)) for channel in (0, 1)]
        self._scale, self._width = len(uv) / height, width

    def rows(self, luma: np.ndarray, first: int) -> np.ndarray:
        """UV (rows, W, 2), float32, of the page's rows from `first` on, whose luma is (rows, W)."""
        count = len(luma)
        out = np.empty((count, self._width, 2), np.float32)
        for channel, plane in enumerate(self._planes):
            box = (0, first * self._scale, plane.width, (first + count) * self._scale)
            out[..., channel] = np.asarray(plane.resize((self._width, count), Image.Resampling.BILINEAR, box=box))
        return out


@dataclass(frozen=True)
class Inked:
    """What a page's luma says of its strokes, and of the cells of a small image.

    Attributes:
        stroke: of `strokes`, (H, W).
        luma_means: mean luma of each cell's part that is no stroke, (h, w).
        luma_variance: the variance of that, (h, w).
        cover: the share of each cell that is stroke, (h, w).
    """

    stroke: np.ndarray
    luma_means: np.ndarray
    luma_variance: np.ndarray
    cover: np.ndarray


class EdgeUpsampler:
    """As `BilinearUpsampler`, and along ink lines.

    Args:
        page: what its luma says.
        uv: chroma of the small image, (h, w, 2).
    """

    def __init__(self, page: Inked, uv: np.ndarray) -> None:
        stroke, luma_means, luma_variance, cover = page.stroke, page.luma_means, page.luma_variance, page.cover
        (height, width), (self._rows, self._columns) = stroke.shape, uv.shape[:2]
        self._stroke, self._plain = stroke, BilinearUpsampler(uv, height, width)
        self._across = _Axis(0, width, width, self._columns)
        share = cover[..., None]
        ink = ink_chroma(uv, cover)
        beside = (uv - share * ink) / np.maximum(1 - share, 0.25)
        trust = (1 - cover) / (1 + luma_variance / EVEN_SIGMA**2)
        near = np.clip(4 * ndimage.maximum_filter(cover, 3), 0, 1)
        cells = np.dstack([beside, luma_means, trust, ink, near]).astype(np.float32)
        self._cells = np.ascontiguousarray(cells.reshape(-1, cells.shape[-1]).T)
        # Whether a stroke is near any of the four cells around a pixel, by the first of them, which may be outside.
        around = np.pad(near > 0, 1, mode="edge")
        self._near = around[:-1, :-1] | around[1:, :-1] | around[:-1, 1:] | around[1:, 1:]

    def rows(self, luma: np.ndarray, first: int) -> np.ndarray:
        """UV (rows, W, 2), float32, of the page's rows from `first` on, whose luma is (rows, W)."""
        height, width = self._stroke.shape
        out = self._plain.rows(luma, first)
        down = _Axis(first, len(luma), height, self._rows)
        places = np.flatnonzero(self._near[np.ix_(down.low + 1, self._across.low + 1)])
        flat_luma, flat_out = luma.reshape(-1), out.reshape(-1, 2)
        # Most pixels of most pages have no stroke near: the others are computed by themselves.
        for start in range(0, len(places), CHUNK):
            place = places[start : start + CHUNK]
            flat_out[place] = self._sharp(down, *np.divmod(place, width), flat_luma[place], flat_out[place])
        return out

    def _sharp(self, down: "_Axis", y: np.ndarray, x: np.ndarray, luma: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """UV (n, 2) of pixels (`y`, `x`) of rows, given their luma and what bilinear interpolation makes of them."""
        width, stroke = self._stroke.shape[1], self._stroke.reshape(-1)
        sums = np.zeros((6, len(y)), np.float32)
        for row, row_weights, row_looks in down.neighbours:
            row_of, row_weight = row[y] * self._columns, row_weights[y]
            row_look = [look[y] * width for look in row_looks]
            for column, column_weights, column_looks in self._across.neighbours:
                cell = row_of + column[x]
                u, v, mean, trust, ink_u, ink_v, near = (plane.take(cell) for plane in self._cells)
                bilinear = row_weight * column_weights[x]
                between = np.maximum(
                    *(stroke[look + other[x]] for look, other in zip(row_look, column_looks, strict=True))
                )
                mean -= luma
                mean *= mean
                mean *= np.float32(-0.5 / LUMA_SIGMA**2)
                trust *= np.exp(mean, out=mean)
                trust *= _THROUGH[between]
                trust += np.float32(LEAST)
                trust *= bilinear
                for total, value, weight in (
                    (sums[0], u, trust),
                    (sums[1], v, trust),
                    (sums[3], ink_u, bilinear),
                    (sums[4], ink_v, bilinear),
                    (sums[5], near, bilinear),
                ):
                    value *= weight
                    total += value
                sums[2] += trust
        own = stroke[down.pixel[y] * width + x] * np.float32(1 / 255)
        found = sums[:2] / sums[2] * (1 - own) + sums[3:5] * own
        return plain + (sums[5] * (found - plain.T)).T


_THROUGH = (1 + THROUGH - np.arange(256) / 255).astype(np.float32)


class _Axis:
    """Pixels first … first + count − 1 of `size` along one axis of a grid of `cells`, cell centres at whole numbers.

    Attributes:
        pixel: int64 (count,).
        low: the cell before each pixel, −1 of those before the first centre; int (count,).
        neighbours: of the cell before and the one after: its number, int (count,); its bilinear weight, float32; and
            the pixels where strokes are looked for on the way there.
    """

    def __init__(self, first: int, count: int, size: int, cells: int) -> None:
        self.pixel = np.arange(first, first + count)
        position = (self.pixel + 0.5) * (cells / size) - 0.5
        self.low = np.floor(position).astype(int)
        self.neighbours = []
        for cell in (self.low, self.low + 1):
            way = (np.clip(cell, 0, cells - 1) - position) * (size / cells)
            looks = [np.clip(np.rint(self.pixel + part * way).astype(int), 0, size - 1) for part in LOOKS]
            weight = (1 - np.abs(cell - position)).astype(np.float32)
            self.neighbours.append((np.clip(cell, 0, cells - 1), weight, looks))


def ink_chroma(uv: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The chroma of ink (h, w, 2): local where it covers cells, else the page's, else none."""
    weight = np.maximum(cover - 0.5, 0)
    page = (uv * weight[..., None]).sum(axis=(0, 1)) / (weight.sum() + 1)
    local = ndimage.uniform_filter(weight, 5)
    colored = np.dstack([ndimage.uniform_filter(uv[..., c] * weight, 5) for c in (0, 1)])
    return (colored + INK_PRIOR * page) / (local + INK_PRIOR)[..., None]


class LumaRows(Protocol):
    """A page's luma, a few rows at a time."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        ...

    def luma(self, rows: slice) -> np.ndarray:
        """Y of some rows, float32 (rows, W) in [0, 1]."""
        ...

    def luma8(self, rows: slice) -> np.ndarray:
        """The same, uint8."""
        ...


@dataclass(frozen=True)
class Luma:
    """The luma of an image, (H, W) in [0, 1], as a page."""

    values: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]

    def luma(self, rows: slice) -> np.ndarray:
        """See `LumaRows`."""
        return self.values[rows].astype(np.float32, copy=False)

    def luma8(self, rows: slice) -> np.ndarray:
        """See `LumaRows`."""
        return np.rint(self.luma(rows) * 255).astype(np.uint8)


def bring_up(luma: np.ndarray, uv: np.ndarray, page: Inked | None = None) -> np.ndarray:
    """UV (h, w, 2) of an image at the size of its luma (H, W), along its ink lines: (H, W, 2), float32.

    What its luma says for this size of UV is `page`, where that is known already.
    """
    uv = np.ascontiguousarray(uv, np.float32)
    upsample = EdgeUpsampler(page or inked(Luma(luma), uv.shape[:2]), uv).rows
    rows = max(1, STRIP_PIXELS // luma.shape[1])
    strips = [upsample(luma[first : first + rows], first) for first in range(0, len(luma), rows)]
    return np.concatenate(strips)


def along_edges(scan: LumaRows, uv: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """What brings UV (h, w, 2) of a page to its size along its ink lines, some rows at a time.

    Returns:
        A function of luma (rows, W) of a strip and its first row, to UV (rows, W, 2): see `EdgeUpsampler.rows`.
    """
    return EdgeUpsampler(inked(scan, uv.shape[:2]), uv).rows


def inked(scan: LumaRows, size: tuple[int, ...]) -> Inked:
    """What a page's luma says of its strokes, for a small image of a height and width."""
    height, width = scan.size
    h, w = size
    scale = max(height / h, width / w)
    halo = 2 * (int(np.ceil(1.5 * scale)) + 2)
    stroke = np.empty((height, width), np.uint8)
    sums = {name: np.zeros((h, w), np.float32) for name in ("cover", "luma", "square")}
    per_strip = max(1, STRIP_PIXELS * h // (height * width))
    for low in range(0, h, per_strip):
        high = min(h, low + per_strip)
        top, bottom = low * height / h, high * height / h
        first, last = int(top), min(height, int(np.ceil(bottom)))
        above, below = max(0, first - halo), min(height, last + halo)
        found = strokes(scan.luma8(slice(above, below)), scale)[first - above : last - above]
        stroke[first:last] = found
        luma = scan.luma(slice(first, last))
        box = (0, top - first, width, bottom - first)
        covered = found * np.float32(1 / 255)
        beside = (1 - covered) * luma
        for name, values in (("cover", covered), ("luma", beside), ("square", beside * luma)):
            sums[name][low:high] = cell_means(values, high - low, w, box)
    part = np.maximum(1 - sums["cover"], 1e-3)
    mean = sums["luma"] / part
    variance = np.maximum(0, sums["square"] / part - mean**2)
    return Inked(stroke, mean, variance, sums["cover"])


def reduced_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width of what a network sees of an image that is to have a longer side of at most `side`.

    Both are multiples of `MULTIPLE` if it is reduced at all. At a side of 0 nothing is.
    """
    longest = max(height, width)
    if not side or longest <= side:
        return height, width
    high, wide = (max(MULTIPLE, round(each * side / longest / MULTIPLE) * MULTIPLE) for each in (height, width))
    return high, wide


def shown(luma: np.ndarray, side: int) -> np.ndarray:
    """Luma (H, W) reduced to `reduced_size`, float32 (h, w), each pixel the mean of those it stands for."""
    return cell_means(luma, *reduced_size(len(luma), luma.shape[1], side))


def cell_means(
    x: np.ndarray, height: int, width: int, box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """The means of (H, W) over the cells of a grid on it, or on a part of it, float32 (height, width)."""
    image = Image.fromarray(np.ascontiguousarray(x, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX, box=box))
