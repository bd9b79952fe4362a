"""A distribution over hue and one over chroma, as that of U and that of V given a U."""

import functools
from typing import Any

import numpy as np
from keras import ops

from zoo.chroma.bins import BINS, bin_position, two_hot_channel
from zoo.chroma.yuv import rgb_to_yuv
from zoo.models.layers.joint_bins import LEAST, PlaceMixture
from zoo.models.layers.switch import register

HUES = CHROMAS = 32
"""Bins, as Larsson 2016 has them. The first chroma is that of grey, the last the largest of RGB."""

_SAMPLES = 17  # of hue and of chroma, from which the spread of a place is found


@functools.cache
def polar_spreads() -> np.ndarray:
    """How each hue and chroma spreads over the bins of U and of V: shares (2, HUES * CHROMAS, 64), by hue first.

    Between two bins of hue or chroma a distribution is linear: a place is a tent of both, as wide as a step on each
    side. Below zero chroma is that of the opposite hue, so that grey is neutral whatever the hue.
    """
    offsets = (np.arange(_SAMPLES) + 0.5) / _SAMPLES * 2 - 1
    heights = np.outer(1 - np.abs(offsets), 1 - np.abs(offsets)).ravel()
    hue = (np.arange(HUES)[:, None] + offsets)[:, None, :, None] * (2 * np.pi / HUES)
    chroma = (np.arange(CHROMAS)[:, None] + offsets)[None, :, None, :] * (_largest_chroma() / (CHROMAS - 1))
    found = []
    for channel, values in enumerate((chroma * np.cos(hue), chroma * np.sin(hue))):
        position = bin_position(values.reshape(HUES * CHROMAS, -1), channel)
        below = np.minimum(position.astype(int), BINS - 2)
        cells = below + np.arange(HUES * CHROMAS)[:, None] * BINS
        shares = np.zeros(HUES * CHROMAS * BINS)
        for step, part in ((0, 1 - (position - below)), (1, position - below)):
            shares += np.bincount((cells + step).ravel(), (part * heights).ravel(), minlength=shares.size)
        found.append(shares.reshape(-1, BINS) / heights.sum())
    return np.stack(found).astype(np.float32)


def _largest_chroma() -> float:
    """Of UV, over all colours of RGB."""
    corners = np.array(np.meshgrid(*[(0.0, 1.0)] * 3)).reshape(3, -1).T
    return float(np.linalg.norm(rgb_to_yuv(corners)[:, 1:], axis=-1).max())


@register
class HueChroma(PlaceMixture):
    """Logits of hue and of chroma (B, H, W, 32 + 32) and U (B, H, W, 1) to logits of U and of V given that U.

    Hue is the angle in the plane of U and V, counted from U, and chroma the distance from grey. The two are
    independent, as in Larsson 2016: a place is a hue with a chroma, of p = p(hue) p(chroma). Float32.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._spread = polar_spreads()
        # Of each place, which hue and which chroma it has: products with these keep maps of four axes.
        self._hues = np.repeat(np.eye(HUES, dtype=np.float32), CHROMAS, axis=1)
        self._chromas = np.tile(np.eye(CHROMAS, dtype=np.float32), HUES)

    def shares(self, features: Any) -> Any:
        hue, chroma = (ops.softmax(each, axis=-1) for each in (features[..., :HUES], features[..., HUES:]))
        return ops.tensordot(hue, self._hues, axes=1) * ops.tensordot(chroma, self._chromas, axes=1)

    def shares_given(self, features: Any, u: Any) -> Any:
        near = ops.tensordot(two_hot_channel(ops.cast(u, "float32"), 0), self._spread[0].T, axes=1)
        shares = self.shares(features) * ops.maximum(near, LEAST)  # where no place is near, the likely ones count
        return shares / ops.sum(shares, axis=-1, keepdims=True)

    def spread_out(self, shares: Any, features: Any, channel: int) -> Any:
        return ops.tensordot(shares, self._spread[channel], axes=1)
