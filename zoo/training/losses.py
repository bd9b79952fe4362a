"""Losses: each takes the true UV (B, H, W, 2) and a model's output, float32, and returns one number.

| name | of | reduction |
|---|---|---|
| `euclidean` | UV | squared distance summed over pixels and channels, mean over the batch: Meda 2016 |
| `dahl` | UV | mean of `mse` on the UV planes as they are and blurred at 3 and 5 pixels |
| `mse` | UV | squared error, mean over everything |
| `l1` | UV | absolute error, mean over everything: Isola 2017 |
| `expectation` | logits | squared error of the expected U and V, mean over everything |
| `cross_entropy` | logits | cross-entropy of U plus that of V against two-hot labels, mean over pixels, in nats |
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from zoo.chroma.bins import BINS, CENTERS, encode, two_hot
from zoo.errors import UsageError
from zoo.support.names import suggestion

PRIOR_BLUR = 1.5  # bins


def euclidean(uv: Any, predicted: Any) -> Any:
    """Squared Euclidean distance of the two UV images, summed over pixels and channels, mean over the batch.

    The "plain Euclidean distance" of Meda 2016, in the one reading of its text that trains with gradient
    descent at 1e-4.
    """
    return ops.mean(ops.sum(ops.square(predicted - uv), axis=(1, 2, 3)))


def gaussian_kernel(size: int) -> np.ndarray:
    """A Gaussian of `size` taps a side, normalised, (size, size); σ = 0.3((size−1)/2 − 1) + 0.8, as OpenCV's."""
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    offsets = np.arange(size) - (size - 1) / 2
    line = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = np.outer(line, line)
    return (kernel / kernel.sum()).astype(np.float32)


def blur(uv: Any, size: int) -> Any:
    """UV (B, H, W, 2) blurred by a `size`-pixel Gaussian, each channel by itself, zeros beyond the edge."""
    kernel = np.repeat(gaussian_kernel(size)[:, :, None, None], 2, axis=2)
    return ops.depthwise_conv(uv, kernel, padding="same")


def dahl(uv: Any, predicted: Any) -> Any:
    """Dahl's loss: mean of the distances of the plain UV and of UV blurred by 3- and 5-pixel Gaussians.

    Each distance is a mean over pixels: at Dahl's learning rate of 0.1 a sum would be 10⁵ times too steep. Blurring
    is linear, so the difference is blurred once instead of each image.
    """
    difference = predicted - uv
    scales = [difference, blur(difference, 3), blur(difference, 5)]
    return sum(ops.mean(ops.square(d)) for d in scales) / len(scales)


def mse(uv: Any, predicted: Any) -> Any:
    """Squared error, mean over batch, pixels and channels."""
    return ops.mean(ops.square(predicted - uv))


def l1(uv: Any, predicted: Any) -> Any:
    """Absolute error, mean over batch, pixels and channels: the main loss of Isola 2017."""
    return ops.mean(ops.abs(predicted - uv))


def expectation(uv: Any, logits: Any) -> Any:
    """Squared error of the expected UV, mean over batch, pixels and channels: for what chooses between given colours.

    Of colours that a network has to guess it makes averages, as `mse` does.
    """
    probabilities = ops.softmax(logits, axis=-1)
    return mse(uv, ops.sum(probabilities * CENTERS.astype(np.float32), axis=-1))


def cross_entropy(uv: Any, logits: Any, weights: np.ndarray | None = None) -> Any:
    """The cross-entropy of U plus that of V against two-hot labels: nats a pixel, mean over batch and pixels.

    Args:
        uv: (B, H, W, 2).
        logits: (B, H, W, 2, 64).
        weights: of the pixels by the bins of their true U and V, (64, 64): see `rebalancing_weights`.
    """
    log_probability = ops.log_softmax(logits, axis=-1)
    loss = -ops.sum(two_hot(uv) * log_probability, axis=(-2, -1))
    if weights is not None:
        bins = encode(uv)
        loss = loss * ops.take(np.ravel(weights).astype(np.float32), bins[..., 0] * BINS + bins[..., 1])
    return ops.mean(loss)


def chroma_prior(uv: np.ndarray) -> np.ndarray:
    """How often each pair of bins occurs among U and V (…, 2): shares (64, 64), U along the first axis."""
    bins = np.asarray(encode(np.reshape(uv, (-1, 2))))
    return np.bincount(bins[:, 0] * BINS + bins[:, 1], minlength=BINS**2).reshape(BINS, BINS) / len(bins)


def rebalancing_weights(prior: np.ndarray, rebalance: float) -> np.ndarray:
    """Weights by true colour that make rare colours count: 1 over a mixture of their share and an equal one.

    Zhang 2016, equation 4: w ∝ ((1 − λ)p + λ/Q)⁻¹ with λ = 1 − `rebalance` (theirs is ½), p smoothed
    by a Gaussian, here of `PRIOR_BLUR` bins, Q the number of colours that occur, and a mean weight of 1 over p.

    Args:
        prior: (64, 64), of `chroma_prior`.
        rebalance: in [0, 1); 0 weighs every pixel alike.
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(prior, PRIOR_BLUR, mode="constant")
    smooth /= smooth.sum()
    occurring = np.count_nonzero(smooth > 1e-7)
    weights = 1 / (rebalance * smooth + (1 - rebalance) / occurring)
    return weights / (prior * weights).sum()


LOSSES: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "uv": {"euclidean": euclidean, "dahl": dahl, "mse": mse, "l1": l1},
    "logits": {"cross_entropy": cross_entropy, "expectation": expectation},
}


def get_loss(name: str, output: str) -> Callable[[Any, Any], Any]:
    """The loss `name` for models that answer with `output` (`uv` or `logits`).

    Raises:
        UsageError: unknown, or not a loss of that output.
    """
    fitting = LOSSES[output]
    if name not in fitting:
        raise UsageError(
            f"loss {name!r} does not fit a model that answers with {output}.{suggestion(name, fitting)}"
            f" Losses that do: {', '.join(fitting)}."
        )
    return fitting[name]
