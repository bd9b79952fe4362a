"""V given U, and hints: colours that a user gives at some places, which alike pixels follow.

| step                                                         | out         |
|--------------------------------------------------------------|-------------|
| as `v_given_u`                                               | logits of U, of V given U |
| the encoder's maps at strides 4 to 16, 1×1 each, added       | 32          |
| + the trunk's features, luma and its range in a cell, 3×3    | 64          |
| twice: + 3×3 with holes, of dilation 2, then 4               | 64          |
| 1×1                                                          | 32 of the embedding, 1 of the prior |
| `HintAttention` to the hints, and `WithHints`                | logits      |

Attention to hints by feature and place, with a prior that may have it all, is the pointer of Vinyals et al. (Pointer
Networks, 2015) and See et al. (Get To The Point, 2017); simulated hints are those of Zhang et al. (Real-Time
User-Guided Image Colorization with Learned Deep Priors, 2017).
"""

from typing import Any

import numpy as np

from zoo.chroma.bins import BINS
from zoo.models.heads import Chain, register_head
from zoo.models.heads.v_given_u import U, logits_of_u, v_layer
from zoo.models.inputs import ModelInput, register_input
from zoo.models.parts import CHANNELS, Features, Parts

EMBEDDING = 32
"""Channels of the embedding: pixels follow a hint as their embeddings are near that of its place."""

MEAN_HINTS = 7.0
"""How many hints a training image has, in the mean of a geometric distribution."""

MOST_HINTS = 32
NEAR = 5
LARGEST_STEP = 0.15
"""Of luma within `NEAR` pixels of a training hint: one across an edge would have a colour between two."""


class _GivenSeed:
    """Makes `keras.random` draw by a seed that is a tensor."""

    def __new__(cls, seed: Any) -> Any:
        import keras

        class Given(keras.random.SeedGenerator):
            def __init__(self) -> None:
                pass

            def next(self, ordered: bool = True) -> Any:
                # JAX takes no other type for a key.
                return keras.ops.cast(seed, "uint32") if keras.backend.backend() == "jax" else seed

        return Given()


def simulated_hints(luma: Any, uv: Any, seed: Any) -> Any:
    """Hints that a user might give of an image: U, V and 1 at some cells, zeros elsewhere, (B, h, w, 3).

    Args:
        luma: (B, H, W, 1).
        uv: the truth at the answer's size, (B, h, w, 2): a hint's colour is the mean of its cell's.
        seed: an integer tensor (2,).
    """
    import keras
    from keras import ops

    batch, height, width, _ = ops.shape(uv)
    count = height * width
    around = {"pool_size": NEAR, "strides": 1, "padding": "same", "data_format": "channels_last"}
    step = ops.max_pool(luma, **around) + ops.max_pool(-luma, **around)
    for axis, cells in ((1, height), (2, width)):
        size = ops.shape(luma)[axis]
        step = ops.take(step, (2 * ops.arange(cells) + 1) * size // (2 * cells), axis=axis)
    draw = keras.random.uniform((batch, count + 1), seed=_GivenSeed(seed))
    # Cells across an edge come last.
    order = draw[:, :count] + ops.reshape(ops.cast(step < LARGEST_STEP, "float32"), (batch, count))
    wanted = ops.floor(ops.log(ops.maximum(draw[:, count:], 1e-6)) / np.log(MEAN_HINTS / (MEAN_HINTS + 1)))
    # The first so many in that order: those above the next one. A small image has fewer cells than there may be hints.
    ordered, _ = ops.top_k(ops.pad(order, ((0, 0), (0, MOST_HINTS + 1)), constant_values=-1.0), MOST_HINTS + 1)
    next_one = ops.take_along_axis(ordered, ops.cast(ops.minimum(wanted, MOST_HINTS), "int32"), axis=1)
    known = ops.cast(order > next_one, "float32")
    known = ops.reshape(known, (batch, height, width, 1))
    return ops.concatenate([uv * known, known], axis=-1)


def no_hints(luma: Any) -> Any:
    """What stands for none: zeros, (B, h, w, 3)."""
    if isinstance(luma, np.ndarray):
        return np.zeros((*luma.shape[:3], 3), np.float32)
    from keras import ops

    return ops.repeat(ops.zeros_like(luma), 3, axis=-1)


HINTS = register_input(
    ModelInput(
        name="hints",
        channels=3,
        meaning="U and V that a user gives, and 1 where",
        from_truth=simulated_hints,
        absent=no_hints,
        at_answer=True,
    )
)


def chain(model: Any) -> Chain:
    """Takes a model with this head apart. Features hold, one after the other: those of V given U, what the attention
    found, the logits of U without hints, and the embedding with the prior's score."""
    import keras
    from keras import ops

    from zoo.models.layers import VGivenU
    from zoo.models.layers.attention import STRONGEST, around, hinted_u, hinted_v, strongest_hints

    (given,) = (layer for layer in model.layers if isinstance(layer, VGivenU))
    features, _ = given.input
    found, u_logits = model.get_layer("hint_attention").output, model.get_layer("head_u").output
    sizes = np.cumsum([features.shape[-1], 1 + 3 * STRONGEST, BINS])
    every = [ops.cast(each, "float32") for each in (features, found, u_logits, model.get_layer("hint_maps").output)]
    inputs = [each for each in model.inputs if each.name != U.name]
    together = ops.concatenate(every, axis=-1)
    body = keras.Model(inputs, [hinted_u(u_logits, found), together])

    def parts_of(features: Any) -> Any:
        return (features[..., start:end] for start, end in zip([0, *sizes[:2]], sizes, strict=True))

    def v_logits(features: Any, u: Any) -> Any:
        own, found, prior = parts_of(features)
        return hinted_v(given([own, u]), prior, u, found)

    def marginal(features: Any, p_u: Any, least: float) -> Any:
        own, found, prior = parts_of(features)
        mixed = found[..., :1] * given.marginal(own, ops.softmax(prior), least)
        for share, _, v in strongest_hints(found):
            mixed = mixed + share * around(v, 1)
        return mixed

    return Chain(body, v_logits, int(together.shape[-1]), marginal, embedding=EMBEDDING)


@register_head(
    "guided",
    "64 logits for U, and 64 for V given that U, both given hints",
    answer="logits",
    inputs=(U.name, HINTS.name),
    chain=chain,
)
def guided(features: Features, parts: Parts) -> Any:
    """The head: logits (B, h, w, 2, 64), float32."""

    from zoo.models.layers import CropLike, HintAttention, WithHints

    features = Features(features.map(), parts.blocks)  # one that is asked for twice
    u, hints = parts.inputs[U.name], parts.inputs[HINTS.name]
    x, u_logits = logits_of_u(features, parts)
    v_logits = v_layer(parts)([x, u])
    maps = CropLike(parts.stride, name="hint_maps", dtype="float32")([_embedding(features, parts), parts.luma])
    luma = _pooled(parts.padded["luma"], parts.stride, "hint_luma")
    luma = CropLike(parts.stride, name="hint_tone", dtype="float32")([luma, parts.luma])
    found = HintAttention(name="hint_attention", dtype="float32")([maps, luma, hints])
    return WithHints(name="head_hinted", dtype="float32")([u_logits, v_logits, u, found])


def _embedding(features: Features, parts: Parts) -> Any:
    """The embedding and the prior's score, padded, (B, h, w, 33)."""
    import keras

    from zoo.models.layers import BilinearUpsampling

    blocks, stride = parts.blocks, parts.stride
    maps = []
    for tap, x in zip(parts.pyramid.taps, parts.pyramid.maps, strict=True):
        if stride <= tap.stride <= 4 * stride:
            x = blocks.normalize(blocks.conv(x, EMBEDDING, 1, f"hint_{tap.name}"), f"hint_{tap.name}_bn")
            factor = tap.stride // stride
            maps.append(BilinearUpsampling(factor, name=f"hint_{tap.name}_up")(x) if factor > 1 else x)
    luma = parts.padded["luma"]
    tones = [_pooled(luma, stride, "hint_mean")]
    if stride > 1:
        tones += [keras.layers.MaxPooling2D(stride, name="hint_high")(luma)]
        negative = keras.layers.Rescaling(-1.0, name="hint_negative")(luma)
        tones += [keras.layers.MaxPooling2D(stride, name="hint_low")(negative)]
    summed = [keras.layers.Add(name="hint_add")(maps) if len(maps) > 1 else maps[0]] if maps else []
    x = keras.layers.Concatenate(name="hint_all")([features.map(), *summed, *tones])
    x = blocks.block(x, CHANNELS, 3, "hint_conv1")
    for dilation in (2, 4):
        found = blocks.block(x, CHANNELS, 3, f"hint_context{dilation}", dilation=dilation)
        x = keras.layers.Add(name=f"hint_context{dilation}_add")([x, found])
    return keras.layers.Conv2D(
        EMBEDDING + 1,
        1,
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.05, seed=blocks.seed),
        # The score of no hint begins low; of embeddings only differences count.
        bias_initializer=keras.initializers.Constant(-4.0),
        name="hint_embedding",
        dtype="float32",
    )(x)


def _pooled(luma: Any, stride: int, name: str) -> Any:
    import keras

    return keras.layers.AveragePooling2D(stride, name=name)(luma) if stride > 1 else luma
