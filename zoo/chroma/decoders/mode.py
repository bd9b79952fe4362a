"""The most probable bin of each channel, and a sample: the most probable bin of noisy logits."""

from typing import Any

import numpy as np

from zoo.chroma.bins import bin_centers
from zoo.chroma.decoders import DecoderKind, register_decoder


def _argmax(logits: Any) -> Any:
    if isinstance(logits, np.ndarray):
        return logits.argmax(axis=-1)
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # `keras.ops.argmax` looks at the bits of zeros, by operations that other runtimes lack.
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
    return keras.ops.argmax(logits, axis=-1)


def mode(logits: Any, temperature: float | None, noise: Any) -> Any:
    """The centre of the most probable bin of each channel: UV (…, 2)."""
    return bin_centers(_argmax(logits))


def sample(logits: Any, temperature: float | None, noise: Any) -> Any:
    """A sample of each channel at a temperature T, as argmax(logits + T · Gumbel noise): UV (…, 2).

    Every pixel shares the noise, so that an object whose pixels have the same distribution gets one colour. Independent
    noise a pixel would be speckle.
    """
    return mode(logits + temperature * noise, None, None)


register_decoder(DecoderKind("mode", "the most probable bins", mode, chained=True, jumps=True))
register_decoder(DecoderKind("sample", "a draw", sample, temperature=1.0, needs_noise=True, chained=True, jumps=True))
