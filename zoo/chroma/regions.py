"""Coherence: one object, one colour. A region of even luma and alike answers gets one distribution first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

SMALLEST = 10  # pixels; smaller regions are joined to a neighbour
LARGEST_STEP = 0.09  # of luma: less than ink makes, more than the edge of a shade does
LEAST_SHARED = 0.5  # of two neighbours' distributions, in each channel, if they are to be one object
LEAST_SHARED_ACROSS = 0.7  # the same where a line of ink lies between them
SMOOTH_BEND = 0.008  # of luma, from one step between neighbours to the next: less than a painted shade makes
SMOOTH_SHARES = (0.35, 0.6)  # of such bends, where a region begins to be smooth, and where it is
WIDEST_LINE = 6  # pixels
SHORTEST_BORDER = 4  # pixels
LEAST = -12.0  # log-probability: no pixel's certainty rules out what all others see
BAND = 1 << 16  # pixels looked at together: what is made of their bins on the way takes memory


def segment(
    luma: np.ndarray, answers: np.ndarray, probabilities: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Regions of even luma and alike answers: the lit and the shaded part of an object are one, and so are two legs.

    P. Felzenszwalb and D. Huttenlocher, Efficient Graph-Based Image Segmentation, 2004 (scikit-image), then neighbours
    are joined whose means of luma, and whose pixels on both sides of the border they share, differ by less than
    `LARGEST_STEP`, and whose mean distributions have at least `LEAST_SHARED` in common (one less their total
    variation): what could be red or blue is another object than the grass beside it, whatever its luma. Last, those
    that face each other across a line of ink, if their distributions have `LEAST_SHARED_ACROSS` in common.

    Args:
        luma: (H, W) in [0, 1].
        answers: probabilities of the bins of each channel, (H, W, channels, bins).
        probabilities: makes them of `answers` (pixels, channels, bins), where those are something else.

    Returns:
        Labels from 0, (H, W).
    """
    from scipy.ndimage import grey_closing
    from skimage.segmentation import expand_labels

    labels = fine_regions(luma)
    shares = _means(labels, answers, of=probabilities)
    parts = _Parts(labels, np.bincount(labels.ravel()), _means(labels, luma[..., None])[:, 0], shares)
    low, high, step = borders(labels + 1, luma)
    touching = step < LARGEST_STEP
    parts = parts.joined(low[touching], high[touching], LEAST_SHARED)

    # A closing fills what is thin and darker than both its sides, which grow together there.
    ink = grey_closing(luma, size=WIDEST_LINE + 1) - luma > LARGEST_STEP
    without_ink = expand_labels(np.where(ink, 0, parts.labels + 1), WIDEST_LINE // 2 + 1)
    low, high, _ = borders(without_ink, luma)
    return parts.joined(low, high, LEAST_SHARED_ACROSS).labels


def fine_regions(luma: np.ndarray) -> np.ndarray:
    """Regions of even luma, labels from 0, (H, W): P. Felzenszwalb and D. Huttenlocher, Efficient Graph-Based Image
    Segmentation, 2004 (scikit-image)."""
    from skimage.segmentation import felzenszwalb

    return felzenszwalb(luma, scale=30, sigma=0, min_size=SMALLEST)


@dataclass(frozen=True)
class _Parts:
    """Regions that may yet be joined.

    Attributes:
        labels: from 0, (H, W).
        sizes: in pixels, (regions,).
        luma: the mean of each, (regions,).
        shares: the mean distributions of each, (regions, channels, bins).
    """

    labels: np.ndarray
    sizes: np.ndarray
    luma: np.ndarray
    shares: np.ndarray

    def joined(self, low: np.ndarray, high: np.ndarray, least_shared: float) -> "_Parts":
        """The regions with those joined, of the pairs `low` and `high`, that are alike."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        near = np.abs(self.luma[low] - self.luma[high]) < LARGEST_STEP
        low, high = low[near], high[near]
        alike = np.minimum(self.shares[low], self.shares[high]).sum(axis=-1).min(axis=-1) >= least_shared
        count = len(self.sizes)
        graph = coo_array((np.ones(alike.sum(), bool), (low[alike], high[alike])), shape=(count, count))
        part = connected_components(graph, directed=False)[1]
        luma, shares = (_means(part, each, self.sizes) for each in (self.luma[:, None], self.shares))
        return _Parts(part[self.labels], np.bincount(part, self.sizes), luma[:, 0], shares)


def smoothness(luma: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """How smooth each region is, (regions,): 1 where its luma is that of flat ink or of an even shade, as drawing
    programs make it; 0 where it is painted, textured or photographed.

    Args:
        luma: (H, W) in [0, 1].
        regions: labels from 0, (H, W).
    """
    # Of three neighbours in one region, the bend: an even shade has none. The cells at a region's edge do not count.
    members, bends = [], []
    for axis in (0, 1):
        inner = max(0, regions.shape[axis] - 2)
        left, middle, right = (np.take(regions, range(first, inner + first), axis) for first in range(3))
        same = (left == middle) & (middle == right)
        members.append(middle[same])
        bends.append(np.abs(np.diff(luma, 2, axis=axis))[same])
    member, bend = np.concatenate(members), np.concatenate(bends)
    count = int(regions.max()) + 1
    even = np.bincount(member, bend < SMOOTH_BEND, count) / np.maximum(np.bincount(member, minlength=count), 1)
    return np.clip((even - SMOOTH_SHARES[0]) / (SMOOTH_SHARES[1] - SMOOTH_SHARES[0]), 0, 1).astype(np.float32)


def borders(
    labels: np.ndarray, luma: np.ndarray, shortest: int = SHORTEST_BORDER
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which two regions share a border, and the mean step of luma across it.

    Args:
        labels: from 1, 0 where there is no region, (H, W).
        luma: (H, W).
        shortest: pixels that a border is at least long.

    Returns:
        Of each border the lower and the higher label, less 1, and the step.
    """
    # Every pair of pixels side by side or one above the other that lies in two regions.
    here = np.concatenate([labels[:, :-1].ravel(), labels[:-1].ravel()]).astype(np.int64) - 1
    there = np.concatenate([labels[:, 1:].ravel(), labels[1:].ravel()]).astype(np.int64) - 1
    step = np.concatenate([np.abs(np.diff(luma, axis=axis)).ravel() for axis in (1, 0)])
    across = (here != there) & (here >= 0) & (there >= 0)
    low, high = np.minimum(here, there)[across], np.maximum(here, there)[across]
    count = int(labels.max(initial=1))
    borders, which, length = np.unique(low * count + high, return_inverse=True, return_counts=True)
    mean_step = np.bincount(which, step[across], len(borders)) / length
    long = length >= shortest
    return (borders // count)[long], (borders % count)[long], mean_step[long]


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


def innermost(inside: np.ndarray) -> tuple[int, int]:
    """The row and column of the pixel of a region, a mask (H, W), that is farthest from its edge."""
    return next(innermost_first(inside, 1))


def innermost_first(inside: np.ndarray, count: int) -> Iterator[tuple[int, int]]:
    """Rows and columns of pixels of a region, a mask (H, W): the one farthest from its edge, then others, nearer to it.

    Of a larger region it is `count` pixels, evenly by that distance.
    """
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    pixels = np.flatnonzero(inside)
    pixels = pixels[np.argsort(-depth.ravel()[pixels], kind="stable")]
    for pixel in pixels[:: -(-len(pixels) // count)]:
        row, column = divmod(int(pixel), inside.shape[1])
        yield row, column


def means_of_cells(regions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean in each region of what is known of cells: labels (H, W) and (h, w, C), gives (regions, C).

    Args:
        regions: labels from 0.
        values: of the size of the regions, or smaller by a whole number in height and width, which is rounded up.
    """
    from scipy.sparse import coo_array

    (height, width), (rows, columns) = regions.shape, values.shape[:2]
    row = np.arange(height) // -(-height // rows)
    column = np.arange(width) // -(-width // columns)
    cells = (row[:, None] * columns + column).ravel()
    members = regions.ravel()
    shape = int(regions.max()) + 1, rows * columns
    counts = coo_array((np.ones(members.size, np.float32), (members, cells)), shape=shape).tocsr()
    sums = counts @ values.reshape(rows * columns, -1).astype(np.float32)
    return sums / np.bincount(members)[:, None]


def _means(
    labels: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray | None = None,
    of: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """The mean of values (*labels.shape, …) of each label, or of what `of` makes of them, (labels, …)."""
    from scipy.sparse import csr_array

    members = labels.ravel()
    weight = np.ones(members.size) if weights is None else weights.ravel() + 1e-12
    sizes = np.bincount(members, weight)
    shares = (weight / sizes[members]).astype(np.float32)
    shape = values.shape[labels.ndim :]
    flat = values.reshape(members.size, *shape)
    means = np.zeros((len(sizes), int(np.prod(shape))), np.float32)
    for start in range(0, members.size, BAND):
        band = slice(start, start + BAND)
        some = flat[band] if of is None else of(flat[band])
        count = len(some)
        average = csr_array((shares[band], (members[band], np.arange(count))), shape=(len(sizes), count))
        means += average @ some.reshape(count, -1).astype(np.float32, copy=False)
    return means.reshape(len(sizes), *shape)
