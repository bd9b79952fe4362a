"""Bins of U and V at once: places in the plane of colours, and how a place's probability spreads over the 64 bins.

A distribution over both channels at once is a mixture of tents, one at each place. A tent falls linearly to zero in U
and in V, so that neighbouring tents of a grid add up to an even surface (a linear B-spline). Its marginal over U, and
V given a U, are mixtures of the same tents in one channel, exactly.
"""

import functools
import warnings

import numpy as np

from zoo.chroma.bins import BINS, NEUTRAL, bin_position
from zoo.chroma.lab_bins import AB_CENTERS
from zoo.chroma.yuv import rgb_to_yuv

TENTS = (3, 2)
"""Half-widths of a tent, in bins of U and of V: 0.042 and 0.040, about as finely as the eye tells chroma apart."""

LEVELS = 16
"""Levels of luma, from 0 to 1, at which the places of bins of CIELAB are known; between them they are interpolated."""

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


@functools.cache
def ab_places() -> np.ndarray:
    """The 313 bins of a* and b* at each level of luma: real-valued bin positions of UV, (LEVELS, 313, 2).

    The lightness L* is that of grey of the luma, as Zhang 2016 has it; what leaves sRGB there is clipped.
    """
    from skimage.color import lab2rgb, rgb2lab

    found = []
    for luma in np.linspace(0, 1, LEVELS):
        lightness = rgb2lab(np.full((1, 3), luma))[0, 0]
        lab = np.concatenate([np.full((len(AB_CENTERS), 1), lightness), AB_CENTERS], axis=-1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of colours that leave sRGB
            uv = rgb_to_yuv(lab2rgb(lab))[:, 1:]
        found.append(np.stack([bin_position(uv[:, channel], channel) for channel in range(2)], axis=-1))
    return np.stack(found).astype(np.float32)


def tents(positions: np.ndarray, channel: int) -> np.ndarray:
    """How the tents at bin positions (…) of U (channel 0) or V (1) spread over the bins, shares (…, 64)."""
    inside = np.clip(positions, 0, BINS - 1)[..., None]
    heights = np.maximum(1 - np.abs(inside - np.arange(BINS)) / TENTS[channel], 0)
    return (heights / heights.sum(axis=-1, keepdims=True)).astype(np.float32)
