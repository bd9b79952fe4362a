"""The fused optimisers against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.training.config import resolve
from zoo.training.optimizers import FusedAdam, FusedAdamW, averaged, make_optimizer


def _trained(kind, start, gradients):
    """Weights, moments and counters after a step for each of the gradients."""
    schedule = keras.optimizers.schedules.CosineDecay(0.01, len(gradients), warmup_target=0.1, warmup_steps=3)
    weights = [keras.Variable(w) for w in start]
    optimizer = kind(learning_rate=schedule)
    optimizer.build(weights)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, weights)

    for each in gradients:
        step([tf.constant(g) for g in each])
    return [np.array(v) for v in [*weights, *optimizer.variables]]


@pytest.mark.parametrize(("fused", "plain"), [(FusedAdam, keras.optimizers.Adam), (FusedAdamW, keras.optimizers.AdamW)])
def test_fused_updates_are_keras_s(fused, plain):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 4, 5), (7,))]
    gradients = [[rng.normal(size=w.shape).astype(np.float32) for w in start] for _ in range(12)]
    found = {}
    for kind in (fused, plain):
        found[kind] = _trained(kind, start, gradients)
    assert [v.shape for v in found[fused]] == [v.shape for v in found[plain]]
    for ours, theirs in zip(found[fused], found[plain], strict=True):
        # The operation takes 1 − β₂ in float32, which is off by up to 3e-5 of it: half of that in each update.
        np.testing.assert_allclose(ours, theirs, rtol=3e-5, atol=1.5e-5 * 1.2)
    moved = [np.abs(ours - before).max() for ours, before in zip(found[fused], start, strict=False)]
    assert min(moved) > 0.1


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_float16_scales_the_loss(name):
    config = resolve("residual", "quick", {"optimizer": name}, {})
    assert isinstance(make_optimizer(config, "float16"), keras.optimizers.LossScaleOptimizer)
    assert not isinstance(make_optimizer(config, "bfloat16"), keras.optimizers.LossScaleOptimizer)


@pytest.mark.parametrize(("name", "precision"), [("sgd", "float32"), ("adamw", "float32"), ("adamw", "float16")])
def test_averages_of_weights(name, precision):
    """Validated and saved are averages with the given decay, begun with the first step's weights."""
    config = resolve(
        "residual", "quick", {"optimizer": name, "ema": 0.7, "learning_rate": 0.1, "schedule": "constant"}, {}
    )
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = make_optimizer(config, precision)
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    before = [np.array(v) for v in model.trainable_variables]
    with averaged(optimizer, model):
        for variable, value in zip(model.trainable_variables, before, strict=True):
            np.testing.assert_array_equal(variable, value)
    expected: list[np.ndarray] = []
    for _ in range(6):
        optimizer.apply([tf.constant(rng.normal(size=v.shape).astype(np.float32)) for v in model.trainable_variables])
        now = [np.array(v) for v in model.trainable_variables]
        expected = [0.7 * a + 0.3 * b for a, b in zip(expected or now, now, strict=True)]
    with averaged(optimizer, model):
        for variable, value, current in zip(model.trainable_variables, expected, now, strict=True):
            np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)
            assert np.abs(value - current).max() > 1e-4
    for variable, value in zip(model.trainable_variables, now, strict=True):
        np.testing.assert_array_equal(variable, value)
