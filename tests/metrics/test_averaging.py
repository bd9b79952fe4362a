"""The averaging indices: every oracle lands on the value that follows from the definitions."""

from functools import cache

import numpy as np
import pytest

from zoo.data.drawn.procedural import CLASSES, DrawnPage, draw_page
from zoo.evaluation.oracles import ORACLES, PALETTES, ideal_indices
from zoo.metrics import INDICES, AveragingIndices, regions

PAGES = 6
NAMES = [f"page {index}" for index in range(PAGES)]
# Nothing is noisy but 8-bit rounding: half a level a channel is at most 1 in a* or b* of these colours, and v is 20 to
# 70 long.
ROUNDING = 0.01


@cache
def colored(oracle: str, name: str) -> np.ndarray:
    """What an oracle answers on the page of a name, in CIELAB."""
    page = page_of(name)
    return ORACLES[oracle](name, page.rgb, (page.classes, page.objects, page.modes))


@cache
def page_of(name: str) -> DrawnPage:
    return draw_page("test", NAMES.index(name), seed=1)


def conditional_mean(name, *_):
    return colored("conditional mean", name)


def sampler(name, *_):
    return colored("sampler", name)


@pytest.fixture(scope="module")
def pages():
    return [page_of(name) for name in NAMES]


@pytest.fixture(scope="module")
def answer(pages):
    """Indices of what a function of (name, rgb, maps) answers on the pages."""

    def of(predict):
        found = []
        for name, page in zip(NAMES, pages, strict=True):
            predicted = predict(name, page.rgb, (page.classes, page.objects, page.modes))
            found += regions(name, predicted, page.rgb, page.classes, page.objects)
        return AveragingIndices(found, PALETTES, NAMES)

    return of


@pytest.fixture(scope="module")
def found(answer):
    return {oracle: answer(lambda name, *_, oracle=oracle: colored(oracle, name))() for oracle in ORACLES}


@pytest.fixture(scope="module")
def drawn(pages):
    """By class, how many objects had each mode."""
    counts = {each.label: np.zeros(len(each.palette)) for each in CLASSES if each.ambiguous}
    for page in pages:
        for identity in np.unique(page.objects[page.objects > 0]):
            inside = page.objects == identity
            label = page.classes[inside][0]
            if label in counts and inside.sum() > 100:
                counts[label][page.modes[inside][0] - 1] += 1
    return counts


@pytest.mark.parametrize(
    ("oracle", "expected"),
    [
        ("conditional mean", {"a_star": 1, "bvr": 0, "ned": 1}),
        ("mode", {"a_star": 0, "a_star_noisy_mean": 1, "bvr": 0}),
        ("sampler", {"a_star": 0, "bvr": 1, "ned": 0, "did": 0, "mse_over_var": 2}),
        ("faded truth", {"a_star": 0, "bvr": 0.36, "did": 0}),
        ("saturated mean", {"a_star": 1, "bvr": 0}),
        ("truth", {"a_star": 0, "bvr": 1, "ned": 0, "did": 0, "mode_rate": 1, "mse_over_var": 0}),
    ],
)
def test_without_noise_and_chance_the_values_are_exact(oracle, expected):
    found = ideal_indices(ORACLES[oracle])
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def test_what_depends_on_the_palettes_is_where_it_can_be():
    ideal = {name: ideal_indices(oracle) for name, oracle in ORACLES.items()}
    assert ideal["conditional mean"]["did"] > 0
    assert ideal["mode"]["ned"] >= 1
    assert 1.7 < ideal["mode"]["mse_over_var"] < 2
    assert 0.35 < ideal["faded truth"]["ned"] < 0.45
    assert ideal["saturated mean"]["ned"] >= 1
    # The mean in UV is not quite the mean in a*b*, whose squared error alone is the variance.
    assert 1 <= ideal["conditional mean"]["mse_over_var"] < 1 + 0.1
    assert ideal["saturated mean"]["did"] == pytest.approx(ideal["conditional mean"]["did"])


@pytest.mark.parametrize(
    ("oracle", "expected"),
    [
        ("truth", {"a_star": 0, "bvr": 1, "ned": 0, "did": 0, "mode_rate": 1, "speckle": 0, "mse_over_var": 0}),
        ("conditional mean", {"a_star": 1, "bvr": 0, "ned": 1, "mean_rate": 1, "mode_rate": 0, "speckle": 0}),
        ("mode", {"a_star": 0, "bvr": 0, "mode_rate": 1, "false_rate": 0, "speckle": 0}),
        ("sampler", {"a_star": 0, "mode_rate": 1, "false_rate": 0, "speckle": 0}),
        ("faded truth", {"a_star": 0, "bvr": 0.36, "did": 0}),
        ("saturated mean", {"a_star": 1, "bvr": 0}),
        ("grey", {"bvr": 0}),
    ],
)
def test_oracles_land_on_their_values(found, oracle, expected):
    for name, value in expected.items():
        assert found[oracle][name] == pytest.approx(value, abs=ROUNDING), name


def test_the_saturated_mean_fades_as_the_mean_does(found):
    assert found["conditional mean"]["did"] > 0.3
    assert found["saturated mean"]["did"] == pytest.approx(found["conditional mean"]["did"], abs=ROUNDING)


def test_a_sampler_is_as_diverse_as_the_truth(found, drawn):
    # Both variances are sums over classes of sample variances of K equally likely colours, each over n objects; the
    # ratio's standard error is bounded by that of two independent ones with the relative variance 1/n of a fair
    # two-point distribution's squared deviations, plus the mean's own n − 1 over n.
    objects = sum(counts.sum() for counts in drawn.values())
    assert objects > 100
    assert found["sampler"]["bvr"] == pytest.approx(1, abs=4 * np.sqrt(2 / objects))
    assert found["sampler"]["mse_over_var"] == pytest.approx(2, abs=8 * np.sqrt(2 / objects))
    # A class's two samples of n colours differ by chance: in expectation 2/n of the distance to the mean, and rarely
    # more than three times that.
    expected = np.mean([2 / counts.sum() for counts in drawn.values()])
    assert 0 < found["sampler"]["ned"] < 3 * expected


def test_a_regression_to_the_mean_has_the_classes_own_variance_as_its_error(found, drawn):
    # The palette's mean is not the drawn objects' mean; by chance they are 1/n of the variance apart, and the mean of
    # UV is up to a tenth of the way off that of a*b*.
    apart = np.mean([1 / counts.sum() for counts in drawn.values()])
    assert 1 <= found["conditional mean"]["mse_over_var"] < 1.01 + 4 * apart + 0.1**2


def test_a_grey_answer_has_no_averaging_index(found):
    assert np.isnan(found["grey"]["a_star"])
    assert np.isnan(found["grey"]["did"])
    assert all(np.isfinite(found[oracle][name]) for oracle in ORACLES for name in INDICES if oracle != "grey")


def test_mixing_a_sample_with_the_mean_moves_every_index(answer):
    values = []
    for w in (0.0, 0.25, 0.5, 0.75, 1.0):
        values.append(answer(lambda *a, w=w: (1 - w) * sampler(*a) + w * conditional_mean(*a))())
    a_star, bvr, ned = ([value[name] for value in values] for name in ("a_star", "bvr", "ned"))
    np.testing.assert_allclose(a_star, [0, 0.25, 0.5, 0.75, 1], atol=0.06)
    assert all(np.diff(bvr) < 0)
    assert all(np.diff(ned)[1:] > 0)
    np.testing.assert_allclose(np.array(bvr) / bvr[0], [1, 0.75**2, 0.25, 0.25**2, 0], atol=0.05)


def test_noise_inside_objects_is_speckle(answer):
    rng = np.random.default_rng(0)

    def noisy(name, rgb, maps):
        return sampler(name, rgb, maps) + (0, 5, 5) * rng.normal(size=(*rgb.shape[:2], 3))

    clean, found = answer(sampler), answer(noisy)
    assert abs(clean()["speckle"]) < ROUNDING
    # The noise has variance 2 · 5². The class variance is in the sampler's squared error too, which has no noise.
    between = np.sum([np.square(c.truth_mean - c.truth_mean.mean(axis=0)).sum() for c in clean._classes])
    objects = sum(len(c.truth_mean) for c in clean._classes)
    assert found()["speckle"] == pytest.approx(50 / (between / objects), rel=0.05)


def test_noise_brings_a_mean_below_one_as_far_as_its_companion_says(answer):
    rng = np.random.default_rng(1)

    def noisy(name, rgb, maps):
        return conditional_mean(name, rgb, maps) + (0, 8, 8) * rng.normal(size=(*rgb.shape[:2], 3))

    clean, found = answer(conditional_mean)(), answer(noisy)()
    assert clean["a_star_noisy_mean"] == pytest.approx(1, abs=ROUNDING)
    assert found["a_star"] < 0.95
    assert found["a_star_noisy_mean"] == pytest.approx(found["a_star"], abs=0.02)


def test_weights_are_repetitions(answer, pages):
    once = answer(conditional_mean)
    weights = np.ones(PAGES)
    weights[2], weights[5] = 3, 0
    repeated = [*(i for i in range(PAGES) if i != 5), 2, 2]
    found = []
    for copy, index in enumerate(repeated):
        page = pages[index]
        predicted = conditional_mean(NAMES[index], page.rgb, (page.classes, page.objects, page.modes))
        found += regions(f"{copy}", predicted, page.rgb, page.classes, page.objects)
    again = AveragingIndices(found, PALETTES, [f"{copy}" for copy in range(len(repeated))])()
    for name, value in once(weights).items():
        assert value == pytest.approx(again[name], abs=1e-9), name
