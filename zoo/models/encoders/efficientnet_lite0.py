"""EfficientNet-Lite0, tapped at the end of five stages.

Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, arXiv:1905.11946, table 1, with the
changes of Liu, Higher accuracy on vision models with EfficientNet-Lite, 2020: ReLU6, and no squeeze-and-excitation.

| stage | block  | kernel | stride | expansion | channels | repeats | size at 224² | tap     |
|-------|--------|--------|--------|-----------|----------|---------|--------------|---------|
| 0     | stem   | 3×3    | 2      |           | 32       | 1       | 112²         |         |
| 1     | MBConv | 3×3    | 1      | 1         | 16       | 1       | 112²         | block1a |
| 2     | MBConv | 3×3    | 2      | 6         | 24       | 2       | 56²          | block2b |
| 3     | MBConv | 5×5    | 2      | 6         | 40       | 2       | 28²          | block3b |
| 4     | MBConv | 3×3    | 2      | 6         | 80       | 3       | 14²          |         |
| 5     | MBConv | 5×5    | 1      | 6         | 112      | 3       | 14²          | block5c |
| 6     | MBConv | 5×5    | 2      | 6         | 192      | 4       | 7²           |         |
| 7     | MBConv | 3×3    | 1      | 6         | 320      | 1       | 7²           | block7a |
"""

import zlib
from typing import Any

from zoo.models.encoders import EncoderCard, Tap, register_encoder

STEM = 32
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride of the first, expansion, channels."""

CARD = EncoderCard(
    name="efficientnet_lite0",
    summary="EfficientNet-Lite0 without its classifier: light, and sees the whole picture",
    taps=(
        Tap("block1a", 2, 16),
        Tap("block2b", 4, 24),
        Tap("block3b", 8, 40),
        Tap("block5c", 16, 112),
        Tap("block7a", 32, 320),
    ),
    preprocessing="luma three times, 0 to 255, less 127, over 128",
    weights="ImageNet-1k, Google's by way of ML Illustrated's PyTorch port, in half precision",
    digest="20c01b21cf37ca91056a9877bc110656986df1f7bcfac9da389f1c9ee2004219",
    licence="Apache-2.0",
    citation="M. Tan and Q. Le, EfficientNet, ICML 2019; R. Liu, EfficientNet-Lite, TensorFlow blog, 2020",
    parameters=2_998_304,
)


@register_encoder(CARD)
def efficientnet_lite0(luma: Any, seed: int) -> tuple[Any, Any]:
    """The image, in (−1, 1], and the network. Stride 2 pads as TensorFlow does it, on the right and below."""
    import keras

    from zoo.models.layers import FusedBatchNormalization, ScaledImage

    image = ScaledImage(255 / 128, (-127 / 128,) * 3, name="preprocess")(luma)

    def kernel(name: str) -> Any:
        return keras.initializers.HeNormal(seed=zlib.crc32(f"{seed}/{name}".encode()))

    def conv(x: Any, filters: int, size: int, stride: int, name: str) -> Any:
        options: dict[str, Any] = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
        return keras.layers.Conv2D(filters, size, kernel_initializer=kernel(name), **options)(x)

    def normalize(x: Any, name: str) -> Any:
        return FusedBatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)

    def activate(x: Any, name: str) -> Any:
        return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu6")(normalize(x, name))

    def block(x: Any, size: int, stride: int, expansion: int, filters: int, name: str) -> Any:
        start, channels = x, x.shape[-1]
        if expansion > 1:
            x = activate(conv(x, expansion * channels, 1, 1, f"{name}_expand"), f"{name}_expand")
        depthwise = f"{name}_depthwise"
        options: dict[str, Any] = {"strides": stride, "padding": "same", "use_bias": False, "name": depthwise}
        # HeNormal would count all channels as the fan-in of a depthwise kernel, whose outputs see one.
        scaling = keras.initializers.VarianceScaling(2.0 * x.shape[-1], seed=zlib.crc32(f"{seed}/{depthwise}".encode()))
        x = keras.layers.DepthwiseConv2D(size, depthwise_initializer=scaling, **options)(x)
        x = activate(x, depthwise)
        x = normalize(conv(x, filters, 1, 1, f"{name}_project"), f"{name}_project")
        return keras.layers.Add(name=name)([start, x]) if stride == 1 and channels == filters else x

    inputs = keras.Input((None, None, 3), name="image")
    x = activate(conv(inputs, STEM, 3, 2, "stem"), "stem")
    maps = {}
    for stage, (repeats, size, stride, expansion, filters) in enumerate(STAGES, start=1):
        for index in range(repeats):
            name = f"block{stage}{'abcd'[index]}"
            x = maps[name] = block(x, size, stride if index == 0 else 1, expansion, filters, name)
    return image, keras.Model(inputs, [maps[tap.name] for tap in CARD.taps], name="encoder")
