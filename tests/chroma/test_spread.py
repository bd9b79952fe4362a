"""How far hints spread: the network by hand, and what the learnt one does."""

import numpy as np
import pytest
import spread as training

from zoo.chroma import spread
from zoo.chroma.evidence import BY_BINS, BY_COLOR, EMBEDDED, Sight

RED, BLUE = np.array([-0.1, 0.4]), np.array([0.3, -0.1])


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: value + rng.normal(size=value.shape) * 0.1 for name, value in training.initial(seed).items()}


def random_inputs(regions: int, hints: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = (regions, hints, spread.PAIRS), (regions, spread.OF_REGION), (hints, spread.OF_HINT)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def test_the_network_is_two_layers_of_each_pair_and_one_of_all_of_them():
    weights, (pairs, regions, hints) = random_weights(), random_inputs(4, 3)
    scores, alone, scales = spread.weigh(weights, pairs, regions, hints)
    for r in range(4):
        for n in range(3):
            x = np.maximum(
                pairs[r, n] @ weights["pair"]
                + np.append(regions[r], np.log(3)) @ weights["region"]
                + hints[n] @ weights["hint"]
                + weights["bias"],
                0,
            )
            x = np.maximum(x @ weights["second"] + weights["second_bias"], 0)
            last = x @ weights["last"] + weights["last_bias"]
            np.testing.assert_allclose(scores[r, n], last[0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(scales[r, n], np.exp(spread.STEEP * np.tanh(last[1])), rtol=1e-4)
        of_all = [np.log(3), max(scores[r].max(), -20) / 5, max(np.log(np.exp(scores[r]).sum()), -20) / 5]
        x = np.concatenate([regions[r], of_all, [pairs[r, :, 6].min()]])
        expected = np.maximum(x @ weights["own"] + weights["own_bias"], 0) @ weights["own_last"]
        np.testing.assert_allclose(alone[r], expected[0] + weights["own_last_bias"][0], rtol=1e-4, atol=1e-5)


def test_in_bands_it_is_the_same(monkeypatch):
    weights, inputs = random_weights(), random_inputs(50, 6)
    whole = spread.weigh(weights, *inputs)
    monkeypatch.setattr(spread, "BAND", 40)
    for one, other in zip(whole, spread.weigh(weights, *inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_what_is_trained_is_what_is_used():
    """The batches of the training, whose hints partly do not count, in Keras."""
    from keras import ops

    weights = random_weights()
    pages = [random_inputs(7, 5, seed) for seed in range(2)]
    known = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.float32)
    together = [np.stack(each) for each in zip(*pages, strict=True)]
    trained = training.weighed(ops, {name: each.astype(np.float32) for name, each in weights.items()}, *together, known)
    for page, ((pairs, regions, hints), there) in enumerate(zip(pages, known.astype(bool), strict=True)):
        scores, alone, scales = spread.weigh(weights, pairs[:, there], regions, hints[there])
        found = [np.asarray(each[page]) for each in trained]
        np.testing.assert_allclose(found[0][:, there], scores, rtol=1e-3, atol=1e-3)
        assert found[0][:, ~there].max(initial=-1e8) <= -1e8
        np.testing.assert_allclose(found[1][:, 0], alone, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found[2][:, there], scales, rtol=1e-3, atol=1e-3)


def noisy_sight(seed: int, kinds: int = 5) -> Sight:
    rng = np.random.default_rng(seed)
    luma = rng.random((6, 8)).repeat(8, 0).repeat(8, 1)
    return Sight.of(luma, rng.normal(size=(24, 32, kinds)))


@pytest.mark.parametrize("rule", [EMBEDDED, BY_BINS, BY_COLOR], ids=["embedded", "bins", "color"])
@pytest.mark.parametrize("seed", range(3))
def test_shares_are_shares_and_a_hinted_region_takes_its_hints_alone(seed, rule):
    rng = np.random.default_rng(seed)
    sight = noisy_sight(seed)
    own = rng.uniform(-0.3, 0.3, (len(sight.sizes), 2))
    given = [sight.given_of(int(region), rng.uniform(-0.3, 0.3, 2)) for region in (0, 3, 3, 7)]
    found, scales = spread.shares(sight, own, given, rule)
    assert found.shape == scales.shape == (len(sight.sizes), 4)
    assert found.min() >= 0
    assert found.sum(axis=1).max() <= 1 + 1e-5
    np.testing.assert_allclose(found[[0, 3, 7]], [[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]], atol=1e-6)
    np.testing.assert_array_equal(scales[[0, 3, 7]], 1)
    assert np.abs(np.log(scales)).max() <= spread.STEEP + 1e-6


def test_the_order_of_hints_does_not_matter():
    sight = noisy_sight(0)
    rng = np.random.default_rng(0)
    own = rng.uniform(-0.3, 0.3, (len(sight.sizes), 2))
    given = [sight.given_of(int(region), rng.uniform(-0.3, 0.3, 2)) for region in (1, 4, 9)]
    one, other = (spread.shares(sight, own, order, BY_BINS) for order in (given, given[::-1]))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first, second[:, ::-1], atol=1e-5)


def test_the_comparisons_are_those_that_their_names_say():
    luma = np.full((40, 60), 0.6)
    luma[:, 28:32] = 0.1
    luma[:, 32:] = 0.5
    kinds = np.zeros((40, 60, 2))
    kinds[:, 32:] = [0.3, 0.4]
    sight = Sight.of(luma, kinds)
    left, right = int(sight.regions[20, 10]), int(sight.regions[20, 50])
    own = np.zeros((len(sight.sizes), 2))
    own[right] = [0.06, 0.08]
    pairs = spread.of_pairs(sight, own, [sight.given(20, 10, RED)], BY_BINS)[right, 0]
    kind, way = BY_BINS.kind * 0.25, float(sight.ways([left])[right, 0])
    far = np.linalg.norm(sight.places[left] - sight.places[right])
    expected = [kind / 5, np.sqrt(kind), 1, 0, 2 * way, 2 * np.sqrt(way), 3 * far, np.sqrt(far), 1]
    expected += [10 * np.linalg.norm([0.06 + 0.1, 0.08 - 0.4]), 10 * np.linalg.norm(RED)]
    np.testing.assert_allclose(pairs, expected, rtol=1e-4, atol=1e-4)
    region = spread.of_regions(sight, own)[right]
    share = sight.sizes[right] / 2400
    expected = [0.5, 0, np.log(share) / 4, 0.3, 0.4, 1, sight.places[right, 0]]
    np.testing.assert_allclose(region, expected, rtol=1e-4, atol=1e-4)
    hint = spread.of_hints(sight, own, [sight.given(20, 50, RED)])[0]
    np.testing.assert_allclose(hint, [*expected, *(5 * RED)], rtol=1e-4, atol=1e-4)


# What the learnt one does.


def four_strips() -> np.ndarray:
    """Strips of luma 0.6, 0.35, 0.6 and 0.35, with lines of ink between them."""
    luma = np.full((60, 120), 0.05)
    for number, tone in enumerate((0.6, 0.35, 0.6, 0.35)):
        luma[:, 30 * number + 2 : 30 * number + 28] = tone
    return luma


@pytest.mark.parametrize("rule", [EMBEDDED, BY_BINS, BY_COLOR], ids=["embedded", "bins", "color"])
def test_of_several_hints_a_region_follows_the_one_that_it_is_like(rule):
    luma = four_strips()
    sight = Sight.of(luma, np.zeros((*luma.shape, 3)))
    own = np.tile([0.02, 0.02], (len(sight.sizes), 1))
    found, _ = spread.shares(sight, own, [sight.given(30, 15, RED), sight.given(30, 45, BLUE)], rule)
    light, dark = found[sight.regions[30, 75]], found[sight.regions[30, 105]]
    assert light[0] > 2 * light[1]
    assert dark[1] > 2 * dark[0]


@pytest.mark.parametrize("rule", [EMBEDDED, BY_BINS, BY_COLOR], ids=["embedded", "bins", "color"])
def test_a_hint_alone_means_one_thing_and_many_mean_the_page(rule):
    luma = four_strips()
    sight = Sight.of(luma, np.zeros((*luma.shape, 3)))
    own = np.tile([0.02, 0.02], (len(sight.sizes), 1))
    alike = sight.regions[30, 75]
    one = spread.shares(sight, own, [sight.given(30, 15, RED)], rule)[0][alike].sum()
    several = [sight.given(row, 15, RED) for row in (10, 20, 30, 40, 50)] + [sight.given(30, 45, BLUE)]
    many = spread.shares(sight, own, several, rule)[0][alike].sum()
    assert one < 0.5 < many
    # One hint in this panel, and eleven in others.
    assert spread.shares(sight, own, [sight.given(30, 15, RED)], rule, 12)[0][alike].sum() > max(0.5, 1.5 * one)


def test_what_the_model_takes_for_something_else_follows_less():
    luma = four_strips()
    kinds = np.zeros((*luma.shape, 3))
    own = np.tile([0.02, 0.02], (len(Sight.of(luma, kinds).sizes), 1))
    shares = []
    for kind in (0.0, 1.0):
        kinds[:, 60:90] = kind
        sight = Sight.of(luma, kinds)
        given = [sight.given(30, 15, RED), sight.given(30, 45, BLUE)]
        shares.append(spread.shares(sight, own, given, BY_BINS)[0][sight.regions[30, 75], 0])
    assert shares[1] < 0.8 * shares[0]


def test_the_weights_have_the_sizes_that_the_comparisons_have():
    weights = spread.learnt()
    assert {name: each.shape for name, each in weights.items()} == {
        name: each.shape for name, each in training.initial(0).items()
    }
    assert all(np.isfinite(each).all() for each in weights.values())
