"""How much chroma there is, over the truth's."""

import numpy as np

from zoo.metrics.cielab import chroma
from zoo.metrics.images import mean, register_metric
from zoo.metrics.pair import Pair


@register_metric(
    "chroma_ratio",
    group="colourfulness",
    higher_is_better=None,
    target=1.0,
    meaning="ΣC* over ΣC* of the truth; 1 is the truth's, undefined when the truth is grey",
    value=mean,
)
def _chroma_ratio(pair: Pair) -> np.ndarray:
    return np.array([chroma(pair.predicted_lab).sum(), chroma(pair.truth_lab).sum()])
