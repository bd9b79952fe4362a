"""The networks of the field: CIELAB inside a model, hints, options, other backends."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from children import Moment, arrays, run_child
from field import flags, small
from images import make_images
from skimage.color import lab2rgb, rgb2lab

import zoo
from zoo.chroma.lab_bins import AB_CENTERS
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.models.field.eccv16 import PUBLISHED as ECCV16
from zoo.models.field.siggraph17 import PUBLISHED as SIGGRAPH17
from zoo.models.layers.lab import ab_to_uv, lightness, uv_to_ab
from zoo.models.prediction import Predictor

COLORS = np.random.default_rng(0).random((500, 3), dtype=np.float32)


def numpy(function, *arrays: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(function(*map(keras.ops.convert_to_tensor, arrays)))


def test_the_bins_are_the_313_of_the_paper():
    assert AB_CENTERS.shape == (313, 2)
    assert len(np.unique(AB_CENTERS, axis=0)) == 313
    assert [tuple(each) for each in AB_CENTERS[[0, 5, -1]]] == [(-90, 50), (-80, 20), (100, 0)]
    assert (AB_CENTERS % 10 == 0).all()
    order = np.lexsort((AB_CENTERS[:, 1], AB_CENTERS[:, 0]))
    assert (order == np.arange(313)).all()
    # Each lies in the gamut at some lightness, or beside it.
    near = np.full(313, np.inf)
    line = np.linspace(0, 1, 24)
    for ab in np.array_split(rgb2lab(np.stack(np.meshgrid(line, line, line), -1)).reshape(-1, 3)[:, 1:], 20):
        near = np.minimum(near, np.abs(ab[:, None] - AB_CENTERS).max(-1).min(0))
    assert near.max() < 15
    assert np.median(near) < 5


def test_lightness_and_colours_are_those_of_scikit_image():
    luma, uv = split_luma(COLORS)
    np.testing.assert_allclose(numpy(lightness, luma)[:, 0], rgb2lab(luma.repeat(3, -1))[:, 0], atol=1e-3)
    ab = numpy(uv_to_ab, uv, luma)
    np.testing.assert_allclose(ab, rgb2lab(COLORS)[:, 1:], atol=0.01)  # another white
    grey = rgb2lab(luma.repeat(3, -1))[:, :1]
    kept = lab2rgb(np.concatenate([grey, 0.2 * ab], axis=-1))
    inside = ((kept > 0) & (kept < 1)).all(axis=-1)
    assert inside.mean() > 0.8
    np.testing.assert_allclose(numpy(ab_to_uv, 0.2 * ab, luma)[inside], split_luma(kept)[1][inside], atol=1e-4)


def test_grey_stays_grey():
    luma = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    nothing = np.zeros((50, 2), np.float32)
    np.testing.assert_allclose(numpy(uv_to_ab, nothing, luma), 0, atol=1e-3)
    np.testing.assert_allclose(numpy(ab_to_uv, nothing, luma), 0, atol=1e-6)


def test_the_mean_of_the_bins_is_their_colours_mean():
    """As the release answers, but averaged in UV: of few bins that are near each other, the two are alike."""
    model = zoo.create("eccv16", **small("eccv16"))
    bias = np.full(313, -12.0, np.float32)
    near = [AB_CENTERS.tolist().index(each) for each in ([20, 20], [30, 20], [20, 30])]
    bias[near] = 1, 0.5, 0
    layer = model.get_layer("head_joint")
    layer.set_weights([np.zeros(layer.kernel.shape, np.float32), bias])
    luma = np.full((1, 16, 24, 1), 0.5, np.float32)
    share = np.exp(bias) / np.exp(bias).sum()
    expected = numpy(ab_to_uv, (share @ AB_CENTERS)[None], luma[0, :1, 0])[0]
    np.testing.assert_allclose(Predictor(model)(luma).decode("mean")[0, 8, 8], expected, atol=0.01)


@pytest.mark.parametrize(("name", "published"), [("eccv16", ECCV16), ("siggraph17", SIGGRAPH17)])
def test_every_layer_with_weights_has_a_published_one(name, published):
    model = zoo.create(name, **small(name))
    assert {layer.name for layer in model.layers if layer.weights} == set(published.layers)
    assert len(set(published.layers.values())) == len(published.layers)
    assert all(layer.trainable for layer in model.layers)


def test_a_hint_changes_the_answer_and_a_colour_that_is_not_given_does_not():
    model = zoo.create("siggraph17", **small("siggraph17"))
    model.get_layer("head_tanh").set_weights([w * 30 for w in model.get_layer("head_tanh").get_weights()])
    predictor = Predictor(model)
    luma = np.random.default_rng(0).random((1, 21, 30, 1), dtype=np.float32)
    hints = np.zeros((1, 21, 30, 3), np.float32)
    hints[0, 10, 20] = 0.2, -0.1, 0
    without = predictor(luma).decode()
    np.testing.assert_array_equal(predictor(luma, {"hints": hints}).decode(), without)
    hints[0, 10, 20, 2] = 1
    changed = np.abs(predictor(luma, {"hints": hints}).decode() - without).max(-1)[0]
    assert changed[10, 20] > 1e-4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("eccv16", {"width": 0}, "width must be above 0, not 0"),
        ("eccv16", {"width": "wide"}, "width must be a number, not 'wide'"),
        ("eccv16", {"momentum": 1.0}, "momentum must be in [0, 1), not 1.0"),
        (
            "eccv16",
            {"initializer": "zeros"},
            "initializer must be one of truncated_normal, he_normal, glorot_uniform, not",
        ),
        ("eccv16", {"seed": 0.5}, "seed must be a whole number, not 0.5"),
        ("eccv16", {"widht": 0.5}, "unknown model option 'widht'. Did you mean 'width'?"),
        (
            "eccv16",
            {"trunk": "residual"},
            "unknown model option 'trunk'. Known options: width, initializer, momentum, seed.",
        ),
        ("eccv16", {"encoder": "vgg16"}, "unknown model option 'encoder'"),
        ("larsson16", {"width": 0}, "width must be above 0, not 0"),
        ("larsson16", {"encoder": "vgg61"}, "unknown encoder 'vgg61'. Did you mean 'vgg16'?"),
        ("larsson16", {"train_encoder": "no"}, "train_encoder must be true or false, not 'no'"),
        (
            "larsson16",
            {"dropout": 0.5},
            "unknown model option 'dropout'. Known options: width, initializer, momentum, seed.",
        ),
        ("iizuka16", {"width": 0}, "width must be above 0, not 0"),
        ("iizuka16", {"side": 200}, "side must be a multiple of 32 and in [32, 1024], not 200"),
        (
            "iizuka16",
            {"trunk": "residual"},
            "unknown model option 'trunk'. Known options: width, side, initializer, momentum, seed.",
        ),
        ("iizuka16", {"encoder": "vgg16"}, "unknown model option 'encoder'"),
        ("pix2pix", {"width": 0}, "width must be above 0, not 0"),
        ("pix2pix", {"depth": 1}, "depth must be in [2, 10], not 1"),
        ("pix2pix", {"dropout": 1.0}, "dropout must be in [0, 1), not 1.0"),
        ("pix2pix", {"output": "normalized"}, "output must be one of sigmoid, linear, not 'normalized'"),
        ("ddcolor", {"size": "small"}, "size must be one of large, tiny, mini, not 'small'"),
        ("ddcolor", {"width": 0.5}, "unknown model option 'width'. Known options: size, initializer, momentum, seed."),
        ("pix2pix", {"trunk": "residual"}, "unknown model option 'trunk'. Known options: width, depth, dropout"),
    ],
)
def test_odd_options_are_refused(name, options, message):
    with pytest.raises(UsageError) as error:
        zoo.create(name, **options)
    assert message in str(error.value)


CODE = """
import sys
import numpy as np
import zoo
from zoo.models.prediction import Predictor

folder, found = sys.argv[1], {}
with np.load(f"{folder}/inputs.npz") as held:
    for name in ("larsson16", "iizuka16", "eccv16", "siggraph17", "ddcolor"):
        given = {"hints": held["hints"]} if name == "siggraph17" else None
        found[name] = Predictor(zoo.load(f"{folder}/{name}.keras"))(held["luma"], given).output
assert "tensorflow" not in sys.modules, "TensorFlow was imported"
np.savez(f"{folder}/found.npz", **found)
"""


@pytest.mark.parametrize("backend", [pytest.param(each, marks=pytest.mark.needs(each)) for each in ("jax", "torch")])
def test_another_backend_answers_the_same(tmp_path, backend):
    rng = np.random.default_rng(0)
    luma = rng.random((1, 19, 26, 1), dtype=np.float32)
    hints = np.concatenate([rng.uniform(-0.1, 0.1, (1, 19, 26, 2)), rng.random((1, 19, 26, 1)) < 0.1], axis=-1)
    np.savez(tmp_path / "inputs.npz", luma=luma, hints=hints.astype(np.float32))
    expected = {}
    for name, layer, given in (
        ("larsson16", "head_hue_chroma", None),
        ("iizuka16", "head_sigmoid", None),
        ("eccv16", "head_joint", None),
        ("siggraph17", "head_tanh", {"hints": hints}),
        ("ddcolor", "head_colors", None),
    ):
        model = zoo.create(name, **small(name))
        model.get_layer(layer).set_weights([w * 30 for w in model.get_layer(layer).get_weights()])
        model.save(tmp_path / f"{name}.keras")
        expected[name] = Predictor(model)(luma, given).output
        assert np.ptp(expected[name]) > 0.01
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", CODE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        for name, answer in expected.items():
            # The logarithms of small shares are far from zero.
            np.testing.assert_allclose(found[name], answer, atol=1e-4, rtol=1e-3, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["larsson16", "iizuka16", "eccv16", "siggraph17", "ddcolor"])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, name):
    data = make_images(tmp_path / "images", train=5, val=2)
    command = [name, "--data", data, *flags(small(name)), "--encoder-weights", "none", "--crop", 32, "--batch-size", 2]
    command += ["--deterministic", "--validation-crops", 2, "--validate-every", 4]
    command += ["--steps", 4, "--checkpoint-every", 2]
    code, log = run_child([*command, "--run-dir", tmp_path / "whole"])
    assert code == 0, log
    code, log = run_child([*command, "--run-dir", tmp_path / "run"], Moment("record", 1))
    assert code == -9, log
    code, log = run_child([*command, "--run-dir", tmp_path / "run"])
    assert code == 0, log
    assert "going on from step 2" in log
    assert arrays(tmp_path / "run", 4) == arrays(tmp_path / "whole", 4)
