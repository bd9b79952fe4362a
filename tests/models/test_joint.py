"""Bins of U and V at once: where they are, and what the head says of U and of V given it."""

import keras
import numpy as np
import pytest
from scipy.special import softmax
from skimage.color import lab2rgb, rgb2lab
from tiny import two_convolutions

import zoo
from zoo.chroma.bins import BINS, CENTERS, bin_position, two_hot
from zoo.chroma.lab_bins import AB_CENTERS
from zoo.chroma.tents import TENTS, tents, uv_places
from zoo.chroma.yuv import rgb_to_yuv
from zoo.models.contract import Contract
from zoo.models.layers import JointBins
from zoo.models.model import ColorizationModel
from zoo.models.prediction import Predictor

PLACES = uv_places()
LUMA = np.random.default_rng(0).random((1, 11, 14, 1)).astype(np.float32)


def nearest(color: tuple[float, float]) -> int:
    """The place that is nearest to a colour."""
    position = np.array([bin_position(np.float64(value), channel) for channel, value in enumerate(color)])
    return int((((PLACES - position) / TENTS) ** 2).sum(axis=-1).argmin())


def center(place: int) -> np.ndarray:
    return np.array([CENTERS[channel, int(PLACES[place, channel])] for channel in range(2)])


def test_neutral_grey_is_a_place():
    assert [32, 32] in PLACES.tolist()


def test_every_colour_lies_between_places():
    """Its tents add up to one, but at the ends of the bins."""
    uv = rgb_to_yuv(np.random.default_rng(0).random((5_000, 3)))[:, 1:]
    position = np.stack([bin_position(uv[:, c], c) for c in range(2)], axis=-1)
    inside = (np.abs(position - 32) < (30, 30)).all(axis=-1)
    heights = np.maximum(1 - np.abs(position[:, None] - PLACES) / TENTS, 0).prod(axis=-1)
    np.testing.assert_allclose(heights.sum(axis=-1)[inside], 1, atol=1e-5)
    assert heights.sum(axis=-1).min() > 0.3


@pytest.mark.parametrize("channel", [0, 1])
def test_a_tent_is_a_distribution_about_its_place(channel):
    shares = tents(PLACES[:, channel], channel)
    assert shares.shape == (len(PLACES), BINS)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-6)
    assert (shares.argmax(axis=-1) == PLACES[:, channel]).all()
    whole = np.abs(PLACES[:, channel] - 31.5) < 28
    np.testing.assert_allclose((shares @ np.arange(BINS))[whole], PLACES[whole, channel], atol=1e-4)


def test_the_chain_rule_holds():
    """Σ p(U) p(V | U) over the bins of U is p(V)."""
    logits = np.random.default_rng(1).normal(0, 3, (1, 2, 3, len(PLACES))).astype(np.float32)
    layer = JointBins()
    p_u = softmax(np.array(layer.u_logits(logits)), axis=-1)
    given = [layer.v_logits(logits, np.full((1, 2, 3, 1), u, np.float32)) for u in CENTERS[0]]
    p_v = sum(p_u[..., i, None] * softmax(np.array(each), axis=-1) for i, each in enumerate(given))
    exact = np.array(layer.marginal(logits))
    # The tents of U are exact at the centres of bins, whose share of a tent is its height there.
    np.testing.assert_allclose(p_v, exact, atol=2e-3)
    np.testing.assert_allclose(exact.sum(axis=-1), 1, atol=1e-5)


@pytest.fixture(scope="module")
def undecided():
    """A model that says of every pixel: a saturated red or a saturated blue, the first a little more likely."""
    model = zoo.create("joint", encoder_weights="none")
    places = [nearest((-0.12, 0.5)), nearest((0.4, -0.08))]
    bias = np.full(len(PLACES), -12.0, np.float32)
    bias[places] = 3.2, 3.0
    model.get_layer("head_joint").set_weights([np.zeros((1, 1, 64, len(PLACES)), np.float32), bias])
    return model, np.stack([center(place) for place in places])


def test_modes_and_samples_are_possible_colours(undecided):
    """A model of two marginals would answer with red's V and blue's U as well."""
    model, colors = undecided
    prediction = Predictor(model)(LUMA)
    np.testing.assert_allclose(prediction.decode("mode")[0, 5, 5], colors[0], atol=1e-6)
    drawn = np.stack([prediction.decode("sample:0.3", seed=seed)[0, 5, 5] for seed in range(20)])
    apart = np.abs(drawn[:, None] - colors).max(axis=-1)
    assert (apart.min(axis=-1) < 0.05).all()
    assert set(apart.argmin(axis=-1)) == {0, 1}


def test_the_mean_is_between_them(undecided):
    model, colors = undecided
    share = np.exp(3.2) / (np.exp(3.2) + np.exp(3.0))
    mean = Predictor(model)(LUMA).decode("mean")[0, 5, 5]
    np.testing.assert_allclose(mean, share * colors[0] + (1 - share) * colors[1], atol=0.01)


def test_likelihoods_know_which_u_goes_with_which_v(undecided):
    model, colors = undecided
    mixed = np.array([colors[0, 0], colors[1, 1]])
    likely = Predictor(model)(LUMA).log_likelihoods(np.stack([*colors, mixed]))[0, 5, 5]
    assert likely[0] > likely[1] > likely[2] + 5


def test_possible_colours_are_found(undecided):
    model, colors = undecided
    found = Predictor(model)(LUMA).possible(0, np.ones(LUMA.shape[1:3], bool), 4)
    assert len(found) == 2
    for (color, share), wanted in zip(found, colors, strict=True):
        np.testing.assert_allclose(color, wanted, atol=0.03)
        assert 0.4 < share < 0.6


def test_the_joint_distribution_knows_which_u_goes_with_which_v(undecided):
    model, colors = undecided
    joint = Predictor(model)(LUMA).joint(0, np.ones(LUMA.shape[1:3], bool))
    assert joint.shape == (BINS, BINS)
    assert joint.sum() == pytest.approx(1, abs=1e-5)
    u, v = np.meshgrid(*CENTERS, indexing="ij")
    near = [np.hypot(u - color[0], v - color[1]) < 0.08 for color in colors]
    assert [joint[each].sum() for each in near] == pytest.approx([0.55, 0.45], abs=0.03)
    mean = np.array([(joint * u).sum(), (joint * v).sum()])
    assert min(np.linalg.norm(mean - color) for color in colors) > 0.2  # a colour that it never has


def test_of_two_marginals_the_joint_distribution_is_their_product():
    prediction = Predictor(two_convolutions(True))(LUMA)
    inside = np.zeros(LUMA.shape[1:3], bool)
    inside[3:5, 4:9] = True
    joint = prediction.joint(0, inside)
    np.testing.assert_allclose(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0)), atol=1e-6)
    ((best, share),) = prediction.possible(0, inside, 1)
    at = int(np.abs(CENTERS[0] - best[0]).argmin())
    assert joint.sum() + 1e-6 >= joint.sum(axis=1)[max(0, at - 6) : at + 7].sum() >= share - 1e-6
    assert joint[at].argmax() == np.abs(CENTERS[1] - best[1]).argmin()
    assert Predictor(two_convolutions(False))(LUMA).joint(0, inside) is None


def test_training_learns_two_colours():
    """Pixels of one luma that are red or blue: the head learns both, and nothing between."""
    from zoo.training.losses import cross_entropy

    colors = np.array([[-0.12, 0.5], [0.4, -0.08]], np.float32)
    uv = np.repeat(colors[np.random.default_rng(0).integers(0, 2, (1, 16, 16))], 1, axis=0)
    logits = keras.Variable(np.zeros(len(PLACES), np.float32))
    layer = JointBins()
    optimizer = keras.optimizers.Adam(0.3)
    import tensorflow as tf

    for _ in range(80):
        with tf.GradientTape() as tape:
            same = keras.ops.broadcast_to(logits.value, (1, 16, 16, len(PLACES)))
            loss = cross_entropy(uv, layer([same, uv[..., :1]]))
        optimizer.apply(tape.gradient(loss, [logits.value]), [logits])
    p = softmax(keras.ops.convert_to_numpy(logits.value))
    near = (
        np.abs(
            np.stack([two_hot(center(q)).argmax(axis=-1) for q in range(len(PLACES))])[:, None]
            - np.stack([two_hot(c).argmax(axis=-1) for c in colors])
        ).max(axis=-1)
        <= 4
    )
    assert p[near.any(axis=-1)].sum() > 0.97
    share = (np.abs(uv - colors[0]).max(axis=-1) < 1e-6).mean()
    assert p[near[:, 0]].sum() == pytest.approx(share, abs=0.05)


@pytest.fixture(scope="module")
def of_lab():
    """A model of one place of CIELAB a pixel."""
    luma, u = keras.Input((None, None, 1), name="luma"), keras.Input((None, None, 1), name="u")
    places = len(AB_CENTERS)
    logits = keras.layers.Conv2D(places, 1, name="head_joint")(luma)
    answer = JointBins("ab", name="head_bins")([logits, luma, u])
    model = ColorizationModel.of([luma, u], answer, "lab", Contract(("luma", "u"), "logits", head="joint"))
    return model, Predictor(model)


@pytest.mark.parametrize("luma", [0.3, 0.55, 0.8])
@pytest.mark.parametrize("ab", [(0, 0), (30, 20), (-20, 30), (10, -40)])
def test_bins_of_lab_are_where_their_colours_are_at_that_luma(of_lab, luma, ab):
    model, predictor = of_lab
    bias = np.full(len(AB_CENTERS), -20.0, np.float32)
    bias[AB_CENTERS.tolist().index(list(ab))] = 0
    model.get_layer("head_joint").set_weights([np.zeros((1, 1, 1, len(AB_CENTERS)), np.float32), bias])
    lightness = rgb2lab(np.full((1, 3), luma))[0, 0]
    wanted = rgb_to_yuv(lab2rgb(np.array([[lightness, *ab]])))[0, 1:]
    prediction = predictor(np.full((1, 4, 5, 1), luma, np.float32))
    np.testing.assert_allclose(prediction.decode("mean")[0, 2, 2], wanted, atol=0.01)
    np.testing.assert_allclose(prediction.decode("mode")[0, 2, 2], wanted, atol=0.015)


def test_a_model_of_lab_is_saved(of_lab, tmp_path):
    model, _ = of_lab
    model.save(tmp_path / "lab.keras")
    again = zoo.load(tmp_path / "lab.keras")
    np.testing.assert_array_equal(Predictor(again)(LUMA).decode("mode"), Predictor(model)(LUMA).decode("mode"))


def test_any_trunk_takes_it():
    model = zoo.create("context", head="joint", encoder_weights="none", stride=4)
    answer = Predictor(model)(np.random.default_rng(0).random((1, 50, 33, 1)).astype(np.float32))
    assert answer.output.shape == (1, 13, 9, BINS)
    assert answer.decode("annealed+flat").shape == (1, 50, 33, 2)
