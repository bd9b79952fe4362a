"""How hints spread without any learning: what every model that takes hints is compared with."""

import numpy as np

from zoo.chroma.upsampling import bring_up, shown

SIDE = 384
"""The longer side of the picture that hints are spread in, pixels; their colours come to its size along its edges."""

TONE = 10.0
"""How much a difference of luma, squared, counts beside one of place, squared, in parts of the longer side."""

BANDWIDTH = 0.1
"""Of both together: hints that are farther by so much count less by a factor e."""

LEAST_VARIANCE = 2e-6
"""Of luma around a pixel, as in the code that A. Levin published."""


def nearest_hint(luma: np.ndarray, places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """UV (H, W, 2): of each pixel the colour of the hint that is nearest.

    Args:
        luma: (H, W) in [0, 1].
        places: rows and columns of the hints, (n, 2).
        colors: their U and V, (n, 2).
    """
    small, at = _small(luma, places)
    return bring_up(luma, colors[_apart(small.shape, at).argmin(axis=-1)])


def by_place_and_luma(luma: np.ndarray, places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """UV (H, W, 2): the mean of the hints, each weighed by how near it is in place and luma; arguments as above.

    The bandwidth and the weight of luma are those that were best on validation pages.
    """
    small, at = _small(luma, places)
    apart = _apart(small.shape, at) + TONE * (small[..., None] - small[at[:, 0], at[:, 1]]) ** 2
    weights = np.exp(-(apart - apart.min(axis=-1, keepdims=True)) / BANDWIDTH)
    return bring_up(luma, weights @ colors / weights.sum(axis=-1, keepdims=True))


def levin(luma: np.ndarray, places: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """UV (H, W, 2) by A. Levin, D. Lischinski, Y. Weiss: Colorization using Optimization, 2004; arguments as above.

    Each pixel but the hinted ones is the mean of its eight neighbours, weighed by exp(−(Y − Y')² / s) with s = 0.6 σ²,
    of the variance σ² of luma around it, as in the published code (the paper has 2σ²). One sparse system, which SciPy
    solves.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu

    small, at = _small(luma, places)
    y = small.astype(float)
    height, width = y.shape
    index = np.arange(y.size).reshape(y.shape)
    hinted = np.zeros(y.shape, bool)
    hinted[at[:, 0], at[:, 1]] = True
    given = np.zeros((*y.shape, 2))
    given[at[:, 0], at[:, 1]] = colors
    steps = [(down, across) for down in (-1, 0, 1) for across in (-1, 0, 1) if (down, across) != (0, 0)]
    padded, there = np.pad(y, 1, mode="edge"), np.pad(np.ones(y.shape, bool), 1)

    def moved(x: np.ndarray) -> np.ndarray:
        return np.stack([x[1 + d : 1 + d + height, 1 + a : 1 + a + width] for d, a in steps], axis=-1)

    around, exists = moved(padded), moved(there)
    count = exists.sum(axis=-1) + 1
    mean = (np.where(exists, around, 0).sum(axis=-1) + y) / count
    squares = (np.where(exists, around**2, 0).sum(axis=-1) + y**2) / count
    variance = np.maximum(0.6 * np.maximum(0, squares - mean**2), LEAST_VARIANCE)
    apart = np.where(exists, (around - y[..., None]) ** 2, np.inf)
    variance = np.maximum(variance, -apart.min(axis=-1) / np.log(0.01))
    weights = np.exp(-apart / variance[..., None])
    weights /= weights.sum(axis=-1, keepdims=True)
    rows, columns, which = np.nonzero(exists & ~hinted[..., None])
    down, across = np.array(steps).T
    near = index[rows + down[which], columns + across[which]]
    every = np.arange(y.size)
    values = np.concatenate([-weights[rows, columns, which], np.ones(y.size)])
    places_of = np.concatenate([index[rows, columns], every]), np.concatenate([near, every])
    system = splu(coo_array((values, places_of), shape=(y.size, y.size)).tocsc())
    found = np.stack([system.solve(given[..., channel].ravel()) for channel in (0, 1)], axis=-1)
    return bring_up(luma, found.reshape(*y.shape, 2))


def _small(luma: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma at a longer side of at most `SIDE`, and where the hints are there, (n, 2)."""
    small = shown(luma, SIDE)
    scale = np.array(small.shape) / luma.shape
    return small, ((places + 0.5) * scale).astype(int)


def _apart(size: tuple[int, ...], at: np.ndarray) -> np.ndarray:
    """The squared distance of each pixel to each hint, in parts of the longer side, (h, w, n)."""
    rows, columns = (np.arange(count, dtype=float) for count in size)
    down = (rows[:, None, None] - at[:, 0]) ** 2
    return (down + (columns[None, :, None] - at[:, 1]) ** 2) / max(size) ** 2


BASELINES = {
    "nearest hint": nearest_hint,
    "place and luma": by_place_and_luma,
    "Levin 2004": levin,
}
"""Ways that need no network, by what tables call them."""
