"""Batch normalisation, non-linearities, both before a convolution; and a scale of what a block adds."""

from typing import Any

import keras
from keras import ops

from zoo.models.layers.switch import accelerated, register


def normalize(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    """(x − mean) · γ / √(variance + ε) + β over the channels of `x` (B, H, W, C), in its type; all else float32."""
    scale = gamma * ops.rsqrt(variance + epsilon)
    return ops.cast((ops.cast(x, "float32") - mean) * scale + beta, x.dtype)


def leaky_relu(x: Any, slope: float) -> Any:
    """max(x, slope·x)."""
    if accelerated():
        from zoo.models.layers import twins

        return twins.leaky_relu(x, slope)
    return ops.maximum(x, x * slope)


@register
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation of (B, H, W, C) maps, with an accelerated twin.

    Weights, moving averages and results are Keras's.

    Args:
        synchronized: under a distribution strategy, normalise by the statistics of the global batch rather than by
            those of each device's part of it. On one device it makes no difference.
    """

    def __init__(self, synchronized: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.synchronized = synchronized  # Keras refuses it on other backends, where there is nothing to synchronise

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        x = ops.cast(inputs, self.compute_dtype)
        batch_statistics = bool(training) and self.trainable
        output, mean, variance = self._normalize(x, *self._scale_and_offset(x.shape[-1]), batch_statistics)
        if batch_statistics:
            self._average(mean, variance)
        return output

    def _scale_and_offset(self, channels: int) -> tuple[Any, Any]:
        gamma = ops.cast(self.gamma, "float32") if self.scale else ops.ones((channels,))
        return gamma, ops.cast(self.beta, "float32") if self.center else ops.zeros((channels,))

    def _average(self, mean: Any, variance: Any) -> None:
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
        self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))

    def _normalize(self, x: Any, gamma: Any, beta: Any, batch_statistics: bool) -> tuple[Any, Any, Any]:
        """Output, mean and biased variance, of the batch or of all batches until now."""
        if accelerated():
            from zoo.models.layers import twins

            return twins.normalized(self, x, gamma, beta, batch_statistics)
        if batch_statistics:
            x32 = ops.cast(x, "float32")
            mean = ops.mean(x32, axis=(0, 1, 2))
            variance = ops.mean(ops.square(x32 - mean), axis=(0, 1, 2))
        else:
            mean, variance = (ops.cast(each, "float32") for each in (self.moving_mean, self.moving_variance))
        return normalize(x, gamma, beta, mean, variance, self.epsilon), mean, variance


@register
class LeakyReLU(keras.layers.Layer):
    """`leaky_relu` as a layer.

    Args:
        negative_slope: in (0, 1).
    """

    def __init__(self, negative_slope: float = 0.01, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        return leaky_relu(inputs, self.negative_slope)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"negative_slope": self.negative_slope}


@register
class GELU(keras.layers.Layer):
    """x · Φ(x), Φ being the normal distribution's: Hendrycks and Gimpel, arXiv 1606.08415.

    On TensorFlow Keras's is made of an operation that ONNX does not have.
    """

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, "float32")  # of which 1 + erf x would lose the digits, below zero
        return ops.cast(0.5 * x * (1.0 + ops.erf(x * 0.5**0.5)), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@register
class LayerScale(keras.layers.Layer):
    """What a block adds, (…, C), times a learned number a channel: Touvron et al., ICCV 2021.

    Args:
        first: the numbers' first value. Of a small one a deep network begins as if it had no blocks.
    """

    def __init__(self, first: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first = first

    def build(self, input_shape: Any) -> None:
        value = keras.initializers.Constant(self.first)
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer=value, name="gamma")

    def call(self, inputs: Any) -> Any:
        return inputs * ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"first": self.first}


@register
class NormalizedConv2D(FusedBatchNormalization):
    """Batch normalisation, leaky ReLU and a convolution.

    Its accelerated twin keeps for the backward pass what goes in, and no more. What is between is made anew there.
    After a wide convolution at full size, that is less to hold, and costs little.

    Args:
        filters: output channels.
        kernel_size: of the convolution, which has no bias and "same" padding.
        negative_slope: of the leaky ReLU, in [0, 1).
        kernel_initializer: of the kernel (kernel_size, kernel_size, C, filters).
        **kwargs: of `FusedBatchNormalization`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        negative_slope: float = 0.01,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.negative_slope = negative_slope
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            name="kernel",
        )

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        batch_statistics = bool(training) and self.trainable

        def activate(x: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
            normalised, mean, variance = self._normalize(x, gamma, beta, batch_statistics)
            return leaky_relu(normalised, self.negative_slope), mean, variance

        def convolve(activated: Any, kernel: Any) -> Any:
            return ops.conv(activated, kernel, padding="same")

        x = ops.cast(inputs, self.compute_dtype)
        arguments = (x, *self._scale_and_offset(x.shape[-1]), ops.cast(self.kernel, x.dtype))
        if accelerated():
            from zoo.models.layers import twins

            output, mean, variance = twins.recomputed(activate, convolve, *arguments)
        else:
            *activated, kernel = arguments
            between, mean, variance = activate(*activated)
            output = convolve(between, kernel)
        if batch_statistics:
            self._average(mean, variance)
        return output

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "negative_slope": self.negative_slope,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
