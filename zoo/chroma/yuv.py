"""Colour: analog BT.601 YUV on gamma-encoded RGB, and the gamut map that keeps luma and hue.

Every function takes a NumPy array or a backend tensor and returns the same kind; the last axis is the colour axis.
The constants are those of `tf.image.rgb_to_yuv` and `skimage.color.rgb2yuv`. The grey input of every model is this Y,
not scikit-image's `rgb2gray`, which weighs linear light.
"""

from typing import Any

import numpy as np

# Rows: Y, U, V of one unit of R, G, B (ITU-R BT.601, analog).
RGB_TO_YUV = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.14714119, -0.28886916, 0.43601035],
        [0.61497538, -0.51496512, -0.10001026],
    ]
)
YUV_TO_RGB = np.linalg.inv(RGB_TO_YUV)

U_MAX = 0.43601035
V_MAX = 0.61497538
UV_MAX = np.array([U_MAX, V_MAX])


def namespace(x: Any) -> Any:
    """`numpy` for what NumPy can compute with, else `keras.ops`: the two spell the functions used here alike."""
    if isinstance(x, (np.ndarray, np.generic, float, int)):
        return np
    from keras import ops

    return ops


def _combine(x: Any, matrix: np.ndarray) -> Any:
    """Each row of `matrix` (m, 3) applied to the last axis of `x` (…, 3); shape (…, m)."""
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    rows = [a * float(r[0]) + b * float(r[1]) + c * float(r[2]) for r in matrix]
    return namespace(x).stack(rows, axis=-1)


def rgb_to_yuv(rgb: Any) -> Any:
    """RGB (…, 3) in [0, 1] to YUV (…, 3): Y in [0, 1], |U| ≤ 0.43601035, |V| ≤ 0.61497538."""
    return _combine(rgb, RGB_TO_YUV)


def yuv_to_rgb(yuv: Any) -> Any:
    """YUV (…, 3) to RGB (…, 3), not limited to [0, 1]: see `compose`."""
    return _combine(yuv, YUV_TO_RGB)


def split_luma(rgb: Any) -> tuple[Any, Any]:
    """RGB (…, 3) in [0, 1] to luma (…, 1) and UV (…, 2)."""
    yuv = rgb_to_yuv(rgb)
    return yuv[..., :1], yuv[..., 1:]


def compose(luma: Any, uv: Any) -> tuple[Any, Any]:
    """Luma and predicted chroma to RGB inside [0, 1], by scaling chroma where it would leave the gamut.

    With δ = RGB − Y, chroma is multiplied by s = min(1, min over channels of (1−Y)/δ where δ > 0 and Y/−δ where
    δ < 0). Y and the UV hue are kept exactly; clipping RGB instead would change luma by several grey levels.

    Args:
        luma: Y, (…, 1), in [0, 1].
        uv: predicted U and V, (…, 2).

    Returns:
        rgb (…, 3) in [0, 1] and the scale s (…, 1) in [0, 1]: below 1 where the map had to act.
    """
    xp = namespace(luma)
    delta = yuv_to_rgb(xp.concatenate([xp.zeros_like(luma), uv], axis=-1))
    # Room to the nearer wall in the direction of δ; a δ of zero has all the room there is.
    room = xp.where(delta > 0, 1.0 - luma, luma)
    size = xp.maximum(xp.abs(delta), 1e-12)
    scale = xp.minimum(xp.min(room / size, axis=-1, keepdims=True), 1.0)
    scale = xp.maximum(scale, 0.0)
    return xp.clip(luma + scale * delta, 0.0, 1.0), scale


def to_uint8(rgb: Any) -> np.ndarray:
    """RGB in [0, 1], array or tensor, to a uint8 NumPy array, rounded to nearest."""
    if not isinstance(rgb, np.ndarray):
        from keras import ops

        rgb = ops.convert_to_numpy(rgb)
    return np.clip(np.rint(rgb.astype(np.float32) * 255.0), 0, 255).astype(np.uint8)
