"""The 64-bin chroma codec: bins, two-hot labels, and the decoders that turn a distribution into a colour.

A classifier answers with two distributions a pixel, one over U and one over V, as logits (…, 2, 64): axis −2 is
the channel (U, V), axis −1 the bin. With 64 bins laid symmetrically about zero, neutral grey would fall on an edge
and every grey pixel would decode with a tint. Here the width is w = max/31 and the lowest edge −32.5 w, so that
exact zero is the centre of bin 32 and the channel's maximum the centre of bin 63.

As in `zoo.color`, every function takes NumPy arrays or backend tensors.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.color import UV_MAX, namespace
from zoo.errors import UsageError
from zoo.registry import suggestion

BINS = 64
NEUTRAL = 32
WIDTHS = UV_MAX / (BINS - 1 - NEUTRAL)
CENTERS = (np.arange(BINS) - NEUTRAL)[None, :] * WIDTHS[:, None]  # (2, 64)
ANNEALED_TEMPERATURE = 0.38  # Zhang, Isola, Efros: Colorful Image Colorization, 2016, section 2.3
PAGE_DECODER = "annealed+coherent"
"""What pages are coloured by unless told otherwise: on validation pages the nearest to the truth of the vivid ones."""


def _position(values: Any, channel: int) -> Any:
    """Values of U (channel 0) or V (1) as real-valued bin positions in [0, 63]; those beyond the bins are clamped."""
    return namespace(values).clip(values / float(WIDTHS[channel]) + NEUTRAL, 0.0, BINS - 1.0)


def _positions(uv: Any) -> Any:
    return namespace(uv).stack([_position(uv[..., channel], channel) for channel in range(2)], axis=-1)


def encode(uv: Any) -> Any:
    """UV (…, 2) to the indices (…, 2) of the bins it falls in, int32, clamped to 0 … 63."""
    xp = namespace(uv)
    nearest = xp.floor(_positions(uv) + 0.5)
    return nearest.astype(np.int32) if xp is np else xp.cast(nearest, "int32")


def two_hot(uv: Any) -> Any:
    """UV (…, 2) to soft labels (…, 2, 64) whose weight is split linearly between the two nearest centres.

    The expectation of a label is the encoded value exactly, over the whole range of the bins.
    """
    return _split(_positions(uv)[..., None])


def two_hot_channel(values: Any, channel: int) -> Any:
    """As `two_hot` for U (channel 0) or V (channel 1) alone: (…, 1) to (…, 64)."""
    return _split(_position(values, channel))


def _split(position: Any) -> Any:
    xp = namespace(position)
    return xp.maximum(1.0 - xp.abs(position - np.arange(BINS, dtype=np.float32)), 0.0)


def bin_centers(indices: Any) -> Any:
    """Bin indices (…, 2) to UV (…, 2): the centres of the bins."""
    xp = namespace(indices)
    offset = (indices.astype(np.float32) if xp is np else xp.cast(indices, "float32")) - float(NEUTRAL)
    return xp.stack([offset[..., c] * float(WIDTHS[c]) for c in range(2)], axis=-1)


def softmax(logits: Any, temperature: float = 1.0) -> Any:
    """Probabilities (…, 2, 64) of logits divided by `temperature`."""
    xp = namespace(logits)
    scaled = logits / temperature
    weights = xp.exp(scaled - xp.max(scaled, axis=-1, keepdims=True))
    return weights / xp.sum(weights, axis=-1, keepdims=True)


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
