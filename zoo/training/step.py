"""The training step of every model and loss: on one device or many, in one piece or in micro-batches."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.chroma.yuv import split_luma
from zoo.models.contract import contract_of
from zoo.models.model import call
from zoo.training.added import DISCRIMINATOR, AddedLosses

LossFunction = Callable[[Any, Any], Any]
"""Of (uv, output), the mean over the batch: the mean of micro-batches' losses is then the batch's."""

Augmentation = Callable[[Any, Any, Any, int], Any]
"""Of (luma, step, place of its first crop in the global batch, size of that batch)."""


def build_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_function: LossFunction,
    *,
    micro_batch: int | None = None,
    augment: Augmentation | None = None,
    added: AddedLosses | None = None,
    seed: int = 0,
    jit: bool = False,
) -> Callable[[Any], Any]:
    """The training step: uint8 RGB (B, H, W, 3) in, the loss before the update out.

    With `added` losses a vector comes out: the main loss, then those of `added.names`, not weighted. A discriminator is
    updated with the model, from the same forward pass.

    Under a `tf.distribute.Strategy` it takes what the strategy's data sets give, a batch for each replica, sums the
    gradients over replicas, and returns the loss of the global batch. It has to be built in the strategy's scope, as
    the model and the optimizer.

    Args:
        model: what is trained.
        optimizer: built for the model's trainable variables.
        loss_function: of (uv, output), a mean over the batch.
        micro_batch: crops that a replica computes at a time, a divisor of its batch; the gradients are accumulated, and
            are those of the whole batch but for batch normalisation, which sees a micro-batch at a time. None
            computes a replica's batch in one piece.
        augment: changes the luma that the network sees.
        added: losses added to `loss_function`; they look at the luma that the crops have.
        seed: of what the model's further inputs draw at random.
        jit: compile the step with XLA; on a CPU that makes it slower.
    """
    contract = contract_of(model)
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    adversary = added.adversary if added else None
    trained = [(optimizer, model.trainable_variables)]
    if adversary:
        trained.append((adversary.optimizer, adversary.network.trainable_variables))
    groups = [[variable.value for variable in each] for _, each in trained]
    variables = [variable for group in groups for variable in group]

    def gradients(rgb: tf.Tensor, share: float, crops: int, start: Any) -> tuple[Any, Any]:
        """Loss, and gradients of it (scaled under float16), times `share`, of crops from `start` on of a replica's."""
        luma, uv = split_luma(tf.cast(rgb, tf.float32) / 255.0)
        seen = luma
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * crops + start
        step = tf.convert_to_tensor(optimizer.iterations)
        if augment:
            seen = augment(luma, step, first, crops * replicas)
        # Of what a model's further inputs draw at random: other for every step and crop.
        draw = tf.stack([tf.constant(short_seed(seed)), tf.cast(step, tf.int32) * (crops * replicas) + first])
        # Watching no more than what is trained keeps a frozen encoder out of the backward pass.
        with tf.GradientTape(persistent=len(trained) > 1, watch_accessed_variables=False) as tape:
            tape.watch(variables)
            answer = call(model, contract, contract.with_truth(seen, uv, draw), training=True)
            truth = contract.reduced(uv)
            loss = loss_function(truth, answer)
            found = added(contract.reduced(luma), truth, answer) if added else {}
            reported = tf.stack([loss, *(found[name] for name in added.names)]) if added else loss
            objectives = [loss + added.weighted(found)] if added else [loss]
            if adversary:
                objectives.append(found[DISCRIMINATOR])
            if share != 1:
                objectives = [each * share for each in objectives]
            scaled = [each.scale_loss(value) for (each, _), value in zip(trained, objectives, strict=True)]
        gradient = [each for value, group in zip(scaled, groups, strict=True) for each in tape.gradient(value, group)]
        return reported * share, gradient

    def apply_gradients(gradient: Any) -> None:
        for each, weights in trained:
            part, gradient = gradient[: len(weights)], gradient[len(weights) :]
            if replicas > 1 and isinstance(each, keras.optimizers.LossScaleOptimizer):
                part = _finite_everywhere(part)
            each.apply(part, weights)

    def total(losses: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)

    @tf.function(jit_compile=jit, autograph=False)
    def whole(rgb: Any) -> tf.Tensor:
        def replica(rgb: tf.Tensor) -> tf.Tensor:
            loss, gradient = gradients(rgb, 1 / replicas, rgb.shape[0], 0)
            apply_gradients(gradient)
            return loss

        return total(strategy.run(replica, (rgb,)))

    if micro_batch is None:
        return whole

    accumulators = [
        tf.Variable(
            tf.zeros(variable.shape, variable.dtype),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.SUM,
        )
        for variable in variables
    ]

    @tf.function(jit_compile=jit, autograph=False)
    def accumulate(rgb: Any, start: tf.Tensor) -> tf.Tensor:
        def replica(rgb: tf.Tensor) -> tf.Tensor:
            part = rgb[start : start + micro_batch]
            part.set_shape([micro_batch, *rgb.shape[1:]])
            loss, gradient = gradients(part, micro_batch / (rgb.shape[0] * replicas), rgb.shape[0], start)
            for accumulator, each in zip(accumulators, gradient, strict=True):
                accumulator.assign_add(each)
            return loss

        return total(strategy.run(replica, (rgb,)))

    @tf.function(jit_compile=jit, autograph=False)
    def apply() -> None:
        def replica() -> None:
            apply_gradients([each.read_value() for each in accumulators])
            for accumulator in accumulators:
                accumulator.assign(tf.zeros_like(accumulator))

        strategy.run(replica)

    def step(rgb: Any) -> Any:
        batch = strategy.experimental_local_results(rgb)[0].shape[0]
        loss = sum(accumulate(rgb, tf.constant(start)) for start in range(0, batch, micro_batch))
        apply()
        return loss

    return step


def _finite_everywhere(gradient: list[Any]) -> list[Any]:
    """The gradients of a replica, made infinite if those of another one are not finite.

    Keras's loss scaling asks each replica about its own gradients. Replicas that disagree would apply an infinite
    update, or wait for each other for ever.
    """
    finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each)) for each in gradient])
    context = tf.distribute.get_replica_context()
    bad = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(~finite, tf.float32))
    return [tf.where(bad > 0, tf.constant(np.inf, each.dtype), each) for each in gradient]


def short_seed(seed: int) -> int:
    """A seed of a run, of up to 63 bits, as one of 31 bits: TensorFlow and JAX draw by two short numbers."""
    return seed % (2**31 - 1)


def smaller_micro_batch(current: int) -> int | None:
    """The largest divisor of `current` that is at most half of it; None below one crop."""
    return next((part for part in range(current // 2, 0, -1) if current % part == 0), None)
