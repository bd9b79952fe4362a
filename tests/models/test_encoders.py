"""Encoders: what the package carries, what a user gives, and networks of `keras.applications`."""

import re

import h5py
import keras
import numpy as np
import pytest

import zoo
from zoo.errors import UsageError
from zoo.models import encoder_weights
from zoo.models.application import get_encoder
from zoo.models.contract import contract_of
from zoo.models.encoder_weights import load_encoder_weights
from zoo.models.encoders import ENCODERS, EncoderCard, Tap, list_encoders, register_encoder

LUMA = np.random.default_rng(0).random((1, 40, 64, 1), dtype=np.float32)


def body_of(name: str, seed: int = 0) -> keras.Model:
    return ENCODERS[name].build(keras.Input((None, None, 1)), seed)[1]


@pytest.mark.parametrize("name", list_encoders())
def test_a_card_says_what_the_encoder_gives(name):
    card = ENCODERS[name].card
    body = body_of(name)
    assert body.name == "encoder"
    assert body.count_params() == card.parameters
    assert all((card.summary, card.preprocessing, card.weights, card.licence, card.citation))
    side = 2 * card.multiple
    for x, tap in zip(body(np.zeros((1, side, side, 3), np.float32)), card.taps, strict=True):
        assert tuple(x.shape) == (1, side // tap.stride, side // tap.stride, tap.channels)


@pytest.mark.parametrize("name", list_encoders())
def test_weights_come_with_the_package(name):
    card = ENCODERS[name].card
    assert encoder_weights.packaged(card).stat().st_size < 15e6
    body = body_of(name)
    before = [np.array(weight) for weight in body.weights]
    load_encoder_weights(body, card, "imagenet")
    after = [np.array(weight) for weight in body.weights]
    assert all(np.isfinite(each).all() for each in after)
    assert sum(not np.array_equal(*pair) for pair in zip(before, after, strict=True)) > 0.9 * len(after)


def test_vgg16_is_that_of_keras():
    ours = body_of("vgg16")
    load_encoder_weights(ours, ENCODERS["vgg16"].card, "imagenet")
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    for layer in ours.layers:
        if layer.weights:
            vgg.get_layer(layer.name).set_weights(layer.get_weights())
    names = [f"block{block}_conv{last}" for block, last in ((1, 2), (2, 2), (3, 3), (4, 3))]
    theirs = keras.Model(vgg.input, [vgg.get_layer(name).output for name in names])
    grey = np.repeat(LUMA * 255, 3, axis=-1)
    expected = theirs(keras.applications.vgg16.preprocess_input(grey.copy()))
    luma = keras.Input((None, None, 1))
    image, body = ENCODERS["vgg16"].build(luma, 0)
    body.set_weights(ours.get_weights())
    found = keras.Model(luma, body(image))(LUMA)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_a_damaged_package_is_named(tmp_path, monkeypatch):
    card = ENCODERS["vgg16"].card
    whole = encoder_weights.packaged(card).read_bytes()
    monkeypatch.setattr(encoder_weights, "FOLDER", tmp_path)
    with pytest.raises(UsageError, match=r"vgg16\.npz cannot be read"):
        load_encoder_weights(body_of("vgg16"), card, "imagenet")
    (tmp_path / "vgg16.npz").write_bytes(whole[:-1] + b"x")
    with pytest.raises(UsageError, match="SHA-256 differs"):
        load_encoder_weights(body_of("vgg16"), card, "imagenet")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_a_file_of_weights_is_read(tmp_path, suffix):
    vgg = keras.applications.VGG16(weights=None, include_top=False)
    path = tmp_path / f"mine{suffix}"
    (vgg.save if suffix == ".keras" else vgg.save_weights)(path)
    model = zoo.create("residual", encoder_weights=str(path))
    encoder = model.get_layer("encoder")
    for name in ("block1_conv1", "block4_conv3"):
        for ours, theirs in zip(encoder.get_layer(name).get_weights(), vgg.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_encoder_of_a_model_of_the_zoo_is_read(tmp_path):
    first = zoo.create("residual", encoder_weights="none", seed=3)
    first.save(tmp_path / "first.keras")
    second = zoo.create("classifier", encoder_weights=str(tmp_path / "first.keras"))
    for ours, theirs in zip(
        second.get_layer("encoder").get_weights(), first.get_layer("encoder").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def small_vgg(tmp_path, *, channels: int = 64, value: float = 0.0, dtype: str = "float32"):
    """A file with VGG16's first layer alone."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(channels, 3, name="block1_conv1", dtype=dtype)
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full(weight.shape, value) for weight in layer.get_weights()])
    model.save(tmp_path / "small.keras")
    return tmp_path / "small.keras"


def test_files_that_cannot_be_used(tmp_path):
    def refused(path, message):
        with pytest.raises(UsageError, match=message):
            zoo.create("residual", encoder_weights=str(path))

    refused(tmp_path / "gone.keras", "no such file")
    for name in ("x.onnx", "x.npz", "x.h5"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, r'"imagenet", "none", or a \.keras or \.weights\.h5 file')
    for name in ("x.keras", "x.weights.h5"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, "cannot be read as Keras weights")
    (tmp_path / "secret").write_bytes(bytes(16))
    with h5py.File(tmp_path / "outside.weights.h5", "w") as file:
        outside = [(str(tmp_path / "secret"), 0, 16)]
        file.create_dataset("layers/block1_conv1/vars/0", (4,), "f4", external=outside)
    refused(tmp_path / "outside.weights.h5", "layers/block1_conv1/vars/0 lies in another file")
    refused(small_vgg(tmp_path), "the layer block1_conv2 of vgg16 is missing")
    refused(small_vgg(tmp_path, channels=32), re.escape("block1_conv1 has arrays of shapes [(3, 3, 3, 32), (32,)]"))
    refused(small_vgg(tmp_path, value=np.nan), "block1_conv1 has values that are not finite")


def test_no_network_is_asked(monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in list_encoders():
        zoo.create("residual", encoder=name)


def test_an_encoder_of_keras_applications():
    name = "keras:MobileNetV2:block_6_expand_relu,block_1_expand_relu"
    encoder = get_encoder(name)
    assert encoder.card.taps == (Tap("block_1_expand_relu", 2, 96), Tap("block_6_expand_relu", 8, 192))
    for trunk in ("residual", "hypercolumn"):
        model = zoo.create("classifier", trunk=trunk, encoder=name, encoder_weights="none")
        assert tuple(model(LUMA).shape) == (1, 40, 64, 2, 64)
        assert contract_of(model).encoder == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vgg61", r"unknown encoder 'vgg61'\. Did you mean 'vgg16'\?"),
        ("MobileNetV2:block_1_expand_relu,x", "is written keras:NAME:LAYER,LAYER"),
        ("keras:MobileNet2:x", r"keras.applications has no 'MobileNet2'\. Did you mean"),
        ("keras:MobileNetV2", "say which layers' maps to take"),
        (
            "keras:MobileNetV2:block_1_expand_rel",
            r"has no layer 'block_1_expand_rel'\. Did you mean 'block_1_expand_relu'",
        ),
        ("keras:MobileNetV2:block_1_expand_relu,Conv1_relu", "two of the layers have maps of one size"),
    ],
)
def test_wrong_names_of_encoders(name, message):
    with pytest.raises(UsageError, match=message):
        zoo.create("residual", encoder=name, encoder_weights="none")


def test_weights_that_do_not_come_with_the_package():
    with pytest.raises(
        UsageError, match="no weights of keras:MobileNetV2.* come with the package: give --encoder-weights"
    ):
        zoo.create("residual", encoder="keras:MobileNetV2:block_1_expand_relu,block_6_expand_relu")


def test_a_card_is_checked():
    taps = (Tap("b", 4, 8), Tap("a", 2, 8))
    card = EncoderCard("wrong", "s", taps, "p", "w", "", "l", "c", 0)
    with pytest.raises(ValueError, match=r"\[4, 2\], not rising powers of two"):
        register_encoder(card)


@pytest.mark.slow
def test_a_classifier_on_efficientnet_lite0_beats_both_baselines(tmp_path):
    """By the recipe `quick` on the embedded pages, as the README's first command trains."""
    from zoo import train
    from zoo.results import load_result

    command = ["classifier", "--encoder", "efficientnet_lite0", "--run-dir", str(tmp_path / "run")]
    assert train.main(command) == 0
    scores = load_result(tmp_path / "run" / "result.json", "training").details["scores"]["rows"][0]
    for against in ("against_grey", "against_mean"):
        assert scores[against][2] < 0  # the upper end of the difference's interval
