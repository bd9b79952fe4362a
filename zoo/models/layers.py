"""The layers that Keras lacks. Importing this module registers them, so that Keras alone can load a saved model."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.color import UV_MAX

register = keras.saving.register_keras_serializable("zoo")

# Mean of ImageNet's blue, green and red, 0 … 255: VGG16's own preprocessing (`keras.applications.vgg16`).
IMAGENET_BGR_MEAN = (103.939, 116.779, 123.68)

FEW_CHANNELS = 8  # fewer than these are normalised folded
FOLD = 64


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
            padded = -(-size // self.multiple) * self.multiple
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
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        batch_statistics = bool(training) and self.trainable
        x = ops.cast(inputs, self.compute_dtype)
        count = ops.cast(ops.prod(ops.shape(x)[:3]), "float32")
        if batch_statistics and x.shape[-1] < FEW_CHANNELS:
            output, mean, variance = self._normalize_folded(x)
        else:
            empty = tf.zeros((0,))
            output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=ops.cast(self.gamma, "float32"),
                offset=ops.cast(self.beta, "float32"),
                mean=empty if batch_statistics else ops.cast(self.moving_mean, "float32"),
                variance=empty if batch_statistics else ops.cast(self.moving_variance, "float32"),
                epsilon=self.epsilon,
                is_training=batch_statistics,
            )
            # The operation returns the unbiased variance; Keras averages the biased one.
            variance = variance * ((count - 1.0) / count)
        if batch_statistics:
            keep = self.momentum
            self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
            self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))
        return output

    def _normalize_folded(self, x: Any) -> tuple[Any, Any, Any]:
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
        scale = ops.cast(self.gamma, "float32") * ops.rsqrt(variance + self.epsilon)
        rows = centred * tf.tile(scale, [fold]) + tf.tile(ops.cast(self.beta, "float32"), [fold])
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


def upsample(x: Any, factor: int) -> Any:
    """Bilinear upsampling of (B, H, W, C) by `factor`, half-pixel centres, in the type of `x`."""
    _, height, width, channels = ops.shape(x)
    if tf.as_dtype(x.dtype).size == 2:
        # In half precision as a product along each axis: the kernel below answers in float32, and takes 1.5 times
        # as long with the two casts, forward and backward (64 channels, 112² to 224², bfloat16 with AMX).
        rows = ops.reshape(x, (-1, height, width * channels))
        rows = ops.matmul(upsampling_matrix(height, factor, x.dtype), rows)
        rows = ops.reshape(rows, (-1, height * factor, width, channels))
        return ops.matmul(upsampling_matrix(width, factor, x.dtype), rows)
    # TensorFlow's own kernel: a fifth to a half of the time of the same sums written with slices or matrices.
    return ops.cast(tf.image.resize(x, (height * factor, width * factor)), x.dtype)


@register
class HypercolumnConv(keras.layers.Layer):
    """A 3×3 convolution over the hypercolumn, without the hypercolumn.

    The hypercolumn is the concatenation of maps that are first upsampled to the size of the first: for VGG16's four
    taps and the input 963 channels at full size, which is what ran the memory out. A convolution is linear, so the
    coarse maps can go through it at their own size: each is projected to the nine taps of the kernel by a 1×1
    convolution, and "upsample, shift by one pixel, zero beyond the edge" is then one constant matrix along each axis.
    The map at half size is upsampled and convolved as it is: its nine projections would be larger than the map.

    Args:
        filters: output channels.
        factored: False computes the plain form, upsample and concatenate; the weights are the same.
        kernel_initializer: of the one kernel (3, 3, channels, filters).

    Inputs are a list of (B, H/f, W/f, C) maps with f a power of two, full size first; the output is (B, H, W, filters).
    """

    def __init__(
        self, filters: int, factored: bool = True, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.factored = factored
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        channels = sum(shape[-1] for shape in input_shape)
        self.kernel = self.add_weight(
            shape=(3, 3, channels, self.filters), initializer=self.kernel_initializer, name="kernel"
        )

    def call(self, inputs: Any) -> Any:
        full = ops.shape(inputs[0])[1:3]
        # Power-of-two factors from the ranks of the pyramid: sizes may be unknown while a graph is traced.
        factors = [2 ** max(0, position - 1) for position in range(len(inputs))]
        if not self.factored:
            columns = [x if f == 1 else upsample(x, f) for x, f in zip(inputs, factors, strict=True)]
            return ops.conv(ops.concatenate(columns, axis=-1), self.kernel, padding="same")
        total = None
        start = 0
        for x, factor in zip(inputs, factors, strict=True):
            channels = x.shape[-1]
            kernel = self.kernel[:, :, start : start + channels, :]
            start += channels
            if factor >= 4:
                part = self._coarse(x, kernel, full, factor)
            else:
                if factor > 1:
                    x = upsample(x, factor)
                part = ops.conv(x, kernel, padding="same")
            total = part if total is None else total + part
        return total

    def _coarse(self, x: Any, kernel: Any, full: Any, factor: int) -> Any:
        """conv3x3(upsample(x)) as a 1×1 projection and a matrix product along each axis."""
        _, height, width, channels = ops.shape(x)
        filters = self.filters
        # (3, 3, C, F) to (1, 1, C, 9F), columns ordered (dy, dx, F).
        flat = ops.reshape(ops.transpose(kernel, (2, 0, 1, 3)), (1, 1, channels, 9 * filters))
        taps = ops.reshape(ops.conv(x, flat), (-1, height, width, 3, 3, filters))
        across = upsample_and_shift(width, factor, x.dtype)  # (W, 3w)
        along = upsample_and_shift(height, factor, x.dtype)  # (H, 3h)
        taps = ops.reshape(ops.transpose(taps, (0, 3, 1, 4, 2, 5)), (-1, 3 * height, 3 * width, filters))
        rows = ops.matmul(across, taps)  # (B, 3h, W, F)
        rows = ops.reshape(rows, (-1, 3 * height, full[1] * filters))
        return ops.reshape(ops.matmul(along, rows), (-1, full[0], full[1], filters))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "factored": self.factored,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def upsampling_matrix(coarse: Any, factor: int, dtype: Any, shift: int = 0) -> Any:
    """The matrix (factor·coarse, coarse) of "upsample bilinearly, then shift by `shift`, zeros beyond the edge"."""
    size = coarse * factor
    columns = ops.cast(ops.arange(coarse), "float32")
    row = ops.arange(size) + shift
    inside = ops.cast(ops.logical_and(row >= 0, row < size), "float32")
    source = (ops.cast(row, "float32") + 0.5) / factor - 0.5
    source = ops.clip(source, 0.0, ops.cast(coarse - 1, "float32"))
    weight = ops.maximum(1.0 - ops.abs(source[:, None] - columns[None, :]), 0.0)
    return ops.cast(weight * inside[:, None], dtype)


def upsample_and_shift(coarse: Any, factor: int, dtype: Any) -> Any:
    """The matrix (factor·coarse, 3·coarse) of upsampling with shifts by −1, 0 and 1, side by side."""
    return ops.concatenate([upsampling_matrix(coarse, factor, dtype, shift) for shift in (-1, 0, 1)], axis=1)


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
