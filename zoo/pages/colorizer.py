"""From a page's luma to the page in colour, at any size and in bounded memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma import upsampling
from zoo.chroma.decoders import PAGE_DECODER, Decoder
from zoo.chroma.yuv import YUV_TO_RGB
from zoo.errors import UsageError
from zoo.models.loading import load
from zoo.models.prediction import Predictor
from zoo.pages.scan import Scan
from zoo.support.arrays import check_unit, kind_of

SIDE = 1024
"""The longer side of what the network sees, pixels: pages it was trained on are about as large."""

MULTIPLE = 8

CACHE_PIXELS = 1 << 18
"""How much of a page is coloured at once: what fits a processor's cache."""


class Colorizer:
    """Colours pages with a model of the zoo.

        colorizer = Colorizer("runs/residual-procedural-quick-seed0")
        rgb = colorizer(luma)

    Args:
        model: a `keras.Model` of the zoo, a `.keras` file or a run directory.
        decode: how a classifier's answer becomes a colour, see `zoo.chroma.decoders`; `PAGE_DECODER` by default.
        side: the longer side of what the network sees, pixels; smaller pages are seen as they are.
        along_edges: bring chroma to the page's size along its ink lines (`zoo.chroma.upsampling`); otherwise bilinear.

    Raises:
        UsageError: no such model, a decoder for a regression, or an unknown one.
    """

    def __init__(self, model: Any, *, decode: str | None = None, side: int = SIDE, along_edges: bool = True) -> None:
        if side < MULTIPLE:
            raise UsageError(f"--side must be at least {MULTIPLE}, not {side}")
        network = load(model) if isinstance(model, (str, Path)) else model
        self._predictor = Predictor(network)
        classifies = self._predictor.contract.classifies
        if not classifies and decode is not None:
            raise UsageError(f"--decode {decode}: this model answers with one colour; leave --decode out")
        self.decode = Decoder.parse(decode or PAGE_DECODER).text if classifies else None
        self.side, self._along_edges = side, along_edges

    def __call__(self, luma: np.ndarray, *, seed: int = 0) -> np.ndarray:
        """Colours a page.

        Args:
            luma: (H, W) or (H, W, 1): float in [0, 1], uint8 or uint16.
            seed: of a sampling decoder.

        Returns:
            RGB (H, W, 3), uint16 for uint16, otherwise uint8. Its luma differs from the given one by rounding alone.

        Raises:
            UsageError: another array; the message says what it is, and what to do.
        """
        samples = _samples(luma)
        floats = samples.dtype.kind == "f"
        if floats:
            samples = np.rint(np.clip(samples, 0, 1) * np.float32(65535)).astype(np.uint16)
        scan = Scan(samples)
        rgb = self.paint(scan, self.chroma([self.seen(scan)], seed=seed)[0])
        return np.rint(rgb / np.float32(257)).astype(np.uint8) if floats else rgb

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what the network sees of a page."""
        longest = max(height, width)
        if longest <= self.side:
            return height, width
        return tuple(  # type: ignore[return-value]
            max(MULTIPLE, round(length * self.side / longest / MULTIPLE) * MULTIPLE) for length in (height, width)
        )

    def seen(self, scan: Scan) -> np.ndarray:
        """What the network sees of a scan: luma (h, w, 1), float32, transparency on white."""
        height, width = scan.samples.shape[:2]
        size = self.size(height, width)
        parts = []
        # Strips of whole cells, so that a huge page is never in memory as floats.
        per_strip = max(1, upsampling.STRIP_PIXELS * size[0] // (height * width))
        for low in range(0, size[0], per_strip):
            high = min(size[0], low + per_strip)
            top, bottom = low * height / size[0], high * height / size[0]
            first, last = int(top), min(height, int(np.ceil(bottom)))
            luma = scan.luma(slice(first, last))
            if scan.alpha is not None:
                alpha = scan.alpha[first:last].astype(np.float32) / np.iinfo(scan.alpha.dtype).max
                luma = luma * alpha + (1 - alpha)
            box = (0, top - first, width, bottom - first)
            parts.append(upsampling.cell_means(luma, high - low, size[1], box))
        return np.concatenate(parts)[..., None]

    def chroma(self, seen: Sequence[np.ndarray], *, seed: int | Sequence[int] = 0) -> list[np.ndarray]:
        """UV (h, w, 2) of pages of one size, as the network sees them (h, w, 1)."""
        return list(self._predictor(np.stack(seen)).decode(self.decode, seed=seed))

    def paint(self, scan: Scan, uv: np.ndarray, *, headroom: float = 0.0) -> np.ndarray:
        """A scan in the colours of `uv` (h, w, 2), RGB (H, W, 3) of the scan's depth: see `paint`."""
        return paint(scan, uv, along_edges=self._along_edges, headroom=headroom)


def _samples(luma: Any) -> np.ndarray:
    """A user's luma as (H, W), uint8, uint16 or float in [0, 1]; anything else is refused."""
    array = np.asarray(luma)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 or not array.size or not (array.dtype in (np.uint8, np.uint16) or array.dtype.kind == "f"):
        advice = ""
        if array.ndim == 3 and array.shape[-1] in (3, 4):
            advice = ". The luma of RGB in [0, 1] is zoo.chroma.yuv.split_luma(rgb)[0]"
        elif array.ndim > 2:
            advice = ". Of several pages give one at a time"
        elif array.dtype.kind in "iu":
            advice = ". Values in 0…255 are luma.astype(np.uint8)"
        raise UsageError(
            f"luma is {kind_of(array)}; give one page of shape (H, W), float in [0, 1], uint8 or uint16{advice}"
        )
    if array.dtype.kind == "f":
        check_unit(array, "luma")
    return array


def paint(scan: Scan, uv: np.ndarray, *, along_edges: bool = True, headroom: float = 0.0) -> np.ndarray:
    """A scan in the colours of `uv` (h, w, 2), brought to its size: RGB (H, W, 3) of the scan's depth, its luma kept.

    Args:
        scan: the page.
        uv: chroma of the page at any smaller size.
        along_edges: along the page's ink lines (see `zoo.chroma.upsampling`); otherwise bilinear.
        headroom: luma in [0, 1] may be lowered by so much where a colour does not fit at that luma, as none fits into
            pure white; 0 keeps it everywhere, and chroma gives way.
    """
    height, width = scan.samples.shape[:2]
    rgb = np.empty((height, width, 3), scan.samples.dtype)
    upsample = _upsampling(scan, uv, along_edges)
    rows = max(1, CACHE_PIXELS // width)
    for first in range(0, height, rows):
        luma = scan.luma(slice(first, first + rows))
        rgb[first : first + rows] = _composed(luma, upsample(luma, first), scan.levels, headroom)
    return rgb


def _upsampling(scan: Scan, uv: np.ndarray, along_edges: bool) -> Any:
    height, width = scan.samples.shape[:2]
    h, w = uv.shape[:2]
    uv = np.ascontiguousarray(uv, np.float32)
    if (h, w) == (height, width):
        return lambda luma, first: uv[first : first + len(luma)]
    if not along_edges:
        return upsampling.BilinearUpsampler(uv, height, width).rows
    return upsampling.along_edges(scan, uv)


_TINY = np.float32(1e-12)


def _composed(luma: np.ndarray, uv: np.ndarray, levels: int, headroom: float) -> np.ndarray:
    """`zoo.chroma.yuv.compose` and rounding to 0 … `levels` at once, a channel at a time: luma (H, W), UV (H, W, 2)."""
    matrix = YUV_TO_RGB.astype(np.float32)
    deltas = [uv[..., 0] * row[1] + uv[..., 1] * row[2] for row in matrix]
    # The three have a weighted sum of nought, so that the largest is at least 0 and the smallest at most.
    most = np.maximum(np.maximum(deltas[0], deltas[1]), deltas[2])
    least = np.minimum(np.minimum(deltas[0], deltas[1]), deltas[2])
    if headroom:
        luma = np.clip(1 - most, np.maximum(0, luma - np.float32(headroom)), luma)
    # How many times the room up, and down, each would take.
    excess = np.maximum(most / np.maximum(1 - luma, _TINY), least / np.minimum(-luma, -_TINY))
    scale = 1 / np.maximum(excess, 1)
    out = np.empty((*luma.shape, 3), np.uint8 if levels == 255 else np.uint16)
    for channel, delta in enumerate(deltas):
        value = luma + scale * delta
        out[..., channel] = np.clip(np.rint(value * np.float32(levels)), 0, levels)
    return out
