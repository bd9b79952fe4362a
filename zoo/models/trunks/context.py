"""A trunk that sees the whole picture, and answers at a quarter of its size.

What a thing is shows in its surroundings: blue above a horizon, green below. On EfficientNet-Lite0's taps, at 192²:

| step                                              | in       | out     |
|---------------------------------------------------|----------|---------|
| 1×1; + 1×1 of the mean over the picture           | 6²×320   | 6²×256  |
| up ×2, + 1×1(block5c), 3×3                        | 12²×256  | 12²×256 |
| twice: + 3×3 with holes, of dilation 2, then 4    | 12²×256  | 12²×256 |
| up ×2, + 1×1(block3b), 3×3                        | 24²×256  | 24²×128 |
| up ×2, + 1×1(block2b), 3×3                        | 48²×128  | 48²×64  |

Convolutions with holes: Yu & Koltun, Multi-Scale Context Aggregation by Dilated Convolutions, ICLR 2016; the mean over
the picture: Liu, Rabinovich & Berg, ParseNet, 2015. Most of the work is done where maps are small.
"""

from typing import Any

from zoo.errors import UsageError
from zoo.models.parts import CHANNELS, Features, Parts
from zoo.models.trunks import register_trunk

WIDTHS = {8: 128, 4: 64}
"""Channels after the step at a stride; 256 after coarser ones."""

CONTEXT_STRIDE = 16
"""Where the convolutions with holes are; after the first step, if the encoder ends before."""

DILATIONS = (2, 4)


@register_trunk(
    "context", "the whole picture's mean and convolutions with holes, then the encoder's maps", strides=(4, 2)
)
def context(parts: Parts) -> Features:
    """The trunk."""
    import keras

    from zoo.models.layers import BilinearUpsampling

    blocks, pyramid = parts.blocks, parts.pyramid
    at = pyramid.taps[-1].stride
    if at <= parts.stride:
        raise UsageError(f"stride={parts.stride}: the coarsest map of the encoder is only {at} times smaller")
    holes_at = min(CONTEXT_STRIDE, at)

    def with_holes(x: Any) -> Any:
        for dilation in DILATIONS:
            found = blocks.block(x, x.shape[-1], 3, f"trunk_context{dilation}", dilation=dilation)
            x = keras.layers.Add(name=f"trunk_context{dilation}_add")([x, found])
        return x

    channels = 256
    x = blocks.block(pyramid.maps[-1], channels, 1, f"trunk_conv{at.bit_length()}")
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True, name="trunk_mean")(x)
    x = keras.layers.Add(name="trunk_mean_add")([x, blocks.conv(mean, channels, 1, "trunk_mean_project")])
    if at == holes_at:
        x = with_holes(x)
    while at > parts.stride:
        at //= 2
        level = at.bit_length()
        x = BilinearUpsampling(2, name=f"trunk_up{level}")(x)
        found = pyramid.at(at)
        if found:
            tap, taken = found
            taken = blocks.normalize(blocks.conv(taken, channels, 1, f"{tap.name}_project"), f"{tap.name}_bn")
            x = keras.layers.Add(name=f"trunk_add{level}")([x, taken])
        channels = CHANNELS if at == parts.stride else WIDTHS.get(at, 256)
        x = blocks.block(x, channels, 3, f"trunk_conv{level}")
        if at == holes_at:
            x = with_holes(x)
    return Features(x, blocks)
