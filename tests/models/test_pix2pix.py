"""The U-Net of Isola 2017 at small widths: its table, its dropout, and runs that go on exactly."""

from pathlib import Path

import numpy as np
import pytest
from children import Moment, run_child
from images import make_images

import zoo
from zoo.training.checkpoints import Checkpoints, read_checkpoint

LUMA = np.random.default_rng(0).random((2, 40, 24, 1), dtype=np.float32)


def test_it_is_the_paper_s_table():
    model = zoo.create("pix2pix", width=0.03125, depth=8)
    filters = {layer.name: layer.filters for layer in model.layers if hasattr(layer, "filters")}
    down = [filters[f"down{level}"] for level in range(1, 9)]
    up = [filters[f"up{level}"] for level in range(7, 0, -1)]
    assert [each // 2 for each in down] == [1, 2, 4, 8, 8, 8, 8, 8]
    assert [each // 2 for each in up] == [8, 8, 8, 8, 4, 2, 1]
    assert filters["head_uv"] == 2
    names = {layer.name for layer in model.layers}
    assert {name for name in names if name.endswith("_dropout")} == {f"up{level}_dropout" for level in (7, 6, 5)}
    assert {f"{name}_bn" for name in filters} - names == {"down1_bn", "down8_bn", "head_uv_bn"}
    assert all(layer.kernel_size == (4, 4) for layer in model.layers if hasattr(layer, "filters"))
    assert tuple(model(LUMA).shape) == (2, 40, 24, 2)


def test_dropout_is_drawn_anew_and_by_the_seed():
    model, twin, other = (zoo.create("pix2pix", width=0.0625, depth=5, seed=seed) for seed in (0, 0, 1))
    first, second = (np.asarray(model(LUMA, training=True)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(np.asarray(twin(LUMA, training=True)), first)
    other.set_weights(zoo.create("pix2pix", width=0.0625, depth=5).get_weights())
    assert (np.asarray(other(LUMA, training=True)) != first).any()
    np.testing.assert_array_equal(np.asarray(model(LUMA)), np.asarray(model(LUMA)))
    still = zoo.create("pix2pix", width=0.0625, depth=5, dropout=0)
    np.testing.assert_array_equal(np.asarray(still(LUMA, training=True)), np.asarray(still(LUMA, training=True)))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=5, val=2)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits_and_colours_a_page(data, tmp_path):
    small = [
        "--option",
        "width=0.0625",
        "--option",
        "depth=5",
        "--crop",
        32,
        "--batch-size",
        2,
        "--validation-crops",
        2,
    ]
    command = ["pix2pix", "--data", data, *small, "--recipe", "pix2pix", "--deterministic", "--steps", 4]
    command += ["--validate-every", 4, "--checkpoint-every", 2]
    code, log = run_child([*command, "--run-dir", tmp_path / "whole"])
    assert code == 0, log
    assert "l1 + 0.00526 adversarial, adam at 0.0002" in log
    code, log = run_child([*command, "--run-dir", tmp_path / "run"], Moment("record", 1))
    assert code == -9, log
    code, log = run_child([*command, "--run-dir", tmp_path / "run"])
    assert code == 0, log
    assert "going on from step 2" in log
    one, other = (
        [array.tobytes() for array in read_checkpoint(Checkpoints(tmp_path / name / "checkpoints").path(4))[1]]
        for name in ("run", "whole")
    )
    assert one == other
    from zoo.pages.colorizer import Colorizer

    page = np.random.default_rng(1).integers(0, 256, (45, 31), dtype=np.uint8)
    assert Colorizer(zoo.load(tmp_path / "run"))(page).shape == (45, 31, 3)
