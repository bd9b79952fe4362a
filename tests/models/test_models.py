"""The contract of every registered model: registering one enrols it here."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from field import small, smallest

import zoo
from zoo.errors import UsageError
from zoo.models.contract import contract_of
from zoo.models.heads import HEADS
from zoo.models.layers import LeakyReLU, NormalizedConv2D
from zoo.models.loading import model_file
from zoo.models.prediction import Predictor
from zoo.models.trunks import TRUNKS

MODELS = zoo.list_models()


def luma(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((*shape, 1)).astype(np.float32)


def call(model, x, training):
    """A model of luma, with some U where it takes one."""
    x = keras.ops.convert_to_tensor(x)
    uv = keras.ops.concatenate([0.4 * x - 0.2] * 2, axis=-1)
    return model(contract_of(model).with_truth(x, uv, np.zeros(2, np.int32)), training=training)


@pytest.fixture(scope="module", params=MODELS)
def model(request, light_encoders):
    options = {"encoder_weights": "none", "train_encoder": True, "initializer": "he_normal"} | smallest(request.param)
    built = zoo.create(request.param, **options)
    # Moving averages that are not the identity, so that inference has something to get wrong.
    for index in range(2):
        call(built, luma(2, 32, 32, seed=index), training=True)
    return built


def expected_shape(model, batch: int, height: int, width: int) -> tuple[int, ...]:
    tail = (2,) if zoo.get_card(model.name).output == "uv" else (2, 64)
    stride = contract_of(model).stride
    return (batch, -(-height // stride), -(-width // stride), *tail)


@pytest.fixture(scope="module")
def graph(model):
    """The model as a graph of images of any size."""
    signature = [tf.TensorSpec((None, None, None, 1), tf.float32)]
    return tf.function(lambda y: call(model, y, training=False), input_signature=signature)


@pytest.mark.parametrize("size", [(16, 24), (17, 9), (1, 1), (7, 40)])
def test_any_size_in_and_out_of_a_graph(model, graph, size):
    x = luma(2, *size)
    eager = call(model, x, training=False)
    assert tuple(eager.shape) == expected_shape(model, 2, *size)
    assert np.isfinite(eager).all()
    np.testing.assert_allclose(graph(x), eager, atol=1e-3 * np.abs(eager).max())


def test_static_shape(model):
    assert [each.name for each in model.inputs] == list(contract_of(model).inputs)
    channels = [1, *(item.channels for item in contract_of(model).extras)]
    assert [each.shape for each in model.inputs] == [(None, None, None, count) for count in channels]
    assert model.output_shape == (None, None, None, *expected_shape(model, 1, 1, 1)[3:])


def test_padding_does_not_touch_sizes_that_fit(model):
    x = luma(1, 24, 32)
    padded = np.pad(x, ((0, 0), (0, 5), (0, 3), (0, 0)), mode="edge")
    cut = call(model, padded[:, :24, :32], training=False)
    np.testing.assert_allclose(cut, call(model, x, training=False), atol=1e-6)


def test_gradients_reach_every_trainable_weight(model):
    """In training or in inference: what a normalisation adds, the next one may take away again by the batch's mean."""
    reached = dict.fromkeys([variable.path for variable in model.trainable_variables], 0.0)
    for training in (True, False):
        with tf.GradientTape() as tape:
            output = call(model, luma(2, 16, 24), training=training)
            loss = tf.reduce_sum(tf.square(output - 0.3))
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            assert gradient is not None, variable.path
            assert np.isfinite(gradient).all(), variable.path
            reached[variable.path] = max(reached[variable.path], float(np.abs(gradient).max()))
    assert all(reached.values()), reached


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model.keras")
    x = luma(1, 17, 9)
    expected = call(model, x, training=False)
    np.testing.assert_array_equal(call(zoo.load(tmp_path / "model.keras"), x, training=False), expected)
    alone = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(call(alone, x, training=False), expected)


def test_config_round_trip(model):
    twin = type(model).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    x = luma(1, 16, 16)
    np.testing.assert_array_equal(call(twin, x, training=False), call(model, x, training=False))


@pytest.mark.parametrize("name", MODELS)
def test_output_is_float32_under_every_policy(light_encoders, name):
    def built():
        return zoo.create(name, encoder_weights="none", initializer="he_normal", **smallest(name))

    # Of one image ddcolor's coarsest maps have one cell, which has no variance. The global features of iizuka16 are
    # nearly those of another image of noise: normalised by the batch, they would be their rounding.
    x = luma(2 if name == "ddcolor" else 1, 24, 16)
    # Normalised by the batch, since the moving averages of an untrained model leave it saturated.
    expected = call(built(), x, training=True)
    before = keras.config.dtype_policy()
    for policy in ("mixed_bfloat16", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            half = built()
        finally:
            keras.config.set_dtype_policy(before)
        assert call(half, x, training=False).dtype == tf.float32
        output = call(half, x, training=True)
        assert output.dtype == tf.float32
        assert np.abs(output - expected).mean() < 0.1 * np.std(expected), policy


@pytest.mark.parametrize("name", MODELS)
def test_card(name):
    card = zoo.get_card(name)
    built = zoo.create(name, encoder_weights="none")
    assert built.count_params() == card.parameters
    assert built.name == name
    assert all((card.summary, card.source, card.citation))
    if card.trunk:
        assert card.trunk in TRUNKS
        assert card.head in HEADS
        assert card.encoder
    else:  # one piece
        assert card.head == contract_of(built).head
    contract = contract_of(built)
    assert (contract.inputs, contract.answer, contract.encoder) == (card.inputs, card.output, card.encoder)


@pytest.mark.parametrize("name", MODELS)
def test_seed_decides_the_weights(name):
    def weights(seed):
        return zoo.create(name, encoder_weights="none", seed=seed, **small(name)).get_weights()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    kernels = [i for i, w in enumerate(first) if w.ndim == 4]
    assert len(kernels) > 10
    assert all(not np.array_equal(first[i], other[i]) for i in kernels)


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("head", HEADS)
def test_any_trunk_takes_any_head(light_encoders, trunk, head):
    built = zoo.create("residual", encoder="light_vgg16", trunk=trunk, head=head, encoder_weights="none")
    tail = (2, 64) if HEADS[head].answer == "logits" else (2,)
    stride = contract_of(built).stride
    assert stride == TRUNKS[trunk].strides[0]
    assert tuple(call(built, luma(1, 8, 16), training=False).shape) == (1, 8 // stride, 16 // stride, *tail)
    assert contract_of(built).inputs == ("luma", *HEADS[head].inputs)
    decoder = "mode" if HEADS[head].answer == "logits" else None
    assert Predictor(built)(luma(1, 7, 16)).decode(decoder).shape == (1, 7, 16, 2)


@pytest.mark.parametrize("size", [(17, 9), (40, 33)])
def test_the_factored_hypercolumn_is_the_plain_one(size):
    options = {"encoder_weights": "none", "train_encoder": True, "initializer": "he_normal"}
    factored = zoo.create("hypercolumn", **options)
    plain = zoo.create("hypercolumn", factored=False, **options)
    plain.set_weights(factored.get_weights())
    x = luma(2, *size)
    results = []
    for model in (factored, plain):
        for layer in model.layers:
            if isinstance(layer, LeakyReLU | NormalizedConv2D):
                layer.negative_slope = (
                    1.0  # a value so near to zero that rounding turns its sign is not the matter here
                )
        with tf.GradientTape() as tape:
            output = call(model, x, training=True)
            loss = tf.reduce_sum(tf.sin(output * 3))
        results.append([output, *tape.gradient(loss, model.trainable_variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_context_reaches_every_pixel_and_gives_each_its_own_answer():
    """A change in one corner is felt in the other, which a trunk of a few convolutions cannot do."""
    built = zoo.create("context", encoder_weights="none", initializer="he_normal")
    for index in range(2):
        call(built, luma(2, 64, 64, seed=index), training=True)
    x = luma(1, 512, 512)
    changed = x.copy()
    changed[:, :64, :64] = 1 - changed[:, :64, :64]
    found, other = (np.asarray(built(each)) for each in (x, changed))
    far = np.abs(other - found)[:, -8:, -8:]
    assert far.max() > 1e-5
    assert far.max() < np.abs(other - found)[:, :8, :8].max()
    with pytest.raises(UsageError, match="stride of the trunk context must be one of 4, 2"):
        zoo.create("context", stride=8, encoder_weights="none")


def test_frozen_encoder_trains_the_decoder_only():
    frozen = zoo.create("residual", encoder_weights="none")
    trained = zoo.create("residual", encoder_weights="none", train_encoder=True)
    assert len(trained.trainable_variables) - len(frozen.trainable_variables) == 20
    assert not any("block" in v.path for v in frozen.trainable_variables)


def test_options_of_dahl_and_the_report():
    def layers(**options):
        return {layer.name: layer for layer in zoo.create("residual", encoder_weights="none", **options).layers}

    report, dahl = layers(), layers(activation="relu", initializer="glorot_uniform")
    leaky = [layer for name, layer in report.items() if name.endswith("leaky_relu")]
    assert len(leaky) == 5
    assert all(layer.negative_slope == pytest.approx(0.01) for layer in leaky)
    assert not any(name.endswith("leaky_relu") for name in dahl)
    kernel = np.asarray(report["trunk_conv2"].kernel)
    assert kernel.std() == pytest.approx(0.0088, rel=0.03)  # a normal of 0.01 cut at two deviations
    assert np.abs(kernel).max() <= 0.02
    assert not report["trunk_conv2"].use_bias

    x = luma(1, 16, 16) * 50
    squashed = zoo.create("residual", encoder_weights="none")(x)
    assert np.abs(squashed[..., 0]).max() <= 0.43601036
    assert "head_uv_range" in report
    assert "head_uv_range" not in layers(output="linear")
    assert "head_uv_bn" in layers(output="normalized")


def test_bad_options():
    with pytest.raises(UsageError, match="activation must be one of leaky_relu, relu, not 'gelu'"):
        zoo.create("residual", activation="gelu", encoder_weights="none")
    with pytest.raises(UsageError, match="unknown model option 'activaton'.*Did you mean 'activation'"):
        zoo.create("residual", activaton="relu")
    with pytest.raises(UsageError, match="bins head answers with logits"):
        zoo.create("classifier", output="linear", encoder_weights="none")
    with pytest.raises(UsageError, match="momentum"):
        zoo.create("residual", momentum=1.0, encoder_weights="none")


def test_load_names_what_is_missing(tmp_path):
    with pytest.raises(UsageError, match=r"no model at .*run directory"):
        zoo.load(tmp_path)
    (tmp_path / "model.keras").write_text("not a model")
    with pytest.raises(UsageError, match="is not a model"):
        zoo.load(tmp_path / "model.keras")


def test_a_folder_named_as_the_hub_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no model at hf"):
        zoo.load("hf")
    (tmp_path / "hf").mkdir()
    with zipfile.ZipFile(tmp_path / "hf" / "best.keras", "w"):
        pass
    assert model_file("hf") == Path("hf/best.keras")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": "abc"}, "momentum must be a number, not 'abc'"),
        ({"momentum": 1}, "momentum must be in [0, 1), not 1.0"),
        ({"factored": "no"}, "factored must be true or false, not 'no'"),
        ({"seed": 0.5}, "seed must be a whole number, not 0.5"),
        ({"inputs": 5}, "inputs must be a list of names of inputs, not 5"),
        ({"stride": [2]}, "stride of the trunk residual must be one of"),
        ({"stride": 0}, "stride of the trunk residual must be one of 1, 2, 4, not 0"),
        ({"output": ""}, "output must be one of sigmoid, normalized, linear, not ''"),
    ],
)
def test_odd_options_are_refused(options, message):
    with pytest.raises(UsageError) as error:
        zoo.create("residual", encoder_weights="none", **options)
    assert message in str(error.value)
