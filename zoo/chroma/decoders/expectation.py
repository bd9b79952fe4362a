"""The expectation of each channel, and the same at a low temperature, between mode and mean."""

from typing import Any

import numpy as np

from zoo.chroma.bins import CENTERS, softmax
from zoo.chroma.decoders import DecoderKind, register_decoder
from zoo.chroma.yuv import namespace

ANNEALED_TEMPERATURE = 0.38  # Zhang 2016, section 2.3


def expectation(logits: Any, temperature: float | None, noise: Any) -> Any:
    """Σ p · centre, p the softmax of logits / T: UV (…, 2). At T = 1 it averages, as a regression does."""
    probabilities = softmax(logits, 1.0 if temperature is None else temperature)
    return namespace(probabilities).sum(probabilities * CENTERS.astype(np.float32), axis=-1)


register_decoder(DecoderKind("mean", "the expectation", expectation))
register_decoder(
    DecoderKind("annealed", "the expectation, sharpened", expectation, temperature=ANNEALED_TEMPERATURE, chained=True)
)
