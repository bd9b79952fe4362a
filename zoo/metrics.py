"""Image metrics in CIELAB, per image, with bootstrap confidence intervals over images."""

from collections.abc import Callable

import numpy as np


def lab(rgb: np.ndarray) -> np.ndarray:
    """uint8 sRGB (…, 3) to CIELAB (…, 3), D65, 2° observer: scikit-image's `rgb2lab`."""
    from skimage.color import rgb2lab

    return rgb2lab(rgb)


def squared_error_ab(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared error a pixel, mean of a* and b*: two Lab images (…, 3) to (…)."""
    return np.mean(np.square(predicted[..., 1:] - truth[..., 1:]), axis=-1)


def chroma(image: np.ndarray) -> np.ndarray:
    """C* = √(a*² + b*²): Lab (…, 3) to (…)."""
    return np.hypot(image[..., 1], image[..., 2])


def rmse(mse_by_image: np.ndarray) -> float:
    """Root of the mean over images of their mean squared errors: the RMSE over all pixels of equal-sized images."""
    return float(np.sqrt(np.mean(mse_by_image)))


def paired_interval(
    statistic: Callable[[np.ndarray], float],
    a: np.ndarray,
    b: np.ndarray,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[float, float, float]:
    """statistic(a) − statistic(b) and its 95 % bootstrap interval, resampling images in pairs.

    Percentile bootstrap (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    Args:
        statistic: of per-image values (n,) to a number.
        a: per-image values of one candidate, (n,).
        b: those of the other on the same images, (n,).
        seed: of the resampling.
        resamples: how many.

    Returns:
        difference, lower bound, upper bound. With a single image the bounds are NaN: nothing can be said.
    """
    difference = statistic(a) - statistic(b)
    count = len(a)
    if count < 2:
        return difference, float("nan"), float("nan")
    from scipy.stats import bootstrap

    indices = np.arange(count)

    def resampled(chosen: np.ndarray) -> float:
        return statistic(a[chosen]) - statistic(b[chosen])

    interval = bootstrap(
        (indices,),
        resampled,
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return difference, float(interval.low), float(interval.high)
