"""The training step in micro-batches and under float16: what it computes is the whole batch's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import zoo
from zoo.harness.config import RunConfig
from zoo.harness.optimizers import make_optimizer
from zoo.harness.step import build_step, smaller_micro_batch
from zoo.losses import cross_entropy, mse
from zoo.models.layers import FusedBatchNormalization

RGB = tf.constant(np.random.default_rng(0).integers(0, 256, (6, 16, 24, 3), dtype=np.uint8))


def trained(micro_batch: int | None, *, frozen: bool, model: str = "tiny", steps: int = 3, **config):
    """Losses, and the weights after a few steps."""
    keras.utils.clear_session()
    network = tiny.build() if model == "tiny" else zoo.create(model, encoder_weights="none")
    for layer in network.layers:
        if isinstance(layer, FusedBatchNormalization):
            layer.trainable = not frozen
    settings = {"optimizer": "sgd", "learning_rate": 0.5} | config
    optimizer = make_optimizer(RunConfig(model, **settings), "float32")
    optimizer.build(network.trainable_variables)
    loss = mse if network.output_shape[-1] == 2 else cross_entropy
    step = build_step(network, optimizer, loss, micro_batch=micro_batch)
    losses = [float(step(RGB)) for _ in range(steps)]
    return losses, [np.array(variable) for variable in network.variables]


@pytest.mark.parametrize("micro_batch", [3, 2, 1])
def test_accumulated_gradients_are_exact_where_batch_normalisation_is_frozen(micro_batch):
    (losses, weights), (expected, whole) = trained(micro_batch, frozen=True), trained(None, frozen=True)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[0] > losses[-1]
    for found, value in zip(weights, whole, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


def test_of_a_real_classifier_too():
    options = {"frozen": True, "model": "conditional", "steps": 2, "learning_rate": 0.01}
    (losses, weights), (expected, whole) = trained(2, **options), trained(None, **options)
    assert losses == pytest.approx(expected, rel=1e-4)
    for found, value in zip(weights, whole, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-5)


def test_batch_normalisation_sees_micro_batches():
    losses, expected = trained(2, frozen=False)[0], trained(None, frozen=False)[0]
    assert losses == pytest.approx(expected, rel=0.2)
    assert losses[0] != pytest.approx(expected[0], rel=1e-4)


@pytest.fixture
def float16():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_float16_scales_the_loss_and_leaves_out_a_step_that_overflows(float16, micro_batch):
    network = tiny.build()
    optimizer = make_optimizer(RunConfig("tiny", optimizer="sgd", learning_rate=0.1), "float16")
    optimizer.build(network.trainable_variables)
    factor = tf.Variable(1.0)
    step = build_step(network, optimizer, lambda uv, found: factor * mse(uv, found), micro_batch=micro_batch)
    scale, before = float(optimizer.dynamic_scale), [np.array(v) for v in network.trainable_variables]
    assert np.isfinite(float(step(RGB)))
    after = [np.array(v) for v in network.trainable_variables]
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
    # A scaled loss of 30,000 is more than a gradient of float16 can hold.
    factor.assign(1e9)
    assert np.isfinite(float(step(RGB)))
    assert float(optimizer.dynamic_scale) == scale / 2
    for variable, value in zip(network.trainable_variables, after, strict=True):
        np.testing.assert_array_equal(variable, value)
    factor.assign(1.0)
    step(RGB)
    assert any((np.array(v) != a).any() for v, a in zip(network.trainable_variables, after, strict=True))


@pytest.mark.parametrize(("size", "smaller"), [(8, 4), (6, 3), (3, 1), (7, 1), (9, 3), (2, 1), (1, None)])
def test_micro_batches_get_smaller_by_divisors(size, smaller):
    assert smaller_micro_batch(size) == smaller
