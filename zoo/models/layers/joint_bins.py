"""A distribution over bins of U and V at once, as that of U and that of V given a U."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.chroma.bins import BINS, bin_position
from zoo.chroma.tents import TENTS, tents, uv_places
from zoo.models.layers.switch import register

LEAST = 1e-7  # of a probability whose logarithm is taken


@register
class JointBins(keras.layers.Layer):
    """Logits of the places (B, H, W, Q) and U (B, H, W, 1) to logits of U and of V given that U, (B, H, W, 2, 64).

    p(U) = Σ p_q t_q(U), and p(V | U) = Σ p_q t_q(U) t_q(V) / p(U): a mixture of tents, see `zoo.chroma.tents`. Float32.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positions = uv_places()
        self.spread = [tents(self.positions[:, channel], channel) for channel in range(2)]

    def call(self, inputs: Any) -> Any:
        logits, u = inputs
        return ops.stack([self.u_logits(logits), self.v_logits(logits, u)], axis=-2)

    def u_logits(self, logits: Any) -> Any:
        """Logits of U over all V, (B, H, W, 64), of those of the places (B, H, W, Q)."""
        return _logarithm(_product(ops.softmax(ops.cast(logits, "float32"), axis=-1), self.spread[0]))

    def v_logits(self, logits: Any, u: Any) -> Any:
        """Logits of V given U (B, H, W, 1), (B, H, W, 64), of those of the places (B, H, W, Q)."""
        logits = ops.cast(logits, "float32")
        away = ops.abs(bin_position(ops.cast(u, "float32"), 0) - self.positions[:, 0])
        tent = ops.log(ops.maximum(1 - away / TENTS[0], LEAST))  # where no place is near, the nearest likely ones count
        return _logarithm(_product(ops.softmax(logits + tent, axis=-1), self.spread[1]))

    def marginal(self, logits: Any, p_u: Any = None, least: float = 0.0) -> Any:
        """p(V) over all U, (B, H, W, 64). The rest is what other layers want for that."""
        return _product(ops.softmax(ops.cast(logits, "float32"), axis=-1), self.spread[1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:3], 2, BINS)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")


def _product(shares: Any, spread: np.ndarray) -> Any:
    return ops.tensordot(shares, spread, axes=1)


def _logarithm(shares: Any) -> Any:
    return ops.log(ops.maximum(shares, LEAST))
