"""A discriminator that learns to tell predicted colours from true ones, patch by patch, while a model is trained.

P. Isola, J.-Y. Zhu, T. Zhou and A. A. Efros, Image-to-Image Translation with Conditional Adversarial Networks, CVPR
2017 (Isola 2017): the PatchGAN of 70×70 patches, conditioned on luma, 2.8 million weights. At 64²:

| step                               | out     |
|------------------------------------|---------|
| 4×4, stride 2                      | 32²×64  |
| 4×4, stride 2, normalised          | 16²×128 |
| 4×4, stride 2, normalised          | 8²×256  |
| 4×4, normalised                    | 8²×512  |
| 4×4                                | 8²×1    |

It sees luma and UV, each in [−1, 1]. Leaky ReLUs of slope 0.2 come between. The paper normalises a batch of one image,
which is instance normalisation, and so it is here for any batch: an image's verdict depends on no other image, so that
micro-batches and several devices compute what one device does.

The loss is the paper's cross-entropy, the discriminator's halved, and the model maximises log D instead of minimising
log(1 − D). Both gradients are taken before either is applied, where the paper's code applies the discriminator's first.
"""

import zlib
from typing import Any

import keras
from keras import ops

from zoo.chroma.yuv import UV_MAX
from zoo.training.optimizers import FusedAdam, scaling

WIDTH = 64
STEPS = ((1, 2), (2, 2), (4, 2), (8, 1))
"""Channels over `WIDTH`, and strides."""

LEAST_SIDE = 16
"""Of a picture, pixels: of a smaller one, instance normalisation leaves next to nothing."""

LEARNING_RATE, BETA_1 = 2e-4, 0.5


def discriminator(seed: int, width: int = WIDTH) -> keras.Model:
    """Luma and UV, (B, H, W, 3), to logits of being true, (B, H/8, W/8, 1), float32."""

    def conv(x: Any, filters: int, stride: int, name: str, **options: Any) -> Any:
        kernel = keras.initializers.RandomNormal(stddev=0.02, seed=zlib.crc32(f"{seed}/adversary/{name}".encode()))
        made = keras.layers.Conv2D(
            filters, 4, strides=stride, padding="same", kernel_initializer=kernel, name=name, **options
        )
        return made(x)

    image = keras.Input((None, None, 3), name="image")
    x = image
    for index, (factor, stride) in enumerate(STEPS):
        x = conv(x, factor * width, stride, f"conv{index + 1}", use_bias=not index)  # a normalisation takes it away
        if index:
            options: dict[str, Any] = {"groups": -1, "epsilon": 1e-5, "dtype": "float32"}
            x = keras.layers.GroupNormalization(name=f"conv{index + 1}_norm", **options)(x)
        x = keras.layers.LeakyReLU(negative_slope=0.2, name=f"conv{index + 1}_leaky_relu")(x)
    return keras.Model(image, conv(x, 1, 1, "verdict", dtype="float32"), name="discriminator")


class Adversary:
    """The discriminator and its optimizer. Has to be made under the run's precision policy and in its strategy's scope.

    Args:
        seed: of its first weights.
        precision: what the run computes in.
    """

    def __init__(self, seed: int, precision: str) -> None:
        self.network = discriminator(seed)
        self.optimizer = scaling(FusedAdam(learning_rate=LEARNING_RATE, beta_1=BETA_1), precision)
        self.optimizer.build(self.network.trainable_variables)

    @property
    def variables(self) -> list[Any]:
        """All that the next step depends on."""
        return [*self.network.variables, *self.optimizer.variables]

    def losses(self, luma: Any, uv: Any, predicted: Any) -> tuple[Any, Any]:
        """The model's loss and the discriminator's, means over patches and images.

        Args:
            luma: (B, H, W, 1).
            uv: the truth, (B, H, W, 2).
            predicted: (B, H, W, 2).
        """
        true, false = (self._verdict(luma, each) for each in (uv, predicted))
        # −log σ(x) is softplus(−x), and −log(1 − σ(x)) softplus(x).
        own = (ops.mean(ops.softplus(-true)) + ops.mean(ops.softplus(false))) / 2
        return ops.mean(ops.softplus(-false)), own

    def _verdict(self, luma: Any, uv: Any) -> Any:
        image = ops.concatenate([luma * 2.0 - 1.0, uv / ops.convert_to_tensor(UV_MAX, dtype="float32")], axis=-1)
        return self.network(image, training=True)
