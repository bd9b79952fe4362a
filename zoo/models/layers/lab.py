"""CIELAB inside a model that takes luma and answers with UV: lightness, a* and b* of UV, and UV of a* and b*.

sRGB (IEC 61966-2-1) and CIELAB (CIE 15) of the 2° observer under D65. The white is that of R = G = B = 1, so that grey
is neutral exactly; scikit-image's differs from it by 0.003 of a*.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.chroma.yuv import rgb_to_yuv, yuv_to_rgb
from zoo.models.layers.switch import register

RGB_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
RGB_TO_XYZ /= RGB_TO_XYZ.sum(axis=1, keepdims=True)
XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ)

KNEE = 6 / 29  # of CIELAB's curve: a straight line below it

L_CENTER, L_RANGE, AB_RANGE = 50.0, 100.0, 110.0
"""What Zhang 2016 and 2017 normalise by: (L* − 50) / 100, and a* and b* divided by 110."""


def lightness(luma: Any) -> Any:
    """L* in [0, 100] of grey of this luma, (…), a tensor of float32."""
    return 116.0 * _curve(_linear(ops.clip(luma, 0.0, 1.0))) - 16.0


def ab_to_uv(ab: Any, luma: Any) -> Any:
    """U and V (…, 2) of a* and b* (…, 2) at the lightness of luma (…, 1); what leaves sRGB is clipped."""
    y = (lightness(luma[..., 0]) + 16.0) / 116.0
    xyz = [_straightened(each) for each in (y + ab[..., 0] / 500.0, y, y - ab[..., 1] / 200.0)]
    rgb = [_encoded(ops.clip(each, 0.0, 1.0)) for each in _mixed(xyz, XYZ_TO_RGB)]
    return rgb_to_yuv(ops.stack(rgb, axis=-1))[..., 1:]


def uv_to_ab(uv: Any, luma: Any) -> Any:
    """a* and b* (…, 2) of the colour of luma (…, 1) and UV (…, 2), clipped to sRGB."""
    rgb = ops.clip(yuv_to_rgb(ops.concatenate([luma, uv], axis=-1)), 0.0, 1.0)
    x, y, z = (_curve(each) for each in _mixed([_linear(rgb[..., channel]) for channel in range(3)], RGB_TO_XYZ))
    return ops.stack([500.0 * (x - y), 200.0 * (y - z)], axis=-1)


def _mixed(channels: list[Any], matrix: np.ndarray) -> list[Any]:
    """Each row of `matrix` (3, 3) applied to three channels; sums, since products of matrices may be rounded more."""
    return [sum(float(weight) * each for weight, each in zip(row, channels, strict=True)) for row in matrix]


def _linear(encoded: Any) -> Any:
    """Light of a value of sRGB in [0, 1]. Both branches are finite everywhere, so that gradients are."""
    return ops.where(encoded <= 0.04045, encoded / 12.92, ops.power((ops.maximum(encoded, 0.04) + 0.055) / 1.055, 2.4))


def _encoded(light: Any) -> Any:
    """The value of sRGB of light in [0, 1]."""
    power = 1.055 * ops.power(ops.maximum(light, 0.003), 1 / 2.4) - 0.055
    return ops.where(light <= 0.0031308, 12.92 * light, power)


def _curve(light: Any) -> Any:
    """CIELAB's f of a share of white."""
    root = ops.power(ops.maximum(light, 0.008), 1 / 3)
    return ops.where(light > KNEE**3, root, light / (3 * KNEE**2) + 4 / 29)


def _straightened(value: Any) -> Any:
    """What `_curve` gives the value of."""
    return ops.where(value > KNEE, value * value * value, 3 * KNEE**2 * (value - 4 / 29))


@register
class Lightness(keras.layers.Layer):
    """Luma (B, H, W, 1) in [0, 1] to (L* − 50) / 100, of the same shape."""

    def call(self, inputs: Any) -> Any:
        return (lightness(inputs) - L_CENTER) / L_RANGE

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@register
class LabHints(keras.layers.Layer):
    """Hints (B, H, W, 3), U, V and 1 where there is one, and luma (B, H, W, 1), to a* / 110, b* / 110 and that 1."""

    def call(self, inputs: Any) -> Any:
        hints, luma = inputs
        known = hints[..., 2:]
        return ops.concatenate([uv_to_ab(hints[..., :2], luma) / AB_RANGE * known, known], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


@register
class LabToUV(keras.layers.Layer):
    """a* and b* (B, H, W, 2) and luma (B, H, W, 1) to UV (B, H, W, 2): `ab_to_uv`."""

    def call(self, inputs: Any) -> Any:
        return ab_to_uv(*inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]
