"""Metrics: of images, of averaging where the possible colours are known, and bootstrap intervals over images."""

from zoo.metrics.averaging import INDICES, AveragingIndices, Region, regions
from zoo.metrics.bootstrap import interval
from zoo.metrics.image import (
    IMAGE_METRICS,
    ImageMetric,
    Pair,
    PooledEnergy,
    chroma,
    colorfulness,
    energy_distance,
    image_sums,
    lab,
    squared_error_ab,
)

__all__ = [
    "IMAGE_METRICS",
    "INDICES",
    "AveragingIndices",
    "ImageMetric",
    "Pair",
    "PooledEnergy",
    "Region",
    "chroma",
    "colorfulness",
    "energy_distance",
    "image_sums",
    "interval",
    "lab",
    "regions",
    "squared_error_ab",
]
