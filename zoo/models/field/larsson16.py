"""Learning Representations for Automatic Colorization: G. Larsson, M. Maire, G. Shakhnarovich, ECCV 2016.

| step   | layers                                                            | size | channels |
|--------|-------------------------------------------------------------------|------|----------|
| vgg16  | conv1 to conv4, the last map of each                              | 1 to 1/8 | 64, 128, 256, 512 |
| conv5  | max-pooling, three 3×3                                            | 1/16 | 512      |
| fc6    | max-pooling, 3×3                                                  | 1/32 | 1024     |
| fc7    | 1×1                                                               | 1/32 | 1024     |
| column | luma and the last map of each step, brought to one size, stacked  | 1/4  | 3521     |
| hidden | 1×1                                                               | 1/4  | 1024     |
| head   | 1×1: logits of 32 bins of hue, and of 32 of chroma                | 1/4  | 64       |

From conv5 on, batch normalisation and a ReLU follow each convolution, as in the release of 2016, whose VGG16 has them
all along. What is stacked is normalised first. A 1×1 convolution of stacked maps is the sum of theirs, so that the
column is never built: each coarse map is convolved at its own size, and brought up after it. The paper samples 128
columns of an image in training, since all of them take too much memory; that would save nothing here.

It differs from the paper: the column has the last map of each stage, not all; fc6 and fc7 are 1024 wide, not 4096, and
fc6 is 3×3, not 7×7; hue and chroma are polar coordinates of U and V, not those of the bicone of HSL.
"""

from pathlib import Path
from typing import Any

from zoo.models.field.stages import Stages
from zoo.models.inputs import LUMA
from zoo.support.schema import Range

STRIDE = 4  # of the answer
COARSEST = 32  # stride of fc6 and fc7


def network(
    *,
    width: float,
    initializer: str,
    momentum: float,
    seed: int,
    encoder: str,
    encoder_weights: str | Path,
    train_encoder: bool,
) -> Any:
    """The model: luma (B, H, W, 1) and U (B, H/4, W/4, 1) to logits (B, H/4, W/4, 2, 64).

    Args:
        width: a multiplier of all channels but the encoder's.
        initializer: as that of `Stages`.
        momentum: likewise.
        seed: likewise.
        encoder: in place of VGG16, as `zoo.models.build.colorizer` takes it. Between its coarsest map and fc6 come as
            many stages as conv5 as there are halvings to a sixteenth.
        encoder_weights: `imagenet`, `none` or a file.
        train_encoder: whether the encoder is trained with the rest.

    Raises:
        UsageError: a value out of range, or encoder weights that cannot be had.
    """
    import keras

    from zoo.models.application import get_encoder
    from zoo.models.build import encoded
    from zoo.models.contract import Contract
    from zoo.models.heads.v_given_u import U
    from zoo.models.layers import CropLike, HueChroma, PadToMultiple
    from zoo.models.layers.hue_chroma import CHROMAS, HUES
    from zoo.models.model import ColorizationModel

    stages = Stages(width=width, initializer=initializer, momentum=momentum, seed=seed)
    trained = Range().check("train_encoder", train_encoder, bool)
    chosen = get_encoder(Range().check("encoder", encoder, str))
    luma = keras.Input((None, None, 1), name=LUMA)
    u = keras.Input((None, None, 1), name=U.name)
    padded = PadToMultiple(max(COARSEST, chosen.card.multiple), name="pad")(luma)
    pyramid = encoded(chosen, padded, encoder_weights, trained=trained, seed=seed)
    maps = [("luma", 1, padded)]
    maps += [(tap.name, tap.stride, x) for tap, x in zip(pyramid.taps, pyramid.maps, strict=True)]
    x = _column(stages, maps + _deeper(stages, *maps[-1][1:]))
    logits = stages.last(stages.activated(x, "hidden"), HUES + CHROMAS, "head_hue_chroma")
    logits = CropLike(STRIDE, name="head_crop", dtype="float32")([logits, luma])
    answer = HueChroma(name="head_bins", dtype="float32")([logits, u])
    contract = Contract((LUMA, U.name), "logits", STRIDE, head="joint", encoder=chosen.card.name)
    return ColorizationModel.of([luma, u], answer, "larsson16", contract)


def _deeper(stages: Stages, stride: int, x: Any) -> list[tuple[str, int, Any]]:
    """The stages after the encoder: of each its name, stride and last map."""
    import keras

    found, number = [], 5
    while stride < COARSEST // 2:
        x, stride = keras.layers.MaxPooling2D(2, name=f"conv{number}_pool")(x), 2 * stride
        for each in (1, 2, 3):
            x = stages.block(x, 512, 3, f"conv{number}_{each}")
        found.append((f"conv{number}", stride, x))
        number += 1
    if stride < COARSEST:
        x, stride = keras.layers.MaxPooling2D(2, name="fc6_pool")(x), 2 * stride
    for name, size in (("fc6", 3), ("fc7", 1)):
        x = stages.block(x, 1024, size, name)
        found.append((name, stride, x))
    return found


def _column(stages: Stages, maps: list[tuple[str, int, Any]]) -> Any:
    """1×1 of the maps as if they were stacked at the answer's size."""
    import keras

    from zoo.models.layers import BilinearUpsampling

    parts = []
    for name, stride, x in maps:
        if stride < STRIDE:
            x = keras.layers.AveragePooling2D(STRIDE // stride, name=f"column_{name}_small")(x)
        x = stages.plain(stages.normalize(x, f"column_{name}_norm"), 1024, 1, f"column_{name}")
        if stride > STRIDE:
            x = BilinearUpsampling(stride // STRIDE, name=f"column_{name}_up")(x)
        parts.append(x)
    return keras.layers.Add(name="column")(parts)
