"""Bins of U and V at once: places in the plane of colours, and how a place's probability spreads over the 64 bins.

A distribution over both channels at once is a mixture of tents, one at each place. A tent falls linearly to zero in U
and in V, so that neighbouring tents of a grid add up to an even surface (a linear B-spline). Its marginal over U, and
V given a U, are mixtures of the same tents in one channel, exactly.
"""

import functools

import numpy as np

from zoo.chroma.bins import BINS, NEUTRAL, bin_position
from zoo.chroma.yuv import rgb_to_yuv

TENTS = (3, 2)
"""Half-widths of a tent, in bins of U and of V: 0.042 and 0.040, about as finely as the eye tells chroma apart."""

_SAMPLES = 48  # of each channel of RGB, from which the grid's places in the gamut are found


@functools.cache
def uv_places() -> np.ndarray:
    """The grid of UV: real-valued bin positions (Q, 2) of the places that the colours of RGB lie between.

    The grid holds neutral grey, and its steps are the half-widths of a tent.
    """
    line = np.linspace(0, 1, _SAMPLES)
    uv = rgb_to_yuv(np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3))[:, 1:]
    below = [np.floor((bin_position(uv[:, c], c) - NEUTRAL) / TENTS[c]).astype(int) for c in range(2)]
    numbers = np.unique([(below[0] + i) * BINS + below[1] + j + BINS // 2 for i in (0, 1) for j in (0, 1)])
    places = np.stack([numbers // BINS, numbers % BINS - BINS // 2], axis=-1) * TENTS + NEUTRAL
    return places[((places >= 0) & (places < BINS)).all(axis=-1)].astype(np.float32)


def tents(positions: np.ndarray, channel: int) -> np.ndarray:
    """How the tents at bin positions (…) of U (channel 0) or V (1) spread over the bins, shares (…, 64)."""
    inside = np.clip(positions, 0, BINS - 1)[..., None]
    heights = np.maximum(1 - np.abs(inside - np.arange(BINS)) / TENTS[channel], 0)
    return (heights / heights.sum(axis=-1, keepdims=True)).astype(np.float32)
