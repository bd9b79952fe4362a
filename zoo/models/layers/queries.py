"""Colours as learned queries that attend to maps: what DDColor's colour decoder is made of (Kang et al., ICCV 2023).

Queries ask maps of several sizes, and each other, and become embeddings. The product of an embedding and the features
of a pixel says how much of the query that pixel has.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.layers.sizes import blurred, shuffled
from zoo.models.layers.switch import register

WAVELENGTH = 10_000.0  # of the slowest of the sines, over that of the fastest


@register
class Queries(keras.layers.Layer):
    """A learned table, the same for every image: any tensor of B images to (B, count, channels).

    Args:
        count: rows of the table.
        channels: numbers in each.
        initializer: of the table.
    """

    def __init__(self, count: int, channels: int, initializer: Any = "random_normal", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.channels = count, channels
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: Any) -> None:
        self.table = self.add_weight(shape=(self.count, self.channels), initializer=self.initializer, name="table")

    def call(self, inputs: Any) -> Any:
        table = ops.cast(self.table, self.compute_dtype)
        return ops.broadcast_to(table[None], (ops.shape(inputs)[0], self.count, self.channels))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], self.count, self.channels)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.initializer)
        return super().get_config() | {"count": self.count, "channels": self.channels, "initializer": initializer}


def sine_positions(height: Any, width: Any, channels: int) -> Any:
    """Where each cell is, (height, width, channels), float32: sines and cosines of its row, then of its column.

    Rows and columns count from 1 and are scaled so that the last is at 2π. Wavelengths go from 1 to `WAVELENGTH` of
    that: Vaswani et al. 2017, in two dimensions as Carion et al. 2020 have it.
    """
    half = channels // 2
    pace = np.float32(WAVELENGTH) ** (-2 * (np.arange(half, dtype=np.float32) // 2) / half)
    turned = (np.arange(half, dtype=np.float32) % 2) * np.float32(math.pi / 2)  # cos x is sin (x + π/2)

    def along(size: Any) -> Any:
        place = ops.cast(ops.arange(size) + 1, "float32") * (2 * math.pi / (ops.cast(size, "float32") + 1e-6))
        return ops.sin(place[:, None] * ops.convert_to_tensor(pace) + ops.convert_to_tensor(turned))

    rows = ops.broadcast_to(along(height)[:, None], (height, width, half))
    columns = ops.broadcast_to(along(width)[None], (height, width, half))
    return ops.concatenate([rows, columns], axis=-1)


@register
class SinePositions(keras.layers.Layer):
    """Adds to a map (B, H, W, C) where each cell is; C is a multiple of 4."""

    def call(self, inputs: Any) -> Any:
        _, height, width, channels = ops.shape(inputs)
        return inputs + ops.cast(sine_positions(height, width, channels), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@register
class QueryAttention(keras.layers.Layer):
    """Attention of several heads: queries (B, Q, C), keys (B, K, C) and values (B, K, C) to (B, Q, C).

    Keys have no bias. It would add the same number to all scores of a query, which a softmax does not see.

    Args:
        heads: how many; C is a multiple of it.
        seed: of the four kernels, which are Glorot's.
    """

    def __init__(self, heads: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads, self.seed = heads, seed

    def build(self, input_shape: Any) -> None:
        channels = input_shape[0][-1]
        for index, part in enumerate(("query", "key", "value", "output")):
            kernel = keras.initializers.GlorotUniform(seed=(self.seed + index) % 2**32)
            weight = self.add_weight(shape=(channels, channels), initializer=kernel, name=f"{part}_kernel")
            setattr(self, f"{part}_kernel", weight)
            if part != "key":
                bias = self.add_weight(shape=(channels,), initializer="zeros", name=f"{part}_bias")
                setattr(self, f"{part}_bias", bias)

    def call(self, inputs: Any) -> Any:
        queries, keys, values = inputs
        channels = queries.shape[-1]
        size = channels // self.heads
        queries = self._projected(queries, "query") * (size**-0.5)
        queries, keys, values = (
            ops.transpose(ops.reshape(each, (-1, ops.shape(each)[1], self.heads, size)), (0, 2, 1, 3))
            for each in (queries, self._projected(keys, "key"), self._projected(values, "value"))
        )
        scores = ops.cast(ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))), "float32")
        shares = ops.cast(ops.softmax(scores, axis=-1), values.dtype)
        found = ops.transpose(ops.matmul(shares, values), (0, 2, 1, 3))
        return self._projected(ops.reshape(found, (-1, ops.shape(found)[1], channels)), "output")

    def _projected(self, x: Any, part: str) -> Any:
        x = ops.matmul(x, ops.cast(getattr(self, f"{part}_kernel"), x.dtype))
        bias = getattr(self, f"{part}_bias", None)
        return x if bias is None else x + ops.cast(bias, x.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"heads": self.heads, "seed": self.seed}


@register
class QueryColors(keras.layers.Layer):
    """Colours of pixels by queries: embeddings (B, Q, C), features and an image (B, f·H, f·W, 3) to (B, f·H, f·W, 2).

    The features (B, H, W, f·f·C) are those of f·f pixels a cell, row by row. DDColor brings them to the image's size,
    blurs them, makes Q maps of them by products with the embeddings, and mixes these maps and the image to a* and b*.
    All of that is linear. Here the mixing and the embeddings are multiplied first: the C channels at the image's size,
    and the Q maps, are never built.

    Args:
        factor: f.
        kernel_initializer: of the kernel (Q + 3, 2) of the mixing.
    """

    def __init__(self, factor: int, kernel_initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        queries, image = input_shape[0][1], input_shape[2][-1]
        shape = (queries + image, 2)
        self.kernel = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="kernel")
        self.bias = self.add_weight(shape=(2,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        embeddings, features, image = inputs
        count, channels = embeddings.shape[1:]
        _, height, width, _ = ops.shape(features)
        of_queries, of_image = self.kernel[:count], self.kernel[count:]
        mixed = ops.einsum("bqc,qk->bck", embeddings, ops.cast(of_queries, embeddings.dtype))
        pixels = ops.reshape(features, (-1, height * width * self.factor**2, channels))
        found = ops.reshape(ops.matmul(pixels, mixed), (-1, height, width, 2 * self.factor**2))
        found = blurred(shuffled(ops.cast(found, "float32"), self.factor))
        seen = ops.matmul(ops.cast(image, "float32"), ops.cast(of_image, "float32"))
        return found + seen + ops.cast(self.bias, "float32")

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[2][:3], 2)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([each.shape for each in inputs]), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "factor": self.factor,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
