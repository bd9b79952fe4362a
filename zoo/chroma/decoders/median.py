"""The median of each channel."""

from typing import Any

from zoo.chroma.bins import NEUTRAL, WIDTHS, softmax
from zoo.chroma.decoders import DecoderKind, register_decoder
from zoo.chroma.yuv import namespace


def median(logits: Any, temperature: float | None, noise: Any) -> Any:
    """The median of each channel, linear inside the bin it falls in: UV (…, 2)."""
    xp = namespace(logits)
    probabilities = softmax(logits)
    above = xp.cumsum(probabilities, axis=-1)
    below = above - probabilities
    # Share of each bin's mass that lies under one half; their sum is the median's position in bin edges.
    share = xp.clip((0.5 - below) / xp.maximum(probabilities, 1e-12), 0.0, 1.0)
    position = xp.sum(share, axis=-1) - 0.5 - NEUTRAL
    return xp.stack([position[..., c] * float(WIDTHS[c]) for c in range(2)], axis=-1)


register_decoder(DecoderKind("median", "the median", median, jumps=True))
