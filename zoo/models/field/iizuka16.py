"""Let there be Color!: S. Iizuka, E. Simo-Serra, H. Ishikawa, SIGGRAPH 2016.

| network      | layers                                                   | size        | channels |
|--------------|----------------------------------------------------------|-------------|----------|
| low-level    | 3×3 of stride 2, 3×3                                     | 1/2         | 64, 128  |
|              | 3×3 of stride 2, 3×3                                     | 1/4         | 128, 256 |
|              | 3×3 of stride 2, 3×3                                     | 1/8         | 256, 512 |
| mid-level    | two 3×3                                                  | 1/8         | 512, 256 |
| global       | the low-level network of the whole image as 224²         | 28²         | 512      |
|              | 3×3 of stride 2, 3×3                                     | 14²         | 512      |
|              | 3×3 of stride 2, 3×3                                     | 7²          | 512      |
|              | three dense layers                                       |             | 1024, 512, 256 |
| fusion       | mid-level and global features stacked, 1×1               | 1/8         | 256      |
| colorization | 3×3; to twice the size; two 3×3; to twice the size; 3×3  | 1/8 to 1/2  | 128, 64, 64, 32 |
|              | 3×3, sigmoid: a* and b* from −100 to 100                 | 1/2         | 2        |

Batch normalisation and a ReLU follow each layer but the last. The convolutions of the low-level network are the
same for the image and for the global features. Each of the two has batch normalisation of its own: a picture brought
to 224² has other statistics. Sizes are doubled by repeating pixels.

The paper also classifies the scene by the global features, in training alone. It has labels of 205 places for that;
there are none here, and that branch is left out.
"""

from typing import Any

from zoo.models.field.stages import MULTIPLE, Stages
from zoo.models.inputs import LUMA
from zoo.support.schema import Range

STRIDE = 2  # of the answer
AB_MAX = 100.0  # of a* and b*
LOW = ((64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1))
"""Channels and strides of the low-level network."""

GLOBAL_STRIDE = 32  # of the map that the dense layers see


def network(*, width: float, initializer: str, momentum: float, seed: int, side: int) -> Any:
    """The model: luma (B, H, W, 1) to UV (B, H/2, W/2, 2).

    Args:
        width: as that of `Stages`.
        initializer: likewise.
        momentum: likewise.
        seed: likewise.
        side: of the square that the global features are found in, a multiple of 32.

    Raises:
        UsageError: a value out of range.
    """
    import keras

    from zoo.models.contract import Contract
    from zoo.models.layers import CropLike, LabToUV, PadToMultiple, RepeatPixels, ResizeTo
    from zoo.models.model import ColorizationModel

    stages = Stages(width=width, initializer=initializer, momentum=momentum, seed=seed)
    side = Range(least=32, most=1024, multiple=GLOBAL_STRIDE).check("side", side, int)
    luma = keras.Input((None, None, 1), name=LUMA)
    whole = ResizeTo(side, name="global_image", dtype="float32")(luma)
    padded = PadToMultiple(MULTIPLE, name="pad", dtype="float32")(luma)
    preprocess = keras.layers.Rescaling(2.0, -1.0, name="preprocess")
    low = _LowLevel(stages)
    x = low(preprocess(padded), "low")
    for name, channels in (("mid1", 512), ("mid2", 256)):
        x = stages.block(x, channels, 3, name)
    x = _fused(stages, x, _global(stages, low(preprocess(whole), "global_low"), side // GLOBAL_STRIDE))
    x = stages.block(x, 128, 3, "color1")
    x = RepeatPixels(name="color1_up")(x)
    for name in ("color2", "color3"):
        x = stages.block(x, 64, 3, name)
    x = RepeatPixels(name="color3_up")(x)
    x = stages.block(x, 32, 3, "color4")
    x = stages.last(x, 2, "head_sigmoid", size=3, activation="sigmoid")
    ab = keras.layers.Rescaling(2 * AB_MAX, -AB_MAX, name="head_ab", dtype="float32")(x)
    small = keras.layers.AveragePooling2D(STRIDE, name="head_luma", dtype="float32")(padded)
    uv = LabToUV(name="head_uv", dtype="float32")([ab, small])
    uv = CropLike(STRIDE, name="output", dtype="float32")([uv, luma])
    return ColorizationModel.of(luma, uv, "iizuka16", Contract(stride=STRIDE))


class _LowLevel:
    """The low-level network: the same convolutions each time it is called."""

    def __init__(self, stages: Stages) -> None:
        import keras

        self._stages, self._convolutions = stages, []
        for index, (channels, stride) in enumerate(LOW, start=1):
            self._convolutions.append(
                keras.layers.Conv2D(
                    stages.channels(channels),
                    3,
                    strides=stride,
                    padding="same" if stride == 1 else "valid",
                    use_bias=False,
                    kernel_initializer=stages.kernel(f"low{index}"),
                    name=f"low{index}",
                )
            )

    def __call__(self, x: Any, name: str) -> Any:
        for index, (conv, (_, stride)) in enumerate(zip(self._convolutions, LOW, strict=True), start=1):
            x = self._stages.padded(x, f"{name}{index}") if stride > 1 else x
            x = self._stages.activated(conv(x), f"{name}{index}")
        return x


def _global(stages: Stages, x: Any, cells: int) -> Any:
    """The global features, (B, 1, 1, 256), of low-level features that are four times `cells` a side."""
    import keras

    for index, stride in enumerate((2, 1, 2, 1), start=1):
        name = f"global{index}"
        x = stages.conv(x, 512, name, stride=stride, bias=False, relu=False)
        x = stages.activated(x, name)
    for index, (channels, size) in enumerate(((1024, cells), (512, 1), (256, 1)), start=1):
        name = f"global_dense{index}"
        x = keras.layers.Conv2D(
            stages.channels(channels), size, use_bias=False, kernel_initializer=stages.kernel(name), name=name
        )(x)
        x = stages.activated(x, name)
    return x


def _fused(stages: Stages, x: Any, whole: Any) -> Any:
    """1×1 of mid-level and global features as if they were stacked, which is the sum of that of each."""
    import keras

    parts = [stages.plain(x, 256, 1, "fusion_mid"), stages.plain(whole, 256, 1, "fusion_global")]
    return stages.activated(keras.layers.Add(name="fusion_add")(parts), "fusion")
