"""What a coloured page tells of other pages: the answers that `zoo hints` would have got on it."""

from typing import TYPE_CHECKING

import numpy as np

from zoo.chroma.evidence import Given
from zoo.chroma.yuv import split_luma
from zoo.pages.asking import ANSWERS, Asked, most_open

if TYPE_CHECKING:
    from zoo.pages.colorizer import Examined

UNEVEN = 0.06  # of U and V, the standard deviation of a region that has more than one colour


def referred(examined: "Examined", rgb: np.ndarray) -> tuple[Given, ...]:
    """The colours of the regions of a coloured page that its model would ask for first, each given for what is like it.

    There are at most `zoo.pages.asking.ANSWERS`: more were no better on the validation stories. A region of more than
    one colour is no answer.

    Args:
        examined: what the network says of the page.
        rgb: the page in colour, uint8 (H, W, 3).
    """
    frames = examined.frames[1:] or examined.frames
    asked = [Asked(frame, examined.page.size) for frame in frames]
    uv = split_luma(rgb / np.float32(255))[1]
    colors = []
    for frame in frames:
        small, sight = frame.reduced(uv), frame.sight()
        means = sight.means(small)
        variance = (sight.means(small**2) - means**2).sum(axis=-1)
        colors.append((means, np.sqrt(np.maximum(0, variance)) < UNEVEN))
    found: list[Given] = []
    while len(found) < ANSWERS and (first := most_open(asked)):
        index, region = first
        asked[index].settle(region)
        means, even = colors[index]
        if even[region]:
            found.append(frames[index].sight().given_of(region, means[region]).elsewhere())
    return tuple(found)
