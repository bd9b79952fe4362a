"""The U-Net of Isola 2017: luma to UV, with every map of the way down joined to the way up.

P. Isola, J.-Y. Zhu, T. Zhou and A. A. Efros, Image-to-Image Translation with Conditional Adversarial Networks, CVPR
2017, section 6.1.1. All convolutions are 4×4 of stride 2. With `depth` 8, on 256²:

| down | out      | up, joined to the map of that size | out      |
|------|----------|------------------------------------|----------|
| C64  | 128²×64  | CD512                              | 2²×512   |
| C128 | 64²×128  | CD512                              | 4²×512   |
| C256 | 32²×256  | CD512                              | 8²×512   |
| C512 | 16²×512  | C512                               | 16²×512  |
| C512 | 8²×512   | C256                               | 32²×256  |
| C512 | 4²×512   | C128                               | 64²×128  |
| C512 | 2²×512   | C64                                | 128²×64  |
| C512 | 1²×512   | 2, tanh                            | 256²×2   |

On the way down leaky ReLUs of slope 0.2 and batch normalisation, but not after the first and the last; on the way up
ReLUs and batch normalisation. A CD is followed by dropout of one half. The paper drops out in use too, as its only
noise, and finds that its answers hardly differ for it. Here it is for training alone: a page is always coloured alike.
"""

import zlib
from typing import Any

import keras

from zoo.models.blocks import ACTIVATIONS, INITIALIZERS, NEGATIVE_SLOPE, Blocks
from zoo.models.contract import Contract
from zoo.models.inputs import LUMA
from zoo.models.layers import ChromaRange, CropLike, FusedBatchNormalization, LeakyReLU, PadToMultiple
from zoo.models.model import ColorizationModel
from zoo.support.schema import Range

CHANNELS = 64  # of the first map; the widest have eight times as many
DROPPED = 3  # of the widest maps of the way up, the coarsest so many are followed by dropout
OUTPUTS = ("sigmoid", "linear")


def pix2pix(
    *,
    width: float = 1.0,
    depth: int = 6,
    dropout: float = 0.5,
    activation: str = "relu",
    initializer: str = "normal",
    output: str = "sigmoid",
    momentum: float = 0.99,
    seed: int = 0,
    encoder_weights: Any = "none",
    train_encoder: bool = True,
) -> ColorizationModel:
    """Builds the U-Net: luma (B, H, W, 1) in [0, 1] of any height and width to UV (B, H, W, 2), float32.

    Args:
        width: a multiplier of the channels.
        depth: convolutions on the way down. The paper has 8, for 256²; height and width are padded to a multiple of
            2 to the power of this. 6 suits crops of 64² and more.
        dropout: share of the numbers that are dropped in training, in [0, 1).
        activation: of the way up: `relu`, as in the paper, or `leaky_relu`.
        initializer: of the kernels: `normal` with standard deviation 0.02, as in the paper, `truncated_normal` with
            0.01, `he_normal` or `glorot_uniform`. The last convolution always has one of the first two.
        output: `sigmoid`, mapped to the range of UV: the paper's tanh, of half the slope; or `linear`.
        momentum: of the moving averages of batch normalisation.
        seed: of the first weights, and of what is dropped.
        encoder_weights: there is no encoder; taken, since every model's builder is given it.
        train_encoder: likewise.

    Raises:
        UsageError: an option with a value it does not take.
    """
    first = max(1, round(CHANNELS * Range(above=0, most=4).check("width", width, float)))
    depth = Range(least=2, most=10).check("depth", depth, int)
    dropout = Range(least=0, below=1).check("dropout", dropout, float)
    momentum = Range(least=0, below=1).check("momentum", momentum, float)
    seed = Range().check("seed", seed, int)
    activation = Range(choices=ACTIVATIONS).check("activation", activation, str)
    initializer = Range(choices=("normal", *INITIALIZERS)).check("initializer", initializer, str)
    output = Range(choices=OUTPUTS).check("output", output, str)
    small = initializer if initializer == "normal" else "truncated_normal"

    def kernel(name: str, kind: str) -> Any:
        if kind == "normal":
            return keras.initializers.RandomNormal(stddev=0.02, seed=zlib.crc32(f"{seed}/{name}".encode()))
        return Blocks(activation, kind, output, momentum, True, seed).kernel(name)

    def conv(kind: Any, x: Any, filters: int, name: str, *, bias: bool, how: str = initializer) -> Any:
        options: dict[str, Any] = {"strides": 2, "padding": "same", "use_bias": bias, "name": name}
        return kind(filters, 4, kernel_initializer=kernel(name, how), **options)(x)

    def normalize(x: Any, name: str) -> Any:
        return FusedBatchNormalization(momentum=momentum, epsilon=1e-5, name=f"{name}_bn")(x)

    def activate(x: Any, name: str) -> Any:
        if activation == "relu":
            return keras.layers.ReLU(name=f"{name}_relu")(x)
        return LeakyReLU(NEGATIVE_SLOPE, name=f"{name}_leaky_relu")(x)

    widths = [first * min(2**level, 8) for level in range(depth)]
    luma = keras.Input((None, None, 1), name=LUMA)
    x = keras.layers.Rescaling(2.0, -1.0, name="preprocess")(PadToMultiple(2**depth, name="pad")(luma))
    maps = []
    for level, filters in enumerate(widths, start=1):
        name, plain = f"down{level}", level in (1, depth)
        if level > 1:
            x = LeakyReLU(0.2, name=f"{name}_leaky_relu")(x)
        x = conv(keras.layers.Conv2D, x, filters, name, bias=plain)
        x = x if plain else normalize(x, name)
        maps.append(x)
    dropped = 0
    for level in range(depth - 1, 0, -1):
        name, filters = f"up{level}", widths[level - 1]
        x = conv(keras.layers.Conv2DTranspose, activate(x, name), filters, name, bias=False)
        x = normalize(x, name)
        if dropout and dropped < DROPPED and filters == 8 * first:
            dropped += 1
            # In float32, so that what is dropped does not depend on the precision.
            x = keras.layers.Dropout(
                dropout,
                seed=zlib.crc32(f"{seed}/{name}_dropout".encode()) >> 1,
                dtype="float32",
                name=f"{name}_dropout",
            )(x)
        x = keras.layers.Concatenate(name=f"{name}_join")([x, maps[level - 1]])
    x = conv(keras.layers.Conv2DTranspose, activate(x, "head_uv"), 2, "head_uv", bias=True, how=small)
    if output == "sigmoid":
        x = ChromaRange(name="head_uv_range", dtype="float32")(x)
    uv = CropLike(name="output", dtype="float32")([x, luma])
    return ColorizationModel.of(luma, uv, "pix2pix", Contract())
