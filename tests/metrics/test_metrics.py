"""Image metrics against scikit-image, brute force and hand-computed values; intervals against what they promise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from images import make_books
from skimage.color import deltaE_ciede2000, rgb2lab

from zoo import metrics
from zoo.chroma.bins import WIDTHS, bin_centers, two_hot
from zoo.errors import UsageError
from zoo.metrics import IMAGE_METRICS, Pair
from zoo.metrics.bootstrap import intervals, pseudo_values
from zoo.metrics.classification import CONFIDENCE_BINS, classification_sums, ece, nll_bits
from zoo.metrics.images.ab_energy import POOLED_PIXELS
from zoo.metrics.images.auc import AB_CELL


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
    noise = rng.integers(-40, 40, truth.shape)
    predicted = np.clip(truth.astype(int) + noise, 0, 255).astype(np.uint8)
    return [Pair(f"image {i}", p, t) for i, (p, t) in enumerate(zip(predicted, truth, strict=True))]


def value(name, pairs):
    metric = IMAGE_METRICS[name]
    return metric.over(np.stack([metric.sums(pair) for pair in pairs]))


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
    pooled = IMAGE_METRICS["ab_energy_pooled"]
    kept = np.stack([pooled.sums(pair) for pair in pairs])
    found = pooled.statistic(kept)
    points = kept.reshape(-1, 2, POOLED_PIXELS, 2)
    for weights in ((1, 1, 1, 1), (2, 0, 1, 1), (0, 0, 3, 0)):
        repeated = [points[index] for index, count in enumerate(weights) for _ in range(count)]
        expected = metrics.energy_distance(*(np.concatenate(each) for each in zip(*repeated, strict=True)))
        assert found(np.array(weights, float)) == pytest.approx(expected)
    # Two images whose colours are exchanged are wrong one by one, and right together.
    red, blue = (np.full((4, 4, 3), color, np.uint8) for color in ((200, 30, 30), (30, 30, 200)))
    exchanged = [metrics.Pair("a", red, blue), metrics.Pair("b", blue, red)]
    assert min(metrics.image_sums(pair)["ab_energy"][0] for pair in exchanged) > 50
    assert value("ab_energy_pooled", exchanged) == pytest.approx(0, abs=1e-9)


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


# A metric is one file.

SHARE_OF_RED = """
from zoo.metrics import register_metric

@register_metric("red", group="colourfulness", higher_is_better=None, meaning="share of reddish pixels")
def red(pair):
    return pair.predicted[..., 0] > pair.predicted[..., 2]
"""


@pytest.fixture
def red(monkeypatch):
    """A metric registered as a user's file does it; forgotten afterwards."""
    monkeypatch.setattr(IMAGE_METRICS, "_items", dict(IMAGE_METRICS._items))
    names: dict = {}
    exec(SHARE_OF_RED, names)
    return names["red"]


def test_a_new_file_of_the_package_is_all_that_a_metric_needs(tmp_path):
    root = Path(metrics.__file__).parents[2]
    for folder in ("zoo", "zoo/metrics", "zoo/metrics/images"):  # a package that differs from ours by one file
        (tmp_path / folder).mkdir()
        for entry in (root / folder).iterdir():
            if entry.name not in ("metrics", "images", "__pycache__"):
                (tmp_path / folder / entry.name).symlink_to(entry)
    (tmp_path / "datasets").symlink_to(root / "datasets")
    (tmp_path / "zoo/metrics/images/red.py").write_text(SHARE_OF_RED.replace("zoo.metrics", "zoo.metrics.images"))
    data = tmp_path / "data"
    data.mkdir()
    make_books(data, train=2, val=2, test=2)
    done = subprocess.run(
        [sys.executable, "-m", "zoo.evaluate", "--data", str(data), "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = {row["variant"]: row for row in found["rows"] if row["metric"] == "red"}
    assert rows.keys() == {"truth", "grey", "mean colour"}
    assert rows["grey"]["value"] == 0
    per_image = found["details"]["candidates"][0]["per_image"]["red"]
    assert len(per_image) == 2
    assert rows["truth"]["value"] == pytest.approx(np.mean(per_image), abs=1e-5)
    assert 0 < rows["truth"]["value"] < 1
    assert (rows["truth"]["unit"], rows["truth"]["metric_version"]) == ("1", 1)


def test_a_metric_of_a_user_is_known_everywhere(red, capsys):
    from samples import evaluation

    from zoo.evaluation.record import as_evaluation, evaluation_result
    from zoo.evaluation.tables import print_tables
    from zoo.report.evaluation_page import evaluation_page
    from zoo.results import METRICS

    image = np.array([[[255, 0, 0], [0, 0, 255], [9, 9, 9], [1, 2, 3]]], np.uint8)
    assert red(image, image) == metrics.red(image, image) == metrics.evaluate(image, image)["red"] == 0.25
    assert "red" in dir(metrics)
    assert list(METRICS).index("red") == list(METRICS).index("ab_energy_pooled") + 1
    assert METRICS["red"].meaning == "share of reddish pixels"
    kept = as_evaluation(evaluation_result(evaluation()), Path("results.json"))
    print_tables(kept)
    assert "red →" in " ".join(capsys.readouterr().out.split())
    assert "red → truth" in evaluation_page("drawn", kept, [])
    for candidate in kept.candidates:
        del candidate.scores["red"]
    assert "red → truth" not in evaluation_page("drawn", kept, [])  # made before the metric was there


def test_a_result_of_a_metric_that_is_not_registered_here_is_named(red, tmp_path):
    from samples import save_evaluation

    from zoo.results import load_result

    path = save_evaluation(tmp_path / "results.json")
    assert "red" in {row["metric"] for row in load_result(path).rows}
    IMAGE_METRICS.remove("red")
    with pytest.raises(UsageError, match=r"results.json: row \d+ is of the metric 'red', which is not known here"):
        load_result(path)


def test_what_cannot_be_a_metric(monkeypatch, pairs):
    monkeypatch.setattr(IMAGE_METRICS, "_items", dict(IMAGE_METRICS._items))
    of = {"group": "accuracy", "higher_is_better": True, "meaning": "none"}
    with pytest.raises(ValueError, match="metric 'auc' is registered already"):
        metrics.register_metric("auc", **of)(lambda pair: 1)
    with pytest.raises(ValueError, match="'a-b': the name has to be a Python name"):
        metrics.register_metric("a-b", **of)
    with pytest.raises(ValueError, match="group 'colour': it has to be colourfulness or accuracy"):
        metrics.register_metric("mine", **of | {"group": "colour"})
    vector = metrics.register_metric("vector", **of)(lambda pair: np.ones(3))
    with pytest.raises(ValueError, match=r"'vector' answered with shape \(3,\): give a number, a map"):
        vector(pairs[0].predicted, pairs[0].truth)
    turned = metrics.register_metric("turned", **of)(lambda pair: np.ones((2, pair.truth.shape[1])))
    with pytest.raises(ValueError, match=r"\(2, \d+\): give a number, a map of the image's"):
        turned(pairs[0].predicted, pairs[0].truth)
    metrics.register_metric("seconds", **of)(lambda pair: 1)
    from zoo.results import METRICS

    with pytest.raises(UsageError, match="registered as 'seconds', which another metric is called"):
        METRICS["auc"]
    with pytest.raises(AttributeError, match="no attribute 'delta_e0'. Did you mean 'delta_e00'?"):
        _ = metrics.delta_e0


# Metrics as functions of arrays.


def test_arrays_give_what_the_harness_gives(pairs):
    single = metrics.evaluate(pairs[0].predicted, pairs[0].truth)
    assert list(single) == list(IMAGE_METRICS)
    for name, found in single.items():
        assert found == getattr(metrics, name)(pairs[0].predicted, pairs[0].truth)
        if "energy" not in name:  # the harness's pixels depend on the image's name
            assert found == pytest.approx(value(name, pairs[:1]), rel=1e-12)
    predicted, truth = ([getattr(pair, side) for pair in pairs] for side in ("predicted", "truth"))
    several = metrics.evaluate(predicted, truth)
    assert several == metrics.evaluate(np.stack(predicted), np.stack(truth))
    assert several["rmse_ab"] == pytest.approx(value("rmse_ab", pairs))
    assert several["auc_balanced"] == pytest.approx(value("auc_balanced", pairs))
    # The seed is the same for every image, so that a mean over images is one over calls.
    each = [metrics.ab_energy(p, t) for p, t in zip(predicted, truth, strict=True)]
    assert several["ab_energy"] == pytest.approx(np.mean(each))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_give_what_integers_give(pairs, dtype):
    predicted, truth = pairs[0].predicted, pairs[0].truth
    as_floats = [(image / 255).astype(dtype) for image in (predicted, truth)]
    assert metrics.evaluate(*as_floats) == metrics.evaluate(predicted, truth)
    assert metrics.evaluate(as_floats[0], truth) == metrics.evaluate(predicted, truth)
    assert metrics.colorfulness(as_floats[0]) == metrics.colorfulness(predicted)
    assert metrics.colorfulness(as_floats[0] * dtype(1 + 1e-4)) == metrics.colorfulness(predicted)  # 1 is 1.0001


def test_images_of_several_sizes_are_weighted_by_their_pixels():
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 256, (2, size, 9, 3), dtype=np.uint8) for size in (5, 20))
    found = metrics.delta_e00([small[0], large[0]], [small[1], large[1]])
    parts = metrics.delta_e00(*small), metrics.delta_e00(*large)
    assert found == pytest.approx((parts[0] + 4 * parts[1]) / 5)


IMAGE = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE.astype(int), r"predicted is int64 of shape \(4, 5, 3\); give RGB .*astype\(np.uint8\)"),
        (IMAGE.astype(np.uint16), "predicted is uint16"),
        (IMAGE.astype(bool), "predicted is bool"),
        (IMAGE[..., 0], r"shape \(4, 5\); give RGB of shape .*np.stack"),
        (IMAGE[..., :1], r"shape \(4, 5, 1\)"),
        (np.zeros((4, 5, 4), np.uint8), "Without alpha"),
        (np.zeros((3, 4, 5), np.float32), "channels last"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\)"),
        ("page.png", r"predicted is <U8 of shape \(\)"),
        (np.full((4, 5, 3), 255.0), "floats from 255 to 255; give floats in \\[0, 1\\], or uint8: divide"),
        (np.full((4, 5, 3), -0.1), "floats from -0.1 to -0.1"),
        (np.full((4, 5, 3), np.inf), "floats from inf to inf"),
        (np.where(np.arange(60).reshape(4, 5, 3) == 7, np.nan, 0), "NaN at 1 of 60 values"),
        (np.zeros((2, 4, 5, 3), np.uint8), "predicted holds 2 images and truth 1"),
        ([IMAGE, IMAGE[..., 0]], r"predicted\[1\] is uint8 of shape \(4, 5\)"),
        (np.zeros((5, 4, 3), np.uint8), "image 0 is 5 × 4 and 4 × 5 pixels in predicted and truth"),
        ([], "predicted holds 0 images and truth 1"),
    ],
)
def test_other_arrays_are_refused(image, message):
    for measure in (metrics.evaluate, metrics.delta_e00):
        with pytest.raises(UsageError, match=message):
            measure(image, IMAGE)


def test_no_images_are_refused():
    with pytest.raises(UsageError, match="hold no image"):
        metrics.evaluate([], [])
    with pytest.raises(UsageError, match="the image holds floats from 0 to 255"):
        metrics.colorfulness(np.linspace(0, 255, 60).reshape(4, 5, 3))
    with pytest.raises(UsageError, match=r"the image is uint8 of shape \(2, 4, 5, 3\)"):
        metrics.colorfulness(np.stack([IMAGE, IMAGE]))
