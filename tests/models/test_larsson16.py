"""The network of Larsson 2016: its column, and what histograms of hue and chroma say of U and V."""

import keras
import numpy as np
import pytest
from field import small
from scipy.special import softmax

import zoo
from zoo.chroma.bins import BINS, CENTERS
from zoo.chroma.yuv import rgb_to_yuv
from zoo.models.layers import BilinearUpsampling, HueChroma
from zoo.models.layers.hue_chroma import CHROMAS, HUES, polar_spreads
from zoo.models.prediction import Predictor
from zoo.training.losses import cross_entropy

LUMA = np.random.default_rng(0).random((1, 24, 32, 1), dtype=np.float32)
STEP = float(np.linalg.norm(rgb_to_yuv(np.array([1.0, 0, 0]))[1:])) / (CHROMAS - 1)  # red has the most chroma


def color(hue: int, chroma: int) -> np.ndarray:
    """U and V of a place."""
    angle = 2 * np.pi * hue / HUES
    return chroma * STEP * np.array([np.cos(angle), np.sin(angle)])


def features(hues: dict[int, float], chromas: dict[int, float]) -> np.ndarray:
    """Logits of hue and chroma, (1, 1, 1, 64): those that are given, and nothing else."""
    found = np.full((1, 1, 1, HUES + CHROMAS), -12.0, np.float32)
    for start, logits in ((0, hues), (HUES, chromas)):
        for index, value in logits.items():
            found[..., start + index] = value
    return found


def test_a_place_spreads_about_its_colour():
    spread = polar_spreads().reshape(2, HUES, CHROMAS, BINS)
    np.testing.assert_allclose(spread.sum(axis=-1), 1, atol=1e-5)
    means = np.einsum("chkb,cb->hkc", spread, CENTERS)
    for hue, chroma in ((0, 0), (9, 0), (3, 5), (11, 20), (20, 12), (25, 8)):
        # The mean of a piece of a ring lies a little inside it.
        np.testing.assert_allclose(means[hue, chroma], color(hue, chroma), atol=1e-3 + 0.005 * chroma * STEP)
    assert (spread[:, :, 0].argmax(axis=-1) == 32).all()  # grey is neutral, whatever the hue


def test_the_chain_rule_holds():
    """Σ p(U) p(V | U) over the bins of U is p(V)."""
    logits = np.random.default_rng(1).normal(0, 2, (1, 2, 3, HUES + CHROMAS)).astype(np.float32)
    layer = HueChroma()
    p_u = softmax(np.array(layer.u_logits(logits)), axis=-1)
    given = [layer.v_logits(logits, np.full((1, 2, 3, 1), u, np.float32)) for u in CENTERS[0]]
    p_v = sum(p_u[..., i, None] * softmax(np.array(each), axis=-1) for i, each in enumerate(given))
    exact = np.array(layer.marginal(logits))
    np.testing.assert_allclose(p_v, exact, atol=1e-4)
    np.testing.assert_allclose(exact.sum(axis=-1), 1, atol=1e-5)


def loss_of(logits: np.ndarray, uv: np.ndarray) -> float:
    truth = keras.ops.convert_to_tensor(uv.reshape(1, 1, 1, 2).astype(np.float32))
    return float(cross_entropy(truth, HueChroma()([logits, truth[..., :1]])))


def test_hue_counts_by_its_chroma():
    """As in the paper, whose loss says so: a wrong hue costs nothing where there is no chroma, and more with more."""
    costs = []
    for chroma in (0, 2, 6, 14):
        right, wrong = (features({hue: 3.0}, {chroma: 3.0}) for hue in (4, 20))
        costs.append(loss_of(wrong, color(4, chroma)) - loss_of(right, color(4, chroma)))
    assert abs(costs[0]) < 1e-3
    assert costs == sorted(costs)
    assert costs[-1] > costs[1] + 1 > 1


@pytest.fixture(scope="module")
def undecided():
    """A model that says of every pixel: vivid, and of one hue or another, the first a little more likely."""
    model = zoo.create("larsson16", encoder_weights="none", **small("larsson16"))
    layer = model.get_layer("head_hue_chroma")
    bias = features({5: 3.2, 21: 3.0}, {16: 3.0}).ravel()
    layer.set_weights([np.zeros(layer.kernel.shape, np.float32), bias])
    return model, np.stack([color(5, 16), color(21, 16)])


def test_modes_and_samples_have_one_of_the_hues(undecided):
    model, colors = undecided
    prediction = Predictor(model)(LUMA)
    assert prediction.output.shape == (1, 6, 8, BINS)
    np.testing.assert_allclose(prediction.decode_small("mode")[0, 3, 3], colors[0], atol=0.03)
    drawn = np.stack([prediction.decode_small("sample:0.3", seed=seed)[0, 3, 3] for seed in range(20)])
    apart = np.abs(drawn[:, None] - colors).max(axis=-1)
    assert (apart.min(axis=-1) < 0.08).all()
    assert set(apart.argmin(axis=-1)) == {0, 1}


def test_the_mean_is_between_them(undecided):
    model, colors = undecided
    share = np.exp(3.2) / (np.exp(3.2) + np.exp(3.0))
    mean = Predictor(model)(LUMA).decode_small("mean")[0, 3, 3]
    np.testing.assert_allclose(mean, share * colors[0] + (1 - share) * colors[1], atol=0.01)


def test_the_column_is_that_of_stacked_maps():
    """1×1 of the maps, each brought to a quarter of the size and stacked there."""
    model = zoo.create("larsson16", encoder_weights="none", **small("larsson16"))
    names = {"luma": 4, "conv1_2": 4, "conv2_2": 4, "conv3_3": 4, "conv4_3": 8, "conv5": 16, "fc6": 32, "fc7": 32}
    wanted = [model.get_layer(f"column_{name}_norm").output for name in names]
    *maps, found = keras.Model(model.inputs, [*wanted, model.get_layer("column").output])(
        [np.random.default_rng(0).random((2, 64, 96, 1), dtype=np.float32), np.zeros((2, 16, 24, 1), np.float32)]
    )
    stacked = np.concatenate(
        [np.asarray(BilinearUpsampling(s // 4)(x)) if s > 4 else x for x, s in zip(maps, names.values(), strict=True)],
        axis=-1,
    )
    assert stacked.shape[-1] == 1 + 64 + 128 + 256 + 512 + 64 + 128 + 128
    kernel = np.concatenate([model.get_layer(f"column_{name}").kernel[0, 0] for name in names])
    np.testing.assert_allclose(found, stacked @ kernel, atol=1e-3 * np.abs(found).max())


def test_the_encoder_is_as_in_other_models():
    model = zoo.create("larsson16", **small("larsson16"))
    ours, theirs = model.get_layer("encoder"), zoo.create("residual").get_layer("encoder")
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not ours.trainable_variables
    trained = zoo.create("larsson16", encoder_weights="none", train_encoder=True, **small("larsson16"))
    assert len(trained.get_layer("encoder").trainable_variables) == 20
    # One with coarser maps: no conv5 is added to it.
    light = zoo.create("larsson16", encoder="efficientnet_lite0", encoder_weights="none", **small("larsson16"))
    assert Predictor(light)(LUMA).decode("mean").shape == (1, 24, 32, 2)
    assert not [layer.name for layer in light.layers if layer.name.startswith("conv5")]
    assert light.contract.encoder == "efficientnet_lite0"
