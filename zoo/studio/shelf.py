"""The pages of a book: read when they are looked at, and small pictures of them."""

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from zoo.data.pdf import Renderers
from zoo.pages.cleaning import prepared
from zoo.pages.input import UNUSABLE, ColoredError, Page, reason, usable
from zoo.pages.look import Look
from zoo.pages.scan import Scan
from zoo.studio.bounded import Bounded

SHOWN_PIXELS = 3_000_000
"""A page of more is shown reduced to so many."""

THUMBNAIL = 160
"""The longer side of a small picture, pixels."""

MOST_SCANS = 128 << 20
"""Bytes of pages that are kept."""


class PageError(Exception):
    """A page that cannot be coloured; the message says why."""


@dataclass(frozen=True)
class Opened:
    """A page that was read.

    Attributes:
        paper: what is painted on.
        seen: what the network is to see.
        shown: the paper as the screen shows it, grey, 8 bits, no larger than `SHOWN_PIXELS`.
        truth: the page's own colours at that size, uint8 RGB; None of a grey page.
    """

    paper: Scan
    seen: Scan
    shown: Scan
    truth: np.ndarray | None

    @property
    def scale(self) -> tuple[float, float]:
        """Shown pixels a pixel of the page, down and across."""
        return self.shown.size[0] / self.paper.size[0], self.shown.size[1] / self.paper.size[1]

    @cached_property
    def nbytes(self) -> int:
        """What it takes in memory, bytes."""
        return sum(array.nbytes for array in self._arrays())

    def _arrays(self) -> list[np.ndarray]:
        found = [self.paper.samples, self.shown.samples]
        found += [self.seen.samples] * (self.seen is not self.paper)
        found += [each for each in (self.paper.alpha, self.truth) if each is not None]
        return found


class Shelf:
    """The pages of a book.

    Args:
        pages: in their order.
        renderers: of PDF files.
        look: how pages are to look.
    """

    def __init__(self, pages: list[Page], renderers: Renderers, look: Look) -> None:
        self.pages, self.look, self._renderers = pages, look, renderers
        self._opened: Bounded[Opened] = Bounded(MOST_SCANS)
        self._reading = threading.Lock()  # pages may be large: one at a time

    def open(self, index: int) -> Opened:
        """A page.

        Raises:
            PageError: it cannot be read, or has colours that nothing was said of.
        """
        found = self._opened.get(index)
        if found is None:
            with self._reading:
                found = self._opened.get(index)
                if found is None:
                    found = self._read(index)
                    self._opened.put(index, found, found.nbytes)
        return found

    def _read(self, index: int) -> Opened:
        try:
            scan = usable(self.pages[index], self._renderers, self.look)
        except ColoredError:
            raise PageError(
                "This page has colours already. Start the studio with --desaturate to colour it anew, with its own"
                " colours to compare, or with --white-paper if they are stains of the paper."
            ) from None
        except UNUSABLE as error:
            raise PageError(reason(error)) from None
        try:
            truth = _shown_colors(scan) if scan.colored else None
            paper, seen = prepared(scan, self.look)
        except UNUSABLE as error:
            raise PageError(reason(error)) from None
        return Opened(paper, seen, _shown(paper), truth)

    def thumbnail(self, index: int) -> Image.Image:
        """A small picture of a page in grey.

        Raises:
            PageError: it cannot be read.
        """
        found = self._opened.get(index)
        try:
            scan = found.shown if found else self.pages[index].read(self._renderers)
        except UNUSABLE as error:
            raise PageError(reason(error)) from None
        step = max(1, min(scan.size) // (4 * THUMBNAIL))
        image = Image.fromarray(Scan(np.ascontiguousarray(scan.samples[::step, ::step])).luma8())
        image.thumbnail((THUMBNAIL, THUMBNAIL), reducing_gap=2)
        return image


def _size_shown(scan: Scan) -> tuple[int, int]:
    """Width and height that a page is shown at."""
    height, width = scan.size
    share = min(1.0, (SHOWN_PIXELS / (height * width)) ** 0.5)
    return max(1, round(width * share)), max(1, round(height * share))


def _shown(scan: Scan) -> Scan:
    luma = scan.luma8()
    if scan.alpha is not None:
        alpha = scan.alpha.astype(np.float32) / np.iinfo(scan.alpha.dtype).max
        luma = np.rint(luma * alpha + 255 * (1 - alpha)).astype(np.uint8)
    size = _size_shown(scan)
    if size != (scan.size[1], scan.size[0]):
        luma = np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.LANCZOS, reducing_gap=2))
    return Scan(np.ascontiguousarray(luma))


def _shown_colors(scan: Scan) -> np.ndarray:
    rgb = scan.samples if scan.levels == 255 else (scan.samples >> 8).astype(np.uint8)
    size = _size_shown(scan)
    return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).resize(size, Image.Resampling.LANCZOS, reducing_gap=2))
