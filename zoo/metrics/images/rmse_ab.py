"""The squared error of a* and b*, as their root mean square and in decibels."""

import numpy as np

from zoo.metrics.images import Sums, mean, register_metric
from zoo.metrics.pair import Pair


def squared_error_ab(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared error a pixel, mean of a* and b*: two Lab images (…, 3) to (…)."""
    return np.mean(np.square(predicted[..., 1:] - truth[..., 1:]), axis=-1)


def _rmse(sums: Sums) -> np.ndarray:
    return np.sqrt(mean(sums))


def _psnr(sums: Sums) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 20 * np.log10(255 / _rmse(sums))


@register_metric(
    "rmse_ab",
    group="accuracy",
    unit="a*b*",
    higher_is_better=False,
    meaning="root of the mean squared error over pixels and a*, b*",
    value=_rmse,
)
def _rmse_ab(pair: Pair) -> np.ndarray:
    return squared_error_ab(pair.predicted_lab, pair.truth_lab)


@register_metric(
    "psnr_ab",
    group="accuracy",
    unit="dB",
    higher_is_better=True,
    meaning="20 log10(255 / rmse_ab): on a* and b* alone, since RGB flatters with the copied luma",
    value=_psnr,
)
def _psnr_ab(pair: Pair) -> np.ndarray:
    return squared_error_ab(pair.predicted_lab, pair.truth_lab)
