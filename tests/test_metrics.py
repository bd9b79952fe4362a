import numpy as np
import pytest
from skimage.color import rgb2lab

from zoo import metrics


def test_squared_error_and_chroma_are_in_ab():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 6, 7, 3), dtype=np.uint8)
    la, lb = rgb2lab(a), rgb2lab(b)
    expected = ((la[..., 1] - lb[..., 1]) ** 2 + (la[..., 2] - lb[..., 2]) ** 2) / 2
    np.testing.assert_allclose(metrics.squared_error_ab(metrics.lab(a), metrics.lab(b)), expected)
    np.testing.assert_allclose(metrics.chroma(la), np.sqrt(la[..., 1] ** 2 + la[..., 2] ** 2))
    grey = np.full((4, 4, 3), 77, np.uint8)
    assert metrics.chroma(metrics.lab(grey)).max() < 0.01


def test_paired_interval_sees_a_difference_that_the_spread_hides():
    rng = np.random.default_rng(1)
    base = rng.uniform(10, 1000, 60)  # crops differ far more than the candidates do
    difference, low, high = metrics.paired_interval(metrics.rmse, base * 0.9, base)
    assert difference == pytest.approx(metrics.rmse(base * 0.9) - metrics.rmse(base))
    assert low < difference < high < 0
    assert metrics.paired_interval(metrics.rmse, base, base) == (0, 0, 0)


def test_paired_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    trials = 200
    for trial in range(trials):
        values = rng.normal(0, 1, (2, 80))
        _, low, high = metrics.paired_interval(np.mean, values[0], values[1], seed=trial, resamples=200)
        hits += low <= 0 <= high
    # A binomial share of 0.95 over 200 trials: four standard errors are 0.062.
    assert hits / trials > 0.95 - 0.062


def test_one_image_says_nothing():
    difference, low, high = metrics.paired_interval(metrics.rmse, np.array([4.0]), np.array([9.0]))
    assert difference == -1
    assert np.isnan(low)
    assert np.isnan(high)
