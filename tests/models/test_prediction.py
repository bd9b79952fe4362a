"""From luma to colour: every model through `Predictor`, and V given U above all."""

import importlib

import numpy as np
import pytest

import zoo
from zoo.chroma.bins import BINS, CENTERS, encode, softmax
from zoo.chroma.decoders import decode, gumbel_noise
from zoo.chroma.regions import pool, segment
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.models.prediction import Predictor, predict
from zoo.training.config import resolve
from zoo.training.losses import cross_entropy
from zoo.training.optimizers import make_optimizer
from zoo.training.step import build_step

LUMA = np.random.default_rng(0).random((2, 9, 14, 1)).astype(np.float32)
RED, BLUE = (213, 99, 50), (46, 146, 246)  # of the very same luma, one half: nothing grey tells them apart


@pytest.fixture(scope="module")
def conditional():
    model = zoo.create("conditional", encoder_weights="none", initializer="he_normal")
    rng = np.random.default_rng(1)
    # The logits of a new model are nearly all equal.
    for name in ("head_u", "head_v_given_u"):
        layer = model.get_layer(name)
        layer.set_weights([w + rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def exact(conditional):
    return all_given(conditional, LUMA)


def all_given(model, luma):
    """Probabilities of U (…, 64), and of V given each U (…, 64, 64), by the model as it was trained."""
    given = []
    for u in CENTERS[0]:
        logits = np.array(model([luma, np.full_like(luma, u)], training=False))
        given.append(softmax(logits)[..., 1, :])
    return softmax(logits)[..., 0, :], np.stack(given, axis=-2)


def test_mode_and_sample_choose_u_then_v_given_it(conditional, exact):
    p_u, p_v = exact
    prediction = Predictor(conditional)(LUMA)
    assert len(np.unique(p_u.argmax(axis=-1))) > 3
    for decoder, noise in (
        ("mode", np.zeros((2, BINS))),
        ("sample", gumbel_noise(5)),
        ("sample:0.5", 0.5 * gumbel_noise(5)),
    ):
        u = (np.log(p_u + 1e-30) + noise[0]).argmax(axis=-1)
        v = (np.log(np.take_along_axis(p_v, u[..., None, None], axis=-2)[..., 0, :] + 1e-30) + noise[1]).argmax(axis=-1)
        found = encode(prediction.decode(decoder, seed=5))
        assert (found == np.stack([u, v], axis=-1)).all(axis=-1).mean() > 0.99  # float32 may break a tie otherwise


def test_annealed_anneals_u_then_v_given_it(conditional):
    prediction = Predictor(conditional)(LUMA)
    u = decode(np.stack([prediction.output] * 2, axis=-2), "annealed", temperature=0.5)[..., :1]
    logits = np.array(conditional([LUMA, u], training=False))
    np.testing.assert_allclose(
        prediction.decode("annealed:0.5"), decode(logits, "annealed", temperature=0.5), atol=1e-3
    )


def test_other_decoders_see_the_marginals(conditional, exact):
    p_u, p_v = exact
    marginal = np.stack([p_u, (p_u[..., None] * p_v).sum(axis=-2)], axis=-2)
    prediction = Predictor(conditional)(LUMA)
    np.testing.assert_allclose(softmax(prediction.marginals), marginal, atol=3e-4)
    np.testing.assert_allclose(prediction.decode("mean"), (marginal * CENTERS).sum(axis=-1), atol=1e-3)


def test_the_loss_is_of_v_given_the_true_u(conditional):
    uv = np.random.default_rng(2).uniform(-0.3, 0.3, (*LUMA.shape[:3], 2)).astype(np.float32)
    given = Predictor(conditional)(LUMA).given(uv)
    np.testing.assert_allclose(given, conditional([LUMA, uv[..., :1]], training=False), atol=1e-4 * np.abs(given).max())
    other = Predictor(conditional)(LUMA).given(-uv)
    np.testing.assert_array_equal(other[..., 0, :], given[..., 0, :])
    assert np.abs(other[..., 1, :] - given[..., 1, :]).max() > 0.1


def test_decoders_of_the_other_models():
    classifier = zoo.create("classifier", encoder_weights="none")
    logits = np.array(classifier(LUMA, training=False))
    np.testing.assert_allclose(predict(classifier, LUMA, "mean"), decode(logits, "mean"), atol=1e-5)
    regions = [segment(luma[..., 0], softmax(each)) for luma, each in zip(LUMA, logits, strict=True)]
    for decoder in ("mean", "sample"):
        pooled = np.stack([pool(each, labels)[labels] for each, labels in zip(logits, regions, strict=True)])
        expected = decode(pooled, decoder)
        np.testing.assert_allclose(predict(classifier, LUMA, f"{decoder}+coherent"), expected, atol=1e-5)
    regression = zoo.create("residual", encoder_weights="none")
    np.testing.assert_allclose(predict(regression, LUMA), regression(LUMA, training=False), atol=1e-5)
    with pytest.raises(UsageError, match="decoder 'mode': a regression answers with one colour"):
        predict(regression, LUMA, "mode")
    with pytest.raises(UsageError, match="needs a decoder: mean, annealed"):
        predict(classifier, LUMA)
    for wrong, message in (
        ("mod", "unknown decoder 'mod'"),
        ("mode+smooth", "nothing but coherent"),
        ("mode:2", "mode takes no temperature"),
        ("sample:x", "'x' is no temperature"),
        ("sample:0", "temperature must be in"),
    ):
        with pytest.raises(UsageError, match=message):
            predict(classifier, LUMA, wrong)


@pytest.mark.parametrize("decoder", ["mode", "sample", "sample:0.5", "annealed"])
def test_coherent_decoding_gives_a_region_one_colour(conditional, decoder):
    luma = np.full((1, 24, 40, 1), 0.7, np.float32)
    luma[:, :, 18:22] = 0.1
    luma[:, ::3, ::4] += 0.01  # so that the model's answer varies
    prediction = Predictor(conditional)(luma)
    plain, coherent = (prediction.decode(f"{decoder}{step}", seed=3)[0] for step in ("", "+coherent"))
    assert len(np.unique(plain[:, :18].reshape(-1, 2), axis=0)) > 1
    for side in (np.s_[:, :18], np.s_[:, 22:]):
        assert len(np.unique(coherent[side].reshape(-1, 2), axis=0)) == 1


def test_flat_decoding_gives_flat_regions_one_colour_and_leaves_the_others(conditional):
    rng = np.random.default_rng(0)
    luma = np.full((1, 24, 60, 1), 0.7, np.float32)
    luma[:, :, 28:32] = 0.1
    luma[:, :, 32:] = rng.uniform(0.5, 0.8, (24, 28, 1))
    luma[:, 12, ::7] += 0.003  # so that the model's answer varies
    prediction = Predictor(conditional)(luma)
    plain, coherent, flat = (prediction.decode(f"annealed{step}")[0] for step in ("", "+coherent", "+flat"))
    np.testing.assert_allclose(flat[:, :28], coherent[:, :28], atol=1e-6)
    assert (np.abs(flat - plain)[:, 34:] < 1e-6).mean() > 0.9  # in noise a few pixels are alike by chance
    assert (np.abs(coherent - plain)[:, 34:] < 1e-6).mean() < 0.5
    assert (plain[:, :28] != coherent[:, :28]).any()


@pytest.mark.parametrize("decoder", ["mode", "annealed", "mean", "annealed+coherent", "sample+coherent"])
def test_bands_change_nothing(conditional, decoder, monkeypatch):
    whole = Predictor(conditional)(LUMA).decode(decoder)
    monkeypatch.setattr(importlib.import_module("zoo.models.prediction"), "BAND", 20)
    monkeypatch.setattr("zoo.chroma.regions.BAND", 20)
    np.testing.assert_allclose(Predictor(conditional)(LUMA).decode(decoder), whole, atol=1e-5)


@pytest.mark.parametrize("name", ["classifier", "conditional"])
def test_a_chosen_u_never_meets_the_other_colour_s_v(name):
    """Squares of red or of blue at one luma: two marginals cannot tell which V goes with which U."""
    model = zoo.create(name, encoder_weights="none", initializer="he_normal", momentum=0.8)
    config = resolve(name, "quick", {"schedule": "constant", "learning_rate": 5e-3}, {})
    optimizer = make_optimizer(config, "float32")
    optimizer.build(model.trainable_variables)
    step = build_step(model, optimizer, cross_entropy)
    rgb = np.broadcast_to(np.array([RED, BLUE] * 4, np.uint8)[:, None, None], (8, 16, 16, 3))
    luma, uv = split_luma(rgb[:2] / np.float32(255))
    assert np.ptp(luma) == 0
    red, blue = uv[:, 0, 0]
    for _ in range(200):
        step(rgb)
    prediction = Predictor(model)(luma[:1])
    modes = 0
    samples = [prediction.decode("sample", seed=seed)[0, 8, 8] for seed in range(40)]
    for uv in samples:
        modes += min(np.linalg.norm(uv - red), np.linalg.norm(uv - blue)) < 0.05
    chosen = {bool(uv[0] > 0) for uv in samples}
    assert chosen == {True, False}
    # Each of the four pairs is as likely as the others when U and V are sampled apart: 20 ± 3.2 of 40 are mixed.
    assert modes == 40 if name == "conditional" else modes < 34
