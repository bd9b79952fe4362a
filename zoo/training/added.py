"""Losses that a run may add to its main one, each with a weight: they look at the picture that the colours make.

| name | what it is | values |
|---|---|---|
| `perceptual` | distance of an encoder's maps of the predicted and of the true picture | 0 to 4 |
| `colorfulness` | 1 − M/100, M the predicted picture's colourfulness | at most 1 |
| `adversarial` | cross-entropy of a discriminator that should take the prediction for true | from 0 |

A picture is RGB in [0, 1]: the true luma, and chroma that is scaled where it would leave the gamut. A classifier's
colour is its annealed mean. A model that predicts V given U has V from the true U, as in all of its training. Where an
answer is smaller than luma, pictures are of its size. Each loss is a mean over the batch's images.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from zoo.chroma.decoders import Decoder
from zoo.chroma.yuv import compose
from zoo.errors import UsageError
from zoo.models.contract import Contract
from zoo.models.encoder_weights import load_encoder_weights
from zoo.models.encoders import ENCODERS
from zoo.training.adversary import LEAST_SIDE, Adversary

ADDED = ("perceptual", "colorfulness", "adversarial")
"""The losses by the settings that hold their weights."""

DISCRIMINATOR = "discriminator"
"""The discriminator's own loss among the parts; it is none of the model's."""

SMALL_ENCODER = "efficientnet_lite0"
"""Whose maps are compared where a model has no encoder whose weights come with the package."""

TAPS = 3  # the finest maps of an encoder that are compared
DECODER = Decoder.parse("annealed")
LEAST_VARIANCE = 1e-6  # of colours 0 to 255: the slope of a root at zero is infinite


class Perceptual:
    """The distance of two pictures in the maps of a frozen encoder.

    At each place a map is brought to unit length; the squared distance is averaged over places, then over maps. The
    idea is that of J. Johnson, A. Alahi and L. Fei-Fei, Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution, ECCV 2016; the unit length is that of R. Zhang et al., The Unreasonable Effectiveness of Deep
    Features as a Perceptual Metric, CVPR 2018.

    Args:
        name: of the encoder; its weights come with the package.
    """

    def __init__(self, name: str) -> None:
        encoder = ENCODERS[name]
        luma = keras.Input((None, None, 1))
        image, body = encoder.build(luma, 0)
        load_encoder_weights(body, encoder.card, "imagenet")
        self._prepare = keras.Model(luma, image)
        self._body = keras.Model(body.inputs, body.outputs[:TAPS])
        self._order = ["rgb".index(color) for color in encoder.card.channels]

    def __call__(self, rgb: Any, truth: Any) -> Any:
        """The distance of pictures (B, H, W, 3) in [0, 1]: one number."""
        pairs = zip(self._maps(rgb), self._maps(truth), strict=True)
        distances = [ops.mean(ops.sum(ops.square(one - other), axis=-1)) for one, other in pairs]
        return sum(distances) / len(distances)

    def prepared(self, rgb: Any) -> Any:
        """What the network sees of a picture, (B, H, W, 3).

        It is prepared a channel at a time: what an encoder makes of luma, it makes of the plane of a colour.
        """
        planes = [
            self._prepare(rgb[..., color : color + 1])[..., place : place + 1]
            for place, color in enumerate(self._order)
        ]
        return ops.concatenate(planes, axis=-1)

    def _maps(self, rgb: Any) -> list[Any]:
        maps = [ops.cast(each, "float32") for each in self._body(self.prepared(rgb), training=False)]
        return [x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6) for x in maps]


def colorfulness_loss(rgb: Any) -> Any:
    """1 − M/100 of RGB (B, H, W, 3) in [0, 1], mean over the batch: the colourfulness loss of DDColor.

    X. Kang et al., DDColor, ICCV 2023. M is that of D. Hasler and S. Suesstrunk, Measuring Colourfulness in Natural
    Images, 2003, with signed differences as there; DDColor's code takes their absolute values. It asks for more colour
    whatever the truth is.
    """
    red, green, blue = (rgb[..., channel] * 255.0 for channel in range(3))
    opponents = ops.stack([red - green, (red + green) / 2 - blue], axis=-1)
    mean = ops.mean(opponents, axis=(1, 2), keepdims=True)
    variance = ops.mean(ops.square(opponents - mean), axis=(1, 2))
    spread, offset = (
        ops.sqrt(ops.sum(each, axis=-1) + LEAST_VARIANCE) for each in (variance, ops.square(mean[:, 0, 0]))
    )
    return ops.mean(1.0 - (spread + 0.3 * offset) / 100.0)


class AddedLosses:
    """The added losses of a run. Has to be made under the run's precision policy and in its strategy's scope.

    Args:
        weights: by the names of `ADDED`; those of zero are left out.
        contract: of the model.
        crop: side of the crops.
        seed: of the discriminator's weights.
        precision: what the run computes in.

    Attributes:
        weights: those above zero.
        names: of what a call gives, in its order.
        encoder: whose maps are compared; empty without `perceptual`.
        adversary: None without `adversarial`.

    Raises:
        UsageError: answers too small for a discriminator.
    """

    def __init__(
        self, weights: Mapping[str, float], contract: Contract, *, crop: int, seed: int, precision: str
    ) -> None:
        self.weights = {name: weights[name] for name in ADDED if weights[name]}
        self.names = (*self.weights, *((DISCRIMINATOR,) if "adversarial" in self.weights else ()))
        self._contract = contract
        self.encoder = _encoder_for(contract) if "perceptual" in self.weights else ""
        self._perceptual = Perceptual(self.encoder) if self.encoder else None
        self.adversary: Adversary | None = None
        if "adversarial" in self.weights:
            if crop < LEAST_SIDE * contract.stride:
                raise UsageError(
                    f"--adversarial judges patches of the answer, which is {-(-crop // contract.stride)} pixels wide"
                    f" here: give a --crop of at least {LEAST_SIDE * contract.stride}"
                )
            self.adversary = Adversary(seed, precision)

    def __call__(self, luma: Any, uv: Any, answer: Any) -> dict[str, Any]:
        """The losses by name, not weighted.

        Args:
            luma: the true one at the answer's size, (B, h, w, 1).
            uv: the true one at that size, (B, h, w, 2).
            answer: UV (B, h, w, 2) or logits (B, h, w, 2, 64).
        """
        predicted = DECODER(answer) if self._contract.classifies else ops.cast(answer, "float32")
        rgb = compose(luma, predicted)[0]
        found = {}
        if self._perceptual:
            found["perceptual"] = self._perceptual(rgb, compose(luma, uv)[0])
        if "colorfulness" in self.weights:
            found["colorfulness"] = colorfulness_loss(rgb)
        if self.adversary:
            found["adversarial"], found[DISCRIMINATOR] = self.adversary.losses(luma, uv, predicted)
        return found

    def weighted(self, found: Mapping[str, Any]) -> Any:
        """What is added to the main loss."""
        return sum(weight * found[name] for name, weight in self.weights.items())

    def as_json(self) -> dict[str, Any]:
        """What environment.json says of them: the weights, and the encoder whose maps are compared."""
        return self.weights | ({"encoder": self.encoder} if self.encoder else {})

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint holds of them: the discriminator and its optimizer. The encoder never changes."""
        return self.adversary.variables if self.adversary else []


def _encoder_for(contract: Contract) -> str:
    """The model's own encoder, if its weights come with the package."""
    known = contract.encoder in ENCODERS and ENCODERS[contract.encoder].card.digest
    return contract.encoder if known else SMALL_ENCODER
