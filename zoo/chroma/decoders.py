"""The decoders, which turn distributions over the bins into a colour.

As in `zoo.chroma.yuv`, every function takes NumPy arrays or backend tensors.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.chroma.bins import BINS, CENTERS, NEUTRAL, WIDTHS, bin_centers, softmax
from zoo.chroma.yuv import namespace
from zoo.errors import UsageError
from zoo.support.names import suggestion

ANNEALED_TEMPERATURE = 0.38  # Zhang, Isola, Efros: Colorful Image Colorization, 2016, section 2.3
PAGE_DECODER = "annealed+coherent"
"""What pages are coloured by unless told otherwise: on validation pages the nearest to the truth of the vivid ones."""


def _expectation(probabilities: Any) -> Any:
    return namespace(probabilities).sum(probabilities * CENTERS.astype(np.float32), axis=-1)


def decode_mode(logits: Any) -> Any:
    """The centre of the most probable bin of each channel: UV (…, 2)."""
    return bin_centers(namespace(logits).argmax(logits, axis=-1))


def decode_mean(logits: Any) -> Any:
    """The expectation of each channel: UV (…, 2). It averages, as a regression does."""
    return _expectation(softmax(logits))


def decode_annealed(logits: Any, temperature: float = ANNEALED_TEMPERATURE) -> Any:
    """The expectation at a low temperature, between mode (0) and mean (1): UV (…, 2)."""
    _check_temperature(temperature)
    return _expectation(softmax(logits, temperature))


def decode_median(logits: Any) -> Any:
    """The median of each channel, linear inside the bin it falls in: UV (…, 2)."""
    xp = namespace(logits)
    probabilities = softmax(logits)
    above = xp.cumsum(probabilities, axis=-1)
    below = above - probabilities
    # Share of each bin's mass that lies under one half; their sum is the median's position in bin edges.
    share = xp.clip((0.5 - below) / xp.maximum(probabilities, 1e-12), 0.0, 1.0)
    position = xp.sum(share, axis=-1) - 0.5 - NEUTRAL
    return xp.stack([position[..., c] * float(WIDTHS[c]) for c in range(2)], axis=-1)


def gumbel_noise(seed: int | Sequence[int]) -> np.ndarray:
    """Standard Gumbel noise (2, 64): a vector for U and an independent one for V."""
    return np.random.default_rng(seed).gumbel(size=(2, BINS)).astype(np.float32)


def decode_sample(logits: Any, seed: int | Sequence[int] = 0, temperature: float = 1.0) -> Any:
    """A sample of each channel at a temperature, as argmax(logits + T · Gumbel noise): UV (…, 2).

    Every pixel shares the noise of one seed, so that an object whose pixels have the same distribution gets one
    colour. Independent noise a pixel would be speckle.
    """
    _check_temperature(temperature)
    return decode_mode(logits + temperature * gumbel_noise(seed))


def _check_temperature(temperature: float) -> None:
    if not temperature > 0:
        raise UsageError(f"temperature must be above 0, not {temperature}")


DECODERS: dict[str, Callable[..., Any]] = {
    "mode": decode_mode,
    "mean": decode_mean,
    "median": decode_median,
    "annealed": decode_annealed,
    "sample": decode_sample,
}


WITH_TEMPERATURE = ("annealed", "sample")


def parse_decoder(text: str) -> tuple[str, dict[str, Any]]:
    """`name`, `name:temperature` or either with `+coherent` to the decoder's name and its options.

    Raises:
        UsageError: an unknown decoder, one that takes no temperature, or a temperature that is no number above 0.
    """
    plain, plus, step = text.partition("+")
    if plus and step != "coherent":
        raise UsageError(f"decoder {text!r}: nothing but coherent may follow a plus")
    extra = {"coherent": True} if plus else {}
    name, colon, value = plain.partition(":")
    if name not in DECODERS:
        raise UsageError(
            f"unknown decoder {name!r}.{suggestion(name, DECODERS)} There are {', '.join(DECODERS)}, with a"
            " temperature as in sample:0.5, and any of them with +coherent"
        )
    if not colon:
        return name, extra
    if name not in WITH_TEMPERATURE:
        raise UsageError(f"decoder {text!r}: {name} takes no temperature; {' and '.join(WITH_TEMPERATURE)} do")
    try:
        temperature = float(value)
    except ValueError:
        raise UsageError(f"decoder {text!r}: {value!r} is no temperature") from None
    _check_temperature(temperature)
    return name, {"temperature": temperature} | extra


def decode(logits: Any, method: str = "annealed", **options: Any) -> Any:
    """Logits (…, 2, 64) to UV (…, 2) by one of `DECODERS`.

    Raises:
        UsageError: an unknown method.
    """
    if method not in DECODERS:
        raise UsageError(f"unknown decoder {method!r}: choose one of {', '.join(DECODERS)}")
    return DECODERS[method](logits, **options)
