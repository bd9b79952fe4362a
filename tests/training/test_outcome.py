"""By which colours the best model of a run is told."""

import math
from dataclasses import replace

from samples import run_result

from zoo.results import result_text, save_result
from zoo.training.outcome import error_of, scores_of, training_result
from zoo.training.rundir import RunDirectory
from zoo.training.trackers import named_scalars


def validation(**errors: float | None) -> dict:
    return {"rows": [{"name": name.replace("__", ", "), "rmse_ab": error} for name, error in errors.items()]}


def test_a_classifier_is_told_by_its_annealed_colours_and_a_regression_by_its_own():
    assert error_of(validation(context__mean=1.0, context__annealed=3.0, context__mode=2.0)) == 3
    assert error_of(validation(residual=4.0)) == 4


def test_colours_that_are_no_numbers_are_the_worst():
    assert error_of(validation(residual=None)) == math.inf


def test_a_result_does_not_say_where_files_lie_on_this_machine():
    found = run_result(data="/home/me/pages", recipe="/home/me/own.toml", encoder_weights="/home/me/own.weights.h5")
    assert "/home/me" not in result_text(found)
    config = found.details["config"]
    assert [config[key] for key in ("data", "recipe", "encoder_weights")] == ["pages", "own.toml", "own.weights.h5"]


def test_a_validation_of_infinite_loss_does_not_end_the_records(tmp_path):
    scores, run = scores_of(run_result()), RunDirectory(tmp_path)
    for step, loss in ((50, math.inf), (100, 1.0)):
        run.log(step=step, validation=replace(scores, step=step, loss=loss).as_json())
    first, last = run.records()
    assert (first["validation"]["loss"], last["validation"]["loss"]) == (None, 1.0)
    found = run_result().details
    result = training_result(found["config"], found["environment"], replace(scores, loss=math.inf), run.records())
    assert result.details["loss"] is None
    save_result(tmp_path / "result.json", result)
    assert "validation/loss" not in named_scalars(first)
    assert named_scalars(last)["validation/loss"] == 1.0
