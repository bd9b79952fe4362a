"""Colorful Image Colorization: R. Zhang, P. Isola, A. A. Efros, ECCV 2016, as the authors' PyTorch release has it.

| stage | layers                                                  | size | channels |
|-------|---------------------------------------------------------|------|----------|
|       | (L* − 50) / 100 of luma                                 | 1    | 1        |
| conv1 | 3×3, 3×3 of stride 2; batch normalisation               | 1/2  | 64       |
| conv2 | 3×3, 3×3 of stride 2; batch normalisation               | 1/4  | 128      |
| conv3 | 3×3, 3×3, 3×3 of stride 2; batch normalisation          | 1/8  | 256      |
| conv4 | three 3×3; batch normalisation                          | 1/8  | 512      |
| conv5 | three 3×3 of dilation 2; batch normalisation            | 1/8  | 512      |
| conv6 | three 3×3 of dilation 2; batch normalisation            | 1/8  | 512      |
| conv7 | three 3×3; batch normalisation                          | 1/8  | 512      |
| conv8 | transposed 4×4 of stride 2, two 3×3                     | 1/4  | 256      |
| head  | 1×1: logits of 313 bins of a* and b*                    | 1/4  | 313      |

The release answers with the mean of the bins' colours. Here `JointBins` makes of the same logits what every decoder of
the zoo takes: `mean` is the release's, and `annealed` that of the paper's section 2.3 but for choosing U before V.
"""

from typing import Any

from zoo.models.field.stages import MULTIPLE, STAGES, Published, Stages, modules_of_stages
from zoo.models.inputs import LUMA

STRIDE = 4  # of the answer

PUBLISHED = Published(
    file="colorization_release_v2-9b330a0b.pth",
    url="https://github.com/richzhang/colorization",
    licence="BSD 2-clause, Copyright (c) 2016 Richard Zhang, Phillip Isola, Alexei A. Efros",
    layers=modules_of_stages()
    | {"conv8_1": "model8.0", "conv8_2": "model8.2", "conv8_3": "model8.4", "head_joint": "model8.6"},
    left_out={},
    centers="model_out.weight",
)


def network(*, width: float, initializer: str, momentum: float, seed: int) -> Any:
    """The model: luma (B, H, W, 1) and U (B, H/4, W/4, 1) to logits (B, H/4, W/4, 2, 64); options are of `Stages`."""
    import keras

    from zoo.chroma.lab_bins import AB_CENTERS
    from zoo.models.contract import Contract
    from zoo.models.heads.v_given_u import U
    from zoo.models.layers import CropLike, JointBins, Lightness, PadToMultiple
    from zoo.models.model import ColorizationModel

    stages = Stages(width=width, initializer=initializer, momentum=momentum, seed=seed)
    luma = keras.Input((None, None, 1), name=LUMA)
    u = keras.Input((None, None, 1), name=U.name)
    padded = PadToMultiple(MULTIPLE, name="pad", dtype="float32")(luma)
    x = Lightness(name="lightness", dtype="float32")(padded)
    for index in range(len(STAGES)):
        x = stages.stage(x, index, stride=2 if index < 3 else 1)
    x = stages.doubled(x, 256, "conv8_1")
    for name in ("conv8_2", "conv8_3"):
        x = stages.conv(x, 256, name)
    logits = stages.last(x, len(AB_CENTERS), "head_joint")
    small = keras.layers.AveragePooling2D(STRIDE, name="head_luma", dtype="float32")(padded)
    seen = [
        CropLike(STRIDE, name=f"{name}_crop", dtype="float32")([each, luma])
        for name, each in (("head_joint", logits), ("head_luma", small))
    ]
    answer = JointBins("ab", name="head_bins", dtype="float32")([*seen, u])
    contract = Contract((LUMA, U.name), "logits", STRIDE, head="joint")
    return ColorizationModel.of([luma, u], answer, "eccv16", contract)
