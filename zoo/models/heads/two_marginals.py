"""Classification (Meda 2016, section VI): two softmaxes of 64 bins, one for U and one for V.

| step | out                 |
|------|---------------------|
| 3×3  | 64                  |
| 1×1  | 2 · 64 logits       |
"""

from typing import Any

from zoo.chroma.bins import BINS
from zoo.models.heads import register_head
from zoo.models.parts import Features, Parts


@register_head("bins", "64 logits for U and 64 for V", answer="logits")
def bins(features: Features, parts: Parts) -> Any:
    """The head: logits (B, H, W, 2, 64), float32."""
    from zoo.models.layers import SplitChannels

    x = parts.blocks.block(features.map(), 64, 3, "head_conv1")
    x = parts.blocks.last(x, 2 * BINS, 1, "head_logits", bias=True, dtype="float32")
    return SplitChannels(BINS, name="head_split", dtype="float32")(x)
