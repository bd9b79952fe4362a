"""By which colours the best model of a run is told."""

import math

from samples import run_result

from zoo.results import result_text
from zoo.training.outcome import error_of


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
