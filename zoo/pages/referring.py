"""What a coloured page tells of other pages: the answers that `zoo hints` would have got on it."""

from typing import TYPE_CHECKING

import numpy as np

from zoo.chroma.evidence import Given
from zoo.chroma.upsampling import cell_means
from zoo.chroma.yuv import split_luma
from zoo.pages.asking import LEAST_GAIN, Asked

if TYPE_CHECKING:
    from zoo.pages.colorizer import Examined

ANSWERS = 10
"""How many regions of a page are answers: more of them were no better on the validation stories."""

UNEVEN = 0.06  # of U and V, the standard deviation of a region that has more than one colour


def referred(examined: "Examined", rgb: np.ndarray) -> tuple[Given, ...]:
    """The colours of the regions of a coloured page that its model would ask for first, each given for what is like it.

    A region of more than one colour is no answer.

    Args:
        examined: what the network says of the page.
        rgb: the page in colour, uint8 (H, W, 3).
    """
    frames = examined.frames[1:] or examined.frames
    asked = [Asked(frame, examined.page.size) for frame in frames]
    colors = []
    for frame in frames:
        top, left, height, width = frame.panel
        uv = split_luma(rgb[top : top + height, left : left + width] / np.float32(255))[1]
        small = np.stack([cell_means(uv[..., c], *frame.luma.shape) for c in (0, 1)], axis=-1)
        means = frame.sight().means(small)
        squares = frame.sight().means(small**2).sum(axis=-1)
        colors.append((means, np.sqrt(np.maximum(0, squares - (means**2).sum(axis=-1))) < UNEVEN))
    found: list[Given] = []
    while len(found) < ANSWERS:
        best = max(range(len(asked)), key=lambda index: asked[index].gains.max())
        region = int(asked[best].gains.argmax())
        if asked[best].gains[region] < LEAST_GAIN:
            break
        asked[best].settle(region)
        means, even = colors[best]
        if even[region]:
            found.append(frames[best].sight().given_of(region, means[region]).elsewhere())
    return tuple(found)
