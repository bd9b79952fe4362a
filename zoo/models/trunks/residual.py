"""Dahl's residual encoder: each tap is added on the way up.

Dahl 2016, on VGG16's taps at 224²:

| step                          | in       | out      |
|-------------------------------|----------|----------|
| BN(conv4_3) → 1×1             | 28²×512  | 28²×256  |
| up ×2, + BN(conv3_3), 3×3     | 56²×256  | 56²×128  |
| up ×2, + BN(conv2_2), 3×3     | 112²×128 | 112²×64  |
| up ×2, + BN(conv1_2)          | 224²×64  | 224²×64  |

On another encoder it begins at the coarsest tap. A tap of other channels than the sum has is brought to them by a 1×1
convolution; where there is no tap at full size, a 3×3 convolution of the image stands for it.
"""

from typing import Any

from zoo.errors import UsageError
from zoo.models.parts import CHANNELS, Features, Parts
from zoo.models.trunks import register_trunk

WIDTHS = {4: 128, 2: 64}
"""Channels after the step at a stride; 256 after coarser ones."""


class Sum(Features):
    """The last sum, not added up yet: a tap of 64 channels, and a map of half its size."""

    def __init__(self, tap: Any, half: Any, name: str, blocks: Any) -> None:
        super().__init__(None, blocks)
        self._tap, self._half, self._name = tap, half, name

    def map(self) -> Any:
        """The sum of the normalised tap and the upsampled map."""
        import keras

        from zoo.models.layers import BilinearUpsampling

        x = BilinearUpsampling(2, name="trunk_up1")(self._half)
        return keras.layers.Add(name="trunk_add1")([x, self._blocks.normalize(self._tap, f"{self._name}_bn")])

    def block(self, filters: int, name: str) -> Any:
        """`Blocks.block` of the sum, for a few filters, by a convolution that never builds the sum."""
        from zoo.models.layers import FusedBatchNormalization, SumConv

        tap = FusedBatchNormalization(
            momentum=self._blocks.momentum, center=False, scale=False, name=f"{self._name}_bn"
        )(self._tap)
        x = SumConv(filters, kernel_initializer=self._blocks.kernel(name), name=name)([tap, self._half])
        return self._blocks.activate(x, name)


@register_trunk("residual", "the encoder's maps added to a decoder on its way up, ×2 at a time", strides=(1, 2, 4))
def residual(parts: Parts) -> Features:
    """The trunk."""
    import keras

    from zoo.models.layers import BilinearUpsampling

    blocks, pyramid = parts.blocks, parts.pyramid
    coarsest = pyramid.taps[-1]
    if coarsest.stride <= parts.stride:
        raise UsageError(
            f"stride={parts.stride}: the coarsest map of the encoder is only {coarsest.stride} times smaller"
        )

    def tap_at(at: int, channels: int) -> tuple[Any, str] | None:
        found = pyramid.at(at)
        if found is None:
            return None
        tap, x = found
        return (x if tap.channels == channels else blocks.conv(x, channels, 1, f"{tap.name}_project")), tap.name

    at, channels = coarsest.stride, 256
    x = blocks.normalize(pyramid.maps[-1], f"{coarsest.name}_bn")
    x = blocks.block(x, channels, 1, f"trunk_conv{at.bit_length()}")
    while at > parts.stride:
        at //= 2
        if at == 1:
            if channels != CHANNELS:
                x = blocks.block(x, CHANNELS, 1, "trunk_narrow")
            tap = tap_at(1, CHANNELS) or (blocks.conv(pyramid.image, CHANNELS, 3, "image_project"), "image")
            return Sum(tap[0], x, tap[1], blocks)
        level = at.bit_length()
        x = BilinearUpsampling(2, name=f"trunk_up{level}")(x)
        found = tap_at(at, channels)
        if found:
            x = keras.layers.Add(name=f"trunk_add{level}")([x, blocks.normalize(found[0], f"{found[1]}_bn")])
        channels = CHANNELS if at == parts.stride else WIDTHS.get(at, 256)
        x = blocks.block(x, channels, 3, f"trunk_conv{level}")
    return Features(x, blocks)
