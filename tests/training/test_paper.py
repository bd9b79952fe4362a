"""The `paper` recipe: gradient descent on the summed squared distance, which stays finite and learns."""

import io

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from skimage.color import rgb2yuv

import zoo
from zoo.data.dataset import open_dataset
from zoo.data.drawn import procedural
from zoo.data.pipeline import crop_batches
from zoo.errors import RunError
from zoo.training.config import resolve
from zoo.training.devices import open_devices
from zoo.training.rundir import RunDirectory
from zoo.training.trainer import Trainer


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("pages")
    procedural.materialise(root, counts={"train": 8, "val": 2, "test": 1}, workers=1)
    return root / "pages"


def train_paper(pages, folder, model_options=(), **flags):
    config = resolve("residual", "paper", {"data": str(pages), "validation_crops": 2, **flags}, dict(model_options))
    dataset = open_dataset(config.data, crop=config.crop)
    run = RunDirectory(folder)
    trainer = Trainer(config, dataset, run, Console(file=io.StringIO()), open_devices(None))
    with run.lock():
        run.create(config.as_json(), {})
        trainer.train()
    return trainer, dataset, run


def test_three_steps_are_hand_written_gradient_descent(pages, tmp_path):
    trainer, dataset, _ = train_paper(
        pages, tmp_path / "run", steps=3, crop=32, precision="float32", encoder_weights="none"
    )
    model = zoo.create("residual", encoder_weights="none", train_encoder=True)  # the defaults of Meda 2016
    batches = iter(crop_batches(dataset.splits["train"], batch_size=1, crop=32, seed=0))
    for _ in range(3):
        yuv = rgb2yuv(next(batches).numpy() / 255.0).astype(np.float32)
        with tf.GradientTape() as tape:
            difference = model(yuv[..., :1], training=True) - yuv[..., 1:]
            distance = tf.reduce_sum(difference * difference)  # a batch of one
        weights = model.trainable_variables
        for weight, gradient in zip(weights, tape.gradient(distance, weights), strict=True):
            weight.assign(weight - 1e-4 * gradient)
    moved = 0
    start = zoo.create("residual", encoder_weights="none", train_encoder=True)
    for ours, theirs, first in zip(trainer.model.variables, model.variables, start.variables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=ours.path)
        moved += not np.array_equal(ours, first)
    assert moved == len(model.variables)  # moving averages included


def finite_and_falling(run, records: int) -> None:
    losses = np.array([r["loss"] for r in run.records() if "loss" in r])
    assert len(losses) == records
    third = records // 3
    assert np.isfinite(losses).all()
    assert losses[-third:].mean() < losses[:third].mean()


def test_small_steps_stay_finite_and_learn(pages, tmp_path):
    _, _, run = train_paper(pages, tmp_path / "run", steps=150, crop=32, encoder_weights="none", validate_every=150)
    finite_and_falling(run, 15)


@pytest.mark.slow
@pytest.mark.parametrize("output", ["linear", "normalized"])
def test_the_readings_that_the_card_warns_of_diverge(output, tmp_path):
    options = {"output": output}
    with pytest.raises(RunError, match=r"the loss of step \d is nan: training diverged"):
        train_paper("procedural", tmp_path / "run", options, steps=20, precision="float32")


@pytest.mark.slow
@pytest.mark.timeout(7200)  # a thousand steps at full size
def test_a_thousand_steps_of_the_recipe_as_it_is_stay_finite_and_learn(tmp_path):
    _, _, run = train_paper("procedural", tmp_path / "run", steps=1000, validate_every=1000)
    finite_and_falling(run, 100)
