"""Flat drawing without colours: polygons of numbered paints, and dice that fall alike on every machine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Item = TypeVar("Item")

INK = 22  # grey levels of what has no colour
PAPER = 250
TONE = 8  # an object is lighter or darker than its palette by at most this, of 255
SHADOW = -20  # what the shaded and the lit side add to that
LIGHT = 9


class Dice:
    """Seeded random draws.

    They use the raw bits of NumPy's Philox, which NumPy promises to keep from version to version; it
    does not promise that of the methods of `numpy.random.Generator`.
    """

    def __init__(self, *entropy: int) -> None:
        self._bits = np.random.Philox(np.random.SeedSequence(entropy))

    def between(self, low: float, high: float) -> float:
        """A number uniform on [low, high)."""
        return low + (high - low) * (self._bits.random_raw() >> 11) * 2.0**-53

    def below(self, count: int) -> int:
        """An integer uniform on 0 .. count - 1."""
        return int(self.between(0, count))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.between(0, 1) < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`, all equally likely."""
        return items[self.below(len(items))]


@dataclass(frozen=True)
class Paint:
    """What a shape is filled with: a shade of an object's colour, whatever that colour is, or a neutral grey.

    Attributes:
        object: The object's id on its page, from 1; 0 for a neutral grey.
        shade: What is added to the object's R, G and B alike; for a neutral grey its level, 0 to 255.
    """

    object: int
    shade: int


class Sketch:
    """A page without colours: the number of a paint at every pixel, the paints, and each object's class.

    Attributes:
        image: Paint numbers, a Pillow image of mode "I".
        paints: The paints, by number.
        kinds: The class name of each object; that of object id 1 first.
    """

    def __init__(self, width: int, height: int) -> None:
        self.paints: list[Paint] = []
        self.kinds: list[str] = []
        self._numbers: dict[Paint, int] = {}
        self.image = Image.new("I", (width, height), self.number(Paint(0, PAPER)))

    def number(self, paint: Paint) -> int:
        """The number that stands for `paint` in the image."""
        if paint not in self._numbers:
            self._numbers[paint] = len(self.paints)
            self.paints.append(paint)
        return self._numbers[paint]


@dataclass(frozen=True)
class Thing:
    """An object being drawn: its id on the page, and how much lighter than its palette it is."""

    id: int
    tone: int

    def paint(self, shade: int = 0) -> Paint:
        """Its colour, lighter by `shade`."""
        return Paint(self.id, self.tone + shade)


class Canvas:
    """One panel of a sketch, drawn in pixels of twice the page's resolution, y downwards.

    Attributes:
        width: Width of the panel.
        height: Height of the panel.
        unit: What the sizes of things are measured by: its height, or less if it is narrow.
        dice: The random draws of everything visible without colour.
    """

    def __init__(self, sketch: Sketch, width: int, height: int, dice: Dice) -> None:
        self.width, self.height, self.dice = width, height, dice
        self.unit = min(height, 1.1 * width)
        self.image = Image.new("I", (width, height))
        self._sketch = sketch
        self._draw = ImageDraw.Draw(self.image)

    def thing(self, kind: str) -> Thing:
        """A new object of the class `kind`."""
        self._sketch.kinds.append(kind)
        return Thing(len(self._sketch.kinds), round(self.dice.between(-TONE, TONE)))

    def fill(self, points: Sequence[Point], paint: Paint) -> None:
        """A polygon without an outline."""
        self._draw.polygon(_round(points), fill=self._sketch.number(paint))

    def line(self, points: Sequence[Point], width: int = 3, level: int = INK) -> None:
        """An open line of a neutral grey."""
        self._draw.line(_round(points), fill=self._sketch.number(Paint(0, level)), width=width)

    def outline(self, points: Sequence[Point], width: int = 4) -> None:
        """The ink around a polygon."""
        self.line([*points, *points[:2]], width)

    def shape(self, points: Sequence[Point], paint: Paint, width: int = 4) -> None:
        """A polygon with its outline."""
        self.fill(points, paint)
        self.outline(points, width)

    def solid(self, points: Sequence[Point], thing: Thing, focus: Point, lit: float = 0.8) -> None:
        """A round body: shaded at the rim away from `focus`, a point of it that the light falls on."""
        self.fill(points, thing.paint(SHADOW))
        self.fill(scaled(points, lit, focus), thing.paint())
        self.outline(points)


def _round(points: Sequence[Point]) -> list[tuple[int, int]]:
    return [(round(x), round(y)) for x, y in points]


def scaled(points: Sequence[Point], factor: float, focus: Point) -> list[Point]:
    """`points` moved towards (or away from) `focus`."""
    fx, fy = focus
    return [(fx + factor * (x - fx), fy + factor * (y - fy)) for x, y in points]


def placed(points: Sequence[Point], x: float, y: float, size: float, mirrored: bool = False) -> list[Point]:
    """Points in units of `size`, x to the right and y *upwards*, put down at (x, y) of the panel."""
    sign = -1 if mirrored else 1
    return [(x + sign * size * px, y - size * py) for px, py in points]


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """An upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def ellipse(x: float, y: float, rx: float, ry: float, lobes: int = 0, depth: float = 0.0) -> list[Point]:
    """An ellipse as a polygon; with `lobes`, one of that many bulges that rise by `depth` of its radius."""
    points = []
    for step in range(48):
        angle = 2 * math.pi * step / 48
        radius = 1 + depth * abs(math.sin(lobes * angle / 2))
        points.append((x + rx * radius * math.cos(angle), y + ry * radius * math.sin(angle)))
    return points


def limb(start: Point, end: Point, start_width: float, end_width: float) -> list[Point]:
    """A tapering bar from `start` to `end`."""
    (x0, y0), (x1, y1) = start, end
    length = math.hypot(x1 - x0, y1 - y0)
    nx, ny = (y0 - y1) / length / 2, (x1 - x0) / length / 2
    return [
        (x0 + nx * start_width, y0 + ny * start_width),
        (x1 + nx * end_width, y1 + ny * end_width),
        (x1 - nx * end_width, y1 - ny * end_width),
        (x0 - nx * start_width, y0 - ny * start_width),
    ]
