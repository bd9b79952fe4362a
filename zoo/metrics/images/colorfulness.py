"""Colourfulness, and how far it is from the truth's."""

from typing import Any

import numpy as np

from zoo.metrics.images import mean, register_metric
from zoo.metrics.pair import Pair, rgb8


def colorfulness(rgb: Any, *, absolute: bool = False) -> float:
    """Hasler and Süsstrunk's M3 (Measuring colourfulness in natural images, 2003, equation 3) on 0…255.

    With rg = R − G and yb = (R + G)/2 − B: √(σ²rg + σ²yb) + 0.3 √(μ²rg + μ²yb). With `absolute`, of |rg| and |yb|, as
    the code of DDColor and CT2 has it: another quantity, comparable to those papers' numbers only.

    Args:
        rgb: an image (H, W, 3), uint8 in 0…255 or float in [0, 1].
        absolute: see above.

    Raises:
        UsageError: it is no such image.
    """
    red, green, blue = np.moveaxis(rgb8(rgb).astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    if absolute:
        rg, yb = np.abs(rg), np.abs(yb)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


@register_metric(
    "cf",
    group="colourfulness",
    higher_is_better=None,
    meaning="colourfulness M3 (Hasler and Süsstrunk, 2003) on 0–255, signed; mean over images",
)
def _cf(pair: Pair) -> float:
    return colorfulness(pair.predicted)


@register_metric(
    "cf_abs",
    group="colourfulness",
    higher_is_better=None,
    meaning="colourfulness of |R−G| and |yb|, as in the code of DDColor and CT2; mean over images",
)
def _cf_abs(pair: Pair) -> float:
    return colorfulness(pair.predicted, absolute=True)


@register_metric(
    "delta_cf_set",
    group="colourfulness",
    higher_is_better=False,
    meaning="|mean colourfulness − mean colourfulness of the truth|",
    value=lambda sums: np.abs(mean(sums)),
)
def _delta_cf_set(pair: Pair) -> float:
    return colorfulness(pair.predicted) - colorfulness(pair.truth)


@register_metric(
    "delta_cf_image",
    group="colourfulness",
    higher_is_better=False,
    meaning="mean over images of |colourfulness − colourfulness of the truth|",
)
def _delta_cf_image(pair: Pair) -> float:
    return abs(colorfulness(pair.predicted) - colorfulness(pair.truth))
