"""The energy distance of predicted and true colours, image by image and over all images together."""

import numpy as np

from zoo.metrics.bootstrap import Statistic
from zoo.metrics.images import Sums, register_metric
from zoo.metrics.pair import Pair

ENERGY_PIXELS = 256
POOLED_PIXELS, MOST_POOLED = 32, 1000  # of an image, and images: distances between all pairs of pixels are taken


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ of the empirical distributions of two sets of points (n, d) and (m, d).

    Székely and Rizzo, Energy statistics, 2013; not rooted. Zero when the sets are the same, never below.
    """
    from scipy.spatial.distance import cdist

    return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean())


def _sampled(pair: Pair, count: int, *, replace: bool) -> list[np.ndarray]:
    """Predicted, then true a*b* (count, 2) of the same pixels, drawn with the pair's seed."""
    chosen = np.random.default_rng(pair.seed).choice(pair.truth[..., 0].size, count, replace=replace)
    return [image[..., 1:].reshape(-1, 2)[chosen] for image in (pair.predicted_lab, pair.truth_lab)]


@register_metric(
    "ab_energy",
    group="colourfulness",
    unit="a*b*",
    higher_is_better=False,
    meaning=f"energy distance of predicted and true a*b* on {ENERGY_PIXELS} pixels of an image; mean over images",
)
def _ab_energy(pair: Pair) -> float:
    return energy_distance(*_sampled(pair, min(ENERGY_PIXELS, pair.truth[..., 0].size), replace=False))


def _pooled(kept: Sums) -> Statistic:
    """The distance between the pixels of all images together, of each image's (n, 4 · `POOLED_PIXELS`)."""
    from scipy.spatial.distance import cdist

    points = kept[:MOST_POOLED].reshape(-1, 2, POOLED_PIXELS, 2)
    count = len(points)
    predicted, truth = (points[:, which].reshape(-1, 2) for which in (0, 1))

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Mean distance between the pixels of each two images, (n, n)."""
        rows = (cdist(row, b).reshape(POOLED_PIXELS, count, POOLED_PIXELS) for row in np.split(a, count))
        return np.stack([row.mean(axis=(0, 2)) for row in rows])

    distance = 2 * between(predicted, truth) - between(predicted, predicted) - between(truth, truth)

    def value(weights: np.ndarray) -> np.ndarray:
        share = weights[..., :count]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.einsum("...i,ij,...j->...", share, distance, share) / share.sum(axis=-1) ** 2

    return value


@register_metric(
    "ab_energy_pooled",
    group="colourfulness",
    unit="a*b*",
    higher_is_better=False,
    meaning=f"the same on {POOLED_PIXELS} pixels of every image, the images taken together",
    statistic=_pooled,
)
def _ab_energy_pooled(pair: Pair) -> np.ndarray:
    # Image by image `ab_energy` asks for the right amount of each colour; pooled, a colour that is too rare in one
    # image may make up for another. That is no sum over images, so pixels are kept.
    return np.concatenate(_sampled(pair, POOLED_PIXELS, replace=True)).ravel()
