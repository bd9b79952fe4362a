"""The 313 bins of a* and b* of Zhang 2016: the centres of a grid of step 10 that lie in the gamut of sRGB."""

import numpy as np

STEP = 10

# By a* from -90 up: the first and the last b*.
_RANGES = (
    *((50, 90), (20, 90), (0, 90), (-20, 90), (-30, 100), (-40, 100), (-50, 100), (-50, 100), (-60, 100), (-70, 100)),
    *((-80, 90), (-80, 90), (-90, 90), (-100, 90), (-100, 80), (-110, 80), (-110, 80), (-110, 70), (-110, 70)),
    (-90, 0),
)

AB_CENTERS = np.array(
    [(10 * row - 90, b) for row, (first, last) in enumerate(_RANGES) for b in range(first, last + 1, STEP)], np.float32
)
"""a* and b* of the centres, (313, 2), by a*, then by b*."""
