"""Dahl's hypercolumn: the image and the encoder's maps at full size, stacked; then 3×3 convolutions.

Dahl 2016 and Meda 2016, section 3.6, on VGG16 at 224²:

| step                                             | channels                         |
|--------------------------------------------------|----------------------------------|
| image, conv1_2, conv2_2, conv3_3, conv4_3, up    | 3 + 64 + 128 + 256 + 512 = 963   |
| 3×3                                              | 128                              |
| 3×3                                              | 64                               |

The 963 channels are never built: see `zoo.models.layers.factored.HypercolumnConv`.
"""

from zoo.models.parts import CHANNELS, Features, Parts
from zoo.models.trunks import register_trunk


@register_trunk("hypercolumn", "the image and the encoder's maps at full size, stacked, then 3×3 convolutions")
def hypercolumn(parts: Parts) -> Features:
    """The trunk."""
    from zoo.models.layers import HypercolumnConv

    blocks, pyramid = parts.blocks, parts.pyramid
    x = HypercolumnConv(
        128,
        factored=blocks.factored,
        factors=[1, *(tap.stride for tap in pyramid.taps)],
        kernel_initializer=blocks.kernel("trunk_conv1"),
        name="trunk_conv1",
    )([pyramid.image, *pyramid.maps])
    x = blocks.normalized_conv(x, CHANNELS, 3, "trunk_conv2")
    return Features(blocks.activate(x, "trunk_conv2"), blocks)
