"""The 64 bins of U and of V, and two-hot labels.

A classifier answers with two distributions a pixel, one over U and one over V, as logits (…, 2, 64): axis −2 is
the channel (U, V), axis −1 the bin. With 64 bins laid symmetrically about zero, neutral grey would fall on an edge
and every grey pixel would decode with a tint. Here the width is w = max/31 and the lowest edge −32.5 w, so that
exact zero is the centre of bin 32 and the channel's maximum the centre of bin 63.

As in `zoo.chroma.yuv`, every function takes NumPy arrays or backend tensors.
"""

from typing import Any

import numpy as np

from zoo.chroma.yuv import UV_MAX, namespace

BINS = 64
NEUTRAL = 32
WIDTHS = UV_MAX / (BINS - 1 - NEUTRAL)
CENTERS = (np.arange(BINS) - NEUTRAL)[None, :] * WIDTHS[:, None]  # (2, 64)


def bin_position(values: Any, channel: int) -> Any:
    """Values of U (channel 0) or V (1) as real-valued bin positions in [0, 63]; those beyond the bins are clamped."""
    return namespace(values).clip(values / float(WIDTHS[channel]) + NEUTRAL, 0.0, BINS - 1.0)


def _positions(uv: Any) -> Any:
    return namespace(uv).stack([bin_position(uv[..., channel], channel) for channel in range(2)], axis=-1)


def encode(uv: Any) -> Any:
    """UV (…, 2) to the indices (…, 2) of the bins it falls in, int32, clamped to 0 … 63."""
    xp = namespace(uv)
    nearest = xp.floor(_positions(uv) + 0.5)
    return nearest.astype(np.int32) if xp is np else xp.cast(nearest, "int32")


def two_hot(uv: Any) -> Any:
    """UV (…, 2) to soft labels (…, 2, 64) whose weight is split linearly between the two nearest centres.

    The expectation of a label is the encoded value exactly, over the whole range of the bins.
    """
    return _split(_positions(uv)[..., None])


def two_hot_channel(values: Any, channel: int) -> Any:
    """As `two_hot` for U (channel 0) or V (channel 1) alone: (…, 1) to (…, 64)."""
    return _split(bin_position(values, channel))


def _split(position: Any) -> Any:
    xp = namespace(position)
    return xp.maximum(1.0 - xp.abs(position - np.arange(BINS, dtype=np.float32)), 0.0)


def bin_centers(indices: Any) -> Any:
    """Bin indices (…, 2) to UV (…, 2): the centres of the bins."""
    xp = namespace(indices)
    offset = (indices.astype(np.float32) if xp is np else xp.cast(indices, "float32")) - float(NEUTRAL)
    return xp.stack([offset[..., c] * float(WIDTHS[c]) for c in range(2)], axis=-1)


def softmax(logits: Any, temperature: float = 1.0) -> Any:
    """Probabilities (…, 2, 64) of logits divided by `temperature`."""
    xp = namespace(logits)
    scaled = logits / temperature
    weights = xp.exp(scaled - xp.max(scaled, axis=-1, keepdims=True))
    return weights / xp.sum(weights, axis=-1, keepdims=True)
