"""Figure 1 of Meda 2016: a page in grey, in its new colours and, where it had some, in its true ones."""

from dataclasses import replace

import numpy as np

from zoo.pages.scan import Scan


def summary(scan: Scan, rgb: np.ndarray) -> tuple[np.ndarray, Scan]:
    """Grey | colour (| truth) side by side, of the type of `rgb` (H, W, 3), and the scan with as many alphas."""
    levels = np.iinfo(rgb.dtype).max
    grey = np.rint(scan.luma() * levels).astype(rgb.dtype)
    parts = [np.repeat(grey[..., None], 3, axis=-1), rgb]
    if scan.colored:
        truth = scan.samples
        parts.append(truth if truth.dtype == rgb.dtype else (truth >> 8).astype(rgb.dtype))
    alpha = None if scan.alpha is None else np.tile(scan.alpha, len(parts))
    return np.concatenate(parts, axis=1), replace(scan, alpha=alpha)
