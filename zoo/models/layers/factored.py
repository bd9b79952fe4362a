"""Convolutions over upsampled maps that are never built.

A convolution is linear, and so is bilinear upsampling. "Upsample, shift by one pixel, zero beyond the edge" is one
constant matrix along each axis, so a coarse map can be projected to the nine taps of a 3×3 kernel at its own size, and
then go through two such matrices: dense products, forward and backward.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.layers.sizes import resize, upsample, upsample_and_shift
from zoo.models.layers.switch import accelerated, register


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
        factors: by how much each map is smaller than the output, rising; None for 1, 1, 2, 4, 8, …

    Inputs are a list of (B, H/f, W/f, C) maps, the first at full size; the output is (B, H, W, filters).
    """

    def __init__(
        self,
        filters: int,
        factored: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        factors: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.factored = factored
        self.factors = None if factors is None else [int(each) for each in factors]
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        channels = sum(shape[-1] for shape in input_shape)
        self.kernel = self.add_weight(
            shape=(3, 3, channels, self.filters), initializer=self.kernel_initializer, name="kernel"
        )

    def call(self, inputs: Any) -> Any:
        factors = self.factors or [2 ** max(0, position - 1) for position in range(len(inputs))]
        if not self.factored:
            columns = [x if f == 1 else resize(x, f) for x, f in zip(inputs, factors, strict=True)]
            return ops.conv(ops.concatenate(columns, axis=-1), self.kernel, padding="same")
        kernels = ops.split(self.kernel, np.cumsum([x.shape[-1] for x in inputs])[:-1].tolist(), axis=2)
        full, half = factors.count(1), factors.count(2)
        parts: list[tuple[Any, Any, Any]] = [
            (partial(_conv_of_coarse, factor=factors[level]), inputs[level : level + 1], kernels[level : level + 1])
            for level in range(full + half, len(inputs))
        ]
        if half:
            parts.append((_conv_of_half, inputs[full : full + half], kernels[full : full + half]))
        parts.append((_conv_of_full, inputs[:full], kernels[:full]))
        if accelerated():
            from zoo.models.layers import twins

            return twins.sum_in_turn(*parts)
        return sum(compute(maps, kernel) for compute, maps, kernel in parts)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "filters": self.filters,
            "factored": self.factored,
            "factors": self.factors,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _conv_of_full(maps: Sequence[Any], kernels: Sequence[Any]) -> Any:
    return ops.conv(ops.concatenate(maps, axis=-1), ops.concatenate(kernels, axis=2), padding="same")


def _conv_of_half(maps: Sequence[Any], kernels: Sequence[Any]) -> Any:
    return _conv_of_full([upsample(x, 2) for x in maps], kernels)


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
