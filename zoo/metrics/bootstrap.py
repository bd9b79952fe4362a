"""Bootstrap confidence intervals over images, or over groups of images that are not independent."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 2000
BATCH = 100


def interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    groups: Sequence[object],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """A statistic of images and its 95 % bootstrap interval: `intervals` of a single number."""
    value, low, high = intervals(statistic, groups, seed=seed, resamples=resamples)
    return float(value), float(low), float(high)


def intervals(
    statistic: Callable[[np.ndarray], np.ndarray],
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
