"""Classification of V given U, so that the V of one possible colour never meets the U of another.

| step                                   | out       |
|----------------------------------------|-----------|
| 3×3                                    | 64        |
| 1×1                                    | 64 logits of U |
| 64 and the embedding of U → 128 → 64   | 64 logits of V given that U |

U is the model's second input: the true one in training, and the one that a decoder has chosen afterwards. Modelling the
second channel given the first is the chain rule of van den Oord 2016, section 2.2.
"""

from typing import Any

from zoo.chroma.bins import BINS
from zoo.models.heads import Chain, register_head
from zoo.models.inputs import ModelInput, register_input
from zoo.models.parts import Features, Parts


def _most_probable_u(logits: Any) -> Any:
    from zoo.chroma.decoders import Decoder

    return Decoder.parse("mode")(logits)[..., :1]


U = register_input(
    ModelInput(
        name="u",
        channels=1,
        meaning="the U that was chosen, of which V is predicted",
        from_truth=lambda luma, uv, seed: uv[..., :1],
        choose=_most_probable_u,
        at_answer=True,
    )
)


def logits_of_u(features: Features, parts: Parts) -> tuple[Any, Any]:
    """The features that V is predicted from, and the logits of U (B, h, w, 64)."""
    from zoo.models.layers import CropLike

    x = parts.blocks.block(features.map(), 64, 3, "head_conv1")
    x = CropLike(parts.stride, name="head_features")([x, parts.luma])
    return x, parts.blocks.last(x, BINS, 1, "head_u", bias=True, dtype="float32")


def v_layer(parts: Parts) -> Any:
    """The layer of V given U."""
    import keras

    from zoo.models.layers import VGivenU

    blocks = parts.blocks
    return VGivenU(
        kernel_initializer=blocks.kernel("head_v_given_u"),
        # One row of the embedding is seen at a time, beside the sum of 64 features: small rows would drown.
        embedding_initializer=keras.initializers.RandomNormal(stddev=1.0, seed=blocks.seed),
        last_initializer=blocks.small.kernel("head_v_given_u/last"),
        name="head_v_given_u",
    )


def chain(model: Any) -> Chain:
    """Takes a model with this head apart."""
    import keras

    from zoo.models.layers import VGivenU

    (given,) = (layer for layer in model.layers if isinstance(layer, VGivenU))
    features, _ = given.input
    inputs = [each for each in model.inputs if each.name != U.name]
    body = keras.Model(inputs, [model.get_layer("head_u").output, features])
    return Chain(body, lambda features, u: given([features, u]), features.shape[-1], given.marginal)


@register_head(
    "v_given_u", "64 logits for U, and 64 for V given that U", answer="logits", inputs=(U.name,), chain=chain
)
def v_given_u(features: Features, parts: Parts) -> Any:
    """The head: logits (B, H, W, 2, 64), float32."""
    import keras

    from zoo.models.layers import SplitChannels

    x, u_logits = logits_of_u(features, parts)
    v_logits = v_layer(parts)([x, parts.inputs[U.name]])
    logits = keras.layers.Concatenate(name="head_pair", dtype="float32")([u_logits, v_logits])
    return SplitChannels(BINS, name="head_split", dtype="float32")(logits)
