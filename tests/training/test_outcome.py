"""By which colours the best model of a run is told."""

import math

from zoo.training.outcome import error_of


def validation(**errors: float | None) -> dict:
    return {"rows": [{"name": name.replace("__", ", "), "rmse_ab": error} for name, error in errors.items()]}


def test_a_classifier_is_told_by_its_annealed_colours_and_a_regression_by_its_own():
    assert error_of(validation(context__mean=1.0, context__annealed=3.0, context__mode=2.0)) == 3
    assert error_of(validation(residual=4.0)) == 4


def test_colours_that_are_no_numbers_are_the_worst():
    assert error_of(validation(residual=None)) == math.inf
