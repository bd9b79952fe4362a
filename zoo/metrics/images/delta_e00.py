"""The colour difference that eyes see."""

import numpy as np

from zoo.metrics.images import register_metric
from zoo.metrics.pair import Pair


@register_metric(
    "delta_e00",
    group="accuracy",
    unit="ΔE00",
    higher_is_better=False,
    meaning="mean CIEDE2000 over pixels (scikit-image)",
)
def _delta_e00(pair: Pair) -> np.ndarray:
    from skimage.color import deltaE_ciede2000

    return deltaE_ciede2000(pair.truth_lab, pair.predicted_lab)
