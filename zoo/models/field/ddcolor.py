"""DDColor: Towards Photo-Realistic Image Colorization via Dual Decoders, X. Kang et al., ICCV 2023, as released.

| part           | layers                                                                             | size      |
|----------------|------------------------------------------------------------------------------------|-----------|
|                | luma three times, less ImageNet's mean, in its standard deviations                 | 1         |
| encoder        | ConvNeXt (Liu et al., CVPR 2022): four stages, each ends with layer normalisation  | 1/4–1/32  |
| pixel decoder  | three times: 1×1, shuffle ×2, blur; joined to the encoder's map; 3×3               | 1/16–1/4  |
|                | 1×1, shuffle ×4, blur: features of pixels                                          | 1         |
| colour decoder | learned queries; each layer: attention to one of the pixel decoder's three maps by |           |
|                | turns, attention to each other, two dense layers; embeddings by three dense layers | 100 × 256 |
| head           | embeddings times features: a map a query; these and the image, 1×1: a* and b*      | 1         |

Of the last two rows nothing is built at the image's size but a* and b*: see `zoo.models.layers.QueryColors`.
"""

import zlib
from dataclasses import dataclass, replace
from typing import Any

from zoo.models.field.stages import Published
from zoo.models.inputs import LUMA
from zoo.support.schema import Range

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue."""

MULTIPLE = 32  # of the sizes that the encoder's four strides halve


@dataclass(frozen=True)
class Size:
    """How large a network is.

    Attributes:
        channels: of the encoder's four stages.
        blocks: in each of these.
        decoded: channels of the pixel decoder's three maps; its features have as many as the last.
        queries: of the colour decoder.
        embedded: channels of queries and embeddings.
        heads: of each attention.
        wide: channels between the two dense layers after an attention.
        layers: of the colour decoder.
        scale: what each block of the encoder adds is multiplied by at first.
        share: what a layer of the colour decoder adds to the queries is multiplied by. Of a large learning rate, each
            would add the same to all queries, until they are alike; a* is then the same multiple of b* everywhere.
    """

    channels: tuple[int, int, int, int]
    blocks: tuple[int, int, int, int]
    decoded: tuple[int, int, int] = (512, 512, 256)
    queries: int = 100
    embedded: int = 256
    heads: int = 8
    wide: int = 2048
    layers: int = 9
    scale: float = 1e-6
    share: float = 1.0


SIZES = {
    "large": Size((192, 384, 768, 1536), (3, 3, 27, 3)),
    "tiny": Size((96, 192, 384, 768), (3, 3, 9, 3)),
    "mini": Size((24, 48, 96, 192), (1, 1, 2, 1), (64, 64, 32), 16, 32, 4, 128, 3, scale=1.0, share=0.1),
}
"""By the option `size`: two as their authors published them, and a small one of this project."""


PUBLISHED = Published(
    file="pytorch_model.bin",
    url="https://github.com/piddnad/DDColor",
    licence="Apache-2.0, Xiaoyang Kang and others, DAMO Academy, Alibaba Group",
    layers={},  # of every size others: see zoo.models.converting.dual_decoders
    left_out={"encoder.arch.norm.weight": (None,), "encoder.arch.norm.bias": (None,)},
    optional={"encoder.arch.head_cls.weight": (None, None), "encoder.arch.head_cls.bias": (None,)},
    constants={"mean": MEAN, "std": DEVIATION},
    reasons={
        "encoder.arch.norm.*, encoder.arch.head_cls.*": "the end of a classifier, which no colour depends on",
        "the keys' third of each in_proj_bias": "all scores of a query grow alike, which a softmax does not see",
        "mean, std": "constants, which are this network's",
    },
    side=512,
)


def network(*, size: str, initializer: str, momentum: float, seed: int) -> Any:
    """The model: luma (B, H, W, 1) to UV (B, H, W, 2).

    Args:
        size: of `SIZES`.
        initializer: of the kernels of convolutions and dense layers; those of the colour decoder's layers are Glorot's.
        momentum: of the moving averages of batch normalisation.
        seed: of the initial weights.

    Raises:
        UsageError: a value out of range.
    """
    import keras

    from zoo.models.contract import Contract
    from zoo.models.layers import CropLike, LabToUV, PadToMultiple, QueryColors, ScaledImage
    from zoo.models.model import ColorizationModel

    plan = SIZES[Range(choices=tuple(SIZES)).check("size", size, str)]
    layers = _Layers(plan, initializer, momentum, seed)
    luma = keras.Input((None, None, 1), name=LUMA)
    padded = PadToMultiple(MULTIPLE, name="pad", dtype="float32")(luma)
    scale, offset = [1 / each for each in DEVIATION], [-m / d for m, d in zip(MEAN, DEVIATION, strict=True)]
    image = ScaledImage(scale, offset, name="preprocess", dtype="float32")(padded)
    *shorts, x = layers.encoded(image)
    maps = []
    for index, channels in enumerate(plan.decoded):
        x = layers.joined(x, shorts.pop(), channels, f"up{index}")
        maps.append(x)
    features = layers.before_shuffle(x, plan.decoded[-1], 4, "features", normalized=False)
    embeddings = layers.embeddings(maps)
    ab = QueryColors(4, layers.blocks.small.kernel("head_colors"), name="head_colors")([embeddings, features, image])
    ab = CropLike(name="head_crop", dtype="float32")([ab, luma])
    uv = LabToUV(name="output", dtype="float32")([ab, luma])
    return ColorizationModel.of(luma, uv, "ddcolor", Contract())


class _Layers:
    """Makes the layers of a network, the arguments being those of `network`."""

    def __init__(self, plan: Size, initializer: str, momentum: float, seed: int) -> None:
        from zoo.models.blocks import INITIALIZERS, Blocks

        momentum = Range(least=0, below=1).check("momentum", momentum, float)
        initializer = Range(choices=INITIALIZERS).check("initializer", initializer, str)
        self.plan, self.seed = plan, Range().check("seed", seed, int)
        self.blocks = Blocks("relu", initializer, "linear", momentum, False, seed)
        self.glorot = replace(self.blocks, initializer="glorot_uniform")

    def encoded(self, x: Any) -> list[Any]:
        """The maps that the four stages of ConvNeXt end with, at a quarter to a thirty-second of the size."""
        found = []
        for stage, (channels, count) in enumerate(zip(self.plan.channels, self.plan.blocks, strict=True)):
            if stage:
                x = self.conv(self.normalize(x, f"down{stage}_norm", 1e-6), channels, 2, f"down{stage}", strides=2)
            else:
                x = self.normalize(self.conv(x, channels, 4, "stem", strides=4), "stem_norm", 1e-6)
            for index in range(count):
                x = self.block(x, channels, f"stage{stage}_block{index}")
            found.append(self.normalize(x, f"stage{stage}_norm", 1e-6))
        return found

    def block(self, x: Any, channels: int, name: str) -> Any:
        """A block of ConvNeXt: what it adds is a 7×7 convolution of each channel, and two dense layers."""
        import keras

        from zoo.models.layers import GELU, LayerScale

        kernel = self.blocks.kernel(f"{name}_conv")
        y = keras.layers.DepthwiseConv2D(7, padding="same", depthwise_initializer=kernel, name=f"{name}_conv")(x)
        y = self.normalize(y, f"{name}_norm", 1e-6)
        y = GELU(name=f"{name}_gelu")(self.dense(y, 4 * channels, f"{name}_wide"))
        y = LayerScale(self.plan.scale, name=f"{name}_scale")(self.dense(y, channels, f"{name}_narrow"))
        return keras.layers.Add(name=f"{name}_add")([x, y])

    def joined(self, x: Any, short: Any, channels: int, name: str) -> Any:
        """The map at twice its size, joined to the encoder's of that size."""
        import keras

        from zoo.models.layers import ShuffledUpsampling

        x = self.before_shuffle(x, channels, 2, f"{name}_shuffle", normalized=True)
        x = ShuffledUpsampling(2, name=f"{name}_up")(x)
        x = keras.layers.Concatenate(name=f"{name}_join")([x, self.normalize_batch(short, f"{name}_short_bn")])
        x = keras.layers.ReLU(name=f"{name}_join_relu")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(self.conv(x, channels, 3, f"{name}_conv", use_bias=False))
        return self.normalize_batch(x, f"{name}_bn")

    def before_shuffle(self, x: Any, channels: int, factor: int, name: str, *, normalized: bool) -> Any:
        """A 1×1 convolution to the channels of factor × factor pixels a cell, normalised or not, and a ReLU."""
        import keras

        from zoo.models.layers import SubpixelInitializer

        alike = SubpixelInitializer(self.blocks.kernel(name), factor)
        x = self.conv(x, channels * factor**2, 1, name, use_bias=not normalized, kernel_initializer=alike)
        if normalized:
            x = self.normalize_batch(x, f"{name}_bn")
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def embeddings(self, maps: list[Any]) -> Any:
        """What becomes of the queries: (B, queries, channels of the features)."""
        import keras

        from zoo.models.layers import Queries, QueryAttention, SinePositions

        plan = self.plan
        values: list[Any] = []
        keys: list[Any] = []
        for index, each in enumerate(maps):
            value = self.conv(each, plan.embedded, 1, f"level{index}")
            key = SinePositions(name=f"level{index}_positions")(value)
            for tokens, kind, held in ((value, "values", values), (key, "keys", keys)):
                held.append(keras.layers.Reshape((-1, plan.embedded), name=f"level{index}_{kind}")(tokens))

        def table(name: str) -> Any:
            normal = keras.initializers.RandomNormal(stddev=1.0, seed=self._seed(name))
            return Queries(plan.queries, plan.embedded, normal, name=name)(maps[0])

        def placed(x: Any, name: str) -> Any:
            return keras.layers.Add(name=f"{name}_placed")([x, positions])

        def attend(query: Any, key: Any, value: Any, name: str) -> Any:
            return QueryAttention(plan.heads, self._seed(name), name=name)([query, key, value])

        def grown(x: Any, y: Any, name: str) -> Any:
            y = y if plan.share == 1 else keras.layers.Rescaling(plan.share, name=f"{name}_share")(y)
            return self.normalize(keras.layers.Add(name=f"{name}_add")([x, y]), f"{name}_norm", 1e-5)

        x, positions = table("queries"), table("query_positions")
        for index in range(plan.layers):
            name, level = f"layer{index}", index % len(maps)
            cross, own = f"{name}_cross", f"{name}_self"
            x = grown(x, attend(placed(x, cross), keys[level], values[level], cross), cross)
            asked = placed(x, own)
            x = grown(x, attend(asked, asked, x, own), own)
            y = self.dense(x, plan.wide, f"{name}_wide", "relu", self.glorot)
            x = grown(x, self.dense(y, plan.embedded, f"{name}_narrow", None, self.glorot), name)
        x = self.normalize(x, "queries_norm", 1e-5)
        for index in range(2):
            x = self.dense(x, plan.embedded, f"color{index}", "relu")
        return self.dense(x, plan.decoded[-1], "color2")

    def conv(self, x: Any, channels: int, kernel_size: int, name: str, **options: Any) -> Any:
        """A convolution."""
        import keras

        options = {
            "padding": "valid" if "strides" in options else "same",
            "kernel_initializer": self.blocks.kernel(name),
        } | options
        return keras.layers.Conv2D(channels, kernel_size, name=name, **options)(x)

    def dense(self, x: Any, channels: int, name: str, activation: str | None = None, blocks: Any = None) -> Any:
        """A dense layer, its kernel of these blocks, or of the network's."""
        import keras

        kernel = (blocks or self.blocks).kernel(name)
        return keras.layers.Dense(channels, activation=activation, kernel_initializer=kernel, name=name)(x)

    def normalize(self, x: Any, name: str, epsilon: float) -> Any:
        """Layer normalisation."""
        import keras

        return keras.layers.LayerNormalization(epsilon=epsilon, name=name)(x)

    def normalize_batch(self, x: Any, name: str) -> Any:
        """Batch normalisation."""
        from zoo.models.layers import FusedBatchNormalization

        return FusedBatchNormalization(momentum=self.blocks.momentum, epsilon=1e-5, name=name)(x)

    def _seed(self, name: str) -> int:
        return zlib.crc32(f"{self.seed}/{name}".encode())
