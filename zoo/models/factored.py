"""Convolutions over upsampled maps that are never built, and the bilinear upsampling that they agree with.

A convolution is linear, and so is bilinear upsampling. "Upsample, shift by one pixel, zero beyond the edge" is one
constant matrix along each axis, so a coarse map can be projected to the nine taps of a 3×3 kernel at its own size, and
then go through two such matrices: dense products, forward and backward.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

register = keras.saving.register_keras_serializable("zoo")


def upsample(x: Any, factor: int) -> Any:
    """Bilinear upsampling of (B, H, W, C) by `factor`, half-pixel centres, in the type of `x`."""
    if tf.as_dtype(x.dtype).size != 2:
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
    """The same by TensorFlow's own operation, as `keras.layers.UpSampling2D` does it."""
    _, height, width, _ = ops.shape(x)
    return ops.cast(tf.image.resize(x, (height * factor, width * factor)), x.dtype)


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
class HypercolumnConv(keras.layers.Layer):
    """A 3×3 convolution over the hypercolumn, without the hypercolumn.

    The hypercolumn is the concatenation of maps that are first upsampled to the size of the first: for VGG16's four
    taps and the input 963 channels at full size, which is what ran the memory out. A convolution is linear, so each
    coarse map can go through it at its own size: "upsample, shift by one pixel, zero beyond the edge" is one constant
    matrix along each axis, after a 1×1 projection to the nine taps of the kernel. The map at half size is upsampled
    and convolved as it is, since its nine projections would be larger; it is upsampled anew for the backward pass.

    Args:
        filters: output channels.
        factored: False computes the plain form, upsample and concatenate; the weights are the same.
        kernel_initializer: of the one kernel (3, 3, channels, filters).

    Inputs are a list of (B, H/f, W/f, C) maps, two at full size and the others at f = 2, 4, 8, …; the output is
    (B, H, W, filters).
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
        # Power-of-two factors from the ranks of the pyramid: sizes may be unknown while a graph is traced.
        factors = [2 ** max(0, position - 1) for position in range(len(inputs))]
        if not self.factored:
            columns = [x if f == 1 else resize(x, f) for x, f in zip(inputs, factors, strict=True)]
            return ops.conv(ops.concatenate(columns, axis=-1), self.kernel, padding="same")
        kernels = ops.split(self.kernel, np.cumsum([x.shape[-1] for x in inputs])[:-1].tolist(), axis=2)
        coarse = [
            (partial(_conv_of_coarse, factor=factors[level]), inputs[level : level + 1], kernels[level : level + 1])
            for level in range(3, len(inputs))
        ]
        return _sum_in_turn(
            *coarse,
            (_conv_of_half, inputs[2:3], kernels[2:3]),
            (_conv_of_full, inputs[:2], kernels[:2]),
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "factored": self.factored,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


Part = tuple[Callable[[Sequence[Any], Sequence[Any]], Any], Sequence[Any], Sequence[Any]]


def _sum_in_turn(*parts: Part) -> Any:
    """The sum of `compute(maps, kernels)` over the parts, each begun when the one before it is done.

    All at once, forward or backward, they would take half as much memory again. What a part makes on its way is made
    anew for the backward pass, which goes through the parts in the same order; it waits for the gradient of a kernel,
    since that of a frozen encoder's map is not computed.
    """
    counts = [len(maps) for _, maps, _ in parts]
    ends = np.cumsum(counts)

    @tf.custom_gradient
    def compute_all(*arguments: Any) -> tuple[Any, Callable[..., Any]]:
        half = len(arguments) // 2
        steps = [
            (compute, arguments[end - count : end], arguments[half + end - count : half + end])
            for (compute, _, _), count, end in zip(parts, counts, ends, strict=True)
        ]
        total = None
        for compute, maps, kernels in steps:
            part = compute(after(total, maps), kernels)
            total = part if total is None else total + part

        def gradient(upstream: Any) -> list[Any]:
            of_maps: list[Any] = []
            of_kernels: list[Any] = []
            done = upstream
            for compute, maps, kernels in steps:
                again, (seed,) = after(done, maps), after(done, [upstream])
                with tf.GradientTape() as tape:
                    tape.watch([*again, *kernels])
                    part = compute(again, kernels)
                found = tape.gradient(part, [*again, *kernels], seed)
                done = found[-1]
                of_maps += found[: len(maps)]
                of_kernels += found[len(maps) :]
            return [*of_maps, *of_kernels]

        return total, gradient

    return compute_all(*(x for _, maps, _ in parts for x in maps), *(k for _, _, kernels in parts for k in kernels))


def after(done: Any, tensors: Sequence[Any]) -> list[Any]:
    """The tensors, for operations that must not begin before `done` is there."""
    with tf.control_dependencies([] if done is None else [done]):
        return [tf.identity(tensor) for tensor in tensors]


def _conv_of_full(maps: Sequence[Any], kernels: Sequence[Any]) -> Any:
    return ops.conv(ops.concatenate(maps, axis=-1), ops.concatenate(kernels, axis=2), padding="same")


def _conv_of_half(maps: Sequence[Any], kernels: Sequence[Any]) -> Any:
    return ops.conv(upsample(maps[0], 2), kernels[0], padding="same")


def _conv_of_coarse(maps: Sequence[Any], kernels: Sequence[Any], factor: int) -> Any:
    """conv3×3(upsample(x)) of a map of a quarter, an eighth, … of the size."""
    x, kernel = maps[0], kernels[0]
    _, height, width, channels = ops.shape(x)
    filters = kernel.shape[-1]
    # (3, 3, C, F) to (C, 9F), columns ordered (dy, dx, F).
    flat = ops.reshape(ops.transpose(kernel, (2, 0, 1, 3)), (channels, 9 * filters))
    taps = ops.reshape(ops.matmul(ops.reshape(x, (-1, channels)), flat), (-1, height, width, 3, 3, filters))
    taps = ops.reshape(ops.transpose(taps, (0, 3, 1, 4, 2, 5)), (-1, 3 * height, 3 * width, filters))
    taps = ops.matmul(upsample_and_shift(width, factor, x.dtype), taps)  # (B, 3h, W, F)
    rows = ops.reshape(taps, (-1, 3 * height, factor * width * filters))
    total = ops.matmul(upsample_and_shift(height, factor, x.dtype), rows)
    return ops.reshape(total, (-1, factor * height, factor * width, filters))


@register
class SumConv(keras.layers.Layer):
    """A 3×3 convolution to a few channels over "normalised map · γ + β + map of half the size, upsampled".

    The sum is never built. γ goes into the kernel and β, which upsampling leaves as it is, into the half-size map;
    that map is projected to the nine taps of the kernel, so that what is upsampled has 9·F channels' worth of a
    quarter of the pixels instead of C at full size. With F = 3 and C = 64 that is a tenth.

    Args:
        filters: output channels F.
        kernel_initializer: of the kernel (3, 3, C, F).

    Inputs are [(B, H, W, C) normalised without scale and offset, (B, H/2, W/2, C)]; the output is (B, H, W, F).
    """

    def __init__(self, filters: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        channels = input_shape[0][-1]
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma", autocast=False)
        self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta", autocast=False)
        self.kernel = self.add_weight(
            shape=(3, 3, channels, self.filters), initializer=self.kernel_initializer, name="kernel", autocast=False
        )

    def call(self, inputs: Any) -> Any:
        normalised, half = inputs
        scaled = ops.cast(self.kernel * self.gamma[:, None], normalised.dtype)
        return ops.conv(normalised, scaled, padding="same") + self._conv_of_half(half)

    def _conv_of_half(self, x: Any) -> Any:
        _, height, width, channels = ops.shape(x)
        filters, dtype = self.filters, x.dtype
        # Columns ordered (dy, dx, F), as in the hypercolumn; few filters want the columns of the image last, so that
        # each product is one large one.
        flat = ops.reshape(ops.transpose(self.kernel, (2, 0, 1, 3)), (channels, 9 * filters))
        taps = ops.matmul(ops.reshape(x, (-1, channels)), ops.cast(flat, dtype))
        taps = taps + ops.cast(ops.matmul(self.beta[None], flat), dtype)
        taps = ops.transpose(ops.reshape(taps, (-1, height, width, 3, 3, filters)), (0, 3, 1, 5, 4, 2))
        rows = ops.reshape(taps, (-1, 3 * height, filters * 3 * width))
        rows = ops.matmul(upsample_and_shift(height, 2, dtype), rows)  # (B, H, 3F·w)
        rows = ops.matmul(ops.reshape(rows, (-1, 3 * width)), ops.transpose(upsample_and_shift(width, 2, dtype)))
        return ops.transpose(ops.reshape(rows, (-1, 2 * height, filters, 2 * width)), (0, 1, 3, 2))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
