"""Coherence: one object, one colour. Logits are smoothed along luma, across no edge, before a colour is chosen."""

import numpy as np

RADIUS = 12  # pixels
EPSILON = 1e-4  # variance of luma below which a window counts as flat


def coherent(logits: np.ndarray, luma: np.ndarray, *, radius: int = RADIUS, epsilon: float = EPSILON) -> np.ndarray:
    """Each channel of the logits through a guided filter guided by luma: where that is flat, a mean over the window.

    K. He, J. Sun, X. Tang: Guided Image Filtering, TPAMI 2013, equations 5, 6 and 8, with windows cut at the border.

    Args:
        logits: (B, H, W, …).
        luma: (B, H, W, 1) in [0, 1].
        radius: of the square window, pixels.
        epsilon: windows whose luma varies by less, in square units of luma, are averaged; edges of more are kept.

    Returns:
        As `logits`, float32.
    """
    from scipy.ndimage import uniform_filter1d

    flat = logits.reshape(*logits.shape[:3], -1).astype(np.float32)
    guide = luma.astype(np.float32)

    def box(x: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            x = uniform_filter1d(x, 2 * radius + 1, axis=axis, mode="constant")
        return x

    inside = box(np.ones_like(guide))  # share of the window that lies in the image

    def mean(x: np.ndarray) -> np.ndarray:
        return box(x) / inside

    mean_guide = mean(guide)
    variance = np.maximum(mean(guide * guide) - mean_guide**2, 0)
    mean_flat = mean(flat)
    slope = (mean(guide * flat) - mean_guide * mean_flat) / (variance + epsilon)
    smooth = mean(slope) * guide + mean(mean_flat - slope * mean_guide)
    return smooth.reshape(logits.shape)
