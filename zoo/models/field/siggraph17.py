"""Real-Time User-Guided Image Colorization with Learned Deep Priors: R. Zhang et al., SIGGRAPH 2017, as released.

| stage  | layers                                                                      | size | channels |
|--------|-----------------------------------------------------------------------------|------|----------|
|        | (L* − 50) / 100 of luma; a* / 110, b* / 110 of hints, and 1 where there is one | 1 | 4        |
| conv1  | two 3×3; batch normalisation; every second pixel for what follows           | 1    | 64       |
| conv2  | two 3×3; batch normalisation; every second pixel                            | 1/2  | 128      |
| conv3  | three 3×3; batch normalisation; every second pixel                          | 1/4  | 256      |
| conv4  | three 3×3; batch normalisation                                              | 1/8  | 512      |
| conv5  | three 3×3 of dilation 2; batch normalisation                                | 1/8  | 512      |
| conv6  | three 3×3 of dilation 2; batch normalisation                                | 1/8  | 512      |
| conv7  | three 3×3; batch normalisation                                              | 1/8  | 512      |
| conv8  | transposed 4×4 of stride 2 + 3×3 of conv3; two 3×3; batch normalisation     | 1/4  | 256      |
| conv9  | transposed 4×4 of stride 2 + 3×3 of conv2; 3×3; batch normalisation         | 1/2  | 128      |
| conv10 | transposed 4×4 of stride 2 + 3×3 of conv1; 3×3 with a leaky ReLU, slope 0.2 | 1    | 128      |
| head   | 1×1, tanh, times 110: a* and b*                                             | 1    | 2        |

A sum is followed by a ReLU. The release also holds a classification head on conv8, of 529 bins. It was for training
alone and feeds nothing that the answer is made of: it is left out here.
"""

from typing import Any

from zoo.models.field.stages import MULTIPLE, STAGES, Published, Stages, modules_of_stages
from zoo.models.inputs import INPUTS, LUMA

SLOPE = 0.2  # of conv10's leaky ReLU

PUBLISHED = Published(
    file="siggraph17-df00044c.pth",
    url="https://github.com/richzhang/colorization",
    licence="BSD 2-clause, Copyright (c) 2016 Richard Zhang, Phillip Isola, Alexei A. Efros",
    layers=modules_of_stages()
    | {
        **{"conv8_up": "model8up.0", "conv8_short": "model3short8.0"},
        **{"conv8_1": "model8.1", "conv8_2": "model8.3", "conv8_norm": "model8.5"},
        **{"conv9_up": "model9up.0", "conv9_short": "model2short9.0", "conv9_1": "model9.1", "conv9_norm": "model9.3"},
        **{"conv10_up": "model10up.0", "conv10_short": "model1short10.0", "conv10_1": "model10.1"},
        "head_tanh": "model_out.0",
    },
    left_out={"model_class.0.weight": (529, None, 1, 1), "model_class.0.bias": (529,)},
    reasons={"model_class.0.weight, model_class.0.bias": "a head for training alone"},
)


def network(*, width: float, initializer: str, momentum: float, seed: int) -> Any:
    """The model: luma (B, H, W, 1) and hints (B, H, W, 3) to UV (B, H, W, 2); options as those of `Stages`."""
    import keras

    from zoo.models.contract import Contract
    from zoo.models.heads.guided import HINTS
    from zoo.models.layers import CropLike, LabHints, LabToUV, LeakyReLU, Lightness, PadToMultiple
    from zoo.models.layers.lab import AB_RANGE
    from zoo.models.model import ColorizationModel

    stages = Stages(width=width, initializer=initializer, momentum=momentum, seed=seed)
    luma = keras.Input((None, None, 1), name=LUMA)
    hints = keras.Input((None, None, INPUTS[HINTS.name].channels), name=HINTS.name)
    tone = Lightness(name="lightness", dtype="float32")(luma)
    known = LabHints(name="lab_hints", dtype="float32")([hints, luma])
    x = keras.layers.Concatenate(name="image", dtype="float32")([tone, known])
    x = PadToMultiple(MULTIPLE, name="pad", dtype="float32")(x)
    shorts = []
    for index, (number, *_) in enumerate(STAGES):
        x = stages.stage(x, index)
        if index < 3:
            shorts.append(x)
            x = keras.layers.MaxPooling2D(1, strides=2, name=f"conv{number}_half")(x)  # every second pixel
    for number, channels, convolutions in ((8, 256, 2), (9, 128, 1)):
        x = _joined(stages, x, shorts.pop(), channels, number)
        for each in range(1, convolutions + 1):
            x = stages.conv(x, channels, f"conv{number}_{each}")
        x = stages.normalize(x, f"conv{number}_norm")
    x = _joined(stages, x, shorts.pop(), 128, 10)
    x = LeakyReLU(SLOPE, name="conv10_leaky_relu")(stages.conv(x, 128, "conv10_1", relu=False))
    x = stages.last(x, 2, "head_tanh", activation="tanh")
    x = CropLike(name="head_crop", dtype="float32")([x, luma])
    ab = keras.layers.Rescaling(AB_RANGE, name="head_ab", dtype="float32")(x)
    uv = LabToUV(name="output", dtype="float32")([ab, luma])
    return ColorizationModel.of([luma, hints], uv, "siggraph17", Contract((LUMA, HINTS.name)))


def _joined(stages: Stages, x: Any, short: Any, channels: int, number: int) -> Any:
    """The map brought to twice its size, and an earlier one of that size, added; then a ReLU."""
    import keras

    up = stages.doubled(x, channels, f"conv{number}_up", relu=False)
    short = stages.conv(short, channels, f"conv{number}_short", relu=False)
    x = keras.layers.Add(name=f"conv{number}_add")([up, short])
    return keras.layers.ReLU(name=f"conv{number}_relu")(x)
