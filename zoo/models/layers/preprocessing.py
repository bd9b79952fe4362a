"""From luma to what a pretrained encoder expects."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.models.layers.switch import register


@register
class ScaledImage(keras.layers.Layer):
    """Luma (B, H, W, 1) in [0, 1] to three channels (B, H, W, 3): luma · scale + offset.

    Args:
        scale: of luma, the same for the three channels, or one a channel.
        offset: one a channel, in the order that the encoder expects them.
    """

    def __init__(
        self,
        scale: float | Sequence[float] = 1.0,
        offset: Sequence[float] = (0.0, 0.0, 0.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scale = [float(each) for each in scale] if isinstance(scale, Sequence) else float(scale)
        self.offset = [float(each) for each in offset]

    def call(self, inputs: Any) -> Any:
        scale, offset = (ops.convert_to_tensor(each, dtype=inputs.dtype) for each in (self.scale, self.offset))
        return inputs * scale + offset

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 3)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"scale": self.scale, "offset": self.offset}


@register
class VGGInput(ScaledImage):
    """VGG16's preprocessing, as models were saved with it that are older than `ScaledImage`."""

    def __init__(self, **kwargs: Any) -> None:
        options: dict[str, Any] = {"scale": 255.0, "offset": (-103.939, -116.779, -123.68)}
        super().__init__(**(options | kwargs))


@register
class ApplicationInput(keras.layers.Layer):
    """Luma (B, H, W, 1) in [0, 1] to what a network of `keras.applications` expects, (B, H, W, 3).

    Args:
        module: of `keras.applications`, such as `resnet`: its `preprocess_input` is used.
    """

    def __init__(self, module: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.module = module

    def call(self, inputs: Any) -> Any:
        grey = ops.repeat(inputs * 255.0, 3, axis=-1)
        return getattr(keras.applications, self.module).preprocess_input(grey, data_format="channels_last")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 3)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"module": self.module}
