"""Coherence: one object, one colour. A region of even luma and alike answers gets one distribution first."""

from collections.abc import Callable

import numpy as np

SMALLEST = 10  # pixels; smaller regions are joined to a neighbour
LARGEST_STEP = 0.09  # of luma: less than ink makes, more than the edge of a shade does
LEAST_SHARED = 0.5  # of two neighbours' distributions, in each channel, if they are to be one object
SHORTEST_BORDER = 4  # pixels
LEAST = -12.0  # log-probability: no pixel's certainty rules out what all others see
BAND = 1 << 16  # pixels looked at together: what is made of their bins on the way takes memory


def segment(
    luma: np.ndarray, answers: np.ndarray, probabilities: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Regions of even luma and alike answers, such as ink encloses; the lit and the shaded part of an object are one.

    P. Felzenszwalb and D. Huttenlocher, Efficient Graph-Based Image Segmentation, 2004 (scikit-image), then neighbours
    are joined whose means of luma, and whose pixels on both sides of the border they share, differ by less than
    `LARGEST_STEP`, and whose mean distributions have at least `LEAST_SHARED` in common (one less their total
    variation): what could be red or blue is another object than the grass beside it, whatever its luma.

    Args:
        luma: (H, W) in [0, 1].
        answers: probabilities of the bins of each channel, (H, W, channels, bins).
        probabilities: makes them of `answers` (pixels, channels, bins), where those are something else.

    Returns:
        Labels from 0, (H, W).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from skimage.segmentation import felzenszwalb

    labels = felzenszwalb(luma, scale=30, sigma=0, min_size=SMALLEST)
    count = int(labels.max()) + 1
    means = _means(labels, luma[..., None])[:, 0]

    # Every pair of pixels side by side or one above the other that lies in two regions.
    here = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()]).astype(np.int64)
    there = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()]).astype(np.int64)
    step = np.concatenate([np.abs(np.diff(luma, axis=axis)).ravel() for axis in (1, 0)])
    across = here != there
    low, high = np.minimum(here, there)[across], np.maximum(here, there)[across]
    borders, which, length = np.unique(low * count + high, return_inverse=True, return_counts=True)
    low, high = borders // count, borders % count
    step_at_border = np.bincount(which, step[across], len(borders)) / length
    one = (np.maximum(step_at_border, np.abs(means[low] - means[high])) < LARGEST_STEP) & (length >= SHORTEST_BORDER)
    low, high = low[one], high[one]
    shares = _means(labels, answers, of=probabilities)
    alike = np.minimum(shares[low], shares[high]).sum(axis=-1).min(axis=-1) >= LEAST_SHARED
    low, high = low[alike], high[alike]
    graph = coo_array((np.ones(len(low), bool), (low, high)), shape=(count, count))
    return connected_components(graph, directed=False)[1][labels]


def pool(logits: np.ndarray, regions: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of the log-probabilities in each region.

    A mean of logarithms is what the pixels agree on: a colour that a part of them finds impossible is out. A mean of
    the probabilities would keep every pixel's mistakes for a sample to fall into.

    Args:
        logits: of an image, (H, W, …, bins).
        regions: labels from 0, (H, W).
        weights: of the pixels in that mean, (H, W); None weighs them alike.

    Returns:
        (regions, …, bins), float32: of the pixels by `pool(logits, regions)[regions]`.
    """
    from scipy.special import log_softmax

    return _means(regions, logits, weights, of=lambda some: np.maximum(log_softmax(some, axis=-1), LEAST))


def _means(
    labels: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray | None = None,
    of: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """The mean of values (H, W, …) in each region, or of what `of` makes of them, (regions, …)."""
    from scipy.sparse import csr_array

    members = labels.ravel()
    weight = np.ones(members.size) if weights is None else weights.ravel() + 1e-12
    sizes = np.bincount(members, weight)
    shares = (weight / sizes[members]).astype(np.float32)
    flat, shape = values.reshape(members.size, *values.shape[2:]), values.shape[2:]
    means = np.zeros((len(sizes), int(np.prod(shape))), np.float32)
    for start in range(0, members.size, BAND):
        band = slice(start, start + BAND)
        some = flat[band] if of is None else of(flat[band])
        count = len(some)
        average = csr_array((shares[band], (members[band], np.arange(count))), shape=(len(sizes), count))
        means += average @ some.reshape(count, -1).astype(np.float32, copy=False)
    return means.reshape(len(sizes), *shape)
