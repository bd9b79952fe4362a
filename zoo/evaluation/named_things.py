"""Do things get the colours that their names tell? Regions drawn by hand in held-out images, and what is right there.

`datasets/named-things.csv` holds the regions and, before them, what colours are right for each class of things. Many
colours are right for a thing, so that this asks for the word alone: a sky is to be blue, not the photographed blue.
"""

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.cards import cards_dir
from zoo.errors import UsageError
from zoo.metrics import lab
from zoo.metrics.bootstrap import interval, number
from zoo.support.table import Cell, Table, quantity

COLUMNS = ["set", "file", "sha256", "class", "shape"]


@dataclass(frozen=True)
class NamedClass:
    """A class of things, and the colours that are right for it.

    Attributes:
        hue: lowest and highest hue angle in CIELAB, degrees; None where no hue is asked for.
        chroma: the lowest C* that goes with a hue.
        neutral: a C* of no more than this is right whatever the hue; below 0 none is.
    """

    hue: tuple[float, float] | None
    chroma: float
    neutral: float

    def right(self, a: float, b: float) -> bool:
        """Whether a\\*b\\* is right."""
        chroma = np.hypot(a, b)
        if chroma <= self.neutral:
            return True
        low, high = self.hue or (1, 0)
        return bool(chroma >= self.chroma and low <= np.degrees(np.arctan2(b, a)) % 360 <= high)


@dataclass(frozen=True)
class NamedRegion:
    """A part of an image that shows a named thing.

    Attributes:
        picture: set and file, `SET/FILE`.
        digest: SHA-256 (hex) of the file.
        name: of its class.
        corners: (n, 2): x and y in [0, 1], shares of the image's width and height.
    """

    picture: str
    digest: str
    name: str
    corners: np.ndarray

    def mask(self, height: int, width: int) -> np.ndarray:
        """The region's pixels in an image of that size, boolean (height, width).

        Raises:
            UsageError: there are none.
        """
        from skimage.draw import polygon2mask

        mask = polygon2mask((height, width), self.corners[:, ::-1] * (height, width))
        if not mask.any():
            raise UsageError(f"a region of {self.name!r} in {self.picture} is smaller than a pixel")
        return mask


@dataclass(frozen=True)
class NamedThings:
    """The regions and their classes.

    Attributes:
        classes: by name.
        regions: of all images, those of an image not always together.
        digest: SHA-256 (hex) of the file they are from.
    """

    classes: dict[str, NamedClass]
    regions: list[NamedRegion]
    digest: str

    def pictures(self, folder: Path) -> Iterator[tuple[np.ndarray, list[int]]]:
        """Each image once, uint8 RGB (H, W, 3), with the numbers of its regions.

        Raises:
            UsageError: an image is missing in `folder`, or is another one.
        """
        from zoo.data.decode import decode_rgb

        places: dict[str, list[int]] = {}
        for index, region in enumerate(self.regions):
            places.setdefault(region.picture, []).append(index)
        missing = [picture for picture in places if not (folder / picture).is_file()]
        if missing:
            raise UsageError(
                f"{folder} lacks {len(missing)} of the {len(places)} images, the first is {missing[0]}; give the folder"
                f" in which the sets {', '.join(sorted({picture.split('/')[0] for picture in places}))} are"
            )
        for picture, indices in places.items():
            content = (folder / picture).read_bytes()
            if hashlib.sha256(content).hexdigest() != self.regions[indices[0]].digest:
                raise UsageError(
                    f"{folder / picture} is not the image in which the regions were drawn: SHA-256 differs"
                )
            yield decode_rgb(content), indices

    def judge(self, rgb: np.ndarray, indices: Sequence[int]) -> list[bool]:
        """Of an image's colours, uint8 (H, W, 3): whether the mean a\\*b\\* in each of those regions is right."""
        ab = lab(rgb)[..., 1:]
        regions = [self.regions[index] for index in indices]
        return [self.classes[each.name].right(*ab[each.mask(*ab.shape[:2])].mean(0)) for each in regions]

    def scores(self, right: Sequence[bool]) -> dict[str, dict[str, Any]]:
        """Share of the regions that are right, of each class and of `all`, with intervals over images.

        Args:
            right: of each region.

        Returns:
            By class `value`, `low` and `high` (None of a single image) and `regions`, how many there are.
        """
        found = {}
        for name in (*self.classes, "all"):
            some = [i for i, region in enumerate(self.regions) if name in (region.name, "all")]
            if some:
                hits = np.array([right[i] for i in some], float)
                share = interval(partial(_share, hits), [self.regions[i].picture for i in some])
                found[name] = {"regions": len(some)} | dict(
                    zip(("value", "low", "high"), map(number, share), strict=True)
                )
        return found


def _share(hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights @ hits) / weights.sum(-1)


def scores_table(scores: dict[str, dict[str, dict[str, Any]]]) -> Table:
    """A line a class and a column a candidate, from `NamedThings.scores` by candidate; the interval of all alone."""
    classes = next(iter(scores.values()))
    rows = [
        [name, classes[name]["regions"], *(_cell(each[name], whole=name == "all") for each in scores.values())]
        for name in classes
    ]
    caption = "share of the regions with a right colour; 95 % bootstrap interval over images"
    return Table.of(["", "regions", *scores], rows, numbers=1 + len(scores), caption=caption)


def _cell(found: dict[str, Any], *, whole: bool) -> Cell:
    return quantity(found if whole else {"value": found["value"]})


def load_named_things(path: Path | None = None) -> NamedThings:
    """The regions of a file; of the project's own by default.

    Raises:
        UsageError: the file is not what it should be; the message names the line.
    """
    path = path or cards_dir() / "named-things.csv"
    try:
        content = path.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    lines = text.splitlines()
    head = [line.removeprefix("#").removeprefix(" ") for line in lines if line.startswith("#")]
    try:
        table = tomllib.loads("\n".join(head[head.index("version = 1") :]))
        classes = {
            name: NamedClass(
                tuple(each["hue"]) if "hue" in each else None, each.get("chroma", 0), each.get("neutral", -1)
            )
            for name, each in table["classes"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: its first lines do not say what colours are right: {error}") from None
    reader = csv.DictReader(io.StringIO("\n".join(lines[len(head) :])))
    if reader.fieldnames != COLUMNS:
        raise UsageError(f"{path}: its columns are {reader.fieldnames}, not {COLUMNS}")
    regions, digests = [], dict[str, str]()
    for row in reader:
        picture, digest, name = f"{row['set']}/{row['file']}", row["sha256"] or "", row["class"] or ""
        corners = _corners(row["shape"] or "")
        fault = (
            (name not in classes and f"no class {name!r}; there are {', '.join(classes)}")
            or (not re.fullmatch("[0-9a-f]{64}", digest) and f"{digest!r} is not a SHA-256")
            or (digests.setdefault(picture, digest) != digest and f"{picture} has another SHA-256 above")
            or (".." in picture and f"{picture!r} is not a plain path")
            or (corners is None and f"{row['shape']!r} is not x and y of three corners or more, in [0, 1]")
        )
        if fault or corners is None:
            raise UsageError(f"{path}, line {len(head) + reader.line_num}: {fault}")
        regions.append(NamedRegion(picture, digest, name, corners))
    if not regions:
        raise UsageError(f"{path} has no regions")
    return NamedThings(classes, regions, hashlib.sha256(content).hexdigest())


def _corners(shape: str) -> np.ndarray | None:
    try:
        values = np.array([float(each) for each in shape.split()])
    except ValueError:
        return None
    if len(values) < 6 or len(values) % 2 or not ((values >= 0) & (values <= 1)).all():
        return None
    return values.reshape(-1, 2)
