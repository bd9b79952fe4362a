"""The training step in micro-batches and under float16: what it computes is the whole batch's."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import zoo
from zoo.models.layers import FusedBatchNormalization
from zoo.training.augment import as_line_art, as_scans, augmentation, with_contrast, with_gamma
from zoo.training.config import RunConfig
from zoo.training.losses import cross_entropy, mse
from zoo.training.optimizers import make_optimizer
from zoo.training.step import build_step, short_seed, smaller_micro_batch

RGB = tf.constant(np.random.default_rng(0).integers(0, 256, (6, 16, 24, 3), dtype=np.uint8))


def trained(
    micro_batch: int | None, *, frozen: bool, model: str = "tiny", steps: int = 3, augment: Any = None, **config: Any
) -> tuple[list[float], list[np.ndarray]]:
    """Losses, and the weights after a few steps."""
    keras.utils.clear_session()
    network = tiny.build() if model == "tiny" else zoo.create(model, encoder_weights="none", encoder="light_vgg16")
    for layer in network.layers:
        if isinstance(layer, FusedBatchNormalization):
            layer.trainable = not frozen
    settings = {"optimizer": "sgd", "learning_rate": 0.5} | config
    optimizer = make_optimizer(RunConfig(model, **settings), "float32")
    optimizer.build(network.trainable_variables)
    loss = mse if network.output_shape[-1] == 2 else cross_entropy
    step = build_step(network, optimizer, loss, micro_batch=micro_batch, augment=augment)
    losses = [float(step(RGB)) for _ in range(steps)]
    return losses, [np.array(variable) for variable in network.variables]


@pytest.mark.parametrize("micro_batch", [3, 2, 1])
def test_accumulated_gradients_are_exact_where_batch_normalisation_is_frozen(micro_batch):
    (losses, weights), (expected, whole) = trained(micro_batch, frozen=True), trained(None, frozen=True)
    assert losses == pytest.approx(expected, rel=1e-5)
    assert losses[0] > losses[-1]
    for found, value in zip(weights, whole, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-6)


def test_of_a_real_classifier_too(light_encoders):
    options = {"frozen": True, "model": "conditional", "steps": 2, "learning_rate": 0.01}
    (losses, weights), (expected, whole) = trained(2, **options), trained(None, **options)
    assert losses == pytest.approx(expected, rel=1e-4)
    for found, value in zip(weights, whole, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-5)


def test_scans_are_the_same_in_micro_batches():
    def augment(luma, step, first, batch_size):
        return as_scans(luma, 0.7, 3, step, first, batch_size)

    expected, plain = trained(None, frozen=True, augment=augment)[0], trained(None, frozen=True)[0]
    assert trained(2, frozen=True, augment=augment)[0] == pytest.approx(expected, rel=1e-5)
    assert expected[0] != pytest.approx(plain[0], rel=1e-3)


def test_long_seeds_draw_too():
    """They overflowed the integers that TensorFlow draws by."""
    assert [short_seed(seed) for seed in (0, 7, 2**31 - 2)] == [0, 7, 2**31 - 2]
    assert len({short_seed(seed) for seed in range(2**40, 2**40 + 100)}) == 100
    network, seed = tiny.build(), 2**62
    optimizer = make_optimizer(RunConfig("tiny"), "float32")
    optimizer.build(network.trainable_variables)
    augment = augmentation(RunConfig("tiny", seed=seed, scans=0.5, contrast=0.3, gamma=0.2, line_art=0.3))
    assert np.isfinite(float(build_step(network, optimizer, mse, augment=augment, seed=seed)(RGB)))


def test_contrast_is_the_same_in_micro_batches_and_as_much_as_was_asked_for():
    luma = tf.constant(np.linspace(0.4, 0.6, 16 * 24, dtype=np.float32).reshape(1, 16, 24, 1).repeat(2000, 0))
    found = with_contrast(luma, 0.5, 1, tf.constant(5, tf.int64), 0, 2000).numpy()
    spread = np.ptp(found, axis=(1, 2, 3)) / 0.2
    lighter = found.mean(axis=(1, 2, 3)) - 0.5
    for values, low, high in ((spread, 0.5, 1.5), (lighter, -0.25, 0.25)):
        assert low - 1e-5 <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high + 1e-5
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03)
    assert abs(np.corrcoef(spread, lighter)[0, 1]) < 0.1
    again = with_contrast(luma[100:200], 0.5, 1, tf.constant(5, tf.int64), 100, 2000).numpy()
    np.testing.assert_allclose(again, found[100:200], atol=1e-6)
    strong = with_contrast(tf.constant(np.float32([0.0, 1.0]))[None, :, None, None], 0.9, 1, 0, 0, 1)
    assert strong.numpy().min() >= 0
    assert strong.numpy().max() <= 1


def test_gamma_is_the_same_in_micro_batches_and_as_much_as_was_asked_for():
    luma = tf.fill([2000, 2, 2, 1], 0.5)
    found = with_gamma(luma, 0.4, 1, tf.constant(5, tf.int64), 0, 2000).numpy()
    powers = np.log(np.log(found[:, 0, 0, 0]) / np.log(0.5))
    assert -0.4 - 1e-4 <= powers.min() < -0.39
    assert 0.39 < powers.max() <= 0.4 + 1e-4
    assert powers.mean() == pytest.approx(0, abs=0.02)
    again = with_gamma(luma[100:200], 0.4, 1, tf.constant(5, tf.int64), 100, 2000).numpy()
    np.testing.assert_array_equal(again, found[100:200])


def test_line_art_keeps_outlines_and_loses_fills():
    picture = np.full((400, 32, 32, 1), 0.9, np.float32)
    picture[:, 8:24, 8:24] = 0.3  # a dark square without an outline of its own
    found = as_line_art(tf.constant(picture), 0.5, 1, tf.constant(5, tf.int64), 0, 400).numpy()
    drawn = ~(found == picture).all(axis=(1, 2, 3))
    assert drawn.mean() == pytest.approx(0.5, abs=0.1)
    lines = found[drawn]
    assert (lines[:, 12:20, 12:20] == 1).all()  # the fill is white, as is the paper
    assert (lines[:, :4] == 1).all()
    edges = lines[:, 8, 12]
    assert (edges < 1).all()
    wide = lines[:, 10, 12, 0] < 1
    assert 0.2 < wide.mean() < 0.8
    again = as_line_art(tf.constant(picture[100:200]), 0.5, 1, tf.constant(5, tf.int64), 100, 400).numpy()
    np.testing.assert_array_equal(again, found[100:200])


def test_scans_are_of_every_kind_and_their_share_is_what_was_asked_for():
    luma = tf.constant(np.linspace(0, 1, 16 * 24, dtype=np.float32).reshape(1, 16, 24, 1).repeat(3000, 0))
    found = as_scans(luma, 0.6, 1, tf.constant(5, tf.int64), 0, 3000).numpy()
    same = (found == luma.numpy()).all(axis=(1, 2, 3))
    binary = np.isin(found, (0, 1)).all(axis=(1, 2, 3))
    assert same.mean() == pytest.approx(0.4, abs=0.03)
    assert binary.mean() == pytest.approx(0.4, abs=0.03)  # line art and halftone
    assert (~same & ~binary).mean() == pytest.approx(0.2, abs=0.03)
    monotonous = (np.diff(found.reshape(3000, -1)) >= 0).all(axis=1)
    assert (binary & ~monotonous).mean() == pytest.approx(0.2, abs=0.03)  # halftone
    # A halftone is as light as what it stands for.
    np.testing.assert_allclose(found[binary & ~monotonous].mean(), 0.5, atol=0.02)
    assert found.min() >= 0
    assert found.max() <= 1
    again = as_scans(luma[100:200], 0.6, 1, tf.constant(5, tf.int64), 100, 3000).numpy()
    np.testing.assert_array_equal(again, found[100:200])
    assert (as_scans(luma[:50], 0.6, 1, tf.constant(6, tf.int64), 0, 3000).numpy() != found[:50]).any()


def test_a_run_is_augmented_by_what_it_asks_for():
    luma = tf.random.stateless_uniform([8, 16, 16, 1], [1, 2])
    place = (tf.constant(5, tf.int64), 0, 8)
    assert augmentation(RunConfig("tiny")) is None
    both = augmentation(RunConfig("tiny", gamma=0.3, line_art=0.5, seed=2))
    expected = as_line_art(with_gamma(luma, 0.3, 2, *place), 0.5, 2, *place)
    np.testing.assert_array_equal(both(luma, *place), expected)


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
