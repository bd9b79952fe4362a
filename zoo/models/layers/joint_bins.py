"""A distribution over places in the plane of U and V, as that of U and that of V given a U."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.chroma.bins import BINS, bin_position
from zoo.chroma.tents import TENTS, ab_places, tents, uv_places
from zoo.models.layers.switch import register

LEAST = 1e-7  # of a probability whose logarithm is taken

PLANES = ("uv", "ab")


class PlaceMixture(keras.layers.Layer):
    """What ends a model that answers with one distribution over places in the plane of U and V; float32.

    It is called with maps and U (B, H, W, 1), and gives logits of U and of V given that U, (B, H, W, 2, 64). A subclass
    says how probable its places are, and how each spreads over the bins.
    """

    def shares(self, features: Any) -> Any:
        """How probable each of Q places is, (B, H, W, Q), of `features`."""
        raise NotImplementedError

    def shares_given(self, features: Any, u: Any) -> Any:
        """The same given U (B, H, W, 1)."""
        raise NotImplementedError

    def spread_out(self, shares: Any, features: Any, channel: int) -> Any:
        """Shares of the places (B, H, W, Q) as those of the bins of U (channel 0) or V (1), (B, H, W, 64)."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        *features, u = inputs
        joined = self.features(features)
        return ops.stack([self.u_logits(joined), self.v_logits(joined, u)], axis=-2)

    def features(self, inputs: Any) -> Any:
        """What the layer is called with but U, as one map."""
        inputs = [ops.cast(each, "float32") for each in inputs]
        return inputs[0] if len(inputs) == 1 else ops.concatenate(inputs, axis=-1)

    def u_logits(self, features: Any) -> Any:
        """Logits of U over all V, (B, H, W, 64), of `features`."""
        return _logarithm(self.spread_out(self.shares(features), features, 0))

    def v_logits(self, features: Any, u: Any) -> Any:
        """Logits of V given U (B, H, W, 1), (B, H, W, 64), of `features`."""
        return _logarithm(self.spread_out(self.shares_given(features, u), features, 1))

    def marginal(self, features: Any, p_u: Any = None, least: float = 0.0) -> Any:
        """p(V) over all U, (B, H, W, 64). The rest is what other layers want for that."""
        return self.spread_out(self.shares(features), features, 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:3], 2, BINS)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")


@register
class JointBins(PlaceMixture):
    """Logits of places (B, H, W, Q) and U (B, H, W, 1) to logits of U and of V given that U, (B, H, W, 2, 64).

    p(U) = Σ p_q t_q(U), and p(V | U) = Σ p_q t_q(U) t_q(V) / p(U): a mixture of tents, see `zoo.chroma.tents`. Float32.

    Args:
        plane: `uv`, a grid of UV; or `ab`, the 313 bins of CIELAB, whose places depend on luma: it is then called with
            the logits, luma (B, H, W, 1) and U.
    """

    def __init__(self, plane: str = "uv", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if plane not in PLANES:
            raise ValueError(f"plane must be one of {', '.join(PLANES)}, not {plane!r}")
        self.plane = plane
        self._places = uv_places()[None] if plane == "uv" else ab_places()  # (levels, Q, 2)
        self._spread = [tents(self._places[..., channel], channel) for channel in range(2)]  # (levels, Q, 64)

    def shares(self, features: Any) -> Any:
        return ops.softmax(self._logits(features), axis=-1)

    def shares_given(self, features: Any, u: Any) -> Any:
        positions = self._at(features, self._places[..., 0])
        away = ops.abs(bin_position(ops.cast(u, "float32"), 0) - positions)
        tent = ops.log(ops.maximum(1 - away / TENTS[0], LEAST))  # where no place is near, the nearest likely ones count
        return ops.softmax(self._logits(features) + tent, axis=-1)

    def spread_out(self, shares: Any, features: Any, channel: int) -> Any:
        spread = self._spread[channel]
        if len(spread) == 1:
            return ops.tensordot(shares, spread[0], axes=1)
        levels = self._levels(features)
        return sum(levels[..., k : k + 1] * ops.tensordot(shares, each, axes=1) for k, each in enumerate(spread))

    def _logits(self, features: Any) -> Any:
        return features[..., : self._places.shape[1]]

    def _levels(self, features: Any) -> Any:
        """The weights of the levels of luma, (B, H, W, levels): linear between the nearest two."""
        last = len(self._places) - 1
        position = ops.clip(features[..., -1:], 0.0, 1.0) * last
        return ops.maximum(1 - ops.abs(position - np.arange(last + 1, dtype=np.float32)), 0)

    def _at(self, features: Any, values: np.ndarray) -> Any:
        """Values (levels, Q) at the luma of each pixel, (B, H, W, Q), or (Q,) where luma does not count."""
        return values[0] if len(values) == 1 else ops.tensordot(self._levels(features), values, axes=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"plane": self.plane}


def _logarithm(shares: Any) -> Any:
    return ops.log(ops.maximum(shares, LEAST))
