"""Near-duplicates: pages that look alike when they are small and grey."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from PIL import Image

MAX_DISTANCE = 16
"""Hashes of unrelated images differ in about 32 of 64 bits; beyond this a distance says nothing."""

COLOR_STEP = 24
"""Near-duplicates have the same colours if no part of an eighth of the width and height differs by more in Cb or Cr."""

SKETCH = 128
"""The length of a `color_sketch`."""

_SIDE = 32
_KEPT = 8
_COMPARED = 1 << 20


def perceptual_hash(rgb: np.ndarray) -> int:
    """The 64-bit DCT hash of an image, which rescaling and compression leave nearly as it was.

    Of the luma at 32 × 32 pixels (Lanczos) the 8 × 8 lowest frequencies of a DCT-II, row by row; a bit is set where a
    coefficient is above their median. It is the `phash` of the package ImageHash, after C. Zauner, *Implementation and
    Benchmarking of Perceptual Image Hash Functions*, 2010. Mirrored and rotated images hash otherwise, and images that
    differ in colour alone hash alike.

    Args:
        rgb: uint8 (height, width, 3).
    """
    from scipy.fft import dctn

    luma = Image.fromarray(rgb).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(luma, np.float64))[:_KEPT, :_KEPT]
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def color_sketch(rgb: np.ndarray) -> np.ndarray:
    """Cb and Cr of an image reduced to 8 × 8 pixels: uint8 (`SKETCH`,).

    Args:
        rgb: uint8 (height, width, 3).
    """
    small = Image.fromarray(rgb).resize((_KEPT, _KEPT), Image.Resampling.BOX).convert("YCbCr")
    return np.asarray(small)[..., 1:].reshape(-1)


def near_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds all hashes that differ in at most `distance` bits, by comparing all with all.

    A hash is compared where it occurs first, so that thousands of blank pages do not make millions of pairs.

    Args:
        hashes: uint64 (n,).
        distance: in bits, from 0.

    Returns:
        The index where each hash occurs first, int (n,), and the pairs (i, j), i < j, of such indices that are near,
        int (m, 2), in order.
    """
    if not len(hashes):
        return np.zeros(0, int), np.zeros((0, 2), int)
    _, index, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first = index[inverse]
    index = np.sort(index)
    values = hashes[index]
    found = []
    rows = max(1, _COMPARED // len(values))  # blocks that stay in the processor's cache
    for start in range(0, len(values), rows):
        block = values[start : start + rows, None]
        row, column = np.nonzero(np.bitwise_count(block ^ values[None, start:]) <= distance)
        later = column > row
        found.append(np.stack([index[row[later] + start], index[column[later] + start]], axis=1))
    return first, np.concatenate(found)


def cluster_near(hashes: np.ndarray, distance: int) -> np.ndarray:
    """The number of each image's cluster, int (n,): images that a chain of near ones links.

    Args:
        hashes: uint64 (n,).
        distance: in bits, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(hashes)
    first, pairs = near_pairs(hashes, distance)
    links = np.concatenate([pairs, np.stack([first, np.arange(count)], axis=1)])
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def drop_near(
    hashes: np.ndarray, colors: np.ndarray, groups: Sequence[str], clusters: np.ndarray, distance: int
) -> np.ndarray:
    """Which images to keep: the first, and each later one that is no near-duplicate of a kept one.

    An image that is near a kept one and has other colours is kept too, if it is of the same group: it shows that a
    thing comes in more than one colour.

    Args:
        hashes: uint64 (n,), the best image first.
        colors: uint8 (n, `SKETCH`), of `color_sketch`.
        groups: the name of each one's group.
        clusters: `cluster_near` of the hashes.
        distance: in bits, from 0.

    Returns:
        The index of the kept image that stands for each, its own if it is kept, int (n,).
    """
    keeper = np.arange(len(hashes))
    members = defaultdict[int, list[int]](list)
    for index, cluster in enumerate(clusters.tolist()):
        members[cluster].append(index)
    for among in members.values():
        kept = among[:1]
        for index in among[1:]:
            near = np.bitwise_count(hashes[kept] ^ hashes[index]) <= distance
            steps = np.abs(colors[kept].astype(int) - colors[index]).max(axis=1)
            same = near & ((steps <= COLOR_STEP) | np.array([groups[one] != groups[index] for one in kept]))
            if same.any():
                keeper[index] = kept[int(same.argmax())]
            else:
                kept.append(index)
    return keeper
