"""The accelerated twins: TensorFlow's own operations and gradients, which compute what the plain layers compute.

Tests compare each with its plain form. `zoo.models.layers.switch` says when they are used.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

FEW_CHANNELS = 8  # fewer than these are normalised folded
FOLD = 64

Part = tuple[Callable[[Sequence[Any], Sequence[Any]], Any], Sequence[Any], Sequence[Any]]


def normalized(layer: Any, x: Any, gamma: Any, beta: Any, batch_statistics: bool) -> tuple[Any, Any, Any]:
    """Output, mean and biased variance of a `FusedBatchNormalization`, by TensorFlow's fused operation.

    Keras composes the layer of small operations; the fused one takes about half the time on a CPU, forward and
    backward, and has kernels of its own on a GPU. It is slow for a few channels in bfloat16: those are normalised as
    rows of `FOLD` neighbouring pixels.
    """
    if batch_statistics and layer.synchronized and _replicas() > 1:
        return _normalized_synchronized(x, gamma, beta, layer.epsilon)
    if batch_statistics and x.shape[-1] < FEW_CHANNELS:
        return _normalized_folded(x, gamma, beta, layer.epsilon)
    empty = tf.zeros((0,))
    output, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=empty if batch_statistics else tf.cast(layer.moving_mean, tf.float32),
        variance=empty if batch_statistics else tf.cast(layer.moving_variance, tf.float32),
        epsilon=layer.epsilon,
        is_training=batch_statistics,
    )
    # The operation returns the unbiased variance; Keras averages the biased one.
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
    return output, mean, variance * ((count - 1.0) / count)


def _replicas() -> int:
    """Devices that compute this step together."""
    context = tf.distribute.get_replica_context()
    return int(context.num_replicas_in_sync) if context else 1


def _normalized_synchronized(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """The same of a batch that is spread over replicas of equal shares.

    The variance is that about the common mean: a difference of two large moments would lose digits.
    """

    def mean_of(values: Any) -> Any:
        local = tf.reduce_mean(values, axis=(0, 1, 2))
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, local)

    x32 = tf.cast(x, tf.float32)
    mean = mean_of(x32)
    centred = x32 - mean
    variance = mean_of(tf.square(centred))
    scale = gamma * tf.math.rsqrt(variance + epsilon)
    return tf.cast(centred * scale + beta, x.dtype), mean, variance


def _normalized_folded(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """The same of a batch of a few channels."""
    channels = x.shape[-1]
    pixels = tf.reduce_prod(tf.shape(x)[:3])
    fold = tf.minimum(FOLD, tf.bitwise.bitwise_and(pixels, -pixels))  # a power of two that divides them
    rows = tf.cast(tf.reshape(x, (-1, fold * channels)), tf.float32)

    def mean_of(values: Any) -> Any:
        return tf.reduce_mean(tf.reshape(tf.reduce_mean(values, axis=0), (fold, channels)), axis=0)

    mean = mean_of(rows)
    centred = rows - tf.tile(mean, [fold])
    variance = mean_of(tf.square(centred))
    scale = gamma * tf.math.rsqrt(variance + epsilon)
    rows = centred * tf.tile(scale, [fold]) + tf.tile(beta, [fold])
    return tf.reshape(tf.cast(rows, x.dtype), tf.shape(x)), mean, variance


def leaky_relu(x: Any, slope: float) -> Any:
    """max(x, slope·x), with a gradient that looks at the output: the input need not be kept until then."""

    @tf.custom_gradient
    def compute(x: Any) -> Any:
        y = tf.nn.leaky_relu(x, slope)
        # The output has the sign of the input, and the sign is all that the operation looks at.
        return y, lambda dy: tf.raw_ops.LeakyReluGrad(gradients=dy, features=y, alpha=slope)

    return compute(x)


def recomputed(
    activate: Callable[..., Any], convolve: Callable[..., Any], x: Any, gamma: Any, beta: Any, kernel: Any
) -> Any:
    """`convolve(activate(x, gamma, beta)[0], kernel)` and the other answers of `activate`.

    For the backward pass `x` alone is kept: what is between is made anew.
    """

    @tf.custom_gradient
    def compute(x: Any, gamma: Any, beta: Any, kernel: Any) -> tuple[Any, Callable[..., Any]]:
        activated, mean, variance = activate(x, gamma, beta)

        def gradient(upstream: Any, *_: Any) -> list[Any]:
            # One after the other, or maps are held until a kernel's gradient finds a core; and what is between is
            # made twice, or it would be held beside its own gradient while that is computed.
            between = activate(after(upstream, [x])[0], gamma, beta)[0]
            with tf.GradientTape(persistent=True) as tape:
                tape.watch([between, kernel])
                output = convolve(between, kernel)
            of_kernel = tape.gradient(output, kernel, upstream)
            of_between = tape.gradient(output, between, after(of_kernel, [upstream])[0])
            wanted = [*after(of_between, [x]), gamma, beta]
            with tf.GradientTape() as tape:
                tape.watch(wanted)
                again = activate(*wanted)[0]
            return [*tape.gradient(again, wanted, of_between), of_kernel]

        return (convolve(activated, kernel), mean, variance), gradient

    return compute(x, gamma, beta, kernel)


def sum_in_turn(*parts: Part) -> Any:
    """The sum of `compute(maps, kernels)` over the parts, each begun when the one before it is done.

    All at once, forward or backward, they would take half as much memory again. What a part makes on its way is made
    anew for the backward pass, which goes through the parts in the same order; it waits for the gradient of a kernel,
    since that of a frozen encoder's map is not computed.
    """
    counts = [len(maps) for _, maps, _ in parts]
    ends = np.cumsum(counts)

    @tf.custom_gradient
    def compute_all(*arguments: Any) -> tuple[Any, Callable[..., Any]]:
        half = len(arguments) // 2
        steps = [
            (compute, arguments[end - count : end], arguments[half + end - count : half + end])
            for (compute, _, _), count, end in zip(parts, counts, ends, strict=True)
        ]
        total = None
        for compute, maps, kernels in steps:
            part = compute(after(total, maps), kernels)
            total = part if total is None else total + part

        def gradient(upstream: Any) -> list[Any]:
            of_maps: list[Any] = []
            of_kernels: list[Any] = []
            done = upstream
            for compute, maps, kernels in steps:
                again, (seed,) = after(done, maps), after(done, [upstream])
                with tf.GradientTape() as tape:
                    tape.watch([*again, *kernels])
                    part = compute(again, kernels)
                found = tape.gradient(part, [*again, *kernels], seed)
                done = found[-1]
                of_maps += found[: len(maps)]
                of_kernels += found[len(maps) :]
            return [*of_maps, *of_kernels]

        return total, gradient

    return compute_all(*(x for _, maps, _ in parts for x in maps), *(k for _, _, kernels in parts for k in kernels))


def after(done: Any, tensors: Sequence[Any]) -> list[Any]:
    """The tensors, for operations that must not begin before `done` is there."""
    with tf.control_dependencies([] if done is None else [done]):
        return [tf.identity(tensor) for tensor in tensors]
