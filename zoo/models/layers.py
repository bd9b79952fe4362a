"""The layers that Keras lacks. Importing this module registers them, so that Keras alone can load a saved model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.chroma.yuv import UV_MAX
from zoo.models.factored import after, upsample

register = keras.saving.register_keras_serializable("zoo")

# Mean of ImageNet's blue, green and red, 0 … 255: VGG16's own preprocessing (`keras.applications.vgg16`).
IMAGENET_BGR_MEAN = (103.939, 116.779, 123.68)

FEW_CHANNELS = 8  # fewer than these are normalised folded
FOLD = 64


def _replicas() -> int:
    """Devices that compute this step together."""
    context = tf.distribute.get_replica_context()
    return int(context.num_replicas_in_sync) if context else 1


def _scaled(size: Any, factor: int) -> Any:
    return None if size is None else size * factor


@register
class PadToMultiple(keras.layers.Layer):
    """Repeats the last row and column until height and width are multiples of `multiple`: (B, H, W, C) to the same.

    Poolings and ×2 upsamplings then meet at equal sizes whatever the input's. Repeating works at any size, 1×1
    included, where reflection needs more rows than there are.
    """

    def __init__(self, multiple: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs: Any) -> Any:
        for axis in (1, 2):
            size = ops.shape(inputs)[axis]
            if isinstance(size, int) and size % self.multiple == 0:
                continue
            padded = (size + self.multiple - 1) // self.multiple * self.multiple
            inputs = ops.take(inputs, ops.minimum(ops.arange(padded), size - 1), axis=axis)
        return inputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *sizes, channels = input_shape
        sizes = [None if s is None else -(-s // self.multiple) * self.multiple for s in sizes]
        return (batch, *sizes, channels)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"multiple": self.multiple}


@register
class CropLike(keras.layers.Layer):
    """Cuts the first input to the height and width of the second, from the top left: undoes `PadToMultiple`."""

    def call(self, inputs: Any) -> Any:
        padded, reference = inputs
        height, width = ops.shape(reference)[1:3]
        if tuple(padded.shape[1:3]) == (height, width):
            return padded
        return padded[:, :height, :width]

    def compute_output_shape(self, input_shape: Any) -> Any:
        padded, reference = input_shape
        return (padded[0], *reference[1:3], *padded[3:])


@register
class VGGInput(keras.layers.Layer):
    """Luma (B, H, W, 1) in [0, 1] to VGG16's input (B, H, W, 3): repeated, ×255, BGR mean subtracted."""

    def call(self, inputs: Any) -> Any:
        mean = ops.convert_to_tensor(np.array(IMAGENET_BGR_MEAN), dtype=inputs.dtype)
        return inputs * 255.0 - mean

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 3)


@register
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalisation of (B, H, W, C) maps, computed by TensorFlow's fused operation.

    Weights, moving averages and results are Keras's. Keras composes the layer of small operations; the fused one
    takes about half the time on a CPU, forward and backward, and has kernels of its own on a GPU. It is slow for a
    few channels in bfloat16: those are normalised as rows of `FOLD` neighbouring pixels.

    Args:
        synchronized: under a distribution strategy, normalise by the statistics of the global batch rather than by
            those of each device's part of it. On one device it makes no difference.
    """

    def __init__(self, synchronized: bool = True, **kwargs: Any) -> None:
        super().__init__(synchronized=synchronized, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        x = ops.cast(inputs, self.compute_dtype)
        batch_statistics = bool(training) and self.trainable
        output, mean, variance = self._normalize(x, *self._scale_and_offset(x.shape[-1]), batch_statistics)
        if batch_statistics:
            self._average(mean, variance)
        return output

    def _scale_and_offset(self, channels: int) -> tuple[Any, Any]:
        gamma = ops.cast(self.gamma, "float32") if self.scale else tf.ones((channels,))
        return gamma, ops.cast(self.beta, "float32") if self.center else tf.zeros((channels,))

    def _average(self, mean: Any, variance: Any) -> None:
        keep = self.momentum
        self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
        self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))

    def _normalize(self, x: Any, gamma: Any, beta: Any, batch_statistics: bool) -> tuple[Any, Any, Any]:
        """Output, mean and biased variance, of the batch or of all batches until now."""
        if batch_statistics and self.synchronized and _replicas() > 1:
            return self._normalize_synchronized(x, gamma, beta)
        if batch_statistics and x.shape[-1] < FEW_CHANNELS:
            return self._normalize_folded(x, gamma, beta)
        empty = tf.zeros((0,))
        output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=empty if batch_statistics else ops.cast(self.moving_mean, "float32"),
            variance=empty if batch_statistics else ops.cast(self.moving_variance, "float32"),
            epsilon=self.epsilon,
            is_training=batch_statistics,
        )
        # The operation returns the unbiased variance; Keras averages the biased one.
        count = ops.cast(ops.prod(ops.shape(x)[:3]), "float32")
        return output, mean, variance * ((count - 1.0) / count)

    def _normalize_synchronized(self, x: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
        """Output, mean and biased variance of a batch that is spread over replicas of equal shares.

        The variance is that about the common mean: a difference of two large moments would lose digits.
        """

        def mean_of(values: Any) -> Any:
            local = ops.mean(values, axis=(0, 1, 2))
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, local)

        x32 = ops.cast(x, "float32")
        mean = mean_of(x32)
        centred = x32 - mean
        variance = mean_of(ops.square(centred))
        scale = gamma * ops.rsqrt(variance + self.epsilon)
        return ops.cast(centred * scale + beta, x.dtype), mean, variance

    def _normalize_folded(self, x: Any, gamma: Any, beta: Any) -> tuple[Any, Any, Any]:
        """Output, mean and biased variance of a batch of a few channels."""
        channels = x.shape[-1]
        pixels = tf.reduce_prod(tf.shape(x)[:3])
        fold = tf.minimum(FOLD, tf.bitwise.bitwise_and(pixels, -pixels))  # a power of two that divides them
        rows = ops.cast(tf.reshape(x, (-1, fold * channels)), "float32")

        def mean_of(values: Any) -> Any:
            return ops.mean(tf.reshape(ops.mean(values, axis=0), (fold, channels)), axis=0)

        mean = mean_of(rows)
        centred = rows - tf.tile(mean, [fold])
        variance = mean_of(ops.square(centred))
        scale = gamma * ops.rsqrt(variance + self.epsilon)
        rows = centred * tf.tile(scale, [fold]) + tf.tile(beta, [fold])
        return tf.reshape(ops.cast(rows, x.dtype), tf.shape(x)), mean, variance


@register
class BilinearUpsampling(keras.layers.Layer):
    """Bilinear upsampling by a power of two, half-pixel centres: (B, H, W, C) to (B, fH, fW, C).

    `keras.layers.UpSampling2D` does the same, but fails on unknown sizes inside a graph.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return upsample(inputs, self.factor)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, _scaled(height, self.factor), _scaled(width, self.factor), channels)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"factor": self.factor}


def leaky_relu(x: Any, slope: float) -> Any:
    """max(x, slope·x), with a gradient that looks at the output: the input need not be kept until then."""

    @tf.custom_gradient
    def compute(x: Any) -> Any:
        y = tf.nn.leaky_relu(x, slope)
        # The output has the sign of the input, and the sign is all that the operation looks at.
        return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

    return compute(x)


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
class NormalizedConv2D(FusedBatchNormalization):
    """Batch normalisation, leaky ReLU and a convolution, which keeps for the backward pass what goes in, and no more.

    What is between is made anew there: after a wide convolution at full size, that is less to hold, and costs little.

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

        @tf.custom_gradient
        def compute(x: Any, gamma: Any, beta: Any, kernel: Any) -> tuple[Any, Callable[..., Any]]:
            activated, mean, variance = activate(x, gamma, beta)

            def gradient(upstream: Any, *_: Any) -> list[Any]:
                # One after the other, or maps are held until a kernel's gradient finds a core; and what is between is
                # made twice, or it would be held beside its own gradient while that is computed.
                between = activate(after(upstream, [x])[0], gamma, beta)[0]
                with tf.GradientTape(persistent=True) as tape:
                    tape.watch([between, kernel])
                    output = convolve(between, kernel)
                of_kernel = tape.gradient(output, kernel, upstream)
                of_between = tape.gradient(output, between, after(of_kernel, [upstream])[0])
                wanted = [*after(of_between, [x]), gamma, beta]
                with tf.GradientTape() as tape:
                    tape.watch(wanted)
                    again = activate(*wanted)[0]
                return [*tape.gradient(again, wanted, of_between), of_kernel]

            return (convolve(activated, kernel), mean, variance), gradient

        x = ops.cast(inputs, self.compute_dtype)
        output, mean, variance = compute(x, *self._scale_and_offset(x.shape[-1]), ops.cast(self.kernel, x.dtype))
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
