"""`zoo colorize --runtime onnx`: the same colours, without TensorFlow, from the second call on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from coloring import page, run, save, save_models
from field import small

import zoo
from zoo.chroma.decoders import DECODERS
from zoo.errors import UsageError
from zoo.export import prepared
from zoo.models.onnx_network import OnnxNetwork
from zoo.models.prediction import Predictor

pytestmark = pytest.mark.needs("tf2onnx", "onnxruntime")

LUMA = np.random.default_rng(0).random((1, 21, 34, 1), dtype=np.float32)
BUILT = {
    "regression": lambda: tiny.two_convolutions(False),
    "classifier": lambda: tiny.two_convolutions(True),
    "conditional": lambda: zoo.load("conditional:procedural"),
    "joint": lambda: zoo.load("joint:procedural"),
    "siggraph17": lambda: zoo.create("siggraph17", **small("siggraph17")),
    "guided": lambda: zoo.load("guided"),
}
"""A regression; two marginals; V given U; bins of both at once; hints of pixels, and of an embedding."""

SLOW = ("guided",)


@pytest.fixture(scope="module", params=[pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in BUILT])
def both(request, tmp_path_factory) -> tuple[Predictor, Predictor]:
    """A model by Keras, and by ONNX Runtime."""
    model = BUILT[request.param]()
    folder = tmp_path_factory.mktemp(request.param)
    prepared.write(model, folder)
    return Predictor(model), Predictor(OnnxNetwork(folder))


def test_both_runtimes_know_the_same_of_a_model(both):
    keras, onnx = (each.network for each in both)
    for what in ("contract", "chained", "direct", "embedding"):
        assert getattr(onnx, what) == getattr(keras, what)
    assert both[1].rule is both[0].rule


def test_both_runtimes_find_the_same_colours(both):
    keras, onnx = (each(LUMA) for each in both)
    np.testing.assert_allclose(onnx.output, keras.output, atol=1e-4)
    decoders = [*DECODERS, "mode+coherent", "sample+flat"] if keras.classifies else [None]
    for decoder in decoders:
        np.testing.assert_allclose(onnx.decode(decoder, seed=3), keras.decode(decoder, seed=3), atol=1e-3)
    np.testing.assert_allclose(onnx.kinds(0), keras.kinds(0), atol=1e-3)
    region = np.ones(LUMA.shape[1:3], bool)
    for mine, theirs in zip(onnx.possible(0, region, 3), keras.possible(0, region, 3), strict=True):
        np.testing.assert_allclose(mine[0], theirs[0], atol=1e-3)


def test_both_runtimes_take_hints(both):
    keras, onnx = both
    for item in keras.contract.given:
        check_hints(keras, onnx, item)


def check_hints(keras, onnx, item):
    hints = np.zeros((*keras.contract.at_size(item, LUMA).shape[:3], item.channels), np.float32)
    hints[0, 2, 3] = (0.1, -0.1, 1)
    found = [each(LUMA, {item.name: hints}).output for each in (keras, onnx)]
    np.testing.assert_allclose(*found, atol=1e-3)
    assert np.abs(found[0] - keras(LUMA).output).max() > 1e-4


@pytest.fixture
def model(tmp_path, monkeypatch) -> Path:
    """A small model, and an empty cache."""
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    return save_models(tmp_path)["tiny"]


def test_a_model_is_prepared_once(tmp_path, model, capsys):
    save(tmp_path / "page.png", page(40, 56))
    command = [model, tmp_path / "page.png", "--json", "-o"]
    found = {}
    for name, flags in {
        "before": [],
        "first": ["--runtime", "onnx"],
        "second": ["--runtime", "onnx"],
        "after": [],
        "keras": ["--runtime", "tensorflow"],
    }.items():
        code, out, err = run(capsys, *command, tmp_path / f"{name}.png", *flags)
        assert code == 0, err
        found[name] = json.loads(out)["runtime"]
        assert ("preparing" in err) == (name == "first")
    assert found == {
        "before": "tensorflow",
        "first": "onnx",
        "second": "onnx",
        "after": "onnx",
        "keras": "tensorflow",
    }
    assert (tmp_path / "after.png").read_bytes() == (tmp_path / "first.png").read_bytes()


def test_a_prepared_model_needs_no_tensorflow(tmp_path, model):
    """Nor Keras, from the command to the written page."""
    save(tmp_path / "page.png", page(40, 56))
    prepared.open_network(model)
    script = (
        "import sys; from zoo.colorize import main;"
        f"code = main([{str(model)!r}, {str(tmp_path / 'page.png')!r}, '-o', {str(tmp_path / 'out.png')!r}]);"
        "print(code, [each for each in ('tensorflow', 'keras', 'torch', 'jax') if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, timeout=300)
    assert done.stdout == "0 []\n", done.stderr
    assert "onnx" in done.stderr
    assert (tmp_path / "out.png").is_file()


def test_another_model_in_the_same_place_is_prepared_anew(tmp_path, model):
    first = prepared._place(model)
    tiny.two_convolutions(False).save(model)
    assert prepared._place(model) != first


def test_what_cannot_be_prepared_is_refused(model, monkeypatch):
    with pytest.raises(UsageError, match=r"on a hub; save it as a \.keras file"):
        prepared.chosen_runtime("onnx", "hf://somebody/something")
    assert prepared.chosen_runtime("auto", "hf://somebody/something") == "tensorflow"
    find = prepared.importlib.util.find_spec
    monkeypatch.setattr(prepared.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
    with pytest.raises(UsageError, match=r'--runtime onnx needs the package tf2onnx: pip install ".*\[onnx\]"'):
        prepared.chosen_runtime("onnx", model)


def test_a_preview_takes_no_runtime(tmp_path, model, capsys):
    save(tmp_path / "page.png", page(40, 56))
    flags = ["--preview", "1", "--runtime", "onnx"]
    code, _, err = run(capsys, model, tmp_path / "page.png", "-o", tmp_path / "sheet.png", *flags)
    assert code == 2
    assert "--runtime onnx and --preview do not go together" in err


def test_a_killed_preparation_leaves_nothing_that_counts(tmp_path, model, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prepared, "write", fails)
    with pytest.raises(zoo.errors.RunError, match="No space left"):
        prepared.open_network(model)
    assert prepared.chosen_runtime("auto", model) == "tensorflow"
