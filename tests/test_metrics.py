"""Image metrics against scikit-image, brute force and hand-computed values; intervals against what they promise."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from zoo import metrics
from zoo.chroma.bins import WIDTHS, bin_centers, two_hot
from zoo.metrics import IMAGE_METRICS, Pair
from zoo.metrics.bootstrap import intervals, pseudo_values
from zoo.metrics.classification import CONFIDENCE_BINS, classification_sums, ece, nll_bits
from zoo.metrics.image import AB_CELL


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
    noise = rng.integers(-40, 40, truth.shape)
    predicted = np.clip(truth.astype(int) + noise, 0, 255).astype(np.uint8)
    return [Pair(f"image {i}", p, t) for i, (p, t) in enumerate(zip(predicted, truth, strict=True))]


def value(name, pairs):
    metric = IMAGE_METRICS[name]
    return float(metric.value(sum(metric.sums(pair) for pair in pairs)))


def lab_difference(pair):
    return rgb2lab(pair.predicted)[..., 1:] - rgb2lab(pair.truth)[..., 1:]


def test_colorfulness_of_an_image_computed_by_hand():
    # Half red, half green: rg is 255 and -255, yb 127.5 everywhere.
    image = np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8)
    assert metrics.colorfulness(image) == pytest.approx(255 + 0.3 * 127.5)
    # With absolute values rg is 255 everywhere: no spread is left, and the mean is no longer zero.
    assert metrics.colorfulness(image, absolute=True) == pytest.approx(0.3 * np.hypot(255, 127.5))
    assert metrics.colorfulness(np.full((4, 4, 3), 90, np.uint8)) == 0


def test_colorfulness_over_a_set(pairs):
    predicted = [metrics.colorfulness(pair.predicted) for pair in pairs]
    true = [metrics.colorfulness(pair.truth) for pair in pairs]
    assert value("cf", pairs) == pytest.approx(np.mean(predicted))
    assert value("delta_cf_set", pairs) == pytest.approx(abs(np.mean(predicted) - np.mean(true)))
    assert value("delta_cf_image", pairs) == pytest.approx(np.mean(np.abs(np.subtract(predicted, true))))


def test_pixel_metrics_agree_with_scikit_image(pairs):
    errors = [deltaE_ciede2000(rgb2lab(pair.truth), rgb2lab(pair.predicted)) for pair in pairs]
    assert value("delta_e00", pairs) == pytest.approx(np.mean(errors))
    mse = np.mean([lab_difference(pair) ** 2 for pair in pairs])
    assert value("rmse_ab", pairs) == pytest.approx(np.sqrt(mse))
    assert value("psnr_ab", pairs) == pytest.approx(10 * np.log10(255**2 / mse))
    chroma = [
        np.hypot(*np.moveaxis(rgb2lab(image)[..., 1:], -1, 0)).sum() for p in pairs for image in (p.predicted, p.truth)
    ]
    assert value("chroma_ratio", pairs) == pytest.approx(sum(chroma[::2]) / sum(chroma[1::2]))


def test_area_under_the_curve_agrees_with_brute_force(pairs):
    distance = np.concatenate([np.linalg.norm(lab_difference(pair), axis=-1).ravel() for pair in pairs])
    scores = np.array([np.mean([d <= t for t in range(151)]) for d in distance])
    assert value("auc", pairs) == pytest.approx(scores.mean())
    cells = np.concatenate([np.floor(rgb2lab(pair.truth)[..., 1:].reshape(-1, 2) / AB_CELL) for pair in pairs])
    by_cell = [scores[(cells == cell).all(axis=1)].mean() for cell in np.unique(cells, axis=0)]
    assert value("auc_balanced", pairs) == pytest.approx(np.mean(by_cell))


def test_the_truth_is_perfect_and_grey_is_not(pairs):
    truth = [Pair(pair.name, pair.truth, pair.truth) for pair in pairs]
    perfect = {"delta_cf_set": 0, "delta_cf_image": 0, "delta_e00": 0, "rmse_ab": 0, "psnr_ab": np.inf, "ab_energy": 0}
    perfect |= {"chroma_ratio": 1, "auc": 1, "auc_balanced": 1}
    for name, expected in perfect.items():
        assert value(name, truth) == expected, name
    grey = [Pair(pair.name, np.full_like(pair.truth, 99), pair.truth) for pair in pairs]
    assert value("cf", grey) == 0
    assert value("chroma_ratio", grey) < 1e-4
    assert value("ab_energy", grey) > 10
    assert np.isnan(value("chroma_ratio", [Pair("grey", grey[0].predicted, np.zeros_like(grey[0].truth))]))


def test_energy_distance_of_two_points_and_of_shifted_clouds():
    assert metrics.energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == 10
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400, 2))
    assert 0 <= metrics.energy_distance(a, b) < 0.02
    assert metrics.energy_distance(a, b + 1) > metrics.energy_distance(a, b + 0.3) > metrics.energy_distance(a, b)


def difference(a, b):
    return lambda weights: (weights @ (a - b)) / weights.sum(axis=-1)


def test_a_paired_interval_sees_a_difference_that_the_spread_hides():
    rng = np.random.default_rng(1)
    base = rng.uniform(10, 1000, 60)  # images differ far more than the candidates do
    middle, low, high = metrics.interval(difference(base * 0.9, base), range(60))
    assert middle == pytest.approx(-0.1 * base.mean())
    assert low < middle < high < 0
    assert metrics.interval(difference(base, base), range(60)) == (0, 0, 0)


def test_pseudo_values_of_a_mean_are_the_values():
    values = np.array([1.0, 4.0, 2.0, 9.0])
    found = pseudo_values(lambda weights: weights @ values / weights.sum(axis=-1), "abcd")
    np.testing.assert_allclose(found, values)
    both = pseudo_values(lambda weights: np.stack([weights @ values, 2 * (weights @ values)]), "abcd")
    assert both.shape == (2, 4)
    np.testing.assert_allclose(both[1], 2 * both[0])


def test_pseudo_values_are_of_groups_and_their_mean_is_nearly_the_statistic():
    rng = np.random.default_rng(0)
    mse = rng.gamma(2.0, 50.0, 40)
    groups = [f"book {index // 2:02}" for index in range(40)]

    def rmse(weights):
        return np.sqrt(weights @ mse / weights.sum(axis=-1))

    found = pseudo_values(rmse, groups)
    assert found.shape == (20,)
    assert found.mean() == pytest.approx(rmse(np.ones(40)), rel=0.005)
    # The jackknife's standard error is the bootstrap's.
    _, low, high = intervals(rmse, groups)
    assert found.std(ddof=1) / np.sqrt(20) == pytest.approx((high - low) / 3.92, rel=0.15)
    assert pseudo_values(rmse, ["one"] * 40) == pytest.approx([rmse(np.ones(40))])


def test_an_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    trials = 200
    for trial in range(trials):
        values = rng.normal(0, 1, (2, 80))
        _, low, high = metrics.interval(difference(*values), range(80), seed=trial, resamples=200)
        hits += low <= 0 <= high
    # A binomial share of 0.95 over 200 trials: four standard errors are 0.062.
    assert hits / trials > 0.95 - 0.062


def test_pages_of_one_book_are_drawn_together():
    rng = np.random.default_rng(3)
    books = np.repeat(np.arange(12), 10)
    values = rng.normal(size=12)[books] + 0.1 * rng.normal(size=120)
    zero = np.zeros(120)
    _, low, high = metrics.interval(difference(values, zero), range(120))
    _, low_by_book, high_by_book = metrics.interval(difference(values, zero), books)
    # Ten pages of a book say hardly more than one: the interval is wider by about √10.
    assert 2 < (high_by_book - low_by_book) / (high - low) < 5


def test_one_group_says_nothing():
    middle, low, high = metrics.interval(difference(np.array([4.0, 6.0]), np.array([9.0, 3.0])), ["a book", "a book"])
    assert middle == -1
    assert np.isnan(low)
    assert np.isnan(high)


def test_pooled_energy_is_that_of_all_pixels_together():
    rng = np.random.default_rng(5)
    pairs = [
        metrics.Pair(f"{index}", *(rng.integers(0, 256, (2, 3, 3), dtype=np.uint8) for _ in range(2)))
        for index in range(4)
    ]
    pooled = metrics.PooledEnergy()
    for pair in pairs:
        pooled.add(pair)
    found = pooled.statistic()
    points = pooled._points
    for weights in ((1, 1, 1, 1), (2, 0, 1, 1), (0, 0, 3, 0)):
        repeated = [points[index] for index, count in enumerate(weights) for _ in range(count)]
        expected = metrics.energy_distance(*(np.concatenate(each) for each in zip(*repeated, strict=True)))
        assert found(np.array(weights, float)) == pytest.approx(expected)
    # Two images whose colours are exchanged are wrong one by one, and right together.
    red, blue = (np.full((4, 4, 3), color, np.uint8) for color in ((200, 30, 30), (30, 30, 200)))
    exchanged = [metrics.Pair("a", red, blue), metrics.Pair("b", blue, red)]
    assert min(metrics.image_sums(pair)["ab_energy"][0] for pair in exchanged) > 50
    pooled = metrics.PooledEnergy()
    for pair in exchanged:
        pooled.add(pair)
    assert pooled.statistic()(np.ones(2)) == pytest.approx(0, abs=1e-9)


def test_bits_and_calibration_agree_with_brute_force():
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 2, (7, 9, 2, 64)).astype(np.float32)
    uv = rng.uniform(-0.3, 0.3, (7, 9, 2)).astype(np.float32)
    sums = classification_sums(logits, uv)
    bits, hits = [], []
    for y, x, channel in np.ndindex(7, 9, 2):
        p = np.exp(logits[y, x, channel].astype(float))
        p /= p.sum()
        position = uv[y, x, channel] / WIDTHS[channel] + 32
        low = int(np.floor(position))
        bits.append(-(low + 1 - position) * np.log2(p[low]) - (position - low) * np.log2(p[low + 1]))
        hits.append((channel, p.max(), p.argmax() == round(float(position))))
    assert nll_bits(sums) == pytest.approx(np.sum(bits) / 63)
    for channel in range(2):
        confidence, hit = np.array([(c, h) for head, c, h in hits if head == channel]).T
        cell = np.floor(confidence * CONFIDENCE_BINS)
        gaps = [abs(hit[cell == b].mean() - confidence[cell == b].mean()) * (cell == b).mean() for b in np.unique(cell)]
        assert ece(sums)[channel] == pytest.approx(np.sum(gaps))


def test_a_sure_and_right_classifier_has_no_bits_and_no_calibration_error():
    uv = bin_centers(np.full((4, 4, 2), 40))
    logits = 200.0 * two_hot(uv)
    sums = classification_sums(logits, uv)
    assert nll_bits(sums) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(ece(sums), 0, atol=1e-9)
    wrong = classification_sums(logits, bin_centers(np.full((4, 4, 2), 20)))
    np.testing.assert_allclose(ece(wrong), 1, atol=1e-9)
    assert np.isfinite(nll_bits(wrong))
    uniform = classification_sums(np.zeros_like(logits), uv)
    assert nll_bits(uniform) == pytest.approx(12)  # log2(64) for U and for V
