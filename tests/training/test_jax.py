"""Training on JAX is training on TensorFlow but for rounding, and goes on to the last bit where it was killed.

A process has one backend: what is on JAX is made in two processes of its own, by `jax_runs`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from children import differences, records, run_child
from images import make_images
from jax_runs import losses_of, on_jax

from zoo.training.checkpoints import Checkpoints, read_checkpoint

pytestmark = pytest.mark.needs("jax")

STEPS = 20
FAST = ["--crop", 16, "--batch-size", 4, "--validation-crops", 2, "--flip", "--precision", "float32"]
CHANGED = ["--zoom", 1.5, "--contrast", 0.3, "--gamma", 0.2, "--scans", 0.4, "--line-art", 0.3, "--ema", 0.5]
# A checkpoint a step records the loss of every step.
EVERY = ["--checkpoint-every", 1, "--validate-every", 20, "--schedule", "cosine", "--keep-checkpoints", 30]
REFUSED = {
    "--perceptual": ["--perceptual", 0.1],
    "--colorfulness": ["--colorfulness", 0.1],
    "--adversarial": ["--recipe", "pix2pix"],
    "--micro-batch": ["--micro-batch", 2],
    "--batch-norm local": ["--batch-norm", "local"],
    "--precision float16": ["--precision", "float16"],
    "--distribute multiworker": ["--distribute", "multiworker"],
}


class Runs:
    """What is made for this module: by name the answers of `on_jax`, each run in a folder of its name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = folder, {}
        data = make_images(folder / "images", train=5, val=2)
        begun = ["tiny", "--data", data, *FAST, "--encoder-weights", "none", "--steps", 1]
        same = ["--from", folder / "start", "--data", data, *FAST, *CHANGED, *EVERY, "--steps", STEPS]
        for name, words in (("start", begun), ("tensorflow", same)):
            self.found[name] = run_child([*words, "--run-dir", folder / name])
        self.expected = {"real": losses_of("classifier", folder / "classifier.npz")}
        losses_of("hinted", folder / "hinted.npz")
        self.on_jax(killed={"words": same, "killed": 7})
        self.on_jax(
            whole={"words": same},
            killed={"words": same},
            stopped={"words": same, "stopped": 13},
            again={"words": same, "folder": "stopped"},
            mirrored={"words": [*same, "--distribute", "mirrored"]},
            uneven={"words": [*same, "--distribute", "mirrored", "--batch-size", 5]},
            bfloat16={"words": [*same, "--precision", "bfloat16", "--deterministic"]},
            other={"words": same, "folder": "tensorflow"},
            real={"model": "classifier", "weights": folder / "classifier.npz"},
            hinted={"model": "hinted", "weights": folder / "hinted.npz"},
            hinted_again={"model": "hinted", "weights": folder / "hinted.npz"},
            hinted_by_another_seed={"model": "hinted", "weights": folder / "hinted.npz", "seed": 1 << 40},
            full={"crops": 2},
            **{flag: {"words": ["tiny", "--data", data, *words]} for flag, words in REFUSED.items()},
        )

    def on_jax(self, **orders: dict[str, Any]) -> None:
        given = []
        for name, order in orders.items():
            if "words" in order:
                words = [*order["words"], "--run-dir", self.folder / order.pop("folder", name)]
                order |= {"words": list(map(str, words))}
            given.append(order)
        self.found |= dict(zip(orders, on_jax(*given), strict=True))

    def done(self, *names: str) -> list[Path]:
        """The folders of runs that ended well."""
        for name in names:
            assert self.found[name][0] == 0, self.found[name][1]
        return [self.folder / name for name in names]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


def losses(folder: Path) -> list[float]:
    return [record["loss"] for record in records(folder) if "loss" in record]


def difference(one: Path, other: Path, step: int) -> float:
    """The largest difference of two runs' weights and optimizer states, as a share of each array's largest value."""
    found = [read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[1] for folder in (one, other)]
    pairs = zip(*found, strict=True)
    return max(float(np.abs(a - b).max() / (np.abs(b).max() + 1e-12)) for a, b in pairs)


def test_losses_and_weights_are_those_of_tensorflow(runs):
    expected, found = runs.done("tensorflow", "whole")
    assert len(losses(found)) == STEPS
    assert losses(found) == pytest.approx(losses(expected), abs=1e-4)
    assert difference(found, expected, STEPS) < 2e-3  # Adam magnifies the rounding of gradients that are near zero


def test_those_of_a_classifier_with_a_frozen_encoder_too(runs):
    found, expected = runs.found["real"], runs.expected["real"]
    assert found == pytest.approx(expected, abs=1e-4)
    assert found[0] > found[-1]


def test_hints_are_drawn_by_seed_and_step(runs):
    assert np.isfinite(runs.found["hinted"]).all()
    assert runs.found["hinted_again"] == runs.found["hinted"]
    assert runs.found["hinted_by_another_seed"] != runs.found["hinted"]


@pytest.mark.parametrize(("name", "folder", "step"), [("killed", "killed", 8), ("again", "stopped", 13)])
def test_a_run_that_was_cut_ends_where_it_would_have(runs, name, folder, step):
    (whole,) = runs.done("whole")
    code, log = runs.found[name]
    assert code == 0, log
    assert f"going on from step {step}" in log
    assert differences(runs.folder / folder, whole) == []


def test_a_signal_saves(runs):
    code, log = runs.found["stopped"]
    assert code == 143, log
    assert f"stopped at step 13 of {STEPS}, saved in" in log


def test_two_devices_compute_what_one_does(runs):
    whole, found = runs.done("whole", "mirrored")
    assert "on each of 2 devices" in runs.found["mirrored"][1]
    assert losses(found) == pytest.approx(losses(whole), abs=1e-4)
    assert difference(found, whole, STEPS) < 2e-3
    assert json.loads((found / "environment.json").read_text())[0]["replicas"] == 2
    assert runs.found["uneven"][0] == 2
    assert "--batch-size 5 cannot be shared out evenly over 2 devices" in runs.found["uneven"][1]


def test_bfloat16_is_near(runs):
    whole, found = runs.done("whole", "bfloat16")
    assert losses(found) == pytest.approx(losses(whole), rel=0.05)
    assert losses(found) != losses(whole)


def test_a_run_knows_its_backend_and_keeps_it(runs):
    (whole,) = runs.done("whole")
    assert json.loads((whole / "config.json").read_text())["backend"] == "jax"
    (environment,) = json.loads((whole / "environment.json").read_text())
    assert environment["backend"] == "jax"
    assert environment["libraries"]["jax"]
    code, log = runs.found["other"]
    assert code == 2
    assert "holds a run on tensorflow, and this is jax: set KERAS_BACKEND=tensorflow" in log


def test_a_step_that_does_not_fit_says_what_to_try(runs):
    assert runs.found["full"].startswith(
        "RunError: a step of 2 crops of 16² is out of memory: try a smaller --batch-size or --crop"
    )


@pytest.mark.parametrize("flag", REFUSED)
def test_what_is_not_there_is_refused_by_its_name(runs, flag):
    code, log = runs.found[flag]
    assert code == 2
    assert f"error: {flag}: training on JAX has no such thing; set KERAS_BACKEND=tensorflow" in log
    assert not (runs.folder / flag).exists()


def test_another_backend_is_refused(tmp_path):
    command = [sys.executable, "-m", "zoo.train", "residual", "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "torch"}, capture_output=True, text=True)
    assert done.returncode == 2
    assert "training needs TensorFlow or JAX as Keras's backend, which is torch here" in done.stderr
    assert not (tmp_path / "run").exists()
