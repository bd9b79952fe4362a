"""The model that takes hints: what it grew from stays as it is, and hints are attended to."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.chroma.bins import BINS, CENTERS, WIDTHS, encode, softmax, two_hot
from zoo.chroma.evidence import BY_BINS, BY_COLOR, EMBEDDED
from zoo.chroma.yuv import compose, rgb_to_yuv, split_luma
from zoo.data.drawn.procedural import draw_page
from zoo.errors import UsageError
from zoo.models.contract import reduced
from zoo.models.heads.guided import EMBEDDING, LARGEST_STEP, MOST_HINTS, NEAR, no_hints, simulated_hints
from zoo.models.layers.attention import STRONGEST, TOKENS, HintAttention, around, hinted_u, hinted_v, strongest_hints
from zoo.models.prediction import Predictor
from zoo.pages.colorizer import Colorizer
from zoo.training.config import resolve
from zoo.training.losses import expectation, mse
from zoo.training.start import read_start

LUMA = np.random.default_rng(0).random((2, 37, 50, 1)).astype(np.float32)
UV = np.random.default_rng(1).uniform(-0.4, 0.4, (*LUMA.shape[:3], 2)).astype(np.float32)
U = reduced(UV, 4)[..., :1]


@pytest.fixture(scope="module")
def context():
    return zoo.load("context:open")


@pytest.fixture(scope="module")
def grown():
    return read_start("context", "guided").build(train_encoder=False, seed=0)


@pytest.fixture(scope="module")
def released():
    return zoo.load("guided:open")


@pytest.fixture(scope="module")
def colorizer(released):
    return Colorizer(released, side=96)


@pytest.fixture(scope="module")
def predictor(colorizer):
    return colorizer._predictor  # compiled once


@pytest.fixture(scope="module")
def answer(context):
    """What the model that others grew from answers: shares of U, and of V given `U`."""
    return softmax(np.array(context([LUMA, U], training=False)))


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """A part of a drawn page: luma (1, H, W, 1) and UV (1, H, W, 2)."""
    luma, uv = split_luma(draw_page("val", 0).rgb[:192, :160].astype(np.float32) / 255)
    return luma[None], uv[None]


def simulated(luma: np.ndarray, uv: np.ndarray, *seed: int) -> np.ndarray:
    tensors = (keras.ops.convert_to_tensor(each) for each in (luma, uv))
    return np.asarray(simulated_hints(*tensors, np.array(seed, np.int32)))


# What it grew from.


@pytest.mark.parametrize("name", ["grown", "released"])
def test_without_hints_it_answers_as_what_it_grew_from(name, answer, request):
    ours = request.getfixturevalue(name)([LUMA, U, no_hints(U)], training=False)
    np.testing.assert_allclose(softmax(np.array(ours)), answer, atol=1e-5)


def test_without_hints_it_is_predicted_alike(answer, predictor):
    prediction = predictor(LUMA)
    np.testing.assert_allclose(softmax(prediction.given(UV)), answer, atol=1e-5)
    none = predictor(LUMA, {"hints": np.zeros((2, 10, 13, 3), np.float32)})
    np.testing.assert_array_equal(none.output, prediction.output)


def test_it_knows_what_it_grew_from(grown, context):
    assert grown.contract.inputs == ("luma", "u", "hints")
    assert (grown.contract.side, grown.contract.stride) == (context.contract.side, context.contract.stride)
    start = read_start("context", "guided")
    assert (start.name, start.model, start.grown) == ("context:open", "guided", "context")
    with pytest.raises(UsageError, match="--from context is of the model context, not conditional: leave conditional"):
        read_start("context", "conditional")


def test_what_it_grew_from_is_frozen(grown, context):
    kept = [layer for layer in context.layers if layer.weights]
    for layer in kept:
        own = grown.get_layer(layer.name)
        assert not own.trainable_variables, layer.name
        for mine, theirs in zip(own.get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    trained = {variable.path for variable in grown.trainable_variables}
    assert all(path.startswith("hint_") for path in trained)
    others = [layer for layer in grown.layers if layer.name not in {each.name for each in kept}]
    assert trained == {variable.path for layer in others for variable in layer.trainable_variables}
    assert len(trained) > 10


def test_training_moves_nothing_that_is_frozen(grown):
    before = [np.array(each) for each in grown.weights]
    hints = np.zeros((2, 10, 13, 3), np.float32)
    hints[:, 4, 5] = [0.2, 0.1, 1]
    with tf.GradientTape() as tape:
        loss = expectation(hints[..., :2], grown([LUMA, U, hints], training=True))
    gradients = tape.gradient(loss, grown.trainable_variables)
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)
    moved = [each.path for each, old in zip(grown.weights, before, strict=True) if (np.array(each) != old).any()]
    assert moved  # moving averages of what is new
    assert all(path.startswith("hint_") for path in moved)
    for each, old in zip(grown.weights, before, strict=True):
        each.assign(old)


# Hints that are made up for training.


def test_simulated_hints_are_true_and_not_too_many():
    rng = np.random.default_rng(0)
    luma = rng.random((512, 1, 1, 1)).astype(np.float32) + np.zeros((512, 24, 24, 1), np.float32)
    uv = rng.uniform(-0.4, 0.4, (512, 12, 12, 2)).astype(np.float32)
    hints = simulated(luma, uv, 1, 2)
    assert hints.shape == (512, 12, 12, 3)
    known = hints[..., 2] == 1
    assert (known | (hints[..., 2] == 0)).all()
    np.testing.assert_array_equal(hints[known][:, :2], uv[known])
    assert (hints[~known] == 0).all()
    counts = known.sum(axis=(1, 2))
    assert counts.min() == 0
    assert counts.max() == MOST_HINTS
    assert 5.5 < counts.mean() < 8.5
    assert 0.08 < (counts == 0).mean() < 0.18  # one in eight has none
    places = known.mean(axis=0)
    assert places.min() > 0  # anywhere


def test_simulated_hints_follow_the_seed():
    luma = np.full((16, 24, 24, 1), 0.5, np.float32)
    uv = np.full((16, 12, 12, 2), 0.1, np.float32)
    first = simulated(luma, uv, 7, 3)
    np.testing.assert_array_equal(first, simulated(luma, uv, 7, 3))
    for other in ((7, 4), (8, 3)):
        assert (first != simulated(luma, uv, *other)).any()
    assert (first[0] != first[1]).any()  # images of a batch have hints of their own
    graph = tf.function(simulated_hints)
    np.testing.assert_array_equal(graph(luma, uv, tf.constant([7, 3])), first)
    assert (first != graph(luma, uv, tf.constant([9, 3])).numpy()).any()


def test_simulated_hints_keep_away_from_edges():
    luma = np.full((64, 48, 48, 1), 0.3, np.float32)
    luma[:, :, 24:] = 0.3 + 2 * LARGEST_STEP
    known = simulated(luma, np.full((64, 12, 12, 2), 0.1, np.float32), 1, 1)[..., 2]
    assert known[:, :, 5].sum() == 0  # the edge is within reach of its middle
    assert NEAR < 8
    assert (known.sum(axis=(0, 1))[[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]] > 10).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
def test_simulated_hints_of_small_images(size):
    luma = np.full((32, *size, 1), 0.5, np.float32)
    known = simulated(luma, np.full((32, *size, 2), 0.1, np.float32), 0, 0)[..., 2]
    assert known.shape == (32, *size)
    counts = known.sum(axis=(1, 2))
    assert counts.max() == min(MOST_HINTS, size[0] * size[1]) or size == (5, 40)
    assert counts.max() <= MOST_HINTS


# Attention to hints.


def attended(maps: np.ndarray, luma: np.ndarray, hints: np.ndarray) -> np.ndarray:
    return np.asarray(HintAttention()([each[None].astype(np.float32) for each in (maps, luma, hints)]))[0]


def flat(height: int, width: int, prior: float = -4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings that are alike everywhere and the prior's score, even luma, and no hints."""
    maps = np.zeros((height, width, 5))
    maps[..., -1] = prior
    return maps, np.full((height, width, 1), 0.5), np.zeros((height, width, 3))


def test_without_hints_the_prior_has_all():
    found = attended(*flat(6, 9))
    np.testing.assert_array_equal(found[..., 0], 1)
    np.testing.assert_array_equal(found[..., 1:], 0)


def test_a_pixel_follows_the_hint_that_it_is_like():
    maps, luma, hints = flat(6, 9)
    hints[2, 1], hints[2, 7] = [0.1, 0.2, 1], [-0.3, 0.05, 1]
    maps[:, 5:, 0] = 3.0
    luma[5] = 0.9
    found = attended(maps, luma, hints)
    shares = found[..., 1::3]
    np.testing.assert_allclose(found[..., 0] + shares.sum(axis=-1), 1, atol=1e-6)
    for columns, color in ((np.s_[:5], [0.1, 0.2]), (np.s_[5:], [-0.3, 0.05])):
        np.testing.assert_allclose(found[:, columns, 2:4], np.broadcast_to(color, (6, *found[0, columns, 2:4].shape)))
    assert found[2, 1, 1] > 0.95
    assert found[2, 0, 1] < found[2, 1, 1]  # farther away
    assert found[5, 1, 1] < 0.6 * found[3, 1, 1]  # of another tone
    assert found[5, 1, 0] > 0.4
    none = hints.copy()
    none[2, 7] = 0
    assert attended(maps, luma, none)[2, 7, 0] > 0.95  # of another kind: nobody's


def test_the_prior_may_keep_what_it_is_sure_of():
    maps, luma, hints = flat(4, 4)
    hints[1, 1] = [0.1, 0.2, 1]
    maps[3, 3, -1] = 8.0
    found = attended(maps, luma, hints)
    assert found[3, 3, 0] > 0.99
    assert found[2, 2, 0] < 0.2


@pytest.mark.parametrize("count", [1, STRONGEST, TOKENS, TOKENS + 8])
def test_any_number_of_hints(count):
    maps, luma, hints = flat(8, 8)
    hints.reshape(-1, 3)[:count] = [0.1, 0.2, 1]
    found = attended(maps, luma, hints)
    assert np.isfinite(found).all()
    shares = found[..., 1::3]
    assert shares.min() >= 0
    np.testing.assert_allclose(found[..., 0] + shares.sum(axis=-1), 1, atol=1e-6)
    assert ((shares > 1e-3).sum(axis=-1) == min(count, STRONGEST)).all()


def test_small_images_have_hints_too():
    maps, luma, hints = flat(1, 2)
    hints[0, 1] = [0.1, 0.2, 1]
    found = attended(maps, luma, hints)
    np.testing.assert_allclose(found[0, :, 2:4], [[0.1, 0.2]] * 2, rtol=1e-6)
    assert found[0, 1, 1] > 0.95


def test_hinted_distributions_are_distributions():
    rng = np.random.default_rng(0)
    maps, luma, hints = flat(6, 9)
    hints[2, 1], hints[4, 7] = [0.3, -0.2, 1], [-0.3, 0.3, 1]
    found = keras.ops.convert_to_tensor(attended(maps, luma, hints)[None])
    u_logits, v_logits = (
        keras.ops.convert_to_tensor(rng.normal(0, 2, (1, 6, 9, BINS)).astype(np.float32)) for _ in range(2)
    )
    p_u = np.exp(hinted_u(u_logits, found))
    np.testing.assert_allclose(p_u.sum(axis=-1), 1, atol=1e-4)
    for u in (-0.3, 0.0, 0.3):
        given = np.full((1, 6, 9, 1), u, np.float32)
        p_v = np.exp(hinted_v(v_logits, u_logits, given, found))
        np.testing.assert_allclose(p_v.sum(axis=-1), 1, atol=1e-4)
    # Each colour's V goes with its own U.
    at = {u: np.exp(hinted_v(v_logits, u_logits, np.full((1, 6, 9, 1), u, np.float32), found)) for u in (-0.3, 0.3)}
    for u, v in ((0.3, -0.2), (-0.3, 0.3)):
        bins = encode(np.array([0.0, v]))[1]
        assert (at[u][0, ..., bins - 3 : bins + 4].sum(axis=-1) > 0.7).all()
    for channel, value in ((0, 0.13), (1, -0.21)):
        p = np.asarray(around(np.full((1, 1, 1, 1), value, np.float32), channel))[0, 0, 0]
        assert p.sum() == pytest.approx(1, abs=1e-6)
        assert p @ CENTERS[channel] == pytest.approx(value, abs=0.1 * WIDTHS[channel])
    assert len(strongest_hints(found)) == STRONGEST


# The model as a whole.


@pytest.mark.parametrize("color", [(0.2, -0.15), (-0.12, 0.3)])
def test_hinted_cells_get_nearly_their_colours(predictor, drawn, color):
    luma, uv = drawn
    small = predictor.contract.reduced(uv)
    hints = simulated(luma, small, 3, 4).copy()
    known = hints[..., 2] > 0
    assert known.sum() >= 5
    hints[known, :2] = color
    prediction = predictor(luma, {"hints": hints})
    missed = np.abs(prediction.decode_small("mode") - color)[known]
    assert (missed.mean(axis=0) < 1.5 * WIDTHS).all()
    plain = np.abs(predictor(luma).decode_small("mode") - color)[known]
    assert (plain.mean(axis=0) > 3 * WIDTHS).all()


def test_what_is_like_hinted_cells_follows(predictor, drawn):
    luma, uv = drawn
    small = predictor.contract.reduced(uv)
    found = [predictor(luma, given) for given in ({"hints": simulated(luma, small, 3, 4)}, None)]
    errors = [np.sqrt(((each.decode_small("mode") - small) ** 2).mean()) for each in found]
    assert errors[0] < 0.8 * errors[1]


def test_the_chain_s_shares_are_those_of_v_given_u(released, predictor, drawn):
    luma, uv = (each[:, 60:92, 40:80] for each in drawn)
    hints = simulated(luma, released.contract.reduced(uv), 3, 4)
    assert hints[..., 2].sum() > 2
    prediction = predictor(luma, {"hints": hints})
    network = prediction._predictor.network
    p_u = np.exp(prediction.output)
    np.testing.assert_allclose(p_u.sum(axis=-1), 1, atol=1e-4)
    mixed = np.zeros_like(p_u)
    for index, u in enumerate(CENTERS[0]):
        given = np.full((*p_u.shape[:3], 1), u, np.float32)
        p_v = np.exp(network.v_logits(prediction._features, given))
        np.testing.assert_allclose(p_v.sum(axis=-1), 1, atol=1e-4)
        mixed += p_u[..., index : index + 1] * p_v
    marginal = network.marginal(prediction._features, p_u)
    np.testing.assert_allclose(marginal.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(marginal, mixed, atol=1e-4)
    np.testing.assert_allclose(softmax(prediction.marginals)[..., 1, :], marginal, atol=5e-3)
    given = prediction.given(uv)
    u = released.contract.reduced(uv)[..., :1]
    np.testing.assert_allclose(given, released([luma, u, hints], training=False), atol=1e-3)


def test_what_it_says_of_cells(released, predictor):
    prediction = predictor(LUMA)
    assert prediction.rule is EMBEDDED
    kinds, own = prediction.kinds(1), prediction.own_scores(1)
    assert kinds.shape == (10, 13, EMBEDDING)
    assert own.shape == (10, 13)
    maps = keras.Model(released.inputs, released.get_layer("hint_maps").output)([LUMA, U, no_hints(U)])
    np.testing.assert_allclose(np.concatenate([kinds, own[..., None]], axis=-1), maps[1], atol=1e-3)


def test_what_other_models_say_of_cells():
    classifier = zoo.create("classifier", encoder_weights="none")
    prediction = Predictor(classifier)(LUMA)
    assert prediction.rule is BY_BINS
    assert prediction.own_scores(1) is None
    kinds, p = prediction.kinds(1), softmax(prediction.output[1])
    np.testing.assert_allclose((kinds**2).sum(axis=-1), 2, atol=1e-4)  # of U and V, one each
    hellinger = 1 - np.sqrt(p[3, 4] * p[20, 30]).sum(axis=-1)
    assert ((kinds[3, 4] - kinds[20, 30]) ** 2).sum() == pytest.approx(2 * hellinger.sum(), abs=1e-5)
    luma = keras.Input((None, None, 1), name="luma")
    regression = keras.Model(luma, keras.layers.Conv2D(2, 1)(luma))
    prediction = Predictor(regression)(LUMA)
    assert prediction.rule is BY_COLOR
    assert prediction.own_scores(0) is None
    np.testing.assert_array_equal(prediction.kinds(1), prediction.decode()[1])


COLORS = np.array([[0.1, 0.2], [-0.2, 0.013], [0.0, 0.0], [0.3, -0.4]])


@pytest.mark.parametrize("name", ["guided", "classifier"])
def test_the_likelihoods_of_colours(name, predictor):
    predict = Predictor(zoo.create(name, encoder_weights="none")) if name == "classifier" else predictor
    prediction = predict(LUMA[:, :16, :24])
    found = prediction.log_likelihoods(COLORS)
    assert found.shape == (*prediction.output.shape[:3], len(COLORS))
    for index, color in enumerate(COLORS):
        truth = np.broadcast_to(color, (2, 16, 24, 2)).astype(np.float32)
        p = softmax(prediction.given(truth))
        expected = (two_hot(color) * np.log(p)).sum(axis=(-2, -1))
        np.testing.assert_allclose(found[..., index], expected, atol=2e-3)


def test_a_page_with_hints_in_full(colorizer):
    luma = np.rint(draw_page("val", 1).rgb[:200, :160] @ [0.299, 0.587, 0.114]).clip(40, 215).astype(np.uint8)
    hints = [(20, 30, "#cc3333"), (150, 190, "#2222cc")]
    rgb, plain = colorizer(luma, hints=hints), colorizer(luma)
    for (x, y, _), color in zip(hints, ((204, 51, 51), (34, 34, 204)), strict=True):
        expected = 255 * compose(np.array([luma[y, x] / 255]), rgb_to_yuv(np.array(color) / 255)[1:])[0]
        assert np.abs(rgb[y, x] - expected).max() <= 1
    assert (np.abs(rgb.astype(int) - plain).max(axis=-1) > 10).mean() > 0.01  # more than their pixels


# Its training.


def test_the_loss_of_expectations():
    rng = np.random.default_rng(0)
    uv = rng.uniform(-0.4, 0.4, (2, 5, 6, 2)).astype(np.float32)
    labels = np.log(np.maximum(two_hot(uv), 1e-12)).astype(np.float32)
    assert float(expectation(uv, labels)) < 1e-10
    assert float(expectation(-uv, labels)) == pytest.approx(float(mse(-uv, uv)), rel=1e-3)
    logits = rng.normal(0, 2, (2, 5, 6, 2, BINS)).astype(np.float32)
    expected = ((softmax(logits) * CENTERS).sum(axis=-1) - uv) ** 2
    assert float(expectation(uv, logits)) == pytest.approx(expected.mean(), rel=1e-4)


def test_rebalancing_is_of_another_loss():
    flags = {"loss": "expectation", "rebalance": 0.5}
    with pytest.raises(UsageError, match=r"--rebalance needs --loss cross_entropy: leave it out with --loss expect"):
        resolve("classifier", "quick", flags, {})
    with pytest.raises(UsageError, match=r"--rebalance needs --loss cross_entropy"):
        resolve("guided", "guide", {"rebalance": 0.5}, {}, read_start("context", "guided"))
    assert resolve("classifier", "quick", flags | {"loss": "cross_entropy"}, {}).rebalance == 0.5
    assert resolve("guided", "guide", {}, {}, read_start("context", "guided")).loss == "expectation"
