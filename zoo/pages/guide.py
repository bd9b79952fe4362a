"""What a user says of a page, and how the answer of a model is changed by it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from zoo.chroma.evidence import Given, Sight, divided
from zoo.chroma.regions import LARGEST_STEP, fine_regions, pool
from zoo.chroma.upsampling import bring_up, cell_means
from zoo.data.panels import Panel
from zoo.errors import UsageError
from zoo.pages.hint import LEAST_ROOM, Hint, becomes, hex_of
from zoo.pages.scan import Scan

if TYPE_CHECKING:
    from zoo.models.prediction import Prediction

REACH = 2.0
"""How far around a hint its colour is made exact, in cells of what the network sees."""

LEAST_REACH = 3  # pixels
ALMOST = 1e-6  # a hint counts a million times as much at its own place
NOTED = 0.9
"""A hint of which a smaller share is left at the luma of its place is told what it becomes."""


@dataclass(frozen=True)
class Guide:
    """What a user says of a page.

    Attributes:
        hints: colours at places.
        palette: U and V of the colours to choose from, (n, 2); None for any.
        references: colours of other pages, and what they are given for.
    """

    hints: tuple[Hint, ...] = ()
    palette: np.ndarray | None = None
    references: tuple[Given, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hints or self.references or self.palette is not None)


NO_GUIDE = Guide()


@dataclass(frozen=True)
class Frame:
    """A picture that the network has seen of a page: the whole of it, or a panel.

    Attributes:
        panel: where it is on the page in its full size.
        prediction: what the network said.
        image: which one of the prediction's.
    """

    panel: Panel
    prediction: "Prediction"
    image: int

    @property
    def luma(self) -> np.ndarray:
        """As the network saw it, (h, w)."""
        return self.prediction.luma[self.image, ..., 0]

    def decoded(self, decode: str | None, seed: int | Sequence[int]) -> np.ndarray:
        """UV (h, w, 2) by a decoder; of the same one again, what was decoded before."""
        last = self._last
        if last.get("way") != (decode, seed):
            last.update(way=(decode, seed), uv=self.prediction.decode(decode, seed=seed)[self.image])
        return last["uv"]

    @cached_property
    def _last(self) -> dict[str, Any]:
        return {}

    def place(self, hint: Hint) -> tuple[int, int] | None:
        """The row and column of a hint in what the network saw; None if it is not in the frame."""
        height, width = self.luma.shape
        row = (hint.y - self.panel.top + 0.5) * height / self.panel.height
        column = (hint.x - self.panel.left + 0.5) * width / self.panel.width
        if not (0 <= row < height and 0 <= column < width):
            return None
        return int(row), int(column)

    def sight(self, hints: Sequence[Hint] = ()) -> Sight:
        """It as regions, divided where hints want several colours of one."""
        inside = [(place, hint.uv) for hint in hints if (place := self.place(hint)) is not None]
        if len(inside) < 2:
            return self._plain
        colors = np.array([uv for _, uv in inside])
        regions = divided(self.luma, self._plain.regions, [place for place, _ in inside], colors)
        if regions is self._plain.regions:
            return self._plain
        return Sight.of_regions(self.luma, regions, *self._said)

    @cached_property
    def _plain(self) -> Sight:
        return Sight.of(self.luma, *self._said)

    @property
    def _said(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.prediction.kinds(self.image), self.prediction.own_scores(self.image)

    def reduced(self, values: np.ndarray) -> np.ndarray:
        """Values of the page's pixels, (H, W, C), at the size that the network saw the frame in, (h, w, C)."""
        top, left, height, width = self.panel
        part = values[top : top + height, left : left + width]
        return np.stack([cell_means(part[..., c], *self.luma.shape) for c in range(part.shape[-1])], axis=-1)

    def things(self, sight: Sight) -> np.ndarray:
        """Labels from 0, (h, w), of what has one colour: a classifier's coherent regions, or the sight's."""
        if not self.prediction.classifies:
            return sight.regions
        regions = self.prediction.coherent_regions[self.image]
        (height, width), (h, w) = self.luma.shape, regions.shape
        return regions[np.ix_(np.arange(height) * h // height, np.arange(width) * w // width)]

    def in_palette(self, uv: np.ndarray, palette: np.ndarray) -> np.ndarray:
        """UV (h, w, 2) of it with no colours but those of a palette (n, 2), one a region: the most probable by the
        model or, of a regression, the nearest to its answer `uv`."""
        if not self.prediction.classifies:
            regions = fine_regions(self.luma)
            sizes = np.bincount(regions.ravel())
            means = np.stack([np.bincount(regions.ravel(), uv[..., c].ravel()) / sizes for c in (0, 1)], axis=-1)
            nearest = ((means[:, None] - palette) ** 2).sum(axis=-1).argmin(axis=1)
            return palette[nearest][regions].astype(np.float32)
        likely = self.prediction.log_likelihoods(palette)[self.image]
        regions = self.prediction.coherent_regions[self.image]
        found = palette[pool(likely, regions).argmax(axis=-1)][regions].astype(np.float32)
        return found if found.shape[:2] == self.luma.shape else bring_up(self.luma, found)


def guided(
    frames: Sequence[Frame], uvs: Sequence[np.ndarray], guide: Guide, *, choose: bool = False
) -> list[np.ndarray]:
    """What the user says, in every frame of a page: UV (h, w, 2) each.

    Args:
        frames: the whole page first, then its panels.
        uvs: what the model answers in each, (h, w, 2).
        guide: what the user says.
        choose: have each thing take one colour whole, as from a palette: see `zoo.chroma.evidence.Sight.follow`.
    """
    choose = choose or guide.palette is not None
    if guide.palette is not None:
        uvs = [frame.in_palette(uv, guide.palette) for frame, uv in zip(frames, uvs, strict=True)]
    if not (guide.hints or guide.references):
        return list(uvs)
    sights = [frame.sight(guide.hints) for frame in frames]
    given = [
        [sight.given(*place, hint.uv) for hint in guide.hints if (place := frame.place(hint)) is not None]
        for frame, sight in zip(frames, sights, strict=True)
    ]
    found = []
    for index, (frame, sight, uv) in enumerate(zip(frames, sights, uvs, strict=True)):
        rule = frame.prediction.rule
        # A hint in one panel is seen from another as one of another picture.
        others = [
            each.elsewhere() for other in range(1, len(frames)) if index and other != index for each in given[other]
        ]
        things = frame.things(sight) if choose else None
        referred = sight.follow(uv, guide.references, rule, things=things)
        of_page = len(guide.hints)
        found.append(sight.follow(referred, [*given[index], *others], rule, things=things, of_page=of_page))
    return found


def check_hints(scan: Scan, hints: Sequence[Hint], headroom: float = 0.0) -> list[str]:
    """What some hints become at the luma of their places, where that is much less than what was asked for.

    Raises:
        UsageError: nearly nothing would be left of one.
    """
    notes = []
    for hint in hints:
        luma, rgb, left = _room(scan, hint, headroom)
        if left < LEAST_ROOM:
            where = "black ink" if luma < 0.5 else "white paper"
            raise UsageError(
                f"{hint.text} is on {where}, where no colour fits: put it beside the line"
                + (", or give --headroom 0.2" if luma >= 0.5 and not headroom else "")
            )
        if left < NOTED:
            notes.append(f"{hint.text} becomes {hex_of(rgb)} there: the page keeps its luma")
    return notes


def takes_color(scan: Scan, hint: Hint, headroom: float = 0.0) -> bool:
    """Whether something of a hint's colour is left at the luma of its place."""
    return _room(scan, hint, headroom)[2] >= LEAST_ROOM


def becomes_there(scan: Scan, hint: Hint, headroom: float = 0.0) -> tuple[int, int, int]:
    """What a hint's colour is at the luma of its place."""
    return _room(scan, hint, headroom)[1]


def _room(scan: Scan, hint: Hint, headroom: float) -> tuple[float, tuple[int, int, int], float]:
    """The luma at a hint, what the hint becomes there, and how much of its chroma is left, a share."""
    luma = float(scan.luma(slice(hint.y, hint.y + 1))[0, hint.x])
    found = (becomes(hint, each) for each in (luma, max(0.0, luma - headroom)))
    return luma, *max(found, key=lambda each: each[1])


class Obedience:
    """Makes the colours of a page exact at its hints, and right around them up to the next edge.

    Args:
        scan: the page.
        upsample: of luma (rows, W) and its first row, gives UV (rows, W, 2).
        hints: colours at places.
        cell: pixels of a cell of what the network saw.
    """

    def __init__(
        self, scan: Scan, upsample: Callable[[np.ndarray, int], np.ndarray], hints: Sequence[Hint], cell: float
    ) -> None:
        self._upsample = upsample
        reach = max(LEAST_REACH, int(np.ceil(REACH * cell)))
        self._patches = []
        for hint in hints:
            found = upsample(scan.luma(slice(hint.y, hint.y + 1)), hint.y)[0, hint.x]
            self._patches.append(_patch(scan, hint, reach, hint.uv - found))

    def rows(self, luma: np.ndarray, first: int) -> np.ndarray:
        """UV (rows, W, 2) of the page's rows from `first` on, whose luma is (rows, W)."""
        found = np.array(self._upsample(luma, first), np.float32)
        added, total = np.zeros_like(found), np.ones(luma.shape, np.float32)
        for patch in self._patches:
            top, bottom = max(first, patch.top), min(first + len(luma), patch.top + len(patch.weights))
            if top < bottom:
                weights = patch.weights[top - patch.top : bottom - patch.top]
                place = np.s_[top - first : bottom - first, patch.left : patch.left + weights.shape[1]]
                added[place] += weights[..., None] * patch.missing
                total[place] += weights
        return found + added / total[..., None]


@dataclass(frozen=True)
class _Patch:
    """What a hint's colour is made exact in: `weights` (h, w) from `top` and `left` on, and the UV that it misses."""

    top: int
    left: int
    weights: np.ndarray
    missing: np.ndarray


def _patch(scan: Scan, hint: Hint, reach: int, missing: np.ndarray) -> _Patch:
    """The even pixels around a hint that hang together with it, less and less with the distance.

    The weights are those of D. Shepard, A two-dimensional interpolation function for irregularly-spaced data, 1968: so
    large at the hint itself that no other one counts there, and never a colour that nobody gave between two.
    """
    height, width = scan.size
    top, bottom = max(0, hint.y - reach), min(height, hint.y + reach + 1)
    left, right = max(0, hint.x - reach), min(width, hint.x + reach + 1)
    luma = scan.luma(slice(top, bottom))[:, left:right]
    row, column = hint.y - top, hint.x - left
    labels, _ = ndimage.label(np.abs(luma - luma[row, column]) < LARGEST_STEP)
    rows, columns = np.ogrid[top - hint.y : bottom - hint.y, left - hint.x : right - hint.x]
    falling = np.maximum(0, 1 - (rows**2 + columns**2) / (reach + 1) ** 2) ** 2
    weights = np.where(labels == labels[row, column], falling / (1 - falling + ALMOST), 0)
    return _Patch(top, left, weights.astype(np.float32), missing.astype(np.float32))
