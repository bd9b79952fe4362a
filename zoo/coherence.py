"""Coherence: one object, one colour. A region of even luma and alike answers gets one distribution first."""

import numpy as np

SMALLEST = 10  # pixels; smaller regions are joined to a neighbour
LARGEST_STEP = 0.09  # of luma: less than ink makes, more than the edge of a shade does
LEAST_SHARED = 0.5  # of two neighbours' distributions, in each channel, if they are to be one object
SHORTEST_BORDER = 4  # pixels
LEAST = -12.0  # log-probability: no pixel's certainty rules out what all others see


def segment(luma: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Regions of even luma and alike answers, such as ink encloses; the lit and the shaded part of an object are one.

    P. Felzenszwalb and D. Huttenlocher, Efficient Graph-Based Image Segmentation, 2004 (scikit-image), then neighbours
    are joined whose means of luma, and whose pixels on both sides of the border they share, differ by less than
    `LARGEST_STEP`, and whose mean distributions have at least `LEAST_SHARED` in common (one less their total
    variation): what could be red or blue is another object than the grass beside it, whatever its luma.

    Args:
        luma: (H, W) in [0, 1].
        probabilities: of the bins of each channel, (H, W, channels, bins).

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
    shares = _means(labels, probabilities)
    alike = np.minimum(shares[low], shares[high]).sum(axis=-1).min(axis=-1) >= LEAST_SHARED
    low, high = low[alike], high[alike]
    graph = coo_array((np.ones(len(low), bool), (low, high)), shape=(count, count))
    return connected_components(graph, directed=False)[1][labels]


def _means(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of values (H, W, …) in each region, (regions, …)."""
    from scipy.sparse import csr_array

    sizes = np.bincount(labels.ravel())
    shares = (1 / sizes[labels.ravel()]).astype(np.float32)
    average = csr_array((shares, (labels.ravel(), np.arange(labels.size))), shape=(len(sizes), labels.size))
    return (average @ values.reshape(labels.size, -1)).reshape(-1, *values.shape[2:])


def pool(logits: np.ndarray, regions: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The mean of the log-probabilities in each region, at every pixel of it.

    A mean of logarithms is what the pixels agree on: a colour that a part of them finds impossible is out. A mean of
    the probabilities would keep every pixel's mistakes for a sample to fall into.

    Args:
        logits: (B, H, W, …, bins).
        regions: labels from 0, (B, H, W).
        weights: of the pixels in that mean, (B, H, W); None weighs them alike.

    Returns:
        As `logits`, float32.
    """
    from scipy.sparse import csr_array
    from scipy.special import log_softmax

    pooled = np.empty(logits.shape, np.float32)
    weights = np.ones(regions.shape) if weights is None else weights
    for image, (values, labels) in enumerate(zip(logits, regions, strict=True)):
        log_probabilities = np.maximum(log_softmax(values, axis=-1), LEAST).astype(np.float32, copy=False)
        members, weight = labels.ravel(), weights[image].ravel() + 1e-12
        share = (weight / np.bincount(members, weight)[members]).astype(np.float32)
        average = csr_array((share, (members, np.arange(labels.size))), shape=(members.max() + 1, labels.size))
        pooled[image] = (average @ log_probabilities.reshape(labels.size, -1))[members].reshape(values.shape)
    return pooled
