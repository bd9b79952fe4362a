"""What a person marked on a page: points and strokes, each of a colour, as a file of hints."""

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.pages.hint import MOST_HINTS, STROKE_STEP, Hint, color_of, hex_of, read_hints
from zoo.support.files import MOST_BYTES, regular, write_text

Point = tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """A colour at a place, or along a stroke.

    Attributes:
        id: its number on the page, which it keeps.
        color: as #rrggbb.
        points: x and y each, pixels of the page; one, or those along a stroke.
    """

    id: int
    color: str
    points: tuple[Point, ...]

    @property
    def hints(self) -> list[Hint]:
        """The hints that it is."""
        rgb = color_of(self.color)
        return [Hint(x, y, rgb, f"mark {self.id}") for x, y in self.points]

    def as_json(self) -> dict[str, Any]:
        """What the page in the browser is told of it."""
        return {"id": self.id, "color": self.color, "points": [list(point) for point in self.points]}


@dataclass(frozen=True)
class Marks:
    """All marks of a page.

    Attributes:
        marks: in the order of their numbers.
        open: entries of the file that have no colour yet, as `zoo hints` writes them: they stay as they are.
    """

    marks: tuple[Mark, ...] = ()
    open: tuple[dict[str, Any], ...] = ()

    @property
    def nbytes(self) -> int:
        """What they take in memory, about, bytes."""
        points = sum(len(mark.points) for mark in self.marks)
        return 200 * (1 + len(self.marks) + points) + 8 * sum(len(str(each)) for each in self.open)

    @property
    def hints(self) -> tuple[Hint, ...]:
        """The hints of all, in their order."""
        return tuple(hint for mark in self.marks for hint in mark.hints)

    def with_mark(self, mark: Mark) -> "Marks":
        """The same with a mark put in, or in the place of that of its number. Where two lie on one pixel, the last
        one stays."""
        taken = set(mark.points)
        others = []
        for other in self.marks:
            left = tuple(point for point in other.points if point not in taken)
            if other.id != mark.id and left:
                others.append(replace(other, points=left))
        found = tuple(sorted([*others, mark], key=lambda each: each.id))
        count = sum(len(each.points) for each in found)
        if count > MOST_HINTS:
            raise UsageError(f"the page would have {count} hints, and {MOST_HINTS} are the most")
        return replace(self, marks=found)

    def without(self, number: int) -> "Marks":
        """The same without the mark of a number."""
        return replace(self, marks=tuple(mark for mark in self.marks if mark.id != number))

    @property
    def highest(self) -> int:
        """The highest number of a mark; 0 where nothing is marked."""
        return max((mark.id for mark in self.marks), default=0)

    def text(self, label: str) -> str:
        """The file of hints, JSON, a line a hint; the marks' numbers are in it, which others pass over."""
        entries = [{"x": x, "y": y, "color": mark.color, "id": mark.id} for mark in self.marks for x, y in mark.points]
        lines = ",\n  ".join(json.dumps(each) for each in [*entries, *self.open])
        return f'{{"page": {json.dumps(label)},\n "hints": [\n  {lines}]}}\n'


def read_marks(file: Path) -> Marks:
    """The marks of a file of hints; none if there is no such file.

    Raises:
        UsageError: it is no file of hints.
    """
    if not file.exists():
        return Marks()
    read_hints(file)  # says what is wrong, and where
    held = json.loads(regular(file, MOST_BYTES).read_text(encoding="utf-8-sig"))
    items = held["hints"] if isinstance(held, dict) else held
    points: dict[Any, list[Point]] = {}
    colors: dict[Any, str] = {}
    for number, item in enumerate(items):
        if item.get("color") is None:
            continue
        color, own = hex_of(color_of(item["color"])), item.get("id")
        # Hints of one number and colour are a stroke; those of somebody's own file have none.
        key = (own, color) if isinstance(own, int) and 0 < own < 1 << 31 else number
        points.setdefault(key, []).append((math.floor(float(item["x"])), math.floor(float(item["y"]))))
        colors[key] = color
    used: set[int] = set()
    found = []
    for key, places in points.items():
        own = key[0] if isinstance(key, tuple) else 0
        if own == 0 or own in used:
            own = max(used, default=0) + 1
        used.add(own)
        found.append(Mark(own, colors[key], tuple(dict.fromkeys(places))))
    return Marks(tuple(sorted(found, key=lambda each: each.id)), tuple(i for i in items if i.get("color") is None))


def write_marks(file: Path, marks: Marks, label: str, folder: Path) -> None:
    """Writes the file of hints anew, whole or not at all; where nothing is marked, there is none.

    Args:
        file: of the page.
        marks: of the page.
        label: of the page.
        folder: for what is half written: among the hints it would be taken for those of a page.
    """
    if marks.marks or marks.open:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, marks.text(label), folder)
    else:
        file.unlink(missing_ok=True)


def along(path: Sequence[Sequence[float]], size: tuple[int, int]) -> list[Point]:
    """Places along a stroke, as far apart as those that a picture of hints is read at.

    Args:
        path: its corners, x and y each.
        size: height and width of the page.
    """
    step = max(1.0, max(size) * STROKE_STEP)
    found = [(path[0][0], path[0][1])]
    left = step
    for (x0, y0), (x1, y1) in itertools.pairwise(path):
        length = math.hypot(x1 - x0, y1 - y0)
        count = math.floor((length - left) / step) + 1 if left <= length else 0
        # A corner may be far outside: of the places between two, those near the page alone are looked at.
        first, last = (math.floor((share * length - left) / step) for share in _on_page((x0, y0), (x1, y1), size))
        for number in range(max(0, first), min(count, last + 2)):
            at = (left + number * step) / length
            found.append((x0 + (x1 - x0) * at, y0 + (y1 - y0) * at))
        left += count * step - length
    return list(dict.fromkeys(_inside(found, size)))


def _on_page(start: tuple[float, float], end: tuple[float, float], size: tuple[int, int]) -> tuple[float, float]:
    """From which share of a segment to which it is on the page; both 0 where it never is."""
    low, high = 0.0, 1.0
    for a, b, most in zip(start, end, (size[1], size[0]), strict=True):
        if a == b:
            if not 0 <= a <= most:
                return 0.0, 0.0
        else:
            near, far = sorted((-a / (b - a), (most - a) / (b - a)))
            low, high = max(low, near), min(high, far)
    return (low, high) if low <= high else (0.0, 0.0)


def _inside(points: Iterable[tuple[float, float]], size: tuple[int, int]) -> Iterable[Point]:
    for x, y in points:
        place = math.floor(x), math.floor(y)
        if 0 <= place[0] < size[1] and 0 <= place[1] < size[0]:
            yield place
