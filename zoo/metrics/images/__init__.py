"""Metrics of coloured images against their truth. Each, or each close family, is a file of this folder.

A metric keeps a few numbers of each image, and is a function of those of all images: nothing else is kept, and a
bootstrap only weighs them anew. Images are what a user sees, uint8 RGB. Accuracy metrics reward averaging, and a gain
fakes colourfulness: tables show both groups together.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.metrics.bootstrap import Statistic
from zoo.metrics.metric import Metric
from zoo.metrics.pair import Pair, pairs_of
from zoo.support.names import Registry, import_all

GROUPS = ("colourfulness", "accuracy")

Sums = np.ndarray
Measure = Callable[[Pair], Any]


@dataclass(frozen=True, kw_only=True)
class ImageMetric(Metric):
    """A metric of images, called as a function of two RGB arrays.

    Attributes:
        name: what tables, result files and `zoo.metrics` call it.
        group: one of `GROUPS`; which table it stands in.
        sums: of a pair, what is kept of it, a vector (k,).
        statistic: of what is kept of all images, (n, k), the metric as a function of their weights: (…, n) to (…).
    """

    name: str
    group: str
    sums: Callable[[Pair], Sums]
    statistic: Callable[[Sums], Statistic]

    def over(self, kept: Sums) -> float:
        """The metric over images of which `kept` (n, k) is kept; NaN where it is not defined."""
        return float(self.statistic(kept)(np.ones(len(kept))))

    def __call__(self, predicted: Any, truth: Any) -> float:
        """The metric of a coloured image and its truth, or over several.

        Args:
            predicted: RGB (H, W, 3) or (N, H, W, 3), uint8 in 0…255 or float in [0, 1], or a list of such arrays.
            truth: likewise; as many images of the same sizes.

        Returns:
            The value, in the metric's unit; NaN where it is not defined.

        Raises:
            UsageError: other arrays, or sizes that differ.
        """
        return self.over(np.stack([self.sums(pair) for pair in pairs_of(predicted, truth)]))


IMAGE_METRICS: Registry[ImageMetric] = Registry("metric")


def mean(sums: Sums) -> np.ndarray:
    """The first of two sums over the second, (…, 2) to (…); NaN where that is not positive."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def register_metric(
    name: str,
    *,
    group: str,
    unit: str = "1",
    higher_is_better: bool | None,
    meaning: str,
    version: int = 1,
    target: float | None = None,
    value: Callable[[Sums], np.ndarray] | None = None,
    statistic: Callable[[Sums], Statistic] | None = None,
) -> Callable[[Measure], ImageMetric]:
    """Registers the decorated function of a `Pair` as a metric, which it becomes.

    The function answers with a number, and the metric is its mean over images; or with a map (H, W), and it is the
    mean over the pixels of all images; or, where `value` or `statistic` is given, with a vector (k,) of what to keep.

    Args:
        name: a Python name.
        group: `colourfulness` or `accuracy`.
        unit: of the value.
        higher_is_better: None where the truth's own value is best, or `target`.
        meaning: formula and source in a line.
        version: to count up when the definition changes.
        target: the best value, where it is the same for all images.
        value: of summed vectors (…, k) the metric (…); the sums are value and 1, or the map's sum and its pixels, or
            the function's vector. `mean` by default.
        statistic: instead of `value`, for what is no formula over sums: see `ImageMetric`.

    Raises:
        ValueError: the name is taken or no Python name, or there is no such group.
    """
    if not name.isidentifier():
        raise ValueError(f"metric {name!r}: the name has to be a Python name, of letters, digits and underscores")
    if group not in GROUPS:
        raise ValueError(f"metric {name!r} is of group {group!r}: it has to be {' or '.join(GROUPS)}")
    formula = value or mean

    def weighted(kept: Sums) -> Statistic:
        return lambda weights: formula(weights @ kept)

    def decorate(measure: Measure) -> ImageMetric:
        def sums(pair: Pair) -> Sums:
            found = np.asarray(measure(pair))
            if found.ndim == 0:
                return np.array([found, 1.0])
            if found.shape == pair.truth.shape[:2]:
                return np.array([found.sum(), found.size])
            if found.ndim == 1 and (value or statistic):
                return found
            raise ValueError(
                f"metric {name!r} answered with shape {found.shape}: give a number, a map of the image's size"
                f" {pair.truth.shape[:2]}, or a vector and `value`, the formula over its sums"
            )

        metric = ImageMetric(
            unit,
            higher_is_better,
            version,
            meaning,
            target,
            name=name,
            group=group,
            sums=sums,
            statistic=statistic or weighted,
        )
        IMAGE_METRICS.add(name, metric)
        return metric

    return decorate


def names_of(group: str) -> tuple[str, ...]:
    """The names of the metrics of a group, in the order of their columns."""
    return tuple(name for name in IMAGE_METRICS if IMAGE_METRICS[name].group == group)


def image_sums(pair: Pair) -> dict[str, Sums]:
    """What every metric keeps of an image, by name."""
    return {name: IMAGE_METRICS[name].sums(pair) for name in IMAGE_METRICS}


def evaluate(predicted: Any, truth: Any) -> dict[str, float]:
    """Every metric of a coloured image and its truth, or over several.

    Floats are rounded to 8 bits, as a saved image's are. The energy distances look at some pixels of each image,
    drawn with the seed 0; `zoo.evaluate` seeds them with the names of its files.

    Args:
        predicted: RGB (H, W, 3) or (N, H, W, 3), uint8 in 0…255 or float in [0, 1], or a list of such arrays.
        truth: likewise; as many images of the same sizes.

    Returns:
        Values by name, in the units of `IMAGE_METRICS`: NaN where one is not defined, as the chroma ratio to a grey
        truth, and infinity for the PSNR of the truth itself.

    Raises:
        UsageError: other arrays, or sizes that differ.
    """
    kept = [image_sums(pair) for pair in pairs_of(predicted, truth)]
    return {name: IMAGE_METRICS[name].over(np.stack([sums[name] for sums in kept])) for name in IMAGE_METRICS}


# Their columns come first and in this order; those of any other file follow.
for _first in ("colorfulness", "chroma_ratio", "delta_e00", "rmse_ab", "auc", "ab_energy"):
    importlib.import_module(f"{__name__}.{_first}")
import_all(__name__, __path__)
