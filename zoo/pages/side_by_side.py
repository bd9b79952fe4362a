"""Figure 1 of Meda 2016: a page in grey, in its new colours and, where it had some, in its true ones."""

import numpy as np

from zoo.pages.scan import Scan


def summary(scan: Scan, rgb: np.ndarray) -> np.ndarray:
    """Grey | colour (| truth) side by side, of the type of `rgb` (H, W, 3)."""
    levels = np.iinfo(rgb.dtype).max
    grey = np.rint(scan.luma() * levels).astype(rgb.dtype)
    parts = [np.repeat(grey[..., None], 3, axis=-1), rgb]
    if scan.colored:
        truth = scan.samples
        parts.append(truth if truth.dtype == rgb.dtype else (truth >> 8).astype(rgb.dtype))
    return np.concatenate(parts, axis=1)
