"""Hints inside a network: each pixel attends to the hints by what it is and where it is, or to no hint at all."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.chroma.bins import BINS, bin_position, two_hot_channel
from zoo.models.layers.switch import register

TOKENS = 32
"""How many hinted cells of an image are attended to; of more, those that come first."""

STRONGEST = 4
"""How many hints are kept of each pixel; what the others would get goes to the prior."""

SPREAD = 1.5
"""How far from a hint's colour a pixel of that colour may be, bins of U or V, a standard deviation."""

LEAST_PROBABILITY = 1e-6

HINT_CHANNELS = 3
"""U, V, and 1 where a cell is hinted."""


@register
class HintAttention(keras.layers.Layer):
    """How much of each pixel is which hint's: embeddings (B, h, w, D + 1), luma (B, h, w, 1) and hints (B, h, w, 3) to
    (B, h, w, 1 + 3 · `STRONGEST`), float32: the prior's share, then share, U and V of the strongest hints.

    The shares are a softmax over hints and prior. A hint's score is −‖e − e'‖² − a · place − b · |luma − luma'|, with
    the place in parts of the image's longer side, and the prior's is the last channel of the embeddings. Of an image
    without hints the prior has all.
    """

    def build(self, input_shape: Any) -> None:
        ones = keras.initializers.Constant
        self.place = self.add_weight(shape=(), initializer=ones(2.0), name="place")
        self.step = self.add_weight(shape=(), initializer=ones(10.0), name="step")

    def call(self, inputs: Any) -> Any:
        maps, luma, hints = (ops.cast(each, "float32") for each in inputs)
        batch, height, width, channels = ops.shape(maps)
        flat = ops.reshape(maps, (batch, -1, channels))
        embedding, prior = flat[..., :-1], flat[..., -1:]
        tones = ops.reshape(luma, (batch, -1, 1))
        given = ops.reshape(hints, (batch, -1, HINT_CHANNELS))
        # A small image has fewer cells than there are tokens: zeros make up for them.
        padded = ops.pad(given[..., 2], ((0, 0), (0, TOKENS)))
        marked, index = ops.top_k(padded, TOKENS)
        index = ops.minimum(index, height * width - 1)[..., None]

        def of_hints(x: Any) -> Any:
            return ops.take_along_axis(x, index, axis=1)

        side = ops.cast(ops.maximum(height, width), "float32")
        rows = ops.cast(ops.repeat(ops.arange(height), width), "float32") / side
        columns = ops.cast(ops.tile(ops.arange(width), (height,)), "float32") / side
        places = ops.broadcast_to(ops.stack([rows, columns], axis=-1)[None], (batch, height * width, 2))
        apart = _squared_distances(places, of_hints(places))
        score = -_squared_distances(embedding, of_hints(embedding))
        score -= ops.relu(self.place) * ops.sqrt(apart + 1e-6)
        score -= ops.relu(self.step) * ops.abs(tones - ops.transpose(of_hints(tones), (0, 2, 1)))
        score = ops.where(marked[:, None] > 0, score, -1e9)
        shares = ops.softmax(ops.concatenate([score, prior], axis=-1), axis=-1)[..., :-1]
        strongest, which = ops.top_k(shares, STRONGEST)
        colors = of_hints(given)[..., :2]
        chosen = ops.take_along_axis(colors, ops.reshape(which, (batch, -1, 1)), axis=1)
        chosen = ops.reshape(chosen, (batch, -1, STRONGEST, 2))
        each = ops.reshape(ops.concatenate([strongest[..., None], chosen], axis=-1), (batch, -1, 3 * STRONGEST))
        found = ops.concatenate([1 - ops.sum(strongest, axis=-1, keepdims=True), each], axis=-1)
        return ops.reshape(found, (batch, height, width, 1 + 3 * STRONGEST))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:3], 1 + 3 * STRONGEST)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")


def _squared_distances(these: Any, those: Any) -> Any:
    """Of (B, n, D) and (B, m, D), (B, n, m)."""
    product = ops.matmul(these, ops.transpose(those, (0, 2, 1)))
    squares = ops.sum(ops.square(these), axis=-1)[..., None] + ops.sum(ops.square(those), axis=-1)[:, None]
    return ops.relu(squares - 2 * product)


def hinted_u(logits: Any, found: Any) -> Any:
    """Log-probabilities of U, (B, h, w, 64), of its prior logits and what `HintAttention` found."""
    mixed = found[..., :1] * ops.softmax(logits)
    for share, u, _ in strongest_hints(found):
        mixed = mixed + share * around(u, 0)
    return ops.log(ops.maximum(mixed, LEAST_PROBABILITY))


def hinted_v(logits: Any, u_logits: Any, u: Any, found: Any) -> Any:
    """Log-probabilities of V given U, (B, h, w, 64).

    By Bayes, a hint counts as much as its own U is likely to be this one, and the prior as much as it says this U is.

    Args:
        logits: of V given U, without hints, (B, h, w, 64).
        u_logits: of U, without hints, (B, h, w, 64).
        u: the U, (B, h, w, 1).
        found: of `HintAttention`.
    """
    label = two_hot_channel(u, 0)
    weight = found[..., :1] * ops.sum(ops.softmax(u_logits) * label, axis=-1, keepdims=True) + LEAST_PROBABILITY
    mixed, total = weight * ops.softmax(logits), weight
    for share, hint_u, hint_v in strongest_hints(found):
        weight = share * ops.sum(around(hint_u, 0) * label, axis=-1, keepdims=True)
        mixed, total = mixed + weight * around(hint_v, 1), total + weight
    return ops.log(ops.maximum(mixed / total, LEAST_PROBABILITY))


def strongest_hints(found: Any) -> list[tuple[Any, Any, Any]]:
    """Share, U and V of each of the strongest hints, (B, h, w, 1) each."""
    return [tuple(found[..., at : at + 1] for at in range(1 + 3 * i, 4 + 3 * i)) for i in range(STRONGEST)]


def around(value: Any, channel: int) -> Any:
    """The distribution of a pixel whose hint has this U (channel 0) or V (1), (B, h, w, 1): (B, h, w, 64)."""
    bins = np.arange(BINS, dtype=np.float32)
    return ops.softmax(-0.5 * ops.square(ops.subtract(bin_position(value, channel), bins) / SPREAD))


@register
class WithHints(keras.layers.Layer):
    """What is known of U and V after the hints: logits of U, of V given U, that U, and what `HintAttention` found, to
    log-probabilities (B, h, w, 2, 64), float32."""

    def call(self, inputs: Any) -> Any:
        u_logits, v_logits, u, found = (ops.cast(each, "float32") for each in inputs)
        return ops.stack([hinted_u(u_logits, found), hinted_v(v_logits, u_logits, u, found)], axis=-2)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[0][:3], 2, BINS)

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape([x.shape for x in inputs]), dtype="float32")
