"""From a page's luma to the page in colour, at any size and in bounded memory."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from zoo.chroma import upsampling
from zoo.chroma.decoders import Decoder, page_decoder
from zoo.chroma.evidence import Given, Rule
from zoo.chroma.upsampling import MULTIPLE, BilinearUpsampler, reduced_size
from zoo.chroma.yuv import YUV_TO_RGB
from zoo.data.panels import Panel, find_panels
from zoo.errors import UsageError
from zoo.models.loading import load
from zoo.models.prediction import Predictor
from zoo.pages.guide import NO_GUIDE, Frame, Guide, Obedience, check_hints, guided
from zoo.pages.hint import Hint, hints_of
from zoo.pages.look import SIDE
from zoo.pages.palette import palette_of
from zoo.pages.referring import referred
from zoo.pages.scan import Scan, scan_of
from zoo.support.arrays import check_unit, kind_of

PANELS_SEEN_AT = 800
"""The longer side of a page as its panels are looked for, pixels."""

FINER = 4
"""How many times as high as that of the whole page a page's chroma is at most, however low its panels are."""

CACHE_PIXELS = 1 << 18
"""How much of a page is coloured at once: what fits a processor's cache."""


@dataclass(frozen=True)
class Pictures:
    """What the network sees of a page.

    Attributes:
        whole: the page, luma (h, w, 1), float32.
        panels: where each panel is on the page in its full size, and its luma; empty where it is not cut.
        size: height and width of the page.
    """

    whole: np.ndarray
    panels: tuple[tuple[Panel, np.ndarray], ...]
    size: tuple[int, int]


class Colorizer:
    """Colours pages with a model of the zoo.

        colorizer = Colorizer("runs/residual-procedural-quick-seed0")
        rgb = colorizer(luma)

    Args:
        model: a `keras.Model` of the zoo, a `.keras` file or a run directory.
        decode: how a classifier's answer becomes a colour, see `zoo.chroma.decoders`; its `page_decoder` by default.
        side: the longer side of what the network sees, pixels; smaller pages are seen as they are. None for the one
            that the model was trained at: its contract's, or `SIDE`.
        along_edges: bring chroma to the page's size along its ink lines (`zoo.chroma.upsampling`); otherwise bilinear.
        panels: show the network each panel of a page as a picture of its own. None for: if it was trained to see
            pictures whole.

    Raises:
        UsageError: no such model, a decoder for a regression, or an unknown one.
    """

    def __init__(
        self,
        model: Any,
        *,
        decode: str | None = None,
        side: int | None = None,
        along_edges: bool = True,
        panels: bool | None = None,
    ) -> None:
        if side is not None and side < MULTIPLE:
            raise UsageError(f"--side must be at least {MULTIPLE}, not {side}")
        network = load(model) if isinstance(model, (str, Path)) else model
        self._predictor = Predictor(network)
        classifies = self._predictor.contract.classifies
        if not classifies and decode is not None:
            raise UsageError(f"--decode {decode}: this model answers with one colour; leave --decode out")
        trained_at = self._predictor.contract.side
        self.decode = Decoder.parse(decode or page_decoder(trained_at > 0)).text if classifies else None
        self.side, self._along_edges = side or trained_at or SIDE, along_edges
        self.panels = trained_at > 0 if panels is None else panels

    def __call__(
        self,
        luma: np.ndarray,
        *,
        seed: int = 0,
        hints: Iterable[Any] = (),
        palette: Any = None,
        reference: Any = None,
    ) -> np.ndarray:
        """Colours a page.

        Args:
            luma: (H, W) or (H, W, 1): float in [0, 1], uint8 or uint16.
            seed: of a sampling decoder.
            hints: colours at places, (x, y, colour) each: pixels from the left and from the top, and `"#c33"` or
                `"red"`. They are obeyed, and what is like their places follows.
            palette: colours to choose from, see `zoo.pages.palette.palette_of`.
            reference: coloured pages of the same work, uint8 RGB (H, W, 3): one, or a list.

        Returns:
            RGB (H, W, 3), uint16 for uint16, otherwise uint8. Its luma differs from the given one by rounding alone.

        Raises:
            UsageError: another array, or hints, a palette or a reference that cannot be followed; the message says
                what it is, and what to do.
        """
        return self.draft(luma)(seed=seed, hints=hints, palette=palette, reference=reference)

    def draft(self, luma: np.ndarray) -> "Draft":
        """A page that the network has seen: called with hints, and again with others, it is coloured in no time.

        Args:
            luma: as above.

        Raises:
            UsageError: another array.
        """
        samples = _samples(luma)
        floats = samples.dtype.kind == "f"
        if floats:
            samples = np.rint(np.clip(samples, 0, 1) * np.float32(65535)).astype(np.uint16)
        scan = Scan(samples)
        return Draft(self, scan, self.examined([self.pictures(scan)])[0], floats)

    def with_decoder(self, decode: str | None) -> Self:
        """The same network by another decoder; None leaves it as it is.

        Raises:
            UsageError: an unknown decoder, or one for a regression.
        """
        if not self._predictor.contract.classifies and decode is not None:
            raise UsageError(f"--decode {decode}: this model answers with one colour; leave --decode out")
        other = copy(self)
        if self.decode is not None:
            other.decode = Decoder.parse(decode or self.decode).text
        return other

    @property
    def rule(self) -> Rule:
        """How alike two regions are, by what the model says of them."""
        return self._predictor.rule

    def pictures(self, scan: Scan) -> Pictures:
        """What the network sees of a scan: the whole page, and its panels if it is to see them."""
        cut: list[Panel] = []
        if self.panels:
            size = reduced_size(*scan.size, PANELS_SEEN_AT)
            found = find_panels(np.rint(_reduced(scan, size) * 255).astype(np.uint8))
            if len(found) > 1:
                cut = [panel.times(scan.size[0] / size[0], scan.size[1] / size[1]) for panel in found]
        panels = tuple((panel, self.seen(scan.part(panel))) for panel in cut)
        return Pictures(self.seen(scan), panels, scan.size)

    def seen(self, scan: Scan) -> np.ndarray:
        """A scan as the network sees it whole: luma (h, w, 1), float32, transparency on white."""
        return _reduced(scan, reduced_size(*scan.size, self.side))[..., None]

    def examined(self, pages: Sequence[Pictures]) -> "list[Examined]":
        """What the network says of pages of which it sees one size: it runs once for all, and once a panel."""
        whole = self._predictor(np.stack([page.whole for page in pages]))
        return [
            Examined(
                page,
                (
                    Frame(Panel(0, 0, *page.size), whole, image),
                    *(Frame(panel, self._predictor(luma[None]), 0) for panel, luma in page.panels),
                ),
            )
            for image, page in enumerate(pages)
        ]

    def chroma(self, page: Pictures, *, seed: int | Sequence[int] = 0) -> np.ndarray:
        """UV (h, w, 2) of a page, at a size of its own."""
        return self.examined([page])[0].chroma(self.decode, seed)

    def references(self, scan: Scan) -> tuple[Given, ...]:
        """The colours of a coloured page, and what other pages are to take them for.

        Raises:
            UsageError: it has no colours.
        """
        if not scan.colored:
            raise UsageError("it has no colours: a reference is a coloured page of the same work")
        rgb = scan.samples if scan.levels == 255 else (scan.samples >> 8).astype(np.uint8)
        (examined,) = self.examined([self.pictures(Scan(scan.samples, scan.alpha))])
        return referred(examined, rgb)

    def paint(self, scan: Scan, uv: np.ndarray, *, headroom: float = 0.0, hints: Sequence[Hint] = ()) -> np.ndarray:
        """A scan in the colours of `uv` (h, w, 2), RGB (H, W, 3) of the scan's depth: see `paint`."""
        return paint(scan, uv, along_edges=self._along_edges, headroom=headroom, hints=hints)


@dataclass(frozen=True)
class Examined:
    """A page that the network has seen.

    Attributes:
        page: its pictures.
        frames: what the network says of the whole page, then of its panels.
    """

    page: Pictures
    frames: tuple[Frame, ...]

    def chroma(self, decode: str | None, seed: int | Sequence[int] = 0, guide: Guide = NO_GUIDE) -> np.ndarray:
        """UV (h, w, 2) of the page at a size of its own, by a decoder and as the user says."""
        uvs = [frame.decoded(decode, seed) for frame in self.frames]
        if guide:
            uvs = guided(self.frames, uvs, guide, choose=decode is not None and Decoder.parse(decode).kind.jumps)
        return _put_together(self.page, uvs[0], uvs[1:])

    def given(self, hints: Sequence[Hint]) -> tuple[Given, ...]:
        """The hints of the page, as other pages are to take them."""
        found = []
        for frame in self.frames[1:] or self.frames:
            places = [(place, hint.uv) for hint in hints if (place := frame.place(hint)) is not None]
            if places:
                sight = frame.sight(hints)
                found += [sight.given(*place, uv).elsewhere() for place, uv in places]
        return tuple(found)


class Draft:
    """A page that the network has seen, to be coloured as often as hints change: see `Colorizer.draft`.

    Attributes:
        scan: the page.
        examined: what the network says of it.
    """

    def __init__(self, colorizer: Colorizer, scan: Scan, examined: Examined, floats: bool) -> None:
        self._colorizer, self.scan, self.examined, self._floats = colorizer, scan, examined, floats

    def __call__(
        self, *, seed: int = 0, hints: Iterable[Any] = (), palette: Any = None, reference: Any = None
    ) -> np.ndarray:
        """The page in colour: see `Colorizer.__call__`."""
        there = hints_of(hints).on(self.scan.size)
        check_hints(self.scan, there)
        pages = [reference] if isinstance(reference, np.ndarray) else list(reference or ())
        given = tuple(each for page in pages for each in self._colorizer.references(scan_of(_reference(page))))
        colors = None if palette is None else palette_of(palette)
        uv = self.examined.chroma(self._colorizer.decode, seed, Guide(there, colors, given))
        rgb = self._colorizer.paint(self.scan, uv, hints=there)
        return np.rint(rgb / np.float32(257)).astype(np.uint8) if self._floats else rgb


def _reference(page: Any) -> np.ndarray:
    array = np.asarray(page)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8 or not array.size:
        raise UsageError(f"reference is {kind_of(array)}; give coloured pages as uint8 RGB (H, W, 3)")
    return array


def _reduced(scan: Scan, size: tuple[int, int]) -> np.ndarray:
    """The luma of a scan at a smaller size, (h, w), float32, transparency on white."""
    height, width = scan.size
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
    return np.concatenate(parts)


def _put_together(page: Pictures, uv: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """The UV of a page: that of its panels where they are, and of the whole page between them."""
    if not parts:
        return uv
    height, width = page.size
    scale = max(len(part) / panel.height for part, (panel, _) in zip(parts, page.panels, strict=True))
    scale = min(1.0, scale, FINER * len(uv) / height)
    grid = max(1, round(height * scale)), max(1, round(width * scale))
    together = _resized(uv, *grid)
    for part, (panel, _) in zip(parts, page.panels, strict=True):
        top, left, h, w = panel.times(grid[0] / height, grid[1] / width)
        together[top : top + h, left : left + w] = _resized(part, h, w)
    return together


def _resized(uv: np.ndarray, height: int, width: int) -> np.ndarray:
    return BilinearUpsampler(uv, height, width).rows(np.empty((height, 0)), 0)


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


def paint(
    scan: Scan,
    uv: np.ndarray,
    *,
    along_edges: bool = True,
    headroom: float = 0.0,
    hints: Sequence[Hint] = (),
    cell: float | None = None,
) -> np.ndarray:
    """A scan in the colours of `uv` (h, w, 2), brought to its size: RGB (H, W, 3) of the scan's depth, its luma kept.

    Args:
        scan: the page.
        uv: chroma of the page at any smaller size.
        along_edges: along the page's ink lines (see `zoo.chroma.upsampling`); otherwise bilinear.
        headroom: luma in [0, 1] may be lowered by so much where a colour does not fit at that luma, as none fits into
            pure white; 0 keeps it everywhere, and chroma gives way.
        hints: colours that are obeyed to the pixel.
        cell: pixels of a cell of what the network saw, where `uv` has been brought up already.
    """
    height, width = scan.samples.shape[:2]
    rgb = np.empty((height, width, 3), scan.samples.dtype)
    upsample = _upsampling(scan, uv, along_edges)
    if hints:
        upsample = Obedience(scan, upsample, hints, cell or max(height / len(uv), width / uv.shape[1])).rows
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
