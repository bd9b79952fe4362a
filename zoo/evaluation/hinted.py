"""What hints buy: the same hints for every candidate, more and more of them, and what becomes of the page.

Hints are the truth's: a hint's colour is the mean of the 3 × 3 pixels around its place. The first five of ten hints are
the five.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from zoo.chroma.regions import innermost
from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.errors import UsageError
from zoo.evaluation.candidates import Subject, label_of
from zoo.evaluation.propagation import BASELINES
from zoo.metrics import INDICES, AveragingIndices, Region, lab, regions
from zoo.metrics.bootstrap import interval, number
from zoo.pages.asking import questions
from zoo.pages.colorizer import Colorizer, Examined
from zoo.pages.guide import Guide
from zoo.pages.hint import Hint
from zoo.pages.scan import Scan

PLACES = ("random", "together", "rank", "error")
"""Where hints are: anywhere; the first anywhere and the others beside it; where `zoo hints` asks; where the first
candidate errs most and over the largest area."""

PER_THING = ("class", "object")
"""In place of a number of hints, on drawn pages: one for each class on the page, or for each object."""

MOST = 100
NEAR = 1  # pixels around a hint that its colour is the mean of
NEAR_INK, INK = 2, 0.15  # pixels, luma
OBEYED = 2.0  # ΔE00
FAR = 0.35  # of the longer side
LEAST_FAR = 0.05  # of the pixels: else nothing is far
NEIGHBOUR = 12  # pixels from an object that its neighbours are looked at in
SINGLE_HINTS = 4  # of a drawn page, each by itself
BLED = 5.0  # ΔE00 nearer to the hint of a neighbour than without it


@dataclass(frozen=True)
class HintMetric:
    """What is measured of a page with hints.

    Attributes:
        title: of a table's column.
        meaning: one line.
        digits: after the point.
    """

    title: str
    meaning: str
    digits: int = 2


METRICS = {
    "psnr": HintMetric("PSNR ↑", "peak signal to noise of RGB, dB, the mean over images"),
    "delta_e00": HintMetric("ΔE00 ↓", "mean CIEDE2000 over pixels"),
    "near_ink": HintMetric("near ink ↓", f"ΔE00 within {NEAR_INK} pixels of ink (luma below {INK:g})"),
    "obeyed": HintMetric("obeyed ↑", f"share of hints within ΔE00 {OBEYED:g} of what luma allows, at full size", 4),
    "far": HintMetric("far ↓", f"ΔE00 farther than {FAR:g} of the longer side from all hints, less that without hints"),
}
"""Of every image; the averaging indices are of drawn pages besides."""


def parse_counts(text: str) -> list[int | str]:
    """The counts that `--hints` names: numbers, or words of `PER_THING`.

    Raises:
        UsageError: one of them is neither.
    """
    counts: list[int | str] = []
    for word in text.split(","):
        word = word.strip()
        if word in PER_THING:
            counts.append(word)
        elif word.isascii() and word.isdigit() and len(word) <= len(str(MOST)) and int(word) <= MOST:
            counts.append(int(word))
        else:
            raise UsageError(f"--hints {word!r}: give numbers up to {MOST}, or {' or '.join(PER_THING)} on drawn pages")
    return list(dict.fromkeys(counts))


@dataclass
class Hinted:
    """What a candidate did with so many hints.

    Attributes:
        candidate: what tables call it.
        count: of hints, or a word of `PER_THING`.
        values: each metric, by image.
        found: of drawn pages, every object.
    """

    candidate: str
    count: int | str
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in METRICS})
    found: list[Region] = field(default_factory=list)


class HintEvaluation:
    """Gives every candidate the same hints.

    Args:
        models: as `Colorizer` takes them. The first says where hints are by rank or by error.
        counts: of `parse_counts`.
        places: of `PLACES`.
        palettes: U and V of each possible colour by class, for drawn pages.
        decode: of classifiers; None for each one's page decoder.
        seed: of random places.

    Attributes:
        measured: by candidate and count.
        bled: of drawn pages, by model: pixels of other figures that single hints ran into, and pixels looked at.
    """

    def __init__(
        self,
        models: Sequence[str],
        counts: Sequence[int | str],
        places: str,
        palettes: dict[int, np.ndarray],
        *,
        decode: str | None = None,
        seed: int = 0,
    ) -> None:
        self._colorizers = {label_of(model): Colorizer(model) for model in models}
        if len(self._colorizers) < len(models):
            raise UsageError("two of the models have one name: rename one")
        if decode and not any(each.decode for each in self._colorizers.values()):
            raise UsageError(f"--decode {decode}: none of the candidates is a classifier")
        for each in self._colorizers.values():
            if decode and each.decode:
                each.decode = decode
        self._counts, self._places, self._palettes, self._seed = counts, places, palettes, seed
        self._images: list[str] = []
        self._groups: list[str] = []
        self._unhinted: dict[str, np.ndarray] = {}
        self.measured: dict[tuple[str, int | str], Hinted] = {}
        self.bled: dict[str, tuple[int, int]] = {}

    @property
    def groups(self) -> int:
        """How many groups of images there are."""
        return len(set(self._groups))

    def add(self, subject: Subject) -> None:
        """Has every candidate colour an image, with every number of hints."""
        self._images.append(subject.name)
        self._groups.append(subject.group)
        luma, uv = split_luma(subject.rgb / np.float32(255))
        scan = Scan(np.rint(luma[..., 0] * 65535).astype(np.uint16))
        seen = {label: each.examined([each.pictures(scan)])[0] for label, each in self._colorizers.items()}
        first = next(iter(self._colorizers))
        places = self._numbered(subject, luma[..., 0], uv, self._colorizers[first], seen[first])
        self._unhinted.clear()
        for count in sorted(self._counts, key=lambda count: count != 0):
            where = places[:count] if isinstance(count, int) else _of_things(subject, count)
            hints = [hint_of(subject.rgb, row, column) for row, column in where]
            for label, colorizer in self._colorizers.items():
                chroma = seen[label].chroma(colorizer.decode, self._seed, Guide(tuple(hints)))
                rgb = colorizer.paint(scan, chroma, hints=hints)
                self._measure(label, count, subject, luma, (rgb >> 8).astype(np.uint8), hints)
            if count == 0:
                continue
            at = np.array(where)
            colors = np.array([hint.uv for hint in hints])
            for label, spread in BASELINES.items():
                # A drawn page without the things that are asked for has no hints, and stays grey.
                chroma = spread(luma[..., 0], at, colors) if hints else np.zeros((*luma.shape[:2], 2))
                rgb = to_uint8(compose(luma, chroma)[0])
                self._measure(label, count, subject, luma, rgb, hints)
        if subject.maps:
            for label, colorizer in self._colorizers.items():
                self._bleed(label, colorizer, seen[label], subject, scan)

    def _bleed(self, label: str, colorizer: Colorizer, examined: Examined, subject: Subject, scan: Scan) -> None:
        """Counts how far single hints run into other figures."""

        def colored(hints: Sequence[Hint]) -> np.ndarray:
            chroma = examined.chroma(colorizer.decode, self._seed, Guide(tuple(hints)))
            return (colorizer.paint(scan, chroma, hints=hints) >> 8).astype(np.uint8)

        bled, looked = bleeding(subject, colored([]), colored, SINGLE_HINTS)
        before = self.bled.get(label, (0, 0))
        self.bled[label] = before[0] + bled, before[1] + looked

    def _numbered(
        self, subject: Subject, luma: np.ndarray, uv: np.ndarray, colorizer: Colorizer, examined: Examined
    ) -> list[tuple[int, int]]:
        """Rows and columns of the hints, those that are worth most first."""
        most = max((count for count in self._counts if isinstance(count, int)), default=0)
        height, width = luma.shape
        draw = np.random.default_rng([self._seed, zlib.crc32(subject.name.encode())])
        scattered = list(
            zip(
                draw.integers(NEAR, max(NEAR + 1, height - NEAR), MOST).tolist(),
                draw.integers(NEAR, max(NEAR + 1, width - NEAR), MOST).tolist(),
                strict=True,
            )
        )
        if self._places == "random":
            return scattered[:most]
        if self._places == "together":
            return sorted(scattered, key=lambda place: math.dist(place, scattered[0]))[:most]
        if self._places == "rank":
            asked = [(each.y, each.x) for each in questions(examined, most)]
        else:
            error = np.linalg.norm(self._error(examined, colorizer, luma, uv), axis=-1)
            asked = [(each.y, each.x) for each in questions(examined, most, worth=error)]
        # A page of a few regions has fewer places than hints were asked for.
        return (asked + [place for place in scattered if place not in asked])[:most]

    def _error(self, examined: Examined, colorizer: Colorizer, luma: np.ndarray, uv: np.ndarray) -> np.ndarray:
        """U and V that are missing without hints, (H, W, 2)."""
        rgb = colorizer.paint(Scan(np.rint(luma * 65535).astype(np.uint16)), examined.chroma(colorizer.decode))
        return split_luma(rgb / np.float32(65535))[1] - uv

    def _measure(
        self,
        label: str,
        count: int | str,
        subject: Subject,
        luma: np.ndarray,
        rgb: np.ndarray,
        hints: Sequence[Hint],
    ) -> None:
        from skimage.color import deltaE_ciede2000

        kept = self.measured.setdefault((label, count), Hinted(label, count))
        found, truth = lab(rgb), lab(subject.rgb)
        apart = deltaE_ciede2000(truth, found)
        error = np.mean((rgb.astype(float) - subject.rgb) ** 2)
        near = ndimage.binary_dilation(luma[..., 0] < INK, iterations=NEAR_INK)
        obeyed = [_obeyed(rgb, luma, hint) for hint in hints]
        if not hints:
            self._unhinted[label] = apart
        far = _far(luma.shape[:2], hints) if label in self._unhinted else np.zeros_like(near)
        values = {
            "psnr": 10 * np.log10(255**2 / max(error, 1e-3)),
            "delta_e00": apart.mean(),
            "near_ink": apart[near].mean() if near.any() else np.nan,
            "obeyed": np.mean(obeyed) if obeyed else np.nan,
            "far": (apart - self._unhinted[label])[far].mean() if far.mean() >= LEAST_FAR else np.nan,
        }
        for name, value in values.items():
            kept.values[name].append(float(value))
        if subject.maps:
            kept.found += regions(subject.name, found, subject.rgb, *subject.maps[:2])

    def rows(self) -> list[dict[str, Any]]:
        """A row a candidate and number of hints: metrics with intervals, and paired differences in PSNR."""
        found = []
        for (label, count), kept in self.measured.items():
            row: dict[str, Any] = {"candidate": label, "hints": count}
            for name in METRICS:
                row[name] = list(self._interval(kept.values[name]))
            row["psnr over no hints"] = self._over(kept, self.measured.get((label, 0)))
            others = [self.measured[name, count] for name in BASELINES if (name, count) in self.measured]
            best = max(others, key=lambda each: np.mean(each.values["psnr"]), default=None)
            row["psnr over the best without learning"] = self._over(kept, None if kept in others else best)
            if kept.found:
                indices = AveragingIndices(kept.found, self._palettes, self._images)(np.ones(len(self._images)))
                row |= {name: number(float(value)) for name, value in zip(INDICES, indices.values(), strict=True)}
            row["images"] = {name: [number(value) for value in kept.values[name]] for name in METRICS}
            found.append(row)
        return found

    def _interval(self, values: Sequence[float]) -> tuple[float | None, ...]:
        each = np.asarray(values)
        known = np.isfinite(each)
        if not known.any():
            return None, None, None
        groups = [group for group, there in zip(self._groups, known, strict=True) if there]
        x = each[known]
        return tuple(number(value) for value in interval(lambda w: w @ x / w.sum(axis=-1), groups))

    def _over(self, kept: Hinted, base: Hinted | None) -> list[float | None] | None:
        if base is None or base is kept:
            return None
        return list(self._interval(np.subtract(kept.values["psnr"], base.values["psnr"]).tolist()))


def hint_of(rgb: np.ndarray, row: int, column: int) -> Hint:
    """The hint that the truth gives at a place."""
    around = rgb[max(0, row - NEAR) : row + NEAR + 1, max(0, column - NEAR) : column + NEAR + 1].reshape(-1, 3)
    red, green, blue = (int(value) for value in np.rint(around.mean(axis=0)))
    return Hint(int(column), int(row), (red, green, blue), "a hint")


def _obeyed(rgb: np.ndarray, luma: np.ndarray, hint: Hint) -> bool:
    """Whether a page has a hint's colour at its place, as far as luma allows."""
    from skimage.color import deltaE_ciede2000

    wanted = to_uint8(compose(luma[hint.y, hint.x], hint.uv)[0])
    pair = np.stack([rgb[hint.y, hint.x], wanted])[None]
    return bool(deltaE_ciede2000(*lab(pair)[0]) <= OBEYED)


def _far(size: tuple[int, ...], hints: Sequence[Hint]) -> np.ndarray:
    """Which pixels are far from all hints, (H, W); none where there are no hints."""
    away = np.ones(size, bool)
    for hint in hints:
        away[hint.y, hint.x] = False
    if away.all():
        return ~away
    return np.asarray(ndimage.distance_transform_edt(away) > FAR * max(size))


def _of_things(subject: Subject, count: str) -> list[tuple[int, int]]:
    """A place in each object of a drawn page, or in the largest object of each class: far from its edges."""
    assert subject.maps is not None
    classes, objects = subject.maps[:2]
    largest: dict[int, tuple[int, tuple[int, int]]] = {}
    for identity, box in enumerate(ndimage.find_objects(objects), start=1):
        if box is None:
            continue
        inside = objects[box] == identity
        row, column = innermost(inside)
        place = box[0].start + row, box[1].start + column
        key = identity if count == "object" else int(classes[place])
        if largest.get(key, (0, place))[0] < inside.sum():
            largest[key] = int(inside.sum()), place
    return [place for _, place in largest.values()]


def bleeding(
    subject: Subject, plain: np.ndarray, color: Callable[[Sequence[Hint]], np.ndarray], limit: int
) -> tuple[int, int]:
    """How far single hints run into the figures beside theirs.

    One object at a time is given a colour that is not its own. A pixel beside it, of an object of another class, has
    bled if it is nearer to that colour than without the hint, by more than `BLED`.

    Args:
        subject: a drawn page.
        plain: it without hints, uint8 RGB.
        color: it with some hints.
        limit: objects at most.

    Returns:
        Pixels that bled, and pixels that were looked at.
    """
    from skimage.color import deltaE_ciede2000

    assert subject.maps is not None
    classes, objects = subject.maps[:2]
    bled = looked = 0
    draw = np.random.default_rng(zlib.crc32(subject.name.encode()))
    identities = draw.permutation(np.unique(objects[objects > 0]))[:limit]
    for identity in identities:
        inside = objects == identity
        row, column = innermost(inside)
        own = classes[row, column]
        beside = ndimage.binary_dilation(inside, iterations=NEIGHBOUR) & (objects > 0) & (classes != own)
        if not beside.any():
            continue
        luma = split_luma(subject.rgb[row, column] / 255)[0]
        uv = [(0.25, -0.1), (-0.1, 0.25), (-0.2, -0.2)][int(draw.integers(3))]
        wanted = to_uint8(compose(luma, np.array(uv))[0])
        hint = Hint(column, row, tuple(int(value) for value in wanted), "a hint")  # type: ignore[arg-type]
        after = color([hint])
        target = lab(wanted[None, None])
        nearer = deltaE_ciede2000(lab(plain), target) - deltaE_ciede2000(lab(after), target)
        bled += int((nearer[beside] > BLED).sum())
        looked += int(beside.sum())
    return bled, looked


def plot(rows: Iterable[dict[str, Any]], path: Path, title: str) -> None:
    """Writes curves of PSNR and ΔE00 over the number of hints, a line a candidate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from zoo.support.files import atomic_path

    counted = [row for row in rows if isinstance(row["hints"], int)]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for label in dict.fromkeys(row["candidate"] for row in counted):
        own = sorted((row for row in counted if row["candidate"] == label), key=lambda row: row["hints"])
        style = "--" if label in BASELINES else "-"
        for axis, name in zip(axes, ("psnr", "delta_e00"), strict=True):
            values = [row[name][0] for row in own]
            axis.plot([row["hints"] for row in own], values, style, marker="o", markersize=4, label=label)
            axis.set_xlabel("hints on the page")
            axis.set_ylabel({"psnr": "PSNR of RGB, dB", "delta_e00": "ΔE00"}[name])
    axes[0].legend()
    figure.suptitle(title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    pyplot.close(figure)
