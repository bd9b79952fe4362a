"""Regression by one 3×3 convolution, as Dahl's hypercolumn ends (Dahl 2016): 64 → 2."""

from typing import Any

from zoo.models.heads import register_head
from zoo.models.parts import Features, Parts


def uv_output(x: Any, blocks: Any) -> Any:
    """3×3 → 2, then the output's squashing in float32: UV (B, H, W, 2).

    The convolution is of the policy's type: its rounding is smaller than what the layers before it have rounded off,
    and far below a step of 8 bits, while 64 channels at full size in float32 cost time and memory. Logits, which a
    softmax magnifies, are float32.
    """
    from zoo.models.layers import ChromaRange

    x = blocks.last(x, 2, 3, "head_uv", bias=blocks.output == "linear")
    if blocks.output == "linear":
        return x
    x = blocks.normalize(x, "head_uv_bn", dtype="float32")
    return x if blocks.output == "normalized" else ChromaRange(name="head_uv_range", dtype="float32")(x)


@register_head("uv", "one convolution to UV", answer="uv")
def uv(features: Features, parts: Parts) -> Any:
    """The head."""
    return uv_output(features.map(), parts.blocks)
