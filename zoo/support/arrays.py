"""Arrays that a user gives."""

from typing import Any

import numpy as np

from zoo.errors import UsageError

SLACK = 1e-3  # what the arithmetic of floats, half precision too, makes of 0 and 1; a quarter of an 8-bit level


def check_unit(values: np.ndarray, what: str) -> None:
    """Refuses floats that are not in [0, 1].

    Args:
        values: floats of any shape, not empty.
        what: they are called in the message.

    Raises:
        UsageError: NaN, or a value beyond [0, 1] by more than rounding errors.
    """
    low, high = values.min(), values.max()
    if np.isnan(low):  # of a minimum NaN makes NaN
        raise UsageError(f"{what} holds NaN at {int(np.isnan(values).sum()):,} of {values.size:,} values; replace them")
    if low < -SLACK or high > 1 + SLACK:
        raise UsageError(
            f"{what} holds floats from {low:.6g} to {high:.6g}; give floats in [0, 1], or uint8: divide 0…255 by"
            " 255 and clip what is beyond"
        )


def kind_of(array: Any) -> str:
    """ "float64 of shape (2, 3)": what an array is, for a message."""
    return f"{array.dtype} of shape {array.shape}"
