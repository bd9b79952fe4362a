"""Classification of U and V at once, so that no colour is put together from two.

| step                 | out                              |
|----------------------|----------------------------------|
| 3×3                  | 64                               |
| 1×1                  | logits of the places in the plane of U and V |
| `JointBins`, given U | 64 logits of U, and 64 of V given that U |

Zhang 2016 classifies both channels of CIELAB at once, over 313 bins; here they are a grid of UV. The distribution is
handed on as that of U and that of V given a U, which says the same: decoders, hints and palettes take it as they take
that of `v_given_u`, and the loss is the cross-entropy of both.
"""

from typing import Any

from zoo.models.heads import Chain, register_head
from zoo.models.heads.v_given_u import U
from zoo.models.parts import Features, Parts


def chain(model: Any) -> Chain:
    """Takes a model that ends with a `PlaceMixture` apart."""
    import keras

    from zoo.models.layers.joint_bins import PlaceMixture

    (layer,) = (layer for layer in model.layers if isinstance(layer, PlaceMixture))
    features = layer.features(layer.input[:-1])
    inputs = [each for each in model.inputs if each.name != U.name]
    body = keras.Model(inputs, [layer.u_logits(features), features])
    return Chain(body, layer.v_logits, features.shape[-1], layer.marginal, direct=True)


@register_head("joint", "logits of bins of U and V at once", answer="logits", inputs=(U.name,), chain=chain)
def joint(features: Features, parts: Parts) -> Any:
    """The head: logits (B, h, w, 2, 64), float32."""
    from zoo.chroma.tents import uv_places
    from zoo.models.layers import CropLike, JointBins

    x = parts.blocks.block(features.map(), 64, 3, "head_conv1")
    x = CropLike(parts.stride, name="head_features")([x, parts.luma])
    logits = parts.blocks.last(x, len(uv_places()), 1, "head_joint", bias=True, dtype="float32")
    return JointBins(name="head_bins", dtype="float32")([logits, parts.inputs[U.name]])
