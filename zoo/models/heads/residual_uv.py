"""Regression as Dahl's residual encoder ends (Dahl 2016), at 224²:

| step                          | in      | out     |
|-------------------------------|---------|---------|
| 3×3                           | 224²×64 | 224²×3  |
| + BN(image, 3 channels), 3×3  | 224²×3  | 224²×3  |
| 3×3                           | 224²×3  | 224²×2  |
"""

from typing import Any

from zoo.models.heads import register_head
from zoo.models.heads.uv import uv_output
from zoo.models.parts import Features, Parts


@register_head("residual_uv", "three convolutions to UV, the image added between", answer="uv")
def residual_uv(features: Features, parts: Parts) -> Any:
    """The head."""
    import keras

    blocks, image = parts.blocks, parts.pyramid.image
    if parts.stride > 1:
        image = keras.layers.AveragePooling2D(parts.stride, name="image_small")(image)
    x = features.block(3, "head_conv1")
    x = keras.layers.Add(name="head_add")([x, blocks.normalize(image, "input_bn")])
    return uv_output(blocks.block(x, 3, 3, "head_conv2"), blocks)
