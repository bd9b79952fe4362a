"""JAX and PyTorch predict what TensorFlow predicts, with the released weights; each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.models.releases import list_releases

MODELS = [f"{card.model}:{card.name}" for card in list_releases()]
DECODERS = ("mean", "annealed+coherent")

CODE = f"""
import sys
import numpy as np
import zoo
from zoo.models.prediction import Predictor

luma = np.load(sys.argv[1])
found = {{}}
for name in {MODELS!r}:
    predictor = Predictor(zoo.load(name))
    prediction = predictor(luma)
    found[name] = prediction.output
    for decoder in {DECODERS!r} if predictor.contract.classifies else ():
        found[f"{{name}}, {{decoder}}"] = prediction.decode(decoder)
assert sys.argv[3] == "tensorflow" or "tensorflow" not in sys.modules, "TensorFlow was imported"
np.savez(sys.argv[2], **found)
"""


def predicted(backend: str, folder: Path, **variables: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    np.save(folder / "luma.npy", np.kron(rng.random((1, 3, 4, 1)), np.ones((1, 8, 8, 1))).astype(np.float32))
    target = folder / f"{backend}{len(variables)}.npz"
    command = [sys.executable, "-c", CODE, str(folder / "luma.npy"), str(target), backend]
    environment = os.environ | {"KERAS_BACKEND": backend} | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    with np.load(target) as held:
        return dict(held)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return predicted("tensorflow", tmp_path_factory.mktemp("tensorflow"))


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, answer in expected.items():
        # Logits are some tens; U and V at most 0.6.
        np.testing.assert_allclose(found[name], answer, atol=1e-4, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("backend", [pytest.param(each, marks=pytest.mark.needs(each)) for each in ("jax", "torch")])
def test_another_backend_predicts_the_same(backend, expected, tmp_path):
    same(predicted(backend, tmp_path), expected)


@pytest.mark.slow
def test_the_plain_layers_predict_what_their_twins_do(expected, tmp_path):
    same(predicted("tensorflow", tmp_path, COLORIZATION_ZOO_PLAIN="1"), expected)
