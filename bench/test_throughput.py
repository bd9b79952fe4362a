"""Throughput of a training step, of inference and of the loader: seconds by pytest-benchmark, images/s beside them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.data.pipeline import crop_batches
from zoo.data.sources import open_dataset
from zoo.harness.config import resolve
from zoo.harness.environment import policy_name, resolve_precision
from zoo.harness.trainer import build_step, make_optimizer
from zoo.losses import get_loss


@pytest.fixture
def model(model_name, options):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy_name(resolve_precision(options.precision)))
    try:
        return zoo.create(model_name, encoder_weights="none", train_encoder=True)
    finally:
        keras.config.set_dtype_policy(before)


def measure(benchmark, options, function):
    benchmark.extra_info |= {
        "batch_size": options.batch_size,
        "crop": options.crop,
        "precision": resolve_precision(options.precision),
    }
    benchmark.pedantic(function, rounds=5, warmup_rounds=2)
    if benchmark.stats:  # none under --benchmark-disable
        benchmark.extra_info["images_per_second"] = options.batch_size / benchmark.stats.stats.median


def test_training_step(benchmark, model, model_name, options):
    config = resolve(model_name, "quick", {}, {})
    optimizer = make_optimizer(config, resolve_precision(options.precision))
    optimizer.build(model.trainable_variables)
    step = build_step(model, optimizer, get_loss(config.loss, zoo.get_card(model_name).output))
    rgb = tf.constant(
        np.random.default_rng(0).integers(0, 256, (options.batch_size, options.crop, options.crop, 3), dtype=np.uint8)
    )
    measure(benchmark, options, lambda: step(rgb).numpy())


def test_inference(benchmark, model, options):
    forward = tf.function(lambda luma: model(luma, training=False))
    luma = tf.random.stateless_uniform((options.batch_size, options.crop, options.crop, 1), (0, 0))
    measure(benchmark, options, lambda: forward(luma).numpy())


def test_loader(benchmark, options):
    split = open_dataset("procedural", crop=options.crop).splits["train"]
    batches = iter(crop_batches(split, batch_size=options.batch_size, crop=options.crop, seed=0))
    measure(benchmark, options, lambda: next(batches).numpy())
