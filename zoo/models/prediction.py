"""One way from luma to colour for every model, whatever it answers with."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.chroma.bins import BINS, CENTERS, encode, softmax
from zoo.chroma.decoders import decode, parse_decoder
from zoo.chroma.regions import BAND, pool, segment
from zoo.errors import UsageError

CHAINED = ("mode", "sample", "annealed")  # of a conditional model, these choose U, then V given it
LEAST_SHARE = 1e-3  # of a bin of U, for its V to count in the marginal of V


def output_of(model: keras.Model) -> str:
    """What a model answers with: `uv`, or `logits` of 64 bins."""
    return "logits" if len(model.output_shape) == 5 else "uv"


def is_conditional(model: keras.Model) -> bool:
    """Whether the model predicts V given U, and takes that U as its second input."""
    return len(model.inputs) == 2


def inputs_of(model: keras.Model, luma: Any, uv: Any) -> Any:
    """What a model is called with when the true colours are known: luma, and U where V is predicted given it.

    Args:
        model: of the zoo.
        luma: (B, H, W, 1).
        uv: (B, H, W, 2).
    """
    return [luma, uv[..., :1]] if is_conditional(model) else luma


class Predictor:
    """Runs a model in inference mode, NumPy in and out, its encoder once however often V is asked for.

    Args:
        model: of the zoo.
    """

    def __init__(self, model: keras.Model) -> None:
        self.output, self.conditional = output_of(model), is_conditional(model)
        body = model
        if self.conditional:
            given = model.get_layer("head_v_given_u")
            body = keras.Model(
                model.inputs[0], [model.get_layer("head_u").output, model.get_layer("head_features").output]
            )
            channels = body.outputs[1].shape[-1]
            signature = (tf.TensorSpec([None, None, None, channels]), tf.TensorSpec([None, None, None, 1]))
            self._v_given_u = tf.function(lambda features, u: given([features, u]), input_signature=signature)
        # Of any size: TensorFlow would trace the model anew for sizes it has not met, and warn of it.
        luma = tf.TensorSpec([None, None, None, 1])
        self._forward = tf.function(lambda luma: body(luma, training=False), input_signature=(luma,))

    def __call__(self, luma: np.ndarray) -> "Prediction":
        """The prediction for luma (B, H, W, 1)."""
        found = self._forward(tf.convert_to_tensor(luma, tf.float32))
        if not self.conditional:
            return Prediction(luma, found.numpy(), None, self)
        return Prediction(luma, found[0].numpy(), found[1], self)

    def v_logits(self, features: Any, u: Any) -> Any:
        """Logits of V (B, H, W, 64), a tensor, given U (B, H, W, 1)."""
        return self._v_given_u(tf.cast(features, "float32"), tf.convert_to_tensor(u, tf.float32))


class Prediction:
    """What a model says of some images, before a colour is chosen.

    Attributes:
        luma: (B, H, W, 1).
        output: UV (B, H, W, 2) of a regression, logits (B, H, W, 2, 64) of a classifier; of a conditional model the
            logits of U alone, (B, H, W, 64).
    """

    def __init__(self, luma: np.ndarray, output: np.ndarray, features: Any, predictor: Predictor) -> None:
        self.luma, self.output, self._features, self._predictor = luma, output, features, predictor

    def given(self, uv: np.ndarray) -> np.ndarray:
        """The model's output for the loss: a conditional model's logits of V are given the U of `uv` (B, H, W, 2)."""
        return self._chain(uv[..., :1]) if self._predictor.conditional else self.output

    def decode(self, decoder: str | None = None, *, seed: int | Sequence[int] = 0) -> np.ndarray:
        """UV (B, H, W, 2).

        Args:
            decoder: of `zoo.chroma.decoders`, with a temperature after a colon if it takes one, as `sample:0.5`, and
                `+coherent` at the end for one colour a region (`zoo.chroma.regions`). None for a regression, which
                has an answer of its own. A conditional model's `mode`, `sample` and `annealed` choose U, then V given
                it; `mean` and `median`, which are of all colours there could be, look at the two marginals.
            seed: of `sample`.

        Raises:
            UsageError: a decoder for a regression, none for a classifier, or an unknown one.
        """
        if self._predictor.output == "uv":
            if decoder is not None:
                raise UsageError(f"decoder {decoder!r}: a regression answers with one colour, and takes no decoder")
            return self.output
        if decoder is None:
            raise UsageError("a classifier's answer needs a decoder: mode, mean, median, annealed or sample")
        name, options = parse_decoder(decoder)
        smooth = options.pop("coherent", False)
        options |= {"seed": seed} if name == "sample" else {}

        def choose(*logits: np.ndarray) -> np.ndarray:
            """UV (…, 2) of logits (…, 2, 64), or of those of U and those of V, (…, 64)."""
            return np.asarray(decode(logits[0] if len(logits) == 1 else np.stack(logits, axis=-2), name, **options))

        chained = self._predictor.conditional and name in CHAINED
        if smooth:
            return np.stack([self._coherent(image, choose, chained) for image in range(len(self.luma))])
        if not chained:
            return _in_bands(choose, self.marginals)
        u = _in_bands(choose, self.output, self.output)[..., :1]
        return _in_bands(choose, self.output, self._v_logits(self._features, u))

    def _coherent(self, image: int, choose: Callable[..., np.ndarray], chained: bool) -> np.ndarray:
        """UV (H, W, 2) of an image, one colour a region: chosen for the regions, and only then for their pixels."""
        regions = self._regions[image]
        if not chained:
            return choose(pool(self.marginals[image], regions))[regions]
        logits = self.output[image]
        u_logits = pool(logits, regions)
        u = choose(u_logits, u_logits)[..., :1]
        # Which V goes with this U is known by the pixels that find it likely.
        chosen = np.asarray(encode(np.concatenate([u, u], axis=-1)))[regions, :1]
        p_u = _in_bands(_probability, logits[None], chosen[None])[0]
        v_logits = self._v_logits(self._features[image : image + 1], u[regions][None])[0]
        return choose(u_logits, pool(v_logits, regions, p_u))[regions]

    def _v_logits(self, features: Any, u: np.ndarray) -> np.ndarray:
        return _in_bands(lambda *band: self._predictor.v_logits(*band).numpy(), features, u)

    @cached_property
    def _regions(self) -> np.ndarray:
        logits = self.output[..., None, :] if self._predictor.conditional else self.output
        return np.stack([segment(luma[..., 0], each, softmax) for luma, each in zip(self.luma, logits, strict=True)])

    @cached_property
    def marginals(self) -> np.ndarray:
        """Log-probabilities of U and of V over all U, (B, H, W, 2, 64)."""
        if not self._predictor.conditional:
            return self.output
        p_u = softmax(self.output[..., None, :])[..., 0, :].reshape(-1, BINS)
        p_v = np.zeros_like(p_u)
        features = tf.reshape(self._features, (-1, self._features.shape[-1]))
        for u, share in zip(CENTERS[0], np.ascontiguousarray(p_u.T), strict=True):
            # Few bins of U are likely at a pixel, and only those are asked for.
            pixels = np.flatnonzero(share > LEAST_SHARE)
            if pixels.size:
                some = tf.gather(features, pixels)[None, :, None]
                logits = self._predictor.v_logits(some, tf.fill((1, pixels.size, 1, 1), float(u)))
                p_v[pixels] += share[pixels, None] * tf.nn.softmax(logits)[0, :, 0].numpy()
        p_v /= p_v.sum(axis=-1, keepdims=True)
        both = np.stack([p_u, p_v], axis=-2).reshape(*self.output.shape[:-1], 2, BINS)
        return np.log(np.maximum(both, 1e-12))

    def _chain(self, u: np.ndarray) -> np.ndarray:
        return np.stack([self.output, self._v_logits(self._features, u)], axis=-2)


def _probability(logits: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """What a softmax of logits (…, 64) gives to bins (…, 1): (…)."""
    return np.take_along_axis(softmax(logits), bins, axis=-1)[..., 0]


def _in_bands(of: Callable[..., np.ndarray], *maps: np.ndarray) -> np.ndarray:
    """`of` maps (B, H, W, …), a few rows at a time: what it makes of their bins on the way takes memory."""
    count, height, width = maps[0].shape[:3]
    step = max(1, BAND // (count * width))
    found = [of(*(each[:, start : start + step] for each in maps)) for start in range(0, height, step)]
    return np.concatenate(found, axis=1)


def predict(model: keras.Model, luma: np.ndarray, decoder: str | None = None, *, seed: int = 0) -> np.ndarray:
    """Luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2): `Predictor` and `Prediction.decode` in one."""
    return Predictor(model)(luma).decode(decoder, seed=seed)
