"""Panels of a comic page: found by cutting it along its gutters, again and again.

The recursive XY-cut of G. Nagy and S. Seth, Hierarchical representation of optically scanned documents, ICPR 1984, with
one rule more: what is cut out has to be a picture with straight sides. Things that stand alone on white paper are left
together.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

LOOKED_AT = 400
"""The longer side of the page as it is looked at, pixels."""

PAPER_RANGE = 0.08 * 255
"""How much paper varies in luma."""

PAPER_SHARE = 0.97
"""The share of paper in a row of a gutter."""

GUTTER = 0.004
"""The least width of a gutter, as a share of the page's longer side."""

LEAST = 0.1
"""The least side of a panel, as a share of the page's."""

SLIVER = 0.03
"""Parts that are smaller belong to no panel, such as page numbers, if they hold at most this share of what is cut."""

FRAMED = 0.65
"""How much of the sides of its panels is no paper, the mean of a page: frames are straight, and balloons hide some."""


class Panel(NamedTuple):
    """A panel, in pixels of its page."""

    top: int
    left: int
    height: int
    width: int

    def times(self, down: float, across: float) -> "Panel":
        """The panel on the page at another size, which is so many times as high and as wide."""
        top, left = round(self.top * down), round(self.left * across)
        bottom, right = round((self.top + self.height) * down), round((self.left + self.width) * across)
        return Panel(top, left, max(1, bottom - top), max(1, right - left))


def find_panels(luma: np.ndarray) -> list[Panel]:
    """The panels of a page, in reading order: from the top down, and from left to right.

    A page without gutters, or whose parts are no panels, is one panel.

    Args:
        luma: uint8 (H, W).
    """
    height, width = luma.shape
    whole = [Panel(0, 0, height, width)]
    factor = max(1, round(max(height, width) / LOOKED_AT))
    small = np.asarray(Image.fromarray(luma).reduce(factor), np.float32)
    paper = _paper(small)
    if paper is None or min(small.shape) < 32:
        return whole
    empty = np.abs(small - paper) <= PAPER_RANGE
    boxes = _cut(empty, (0, 0, *empty.shape), max(1, round(GUTTER * max(empty.shape))))
    if len(boxes) < 2 or np.mean([_framed(empty, box) for box in boxes]) < FRAMED:
        return whole
    return [_grown(box, factor, height, width) for box in boxes]


def _paper(luma: np.ndarray) -> float | None:
    """The luma of the paper, where the page has a margin of it; of an even frame of another luma likewise."""
    frame = np.concatenate([luma[:2].ravel(), luma[-2:].ravel(), luma[:, :2].ravel(), luma[:, -2:].ravel()])
    middle = float(np.median(frame))
    even = np.abs(frame - middle) <= PAPER_RANGE
    return middle if even.mean() >= 0.6 else None


Box = tuple[int, int, int, int]
"""Top, left, bottom, right."""


def _cut(empty: np.ndarray, box: Box, gutter: int) -> list[Box]:
    """The parts of a box between its gutters; first across the page, then down."""
    top, left, bottom, right = box = _trimmed(empty, box)
    least = [max(8, round(LEAST * size)) for size in empty.shape]
    part = empty[top:bottom, left:right]
    for axis in (0, 1):
        share = part.mean(axis=1 - axis)
        found = _between_gutters(share >= PAPER_SHARE, gutter)
        runs = [(start, stop) for start, stop in found if stop - start >= least[axis]]
        lost = sum((1 - share[start:stop]).sum() for start, stop in found if (start, stop) not in runs)
        if len(runs) > 1 and lost <= SLIVER * (1 - share).sum():
            boxes = [
                (top + start, left, top + stop, right) if axis == 0 else (top, left + start, bottom, left + stop)
                for start, stop in runs
            ]
            return [each for inner in boxes for each in _cut(empty, inner, gutter)]
    return [box]


def _trimmed(empty: np.ndarray, box: Box) -> Box:
    """A box without the paper around what is in it."""
    top, left, bottom, right = box
    full = ~empty[top:bottom, left:right]
    rows, columns = (np.flatnonzero(full.mean(axis=axis) > 1 - PAPER_SHARE) for axis in (1, 0))
    if not rows.size or not columns.size:
        return box
    return top + int(rows[0]), left + int(columns[0]), top + int(rows[-1]) + 1, left + int(columns[-1]) + 1


def _between_gutters(is_paper: np.ndarray, gutter: int) -> list[tuple[int, int]]:
    """Start and stop of the runs that are no paper, those joined that only a thinner strip of paper parts."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~is_paper, [0]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and start - runs[-1][1] < gutter:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return runs


def _framed(empty: np.ndarray, box: Box) -> float:
    """How much of the four sides of a box is no paper, the mean of them."""
    top, left, bottom, right = box
    full = ~empty[top:bottom, left:right]
    sides = (full[:3].max(axis=0), full[-3:].max(axis=0), full[:, :3].max(axis=1), full[:, -3:].max(axis=1))
    return float(np.mean([side.mean() for side in sides]))


def _grown(box: Box, factor: int, height: int, width: int) -> Panel:
    """The panel of a box of the small page."""
    top, left = box[0] * factor, box[1] * factor
    return Panel(top, left, min(height, box[2] * factor) - top, min(width, box[3] * factor) - left)
