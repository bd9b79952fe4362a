"""Where a user's word is worth most on a page: its large regions of which the model is unsure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.chroma import spread
from zoo.chroma.evidence import Given, Sight
from zoo.chroma.regions import innermost_first, means_of_cells
from zoo.chroma.yuv import compose, to_uint8
from zoo.pages.guide import Frame, takes_color
from zoo.pages.hint import Hint, hex_of
from zoo.pages.scan import Scan

if TYPE_CHECKING:
    from zoo.pages.colorizer import Examined

POSSIBLE = 3
"""How many colours are proposed for a region."""

ROOM = 0.1
"""Of luma: regions nearer than this to black or white take little colour, and are asked for less."""

PRIMARY = ((204, 51, 51), (34, 170, 102), (51, 102, 204))
"""Colours that have to fit at a place, as far as they show, for it to be asked for."""

PLACES = 32
"""How many places of a region are looked at for one that takes a colour."""

ANSWERS = 10
"""How many answers a user gives, as hints spread here: one that is alone would settle nothing but itself."""

DECODER = "annealed"
"""How a classifier answers for a region that is asked for, as long as nobody has."""

LEAST_GAIN = 1e-3
"""Bits a pixel of the page, of the last question that is asked."""


@dataclass(frozen=True)
class Question:
    """A region whose colour is asked for.

    Attributes:
        x: pixels from the left of the page, of a place in the region.
        y: pixels from its top.
        area: the region's share of the page.
        bits: how unsure the model is of it: the entropy of its distribution of U, and of V where that is known.
        possible: its most probable colours as #rrggbb at the region's luma, and their probabilities; the most probable
            first.
    """

    x: int
    y: int
    area: float
    bits: float
    possible: tuple[tuple[str, float], ...]

    def as_json(self) -> dict[str, object]:
        """What a file of hints holds of it, its colour left open."""
        proposed = [{"color": color, "probability": round(share, 3)} for color, share in self.possible]
        known = {"area": round(self.area, 4), "bits": round(self.bits, 2), "possible": proposed}
        return {"x": self.x, "y": self.y, "color": None} | known


def questions(
    examined: "Examined",
    count: int,
    worth: np.ndarray | None = None,
    hints: Sequence[Hint] = (),
    scan: Scan | None = None,
) -> list[Question]:
    """The regions of a page to ask for, the most worthwhile first.

    Each in turn is the one with the largest uncertainty times area, as far as it does not follow those before it: they
    spread as hints do (`zoo.chroma.spread`), in the colours of the model's own answer.

    Args:
        examined: what the network says of the page.
        count: how many at most.
        worth: in place of the uncertainty, what it is worth to know the colour of each pixel of the page, (H, W).
        hints: colours that were given already: what they settle is not asked for again.
        scan: the page in full size; no place of it is asked for where no colour fits, as in white paper.
    """
    frames = examined.frames[1:] or examined.frames
    asked = [Asked(frame, examined.page.size, worth) for frame in frames]
    for each in asked:
        each.settle_hints(hints)
    found: list[Question] = []
    while len(found) < count and (first := most_open(asked)):
        best, region = asked[first[0]], first[1]
        question = best.question(region, scan)
        if question:
            found.append(question)
            best.settle(region)
        else:
            best.leave_out(region)
    return found


def most_open(asked: "Sequence[Asked]") -> tuple[int, int] | None:
    """Which of some frames has the region that is most worthwhile to ask for, and the region; None if none is."""
    frame = max(range(len(asked)), key=lambda index: asked[index].gains.max())
    region = int(asked[frame].gains.argmax())
    return None if asked[frame].gains[region] < LEAST_GAIN else (frame, region)


class Asked:
    """The regions of a frame, and what is not settled of each.

    Args:
        frame: of the page.
        size: height and width of the page.
        worth: as of `questions`.

    Attributes:
        bits: how unsure the model is of each region, (R,).
        gains: what it is worth to know the colour of each, in bits a pixel of the page, (R,).
    """

    def __init__(self, frame: Frame, size: tuple[int, int], worth: np.ndarray | None = None) -> None:
        self._frame, self._sight = frame, frame.sight()
        sight = self._sight
        self.bits = uncertainty(frame, sight)
        open_ = self.bits
        if worth is not None:
            open_ = sight.means(frame.reduced(worth[..., None]))[:, 0]
        room = np.clip(np.minimum(sight.tones, 1 - sight.tones) / ROOM, 0, 1)
        self._area = sight.sizes / frame.luma.size * frame.panel.height * frame.panel.width / (size[0] * size[1])
        self._open = open_ * room * self._area
        self.gains = self._open.copy()
        decoder = DECODER if frame.prediction.classifies else None
        self._own = means_of_cells(sight.regions, frame.prediction.decode_small(decoder)[frame.image])
        self._given: list[Given] = []

    def settle_hints(self, hints: Sequence[Hint]) -> None:
        """Counts the regions of hints as asked for."""
        places = [(place, hint.uv) for hint in hints if (place := self._frame.place(hint)) is not None]
        if places:
            self._settle([self._sight.given(*place, uv) for place, uv in places])

    def settle(self, region: int) -> None:
        """Counts a region as asked for, and what follows it and those before it as settled so far."""
        self._settle([self._sight.given_of(region, self._own[region])])

    def _settle(self, given: list[Given]) -> None:
        self._given += given
        shares, _ = spread.shares(self._sight, self._own, self._given, self._frame.prediction.rule, ANSWERS)
        self._open[[each.region for each in given]] = 0
        self.gains = self._open * (1 - shares.sum(axis=1))

    def leave_out(self, region: int) -> None:
        """Asks no more for a region, which settles nothing."""
        self._open[region] = self.gains[region] = 0

    def question(self, region: int, scan: Scan | None) -> Question | None:
        """What is asked about a region; None if it has no place where a colour fits."""
        frame, sight = self._frame, self._sight
        inside = sight.regions == region
        possible = tuple(
            (hex_of(to_uint8(compose(sight.tones[region : region + 1], uv)[0])), share)
            for uv, share in frame.prediction.possible(frame.image, inside, POSSIBLE)
        )
        height, width = frame.luma.shape
        for row, column in innermost_first(inside, PLACES):
            x = frame.panel.left + int((column + 0.5) * frame.panel.width / width)
            y = frame.panel.top + int((row + 0.5) * frame.panel.height / height)
            if scan is None or all(takes_color(scan, Hint(x, y, rgb, "")) for rgb in PRIMARY):
                return Question(x, y, float(self._area[region]), float(self.bits[region]), possible)
        return None


def uncertainty(frame: Frame, sight: Sight) -> np.ndarray:
    """How unsure the model is of each region's colour, bits, (R,); of a regression, which cannot tell, 1."""
    shares = frame.prediction.shares_of(frame.image, sight.regions)
    if shares is None:
        return np.ones(len(sight.sizes))
    return -(shares * np.log2(np.maximum(shares, 1e-12))).sum(axis=-1).sum(axis=-1)


def picture(rgb: np.ndarray, asked: Sequence[Question]) -> Image.Image:
    """A page with the places that are asked for, numbered, and the colours that each may have.

    Args:
        rgb: uint8 (H, W, 3).
        asked: in the order of their numbers.
    """
    image = Image.fromarray(rgb).convert("RGB")
    side = max(14, round(max(image.size) / 50))
    font = ImageFont.load_default(side)
    draw = ImageDraw.Draw(image)
    for number, each in enumerate(asked, 1):
        text = str(number)
        width = int(font.getlength(text)) + side // 2
        total = max(width, side * len(each.possible))
        left = min(max(0, each.x - total // 2), max(0, image.width - total))
        top = min(max(0, each.y - side // 2), max(0, image.height - 2 * side - 4))
        draw.rectangle((left, top, left + width, top + side + 2), fill="white", outline="black")
        draw.text((left + side // 4, top), text, fill="black", font=font)
        for index, (color, _) in enumerate(each.possible):
            box = left + index * side, top + side + 4, left + (index + 1) * side, top + 2 * side + 4
            draw.rectangle(box, fill=color, outline="black")
        draw.ellipse((each.x - 3, each.y - 3, each.x + 3, each.y + 3), fill="white", outline="black")
    return image
