"""DDColor: its layers beside plain ones, its published weights, and the authors' network beside ours."""

import importlib
import importlib.util
import sys
import types

import keras
import numpy as np
import pytest

import zoo
from zoo import convert as command

NEEDS = pytest.mark.needs("torch", "modelscope")
SIZES = [(64, 96), (32, 32), (96, 64)]


def numpy(x) -> np.ndarray:
    return keras.ops.convert_to_numpy(x)


@pytest.fixture(scope="module")
def theirs():
    """The authors' network of the size tiny, its weights and averages random and far from their initial ones.

    Of the package there is taken what defines it, file by file: as a whole it asks for many more.
    """
    import torch

    (root,) = importlib.util.find_spec("modelscope").submodule_search_locations
    package = types.ModuleType("authors_ddcolor")
    package.__path__ = [f"{root}/models/cv/image_colorization/ddcolor"]
    timm = types.ModuleType("timm.models.layers")  # of which two functions are imported
    timm.DropPath, timm.trunc_normal_ = torch.nn.Identity, torch.nn.init.trunc_normal_
    with pytest.MonkeyPatch.context() as patch:
        for name in ("timm", "timm.models"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        patch.setitem(sys.modules, timm.__name__, timm)
        patch.setitem(sys.modules, package.__name__, package)
        network = importlib.import_module("authors_ddcolor.ddcolor").DDColor
    torch.manual_seed(0)
    found = network("convnext-t", input_size=(64, 64))
    found.train()
    with torch.no_grad():
        for _ in range(3):  # so that spectral norms are estimated
            found(torch.rand(2, 3, 64, 64))
        for name, value in found.state_dict().items():
            if name.endswith(("weight_u", "weight_v")) or name in ("mean", "std"):
                continue
            if name.endswith(("running_var", "gamma")) or (value.ndim == 1 and name.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(0, 0.2)
    return found.eval()


@NEEDS
def test_it_answers_as_the_authors_network_does(theirs, tmp_path, capsys):
    import torch

    torch.save({"params": theirs.state_dict()}, tmp_path / "pytorch_model.pt")
    arguments = ["ddcolor", tmp_path / "pytorch_model.pt", "-o", tmp_path / "model.keras"]
    assert command.main([str(each) for each in arguments]) == 0
    out = capsys.readouterr().out
    for words in ("ddcolor, 55,013,872 weights", "no digest of the published", "Apache-2.0", "Left out: encoder.arch"):
        assert words in out
    model = zoo.load(tmp_path / "model.keras")
    ours = keras.Model(model.inputs[0], model.get_layer("head_crop").output)
    for height, width in SIZES:
        luma = np.random.default_rng(height).random((1, height, width, 1), dtype=np.float32)
        with torch.no_grad():
            expected = theirs(torch.tensor(luma.repeat(3, -1).transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(numpy(ours(luma)), expected, atol=1e-4)
