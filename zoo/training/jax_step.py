"""The training step on JAX: the same as `zoo.training.step`, compiled by XLA, in one piece."""

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.chroma.yuv import split_luma
from zoo.errors import RunError
from zoo.models.contract import contract_of
from zoo.models.model import call
from zoo.training.jax_devices import JaxDevices
from zoo.training.step import Augmentation, LossFunction, short_seed

KEY = 1 << 32  # JAX draws by two numbers below this


def build_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_function: LossFunction,
    *,
    devices: JaxDevices,
    augment: Augmentation | None = None,
    seed: int = 0,
) -> Callable[[Any], Any]:
    """The training step: uint8 RGB (B, H, W, 3) in, the loss before the update out.

    Luma is augmented by TensorFlow on the CPU, with the numbers of a run on TensorFlow; all else is one program of XLA.
    Several devices share the batch, and have the losses, gradients and batch statistics of the whole.

    Args:
        model: what is trained. Its variables have the new values once the step has returned.
        optimizer: built for the model's trainable variables; its steps so far count.
        loss_function: of (uv, output), a mean over the batch.
        devices: what to compute on.
        augment: changes the luma that the network sees.
        seed: of what the model's further inputs draw at random.

    Raises:
        RunError: by the step, that it is out of memory.
    """
    contract = contract_of(model)
    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    whole, shared = devices.shardings()
    count = int(np.asarray(optimizer.iterations))

    def loss_of(trained: Any, others: Any, luma: Any, uv: Any, draw: Any) -> tuple[Any, Any]:
        values = [*zip(groups[0], trained, strict=True), *zip(groups[1], others, strict=True)]
        with keras.StatelessScope(state_mapping=values) as scope:
            answer = call(model, contract, contract.with_truth(luma, uv, draw), training=True)
        return loss_function(contract.reduced(uv), answer), [scope.get_current_value(each) for each in groups[1]]

    def updated(values: Any, rgb: Any, seen: Any, draw: Any) -> tuple[Any, Any]:
        trained, others, state = values
        luma, uv = split_luma(ops.cast(rgb, "float32") / 255.0)
        # A gradient of what is trained alone keeps a frozen encoder out of the backward pass.
        slope = jax.value_and_grad(loss_of, has_aux=True)
        (loss, others), gradient = slope(trained, others, luma if seen is None else seen, uv, draw)
        trained, state = optimizer.stateless_apply(state, gradient, trained)
        return loss, (trained, others, state)

    program = jax.jit(updated, out_shardings=whole)
    augmented = _by_tensorflow(augment) if augment else None

    def step(rgb: Any) -> Any:
        nonlocal count
        rgb = np.asarray(rgb)
        seen = augmented(rgb, count) if augmented else None
        draw = np.array([short_seed(seed), count * len(rgb) % KEY], np.uint32)
        values = jax.device_put([[each.value for each in group] for group in groups], whole)
        try:
            loss, values = program(values, *jax.device_put((rgb, seen), shared), draw)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            raise RunError(
                f"a step of {len(rgb)} crops of {rgb.shape[1]}² is out of memory: try a smaller --batch-size or --crop;"
                " on TensorFlow --micro-batch computes a batch in parts. The last checkpoint is intact"
            ) from error
        for group, found in zip(groups, values, strict=True):
            for variable, value in zip(group, found, strict=True):
                variable.assign(value)
        count += 1
        return loss

    return step


def _by_tensorflow(augment: Augmentation) -> Callable[[np.ndarray, int], np.ndarray]:
    """Of RGB (B, H, W, 3) and a step's number, the luma that the network sees, (B, H, W, 1)."""

    @tf.function(autograph=False)
    def changed(luma: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return augment(luma, step, 0, luma.shape[0])

    def augmented(rgb: np.ndarray, step: int) -> np.ndarray:
        luma, _ = split_luma(rgb.astype(np.float32) / np.float32(255))
        return changed(tf.constant(luma), tf.constant(step, tf.int64)).numpy()

    return augmented
