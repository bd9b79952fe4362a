"""Pages that a user says colours of, and what has to come of that."""

import numpy as np
from coloring import uv_of

from zoo.chroma.yuv import compose, split_luma, to_uint8

RED = "#cc3333"


def wanted(luma: np.ndarray, x: float, y: float, color: str) -> np.ndarray:
    """What a hint's pixel has to be, uint8, of luma in [0, 1]."""
    return to_uint8(compose(np.array([luma[int(y), int(x)]], float), uv_of(color))[0]).astype(int)


def assert_obeyed(luma: np.ndarray, rgb: np.ndarray, hints) -> None:
    """Luma in [0, 1], the page in 8 bits."""
    for x, y, color in hints:
        np.testing.assert_allclose(rgb[int(y), int(x)].astype(int), wanted(luma, x, y, color), atol=1)


def outlined(colors: bool) -> np.ndarray:
    """Two things of two tones on paper, in colour or not."""
    luma = np.full((96, 144), 0.9)
    uv = np.zeros((96, 144, 2))
    for left, tone, color in ((10, 0.45, RED), (80, 0.6, "#2a6")):
        luma[16:80, left - 4 : left + 54] = 0.03
        luma[20:76, left : left + 50] = tone
        uv[20:76, left : left + 50] = uv_of(color)
    rgb = to_uint8(compose(luma[..., None], uv)[0])
    return rgb if colors else np.rint(split_luma(rgb / 255)[0][..., 0] * 255).astype(np.uint8)
