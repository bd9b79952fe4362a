"""The last layers of a head: the range of UV, and two distributions side by side."""

from typing import Any

import keras
from keras import ops

from zoo.chroma.yuv import UV_MAX
from zoo.models.layers.switch import register


@register
class ChromaRange(keras.layers.Layer):
    """A sigmoid mapped to the range of UV: (…, 2) to |U| ≤ 0.436, |V| ≤ 0.615, zero to zero."""

    def call(self, inputs: Any) -> Any:
        # 2σ(x) − 1 is tanh(x/2).
        return ops.tanh(inputs * 0.5) * ops.convert_to_tensor(UV_MAX, dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@register
class SplitChannels(keras.layers.Layer):
    """(B, H, W, 2·bins) to (B, H, W, 2, bins): one distribution for U, one for V."""

    def __init__(self, bins: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, inputs: Any) -> Any:
        return ops.reshape(inputs, (*ops.shape(inputs)[:3], 2, self.bins))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:3], 2, self.bins)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"bins": self.bins}
