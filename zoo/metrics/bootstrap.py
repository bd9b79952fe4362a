"""Bootstrap intervals and jackknife pseudo-values over images, or over groups of images that are not independent."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
Statistic = Callable[[np.ndarray], np.ndarray]
Found = dict[str, Any]
BATCH = 100


def interval(
    statistic: Statistic,
    groups: Sequence[object],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """A statistic of images and its 95 % bootstrap interval: `intervals` of a single number."""
    value, low, high = intervals(statistic, groups, seed=seed, resamples=resamples)
    return float(value), float(low), float(high)


def intervals(
    statistic: Statistic,
    groups: Sequence[object],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics of images and their 95 % bootstrap intervals, resampling whole groups.

    Percentile bootstrap (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), by scipy. A
    difference of two candidates, computed inside `statistic` from the same weights, is a paired one.

    Args:
        statistic: of weights of the images, (…, n), how often each was drawn; answers with (…) or, for m statistics
            at once, with (m, …).
        groups: the group of each image; pages of one book, say, are drawn together.
        seed: of the resampling.
        resamples: how many.

    Returns:
        value, lower bound, upper bound. With a single group the bounds are NaN: nothing can be said; so are
        those of a statistic that a resample leaves undefined.
    """
    names, group = np.unique([str(name) for name in groups], return_inverse=True)
    value = np.asarray(statistic(np.ones(len(group))))
    if len(names) < 2:
        unknown = np.full_like(value, np.nan, dtype=float)
        return value, unknown, unknown
    from scipy.stats import DegenerateDataWarning, bootstrap

    places = np.arange(len(names))

    def resampled(drawn: np.ndarray, axis: int = -1) -> np.ndarray:
        counts = (np.moveaxis(drawn, axis, -1)[..., None] == places).sum(axis=-2)
        return statistic(counts[..., group].astype(float))

    with warnings.catch_warnings():
        # A statistic that some resample leaves undefined has no interval: NaN says so.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            (places,),
            resampled,
            n_resamples=resamples,
            batch=BATCH,
            vectorized=True,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return value, found.low, found.high


def pseudo_values(statistic: Statistic, groups: Sequence[object]) -> np.ndarray:
    """The jackknife pseudo-value of each group: Gθ − (G − 1)θ₋g, with θ₋g the statistic without group g.

    What each group adds to a statistic that need not be a mean: their mean is the statistic, nearly, and for a mean
    over images, each its own group, they are the images' values. So two candidates on the same images are compared
    group by group, whatever the metric (Tukey; Efron & Tibshirani, 1993, chapter 11).

    Args:
        statistic: as `intervals` takes it.
        groups: the group of each image.

    Returns:
        (G,) or, of m statistics at once, (m, G), in the order of the groups' sorted names. Of one group the statistic.
    """
    names, group = np.unique([str(name) for name in groups], return_inverse=True)
    count = len(names)
    whole = np.asarray(statistic(np.ones(len(group))), dtype=float)[..., None]
    if count < 2:
        return whole
    without = (group != np.arange(count)[:, None]).astype(float)
    return count * whole - (count - 1) * np.asarray(statistic(without), dtype=float)


def scored(statistic: Statistic, groups: Sequence[object]) -> Found:
    """What a result row keeps of a statistic: `value`, `low`, `high`, and `values`, the pseudo-values; six digits."""
    return found(*interval(statistic, groups), pseudo_values(statistic, groups))


def found(value: float, low: float, high: float, values: np.ndarray) -> Found:
    """The same of numbers that are there already."""
    return {"value": number(value), "low": number(low), "high": number(high)} | {"values": [number(x) for x in values]}


def number(value: float) -> float | None:
    """Six digits are more than any metric has; None for what is not defined."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
