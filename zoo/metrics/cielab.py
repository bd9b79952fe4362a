"""CIELAB, in which colours are compared."""

import numpy as np


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (…, 3), uint8 or float in [0, 1], to CIELAB (…, 3), D65, 2° observer: scikit-image's `rgb2lab`."""
    from skimage.color import rgb2lab

    return rgb2lab(rgb)


def chroma(image: np.ndarray) -> np.ndarray:
    """C* = √(a*² + b*²): Lab (…, 3) to (…)."""
    return np.hypot(image[..., 1], image[..., 2])
