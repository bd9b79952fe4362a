"""The fused optimisers against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.harness.config import resolve
from zoo.harness.optimizers import FusedAdam, FusedAdamW, make_optimizer


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
