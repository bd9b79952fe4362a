"""Losses that are added to the main one: what they measure and teach, and that a run with them goes on exactly."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from children import Moment, run_child
from images import make_images

import zoo
from zoo import metrics
from zoo.chroma.decoders import decode
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.models.contract import Contract, contract_of
from zoo.models.layers import FusedBatchNormalization
from zoo.training import added as added_losses
from zoo.training.added import ADDED, AddedLosses, Perceptual, colorfulness_loss
from zoo.training.adversary import Adversary
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.config import RunConfig
from zoo.training.losses import cross_entropy, mse
from zoo.training.optimizers import make_optimizer
from zoo.training.step import build_step

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
RGB = tf.constant(np.stack([np.kron(p[:8, :8], np.ones((4, 4, 1), np.uint8)) for p in PICTURES]))
ALL = {"perceptual": 0.1, "colorfulness": 0.1, "adversarial": 0.05}


def added(contract: Contract, precision: str = "float32", **weights: float) -> AddedLosses:
    return AddedLosses(dict.fromkeys(ADDED, 0.0) | weights, contract, crop=32, seed=0, precision=precision)


def trained(
    steps: int,
    *,
    model: str = "tiny",
    micro_batch: int | None = None,
    rate: float = 0.01,
    optimizer: str = "adam",
    **weights: float,
):
    """The losses of every step, (steps, names), and the weights after them."""
    keras.utils.clear_session()
    options = {"encoder": "light_vgg16", "encoder_weights": "none", "initializer": "he_normal"}
    network = tiny.build() if model == "tiny" else zoo.create(model, **options)
    contract = contract_of(network)
    losses = added(contract, **weights)
    for layer in network.layers:
        if isinstance(layer, FusedBatchNormalization):
            layer.trainable = micro_batch is None
    updates = make_optimizer(RunConfig(model, optimizer=optimizer, learning_rate=rate), "float32")
    updates.build(network.trainable_variables)
    if optimizer != "adam" and losses.adversary:
        losses.adversary.optimizer = make_optimizer(
            RunConfig(model, optimizer=optimizer, learning_rate=rate), "float32"
        )
        losses.adversary.optimizer.build(losses.adversary.network.trainable_variables)
    main = cross_entropy if contract.classifies else mse
    step = build_step(network, updates, main, micro_batch=micro_batch, added=losses)
    found = np.array([step(RGB) for _ in range(steps)])
    assert found.shape == (steps, 1 + len(losses.names))
    return found, [np.array(each) for each in (*network.variables, *losses.variables)]


def test_colourfulness_is_the_metric_s():
    expected = np.mean([1 - metrics.colorfulness(picture) / 100 for picture in PICTURES])
    assert float(colorfulness_loss(PICTURES / np.float32(255))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["vgg16", "efficientnet_lite0"])
def test_an_encoder_sees_colours_in_the_order_it_learnt_them(name):
    perceptual = Perceptual(name)
    rgb = PICTURES.astype(np.float32) / 255
    seen = np.asarray(perceptual.prepared(rgb))
    if name == "vgg16":
        expected = keras.applications.vgg16.preprocess_input(PICTURES.astype(np.float32))
    else:
        expected = (PICTURES.astype(np.float32) - 127) / 128
    np.testing.assert_allclose(seen, expected, atol=1e-3)
    assert float(perceptual(rgb, rgb)) == 0
    swapped = rgb[..., ::-1]
    assert 0 < float(perceptual(swapped, rgb)) == pytest.approx(float(perceptual(rgb, swapped)), rel=1e-4)


def test_an_encoder_of_one_s_own_is_compared_by_the_small_one():
    weights = {"perceptual": 1.0}
    assert added(Contract(encoder="vgg16"), **weights).encoder == "vgg16"
    assert added(Contract(encoder="keras:ResNet50:conv1_relu"), **weights).encoder == "efficientnet_lite0"
    assert added(Contract(), **weights).as_json() == {"perceptual": 1.0, "encoder": "efficientnet_lite0"}


@pytest.mark.parametrize("kind", ["grey", "black", "white", "far outside", "true"])
def test_gradients_are_finite(kind):
    losses = added(Contract(), **ALL)
    luma = tf.fill([2, 32, 32, 1], {"black": 0.0, "white": 1.0}.get(kind, 0.5))
    uv = tf.constant(RNG.uniform(-0.2, 0.2, (2, 32, 32, 2)).astype(np.float32))
    answer = uv if kind == "true" else tf.fill([2, 32, 32, 2], 3.0 if kind == "far outside" else 0.0)
    for name in ADDED:
        with tf.GradientTape() as tape:
            tape.watch(answer)
            loss = losses(luma, uv, answer)[name]
        assert np.isfinite(loss)
        assert np.isfinite(tape.gradient(loss, answer)).all(), name


@pytest.mark.parametrize("stride", [1, 2])
def test_a_classifier_is_judged_by_its_annealed_mean(stride):
    logits = RNG.normal(size=(2, 32, 32, 2, 64)).astype(np.float32)
    luma, uv = np.full((2, 32, 32, 1), 0.5, np.float32), np.zeros((2, 32, 32, 2), np.float32)
    weights = {"colorfulness": 1.0, "adversarial": 1.0}
    classifier = AddedLosses(
        {"perceptual": 0.0} | weights, Contract(answer="logits", stride=stride), crop=64, seed=0, precision="float32"
    )
    regression = added(Contract(), **weights)
    expected = regression(luma, uv, decode(logits, "annealed"))
    found = classifier(luma, uv, tf.constant(logits))
    for name in classifier.names:
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-4)


def test_steps_bring_pictures_nearer_as_the_encoder_sees_them():
    found, _ = trained(12, perceptual=1.0)
    plain, _ = trained(12, perceptual=1e-9)
    assert found[-1, 1] < 0.95 * found[0, 1]
    assert found[-1, 1] < plain[-1, 1]


def test_steps_make_pictures_more_colourful():
    found, _ = trained(12, colorfulness=1.0)
    plain, _ = trained(12, colorfulness=1e-9)
    assert found[-1, 1] < found[0, 1]
    assert found[-1, 1] < plain[-1, 1]


def test_a_discriminator_learns_to_tell_true_from_grey():
    adversary = Adversary(0, "float32")
    luma, uv = split_luma(tf.cast(RGB, tf.float32) / 255)
    variables = adversary.network.trainable_variables
    losses = []
    for _ in range(12):
        with tf.GradientTape() as tape:
            models, own = adversary.losses(luma, uv, tf.zeros_like(uv))
        adversary.optimizer.apply(tape.gradient(own, variables), variables)
        losses.append((float(models), float(own)))
    assert losses[0][1] == pytest.approx(np.log(2), abs=0.3)
    assert losses[-1][1] < 0.3
    assert losses[-1][0] > 2 * losses[0][0]


def test_a_discriminator_judges_each_image_by_itself():
    network = Adversary(0, "float32").network
    images = RNG.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    together = np.asarray(network(images, training=True))
    assert together.shape == (3, 4, 4, 1)
    np.testing.assert_allclose(network(images[1:2], training=True), together[1:2], atol=1e-4)
    assert network.count_params() == pytest.approx(2.77e6, rel=0.01)


@pytest.mark.parametrize("model", ["tiny", "conditional"])
def test_micro_batches_add_up_to_the_batch(monkeypatch, light_encoders, model):
    monkeypatch.setattr(added_losses, "SMALL_ENCODER", "light_lite0")
    monkeypatch.setattr(added_losses, "load_encoder_weights", lambda *_: None)  # it has none
    # Adam would magnify the rounding of gradients that are near zero.
    (found, weights), (expected, whole) = (
        trained(2, model=model, micro_batch=size, optimizer="sgd", **ALL) for size in (2, 4)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    for one, other in zip(weights, whole, strict=True):
        assert np.abs(one - other).mean() <= 1e-4 * np.abs(other).mean() + 1e-8


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_measures_the_same(precision):
    luma = np.full((2, 32, 32, 1), 0.5, np.float32)
    uv, answer = (RNG.uniform(-0.2, 0.2, (2, 32, 32, 2)).astype(np.float32) for _ in range(2))
    expected = added(Contract(), **ALL)(luma, uv, answer)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        found = added(Contract(), precision, **ALL)(luma, uv, answer)
    finally:
        keras.config.set_dtype_policy(before)
    for name, value in expected.items():
        assert found[name].dtype == tf.float32
        assert float(found[name]) == pytest.approx(float(value), rel=0.05)


def test_an_answer_too_small_for_a_discriminator_is_refused():
    with pytest.raises(
        UsageError, match=r"--adversarial judges patches .* 8 pixels wide here: give a --crop of at least"
    ):
        added(Contract(stride=4), adversarial=1.0)


FAST = ["--encoder-weights", "none", "--crop", 16, "--batch-size", 2, "--validation-crops", 2, "--flip"]
COMMON = [*FAST, "--ema", 0.5, "--precision", "float32", "--deterministic", "--checkpoint-every", 2]
COMMON += ["--steps", 4, "--validate-every", 4]
ASKED = [word for name, weight in ALL.items() for word in (f"--{name}", weight)]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=5, val=2)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A run with all three that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, log = run_child(["tiny", "--data", data, *COMMON, *ASKED, "--run-dir", folder])
    assert code == 0, log
    assert "mse + 0.1 perceptual by efficientnet_lite0 + 0.1 colorfulness + 0.05 adversarial, " in log
    return folder


def arrays(folder: Path, step: int = 4) -> list[np.ndarray]:
    return read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[1]


def losses_of(folder: Path) -> dict[str, float]:
    """The losses of the last steps, by name."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = [line for line in lines if "loss" in line][-1]
    return {name: value for name, value in last.items() if name in ("loss", *ADDED, "discriminator")}


def test_a_run_records_them_and_keeps_the_model_alone(whole):
    assert set(losses_of(whole)) == {"loss", *ADDED, "discriminator"}
    assert json.loads((whole / "config.json").read_text())["adversarial"] == 0.05
    (start,) = json.loads((whole / "environment.json").read_text())
    assert start["added_losses"] == ALL | {"encoder": "efficientnet_lite0"}
    kept = zoo.load(whole)
    assert [layer.name for layer in kept.layers] == [layer.name for layer in tiny.build().layers]
    # The discriminator and its optimizer are in the checkpoint, the encoder that compares is not.
    own = Adversary(0, "float32")
    assert len(arrays(whole)) > len(own.variables) > 0
    assert sum(array.size for array in arrays(whole)) < 3.2 * own.network.count_params()


def test_a_killed_run_with_an_adversary_goes_on_to_the_same_bits(data, whole, tmp_path):
    command = ["tiny", "--data", data, *COMMON, *ASKED, "--run-dir", tmp_path / "run"]
    code, log = run_child(command, Moment("record", 1))
    assert code == -9, log
    code, log = run_child(command)
    assert code == 0, log
    assert "going on from step 2" in log
    assert [array.tobytes() for array in arrays(tmp_path / "run")] == [array.tobytes() for array in arrays(whole)]


def test_weights_of_zero_are_no_option(data, tmp_path):
    zeros = [word for name in ADDED for word in (f"--{name}", 0)]
    for name, words in (("with", zeros), ("without", [])):
        code, log = run_child(["tiny", "--data", data, *COMMON, *words, "--run-dir", tmp_path / name])
        assert code == 0, log
    found, expected = (arrays(tmp_path / name) for name in ("with", "without"))
    assert [array.tobytes() for array in found] == [array.tobytes() for array in expected]
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("with", "without")]
    assert "discriminator" not in lines[0]


@pytest.mark.slow
def test_two_devices_compute_what_one_does(data, tmp_path):
    """After one step, whose gradients the optimizers' moments show: rounding makes later ones drift apart."""
    command = ["tiny", "--data", data, *COMMON, *ASKED, "--steps", 1]
    code, log = run_child([*command, "--run-dir", tmp_path / "one"])
    assert code == 0, log
    code, log = run_child([*command, "--distribute", "mirrored", "--run-dir", tmp_path / "two"], devices=2)
    assert code == 0, log
    found, expected = (losses_of(tmp_path / name) for name in ("two", "one"))
    assert found == pytest.approx(expected, rel=1e-3)
    for one, other in zip(arrays(tmp_path / "two", 1), arrays(tmp_path / "one", 1), strict=True):
        assert np.abs(one.astype(float) - other).mean() <= 0.02 * np.abs(other).mean() + 1e-6


def test_another_weight_is_another_run(data, whole):
    code, log = run_child(["tiny", "--data", data, *COMMON, *ASKED, "--perceptual", 0.2, "--run-dir", whole])
    assert code == 2
    assert "perceptual: 0.1 there, 0.2 asked for" in log
