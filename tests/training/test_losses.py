import keras
import numpy as np
import pytest
from scipy.ndimage import convolve

from zoo.chroma.bins import bin_centers, two_hot
from zoo.errors import UsageError
from zoo.training import losses
from zoo.training.losses import chroma_prior, cross_entropy, rebalancing_weights


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 8, 9, 2)).astype(np.float32), rng.normal(size=(3, 8, 9, 2)).astype(np.float32)


def test_euclidean_is_summed_over_the_image_and_averaged_over_the_batch(pair):
    uv, predicted = pair
    assert float(losses.euclidean(uv, predicted)) == pytest.approx(((predicted - uv) ** 2).sum() / 3, rel=1e-5)


def test_mse(pair):
    uv, predicted = pair
    assert float(losses.mse(uv, predicted)) == pytest.approx(((predicted - uv) ** 2).mean(), rel=1e-5)


def test_l1(pair):
    uv, predicted = pair
    assert float(losses.l1(uv, predicted)) == pytest.approx(np.abs(predicted - uv).mean(), rel=1e-5)


@pytest.mark.parametrize("size", [3, 5])
def test_blur_is_depthwise_gaussian(pair, size):
    uv, _ = pair
    kernel = losses.gaussian_kernel(size)
    assert kernel.sum() == pytest.approx(1)
    np.testing.assert_allclose(kernel, kernel.T)
    blurred = keras.ops.convert_to_numpy(losses.blur(uv, size))
    for channel in range(2):
        expected = np.stack([convolve(image[..., channel], kernel, mode="constant") for image in uv])
        np.testing.assert_allclose(blurred[..., channel], expected, atol=1e-5)


def test_dahl_is_the_mean_of_three_scales(pair):
    uv, predicted = pair
    images = [(uv, predicted), *((losses.blur(uv, s), losses.blur(predicted, s)) for s in (3, 5))]
    expected = np.mean([float(losses.mse(a, b)) for a, b in images])
    assert float(losses.dahl(uv, predicted)) == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_is_the_sum_of_two(pair):
    uv = pair[0] * 0.1
    logits = np.random.default_rng(1).normal(size=(3, 8, 9, 2, 64)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -(two_hot(uv) * np.log(p)).sum(-1).sum(-1).mean()
    assert float(losses.cross_entropy(uv, logits)) == pytest.approx(expected, rel=1e-5)
    uniform = np.zeros_like(logits)
    assert float(losses.cross_entropy(uv, uniform)) == pytest.approx(2 * np.log(64), rel=1e-6)


def test_a_loss_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="'mse' does not fit a model that answers with logits.*cross_entropy"):
        losses.get_loss("mse", "logits")
    with pytest.raises(UsageError, match="Did you mean 'euclidean'"):
        losses.get_loss("euclidian", "uv")


def test_rare_colours_count_by_zhang_s_formula(monkeypatch):
    monkeypatch.setattr(losses, "PRIOR_BLUR", 1e-6)
    uv = bin_centers(np.array([(32, 32)] * 6 + [(50, 20)] * 3 + [(10, 40)]))
    prior = chroma_prior(uv)
    assert (prior[32, 32], prior[50, 20], prior[10, 40]) == (0.6, 0.3, 0.1)
    weights = rebalancing_weights(prior, 0.5)
    by_hand = {p: 1 / (0.5 * p + 0.5 / 3) for p in (0.6, 0.3, 0.1)}
    mean = sum(p * w for p, w in by_hand.items())
    assert weights[50, 20] == pytest.approx(by_hand[0.3] / mean)
    assert weights[10, 40] == pytest.approx(by_hand[0.1] / mean)
    assert (prior * weights).sum() == pytest.approx(1)
    np.testing.assert_allclose(rebalancing_weights(prior, 0.0)[[32, 50, 10], [32, 20, 40]], 1)


def test_cross_entropy_is_weighted_by_the_true_colour():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 1, 2, 2, 64)).astype(np.float32)
    uv = bin_centers(np.array([[[(3, 60), (60, 3)]]])).astype(np.float32)
    first, second = (float(cross_entropy(uv[:, :, i : i + 1], logits[:, :, i : i + 1])) for i in range(2))
    weights = np.ones((64, 64))
    weights[3, 60], weights[60, 3] = 2.0, 5.0
    assert float(cross_entropy(uv, logits, weights)) == pytest.approx((2 * first + 5 * second) / 2, rel=1e-5)


def test_blur_spreads_the_prior():
    prior = chroma_prior(bin_centers(np.array([(32, 32)] * 9 + [(50, 20)])))
    weights = rebalancing_weights(prior, 0.5)
    assert weights[32, 32] < weights[33, 32] < weights[50, 20] < weights[5, 5]
