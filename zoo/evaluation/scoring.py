"""Candidates through the metrics: sums and regions image by image, then values with intervals."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from zoo.chroma.yuv import split_luma
from zoo.data.dataset import Dataset, Split
from zoo.errors import UsageError
from zoo.evaluation.candidates import Candidate, Model, Subject, answer_of
from zoo.evaluation.record import CHROMA_EDGES, Measured
from zoo.metrics import (
    IMAGE_METRICS,
    INDICES,
    AveragingIndices,
    Pair,
    Region,
    chroma,
    colorfulness,
    image_sums,
    regions,
)
from zoo.metrics.bootstrap import found as found_of
from zoo.metrics.bootstrap import intervals, number, pseudo_values, scored
from zoo.metrics.classification import calibration, classification_sums, ece, nll_bits
from zoo.results import Found, Way

INDEX_RESAMPLES = 500
GAIN_SUBJECTS, GAIN_SIDE = 24, 256  # how many images, and how much of their middle, a gain is matched on
LARGEST_GAIN = 8.0
SHEET_SUBJECTS = 6


@dataclass
class Collected:
    """What is kept of a candidate: sums an image, and a sample of each object."""

    sums: dict[str, list[np.ndarray]] = field(default_factory=lambda: {name: [] for name in IMAGE_METRICS})
    found: list[Region] = field(default_factory=list)
    squeezed: list[float] = field(default_factory=list)
    classification: list[np.ndarray] = field(default_factory=list)
    chroma: np.ndarray = field(default_factory=lambda: np.zeros(len(CHROMA_EDGES) - 1))
    object_uv: dict[int, list[list[float]]] = field(default_factory=dict)
    pictures: list[np.ndarray] = field(default_factory=list)


def subjects(dataset: Dataset, split: str, *, limit: int | None, max_side: int) -> Iterator[Subject]:
    """The images of a split, in the data set's order; of larger ones the middle `max_side` by `max_side` pixels.

    Groups are read from a `manifest.csv` with the columns `file` and `group` beside the splits, where there is one.

    Raises:
        UsageError: the split has no images, or the manifest lacks one of them.
    """
    chosen: Split = dataset.splits[split]
    if not chosen.images:
        raise UsageError(f"{dataset.name} has no images in its {split} split")
    facts = dataset.facts("group")
    for image in chosen.images[:limit]:
        rgb = _middle(image.decode(), max_side)
        maps = None
        if chosen.read_maps:
            classes, objects, modes = (_middle(each, max_side) for each in chosen.read_maps(image.path))
            maps = classes, objects, modes
        yield Subject(image.name, facts[image.name]["group"] if image.name in facts else image.name, rgb, maps)


def _middle(image: np.ndarray, side: int) -> np.ndarray:
    """The middle `side` by `side` pixels, or what there is of them."""
    top, left = ((size - min(size, side)) // 2 for size in image.shape[:2])
    return image[top : top + side, left : left + side]


def matched_gain(model: Model, some: Sequence[Subject]) -> float | None:
    """The factor of U and V at which a regression's mean colourfulness is the truth's; None if it cannot get there."""
    parts = [_middle(subject.rgb, GAIN_SIDE) for subject in some]
    answers = [model.predict(part) for part in parts]
    predicted = [(luma, model.uv(luma, prediction, None)) for luma, prediction in answers]
    wanted = np.mean([colorfulness(part) for part in parts])

    def missing(gain: float) -> float:
        found = [colorfulness(answer_of(luma, gain * uv).rgb) for luma, uv in predicted]
        return float(np.mean(found) - wanted)

    from scipy.optimize import brentq

    if missing(LARGEST_GAIN) < 0 or missing(1 / LARGEST_GAIN) > 0:
        return None
    return float(brentq(missing, 1 / LARGEST_GAIN, LARGEST_GAIN, xtol=0.005))


class Evaluation:
    """Collects what candidates answer, and says how good it is.

    Args:
        palettes: U and V of each mode by class label, for pages with maps.
        names: of the classes, by label.
    """

    def __init__(self, palettes: dict[int, np.ndarray], names: dict[int, str]) -> None:
        self._palettes, self._names = palettes, names
        self._images: list[str] = []
        self._groups: list[str] = []
        self._collected: dict[Way, Collected] = {}

    def add(self, subject: Subject, candidates: Sequence[Candidate]) -> None:
        """Has every candidate colour an image."""
        self._images.append(subject.name)
        self._groups.append(subject.group)
        for candidate in candidates:
            for way, answer in zip(candidate.ways, candidate.answers(subject), strict=True):
                kept = self._collected.setdefault(way, Collected())
                pair = Pair(subject.name, answer.rgb, subject.rgb)
                for metric, sums in image_sums(pair).items():
                    kept.sums[metric].append(sums)
                kept.squeezed.append(answer.squeezed)
                if answer.logits is not None:
                    assert answer.uv is not None
                    kept.classification.append(classification_sums(answer.logits, answer.uv))
                shown = np.minimum(chroma(pair.predicted_lab), CHROMA_EDGES[-1])
                kept.chroma += np.histogram(shown, CHROMA_EDGES)[0]
                if len(self._images) <= SHEET_SUBJECTS:
                    kept.pictures.append(answer.rgb)
                if subject.maps:
                    for label, means in _object_means(answer.rgb, *subject.maps[:2]).items():
                        kept.object_uv.setdefault(label, []).extend(means)
                    kept.found += regions(subject.name, answer.lab, subject.rgb, *subject.maps[:2])

    def results(self) -> list[Measured]:
        """What was measured of each candidate's ways, in their order."""
        return [self._result(way, kept) for way, kept in self._collected.items()]

    @property
    def pictures(self) -> dict[str, list[np.ndarray]]:
        """What each way made of the first images, uint8 RGB, by its title."""
        return {way.title: kept.pictures for way, kept in self._collected.items()}

    @property
    def images(self) -> list[dict[str, str]]:
        """Name and group of every image, in the order of the per-image values."""
        return [{"name": name, "group": group} for name, group in zip(self._images, self._groups, strict=True)]

    def _result(self, way: Way, kept: Collected) -> Measured:
        scores: dict[str, Found] = {}
        per_image: dict[str, list[float | None]] = {}
        for metric in IMAGE_METRICS:
            definition, sums = IMAGE_METRICS[metric], np.stack(kept.sums[metric])
            if math.isfinite(definition.over(sums)):
                scores[metric] = scored(definition.statistic(sums), self._groups)
            else:  # the truth's PSNR
                scores[metric] = _undefined()
            per_image[metric] = [number(definition.over(each[None])) for each in sums]
        if kept.found:
            scores |= self._indices(kept.found)
        if kept.classification:
            sums = np.stack(kept.classification)
            table = calibration(sums.sum(axis=0))
            scores["nll_bits"] = scored(partial(_weighted, nll_bits, sums), self._groups)
            scores["ece_u"] = scored(partial(_weighted, lambda each: ece(each)[..., 0], sums), self._groups)
            scores["ece_v"] = scored(partial(_weighted, lambda each: ece(each)[..., 1], sums), self._groups)
        return Measured(
            way,
            scores,
            per_image,
            squeezed=number(float(np.mean(kept.squeezed))),
            chroma_histogram=[number(share) or 0.0 for share in kept.chroma / kept.chroma.sum()],
            object_uv={self._names[label]: means for label, means in kept.object_uv.items()} or None,
            calibration=[[[number(x) for x in row] for row in head] for head in table] if kept.classification else None,
        )

    def _indices(self, found: list[Region]) -> dict[str, Found]:
        indices = AveragingIndices(found, self._palettes, self._images)

        def statistic(weights: np.ndarray) -> np.ndarray:
            values = [list(indices(w).values()) for w in weights.reshape(-1, weights.shape[-1])]
            return np.moveaxis(np.reshape(values, (*weights.shape[:-1], len(INDICES))), -1, 0)

        rows = intervals(statistic, self._groups, resamples=INDEX_RESAMPLES)
        columns = zip(*rows, pseudo_values(statistic, self._groups), strict=True)
        return {name: found_of(*each) for name, each in zip(INDICES, columns, strict=True)}


def ideal_results() -> dict[str, dict[str, float | None]]:
    """The indices of every oracle without noise and chance, by name."""
    from zoo.evaluation.oracles import ORACLES, ideal_indices

    found = {name: ideal_indices(oracle) for name, oracle in ORACLES.items()}
    return {name: {index: number(value) for index, value in values.items()} for name, values in found.items()}


def _object_means(rgb: np.ndarray, classes: np.ndarray, objects: np.ndarray) -> dict[int, list[list[float]]]:
    """Mean U and V of each object, by the label of its class."""
    uv = split_luma(rgb / 255)[1]
    inside = objects > 0
    _, first, which = np.unique(objects[inside], return_index=True, return_inverse=True)
    counts = np.bincount(which)
    means = np.stack([np.bincount(which, uv[inside][:, c]) / counts for c in range(2)], axis=-1)
    found: dict[int, list[list[float]]] = {}
    for label, mean in zip(classes[inside][first], means, strict=True):
        found.setdefault(int(label), []).append([round(float(x), 5) for x in mean])
    return found


def _weighted(value: Callable[[np.ndarray], np.ndarray], sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return value(weights @ sums)


def _undefined() -> Found:
    return {"value": None, "low": None, "high": None, "values": None}
