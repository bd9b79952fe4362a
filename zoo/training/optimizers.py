"""The optimisers of the harness: Keras's; on TensorFlow with Adam's update in one pass over each weight."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.training.config import RunConfig


class _FusedUpdate:
    """Adam's update by TensorFlow's fused operation, which has kernels for CPU and GPU.

    Keras composes it of small operations, each a pass over weights and moments; results and state are the same.
    """

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=beta_1**step,
            beta2_power=beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )


class FusedAdam(_FusedUpdate, keras.optimizers.Adam):
    """`keras.optimizers.Adam`, faster; without `amsgrad`."""


class FusedAdamW(_FusedUpdate, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, faster; without `amsgrad`."""


def make_optimizer(config: RunConfig, precision: str) -> keras.optimizers.Optimizer:
    """The optimizer of a run; under float16 with loss scaling. With `ema` it keeps averages: see `averaged`."""
    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        warmup = max(1, config.steps // 20)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=rate / warmup,
            decay_steps=max(1, config.steps - warmup),
            warmup_target=rate,
            warmup_steps=warmup,
        )
    fused = keras.backend.backend() == "tensorflow"
    kinds = {
        "sgd": keras.optimizers.SGD,
        "adam": FusedAdam if fused else keras.optimizers.Adam,
        "adamw": FusedAdamW if fused else keras.optimizers.AdamW,
    }
    averaging = {"use_ema": True, "ema_momentum": config.ema} if config.ema else {}
    optimizer = kinds[config.optimizer](learning_rate=rate, **averaging)
    return scaling(optimizer, precision)


def scaling(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """The optimizer; under float16 one that scales the loss, so that small gradients are not rounded to zero."""
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "float16" else optimizer


@contextlib.contextmanager
def averaged(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> Iterator[None]:
    """Inside, the model has the moving averages of its weights, if the optimizer keeps any and has made a step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not inner.use_ema or not int(np.asarray(inner.iterations)):
        yield
        return
    kept = [np.array(variable) for variable in model.trainable_variables]
    inner.finalize_variable_values(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, kept, strict=True):
            variable.assign(value)
