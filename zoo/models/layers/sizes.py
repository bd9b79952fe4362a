"""Height and width: padding to a multiple, cutting back, and bilinear upsampling."""

from typing import Any

import keras
from keras import ops

from zoo.models.layers.switch import register

HALF = ("bfloat16", "float16")


def upsample(x: Any, factor: int) -> Any:
    """Bilinear upsampling of (B, H, W, C) by `factor`, half-pixel centres, in the type of `x`."""
    if keras.backend.standardize_dtype(x.dtype) not in HALF:
        # A fifth to a half of the time of the same sums written with slices or matrices.
        return resize(x, factor)
    # In half precision as a product along each axis: `resize` answers in float32, and takes 1.5 times as long with
    # the two casts, forward and backward (64 channels, 112² to 224², bfloat16 with AMX).
    _, height, width, channels = ops.shape(x)
    rows = ops.reshape(x, (-1, height, width * channels))
    rows = ops.matmul(upsampling_matrix(height, factor, x.dtype), rows)
    rows = ops.reshape(rows, (-1, height * factor, width, channels))
    return ops.matmul(upsampling_matrix(width, factor, x.dtype), rows)


def resize(x: Any, factor: int) -> Any:
    """The same by the backend's own operation, as `keras.layers.UpSampling2D` does it."""
    _, height, width, _ = ops.shape(x)
    size = (height * factor, width * factor)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return ops.cast(tf.image.resize(x, size), x.dtype)  # Keras's own fails on sizes unknown inside a graph
    return ops.cast(ops.image.resize(x, size, data_format="channels_last"), x.dtype)


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


def shuffled(x: Any, factor: int) -> Any:
    """(B, H, W, f·f·C) to (B, f·H, f·W, C): a cell has the channels of its f·f pixels, row by row."""
    _, height, width, channels = ops.shape(x)
    channels //= factor**2
    x = ops.reshape(x, (-1, height, width, factor, factor, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * factor, width * factor, channels))


def blurred(x: Any) -> Any:
    """Each pixel of (B, H, W, C) averaged with the three above and to the left of it; the first row and column repeat.

    After a shuffle this takes away its checkerboard: Sugawara et al., arXiv 1806.02658.
    """
    x = 0.5 * (x + ops.concatenate([x[:, :1], x[:, :-1]], axis=1))
    return 0.5 * (x + ops.concatenate([x[:, :, :1], x[:, :, :-1]], axis=2))


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
    """Cuts the first input to the size of the second, from the top left: undoes `PadToMultiple`.

    Args:
        stride: the first input is smaller than the second by so much; heights and widths are rounded up.
    """

    def __init__(self, stride: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, inputs: Any) -> Any:
        padded, reference = inputs
        height, width = ((size + self.stride - 1) // self.stride for size in ops.shape(reference)[1:3])
        if tuple(padded.shape[1:3]) == (height, width):
            return padded
        return padded[:, :height, :width]

    def compute_output_shape(self, input_shape: Any) -> Any:
        padded, reference = input_shape
        sizes = [None if size is None else -(-size // self.stride) for size in reference[1:3]]
        return (padded[0], *sizes, *padded[3:])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"stride": self.stride}


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


@register
class ResizeTo(keras.layers.Layer):
    """Maps of any size to `side` by `side`: (B, H, W, C) to (B, side, side, C), bilinear with half-pixel centres.

    Where a map gets smaller, a cell is the mean of all that it covers, weighted by a tent.
    """

    def __init__(self, side: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.side = side

    def call(self, inputs: Any) -> Any:
        _, height, width, channels = ops.shape(inputs)
        x = ops.reshape(inputs, (-1, height, width * channels))
        x = ops.reshape(ops.matmul(self._matrix(height, inputs.dtype), x), (-1, self.side, width, channels))
        return ops.matmul(self._matrix(width, inputs.dtype), x)

    def _matrix(self, size: Any, dtype: Any) -> Any:
        """What `size` rows are multiplied by, (side, size)."""
        ratio = ops.cast(size, "float32") / self.side
        centers = (ops.cast(ops.arange(self.side), "float32") + 0.5) * ratio - 0.5
        away = ops.abs(centers[:, None] - ops.cast(ops.arange(size), "float32"))
        weights = ops.maximum(1.0 - away / ops.maximum(ratio, 1.0), 0.0)
        return ops.cast(weights / ops.sum(weights, axis=1, keepdims=True), dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.side, self.side, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"side": self.side}


@register
class RepeatPixels(keras.layers.Layer):
    """Each pixel twice along both axes, the nearest neighbour: (B, H, W, C) to (B, 2H, 2W, C).

    `keras.layers.UpSampling2D` does the same, but forgets the number of channels where sizes are unknown.
    """

    def call(self, inputs: Any) -> Any:
        _, height, width, channels = ops.shape(inputs)
        x = ops.reshape(ops.concatenate([inputs, inputs], axis=-1), (-1, height, 2 * width * channels))
        return ops.reshape(ops.concatenate([x, x], axis=-1), (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, _scaled(height, 2), _scaled(width, 2), channels)


@register
class ShuffledUpsampling(keras.layers.Layer):
    """Upsampling by channels that become pixels, and a blur: (B, H, W, f·f·C) to (B, f·H, f·W, C).

    Args:
        factor: f.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return blurred(shuffled(inputs, self.factor))

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, _scaled(height, self.factor), _scaled(width, self.factor), channels // self.factor**2)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"factor": self.factor}


@register
class SubpixelInitializer(keras.initializers.Initializer):
    """Of the kernel before a shuffle: the f·f pixels of a cell begin alike (ICNR, Aitken et al., arXiv 1707.02937).

    Args:
        initializer: of the kernel (…, C) that the f·f have in common.
        factor: f.
    """

    def __init__(self, initializer: Any, factor: int = 2) -> None:
        self.initializer, self.factor = keras.initializers.get(initializer), factor

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        times = self.factor**2
        common = self.initializer((*shape[:-1], shape[-1] // times), dtype=dtype, **kwargs)
        return ops.tile(common, (*[1] * (len(shape) - 1), times))

    def get_config(self) -> dict[str, Any]:
        return {"initializer": keras.initializers.serialize(self.initializer), "factor": self.factor}
