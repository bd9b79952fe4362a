"""Metrics: of images, of averaging where the possible colours are known, and bootstrap intervals over images.

>>> from zoo import metrics
>>> metrics.evaluate(predicted, truth)  # every metric of images: RGB, uint8 or float in [0, 1]
{'cf': 40.57, 'cf_abs': …}
>>> metrics.delta_e00(predicted, truth)  # each by its name, one that a user has registered too
7.31

`metrics.IMAGE_METRICS["delta_e00"]` says what it means.
"""

from zoo.metrics.averaging import INDICES, AveragingIndices, Region, regions
from zoo.metrics.bootstrap import interval
from zoo.metrics.cielab import chroma, lab
from zoo.metrics.images import IMAGE_METRICS, ImageMetric, evaluate, image_sums, names_of, register_metric
from zoo.metrics.images.ab_energy import energy_distance
from zoo.metrics.images.colorfulness import colorfulness
from zoo.metrics.images.rmse_ab import squared_error_ab
from zoo.metrics.metric import Metric
from zoo.metrics.pair import Pair
from zoo.support.names import suggestion

__all__ = [
    "IMAGE_METRICS",
    "INDICES",
    "AveragingIndices",
    "ImageMetric",
    "Metric",
    "Pair",
    "Region",
    "chroma",
    "colorfulness",
    "energy_distance",
    "evaluate",
    "image_sums",
    "interval",
    "lab",
    "names_of",
    "regions",
    "register_metric",
    "squared_error_ab",
]


def __getattr__(name: str) -> ImageMetric:
    """A metric of images by its name."""
    if name in IMAGE_METRICS:
        return IMAGE_METRICS[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{suggestion(name, __dir__())}")


def __dir__() -> list[str]:
    return sorted({*globals(), *IMAGE_METRICS})
