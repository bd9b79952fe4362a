"""The area under the curve of the share of pixels whose error is below a threshold."""

import numpy as np

from zoo.metrics.images import Sums, register_metric
from zoo.metrics.pair import Pair

AB_CELL, AB_CELLS = 10, 26  # a*b* cells of the balanced area: −130 … 130 in steps of 10
LARGEST_THRESHOLD = 150


@register_metric(
    "auc",
    group="accuracy",
    higher_is_better=True,
    meaning="share of pixels with ‖Δab‖ ≤ t, mean over t = 0 … 150 (Zhang 2016)",
)
def _auc(pair: Pair) -> np.ndarray:
    return _scores(pair)


def _balanced(sums: Sums) -> np.ndarray:
    scores, counts = np.split(sums, 2, axis=-1)
    cells = scores / np.maximum(counts, 1)
    return cells.sum(axis=-1) / np.maximum((counts > 0).sum(axis=-1), 1)


@register_metric(
    "auc_balanced",
    group="accuracy",
    higher_is_better=True,
    meaning="the same weighted by 1/p of the true colour's cell of 10 × 10 a*b*: the mean over cells that occur",
    value=_balanced,
)
def _auc_balanced(pair: Pair) -> np.ndarray:
    cell = np.floor((pair.truth_lab[..., 1:] + AB_CELL * AB_CELLS / 2) / AB_CELL).astype(int)
    cell = np.clip(cell, 0, AB_CELLS - 1)
    index = (cell[..., 0] * AB_CELLS + cell[..., 1]).ravel()
    scores = np.bincount(index, _scores(pair).ravel(), minlength=AB_CELLS**2)
    return np.concatenate([scores, np.bincount(index, minlength=AB_CELLS**2)])


def _scores(pair: Pair) -> np.ndarray:
    """Share of the thresholds t = 0, 1, … 150 with ‖Δab‖ ≤ t, a pixel (H, W)."""
    distance = np.linalg.norm(pair.predicted_lab[..., 1:] - pair.truth_lab[..., 1:], axis=-1)
    return np.clip(LARGEST_THRESHOLD + 1 - np.ceil(distance), 0, None) / (LARGEST_THRESHOLD + 1)
