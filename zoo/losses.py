"""Losses: each takes the true UV (B, H, W, 2) and a model's output, float32, and returns one number.

| name | of | reduction |
|---|---|---|
| `euclidean` | UV | squared distance summed over pixels and channels, mean over the batch: the report |
| `dahl` | UV | mean of `mse` on the UV planes as they are and blurred at 3 and 5 pixels |
| `mse` | UV | squared error, mean over everything |
| `cross_entropy` | logits | cross-entropy of U plus that of V against two-hot labels, mean over pixels, in nats |
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from zoo.codec import two_hot
from zoo.errors import UsageError
from zoo.registry import suggestion


def euclidean(uv: Any, predicted: Any) -> Any:
    """Squared Euclidean distance of the two UV images, summed over pixels and channels, mean over the batch.

    The report's "plain Euclidean distance" in the one reading of its text that trains with gradient descent at 1e-4.
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


def cross_entropy(uv: Any, logits: Any) -> Any:
    """The cross-entropy of U plus that of V against two-hot labels: nats a pixel, mean over batch and pixels."""
    log_probability = ops.log_softmax(logits, axis=-1)
    return -ops.mean(ops.sum(two_hot(uv) * log_probability, axis=(-2, -1)))


LOSSES: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "uv": {"euclidean": euclidean, "dahl": dahl, "mse": mse},
    "logits": {"cross_entropy": cross_entropy},
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
