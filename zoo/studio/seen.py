"""What eyes tell apart of the colours that a page shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.pages.guide import becomes_there
from zoo.pages.hint import Hint, color_of
from zoo.pages.scan import Scan

ALIKE_COLORS = 5.0
"""Colours that are nearer, ΔE00, look the same on a page."""

FAINT = 12.0
"""ΔE00 from grey: where the pure colours are no farther, in the median, a colour hardly shows."""

PURE = tuple(map(color_of, ("red", "yellow", "lime", "cyan", "blue", "magenta")))


def apart(one: str | Sequence[int], other: str | Sequence[int]) -> float:
    """How different two colours look, ΔE00. A colour is #rrggbb, or red, green and blue, 0 to 255."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    labs = (rgb2lab(np.array(color_of(each) if isinstance(each, str) else each, float) / 255) for each in (one, other))
    return float(deltaE_ciede2000(*labs))


def told_apart(possible: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Possible colours of a region, where those that look the same are one, which has the share of all of them.

    Args:
        possible: `color` as #rrggbb and `share` of each, the most probable first.
    """
    found: list[dict[str, Any]] = []
    for each in possible:
        same = next((other for other in found if apart(other["color"], each["color"]) < ALIKE_COLORS), None)
        if same is None:
            found.append(dict(each))
        else:
            same["share"] = round(same["share"] + each["share"], 4)
    return sorted(found, key=lambda each: -each["share"])


def faint(page: Scan, x: int, y: int, headroom: float) -> str:
    """Why a colour hardly shows at a place of a page, in a sentence; empty where it does."""
    luma = float(page.luma(slice(y, y + 1))[0, x])
    there = [becomes_there(page, Hint(x, y, pure, ""), headroom) for pure in PURE]
    if np.median([apart(each, (round(255 * luma),) * 3) for each in there]) >= FAINT:
        return ""
    return f"This place is all but {'black' if luma < 0.5 else 'white'}: a colour hardly shows here."
