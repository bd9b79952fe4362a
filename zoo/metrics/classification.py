"""How good a classifier's distributions are: bits of surprise and calibration, from logits and true colours."""

import numpy as np

from zoo.chroma.bins import encode, softmax, two_hot

CONFIDENCE_BINS = 15


def classification_sums(logits: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """Sums for `nll_bits` and `ece` over the pixels of an image.

    Args:
        logits: (H, W, 2, 64).
        uv: the truth, (H, W, 2).

    Returns:
        (2 + 2 · 3 · CONFIDENCE_BINS,): bits, pixels, then for U and for V, by bin of confidence: pixels, sum of the
        confidence in the most probable bin, and how often it was the true one.
    """
    probabilities = softmax(logits.astype(np.float64))
    # The logarithm of the softmax by itself: a probability may round to zero.
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    bits = -(two_hot(uv) * log_probabilities).sum() / np.log(2)
    parts = [np.array([bits, uv[..., 0].size])]
    best, true = logits.argmax(axis=-1), encode(uv)
    for channel in range(2):
        confidence = probabilities[..., channel, :].max(axis=-1).ravel()
        hit = (best[..., channel] == true[..., channel]).ravel()
        cell = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
        parts += [np.bincount(cell, values, CONFIDENCE_BINS) for values in (None, confidence, hit)]
    return np.concatenate(parts)


def nll_bits(sums: np.ndarray) -> np.ndarray:
    """Bits a pixel, U and V together, of the two-hot true colours under the distributions: sums (…, k) to (…)."""
    return sums[..., 0] / sums[..., 1]


def calibration(sums: np.ndarray) -> np.ndarray:
    """Pixels, mean confidence and accuracy by head and bin of confidence: sums (…, k) to (…, 2, 3, bins).

    Confidence and accuracy of an empty bin are NaN.
    """
    table = sums[..., 2:].reshape(*sums.shape[:-1], 2, 3, CONFIDENCE_BINS).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        means = table[..., 1:, :] / table[..., :1, :]
    return np.concatenate([table[..., :1, :], means], axis=-2)


def ece(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error Σ(n_b/n)·|accuracy − confidence| of U and of V: sums (…, k) to (…, 2).

    Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3, with `CONFIDENCE_BINS` equal bins.
    """
    count, confidence, accuracy = np.moveaxis(calibration(sums), -2, 0)
    return np.nansum(count * np.abs(accuracy - confidence), axis=-1) / count.sum(axis=-1)
