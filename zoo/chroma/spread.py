"""How far hints spread over a picture, as a small network has learnt it from pages in their true colours.

Every region of a picture is compared with the place of every hint: by luma, texture, place, the way between them, what
the model says of both, and the colours of the hint and of the model's own answers. What counts of each comparison was
once a rule by hand; now two layers weigh it. A softmax over all hints and the model's own answer gives shares. A hint's
chroma is scaled besides, since what lies in the shade of a coloured thing has less of it.

The network knows no model: it takes differences that every one of them gives, in units of `zoo.chroma.evidence.Rule`.
`tools/spread.py` trains it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from zoo.chroma.evidence import Given, Rule, Sight

WEIGHTS = Path(__file__).parents[1] / "weights" / "spread.npz"

PAIRS = 11
"""Numbers that compare a region with a hint."""

OF_REGION = 7
"""Numbers of a region by itself."""

OF_HINT = 9
"""Numbers of a hint: those of its region, and its colour."""

STEEP = 0.3
"""The logarithm of a hint's scale is at most so much, up or down."""

SHARPNESS = 1.25
"""How much surer the choice is than the network learnt it: a mixture is never far off, and never quite a colour."""

ALONE = 5.0
"""What the model's own answer gains beside one hint, in a logarithm of shares; beside n hints it is divided by n^1.5:
who gives one colour means one thing, who gives many means the page."""

FARTHEST_KIND = 30.0
BAND = 1 << 15  # regions times hints that are weighed together


def of_regions(sight: "Sight", own: np.ndarray) -> np.ndarray:
    """Each region by itself, (R, `OF_REGION`): luma, texture, size, and the model's own colour `own` (R, 2)."""
    return np.concatenate(
        [
            np.stack([sight.tones, 10 * sight.textures, np.log(sight.sizes / sight.sizes.sum()) / 4], axis=-1),
            5 * own,
            10 * np.linalg.norm(own, axis=-1, keepdims=True),
            sight.places[:, :1],
        ],
        axis=-1,
    ).astype(np.float32)


def of_hints(sight: "Sight", own: np.ndarray, given: Sequence["Given"]) -> np.ndarray:
    """Each hint by itself, (n, `OF_HINT`)."""
    regions = _regions(given)
    return np.concatenate([of_regions(sight, own)[regions], [5 * each.uv for each in given]], axis=-1, dtype=np.float32)


def of_pairs(sight: "Sight", own: np.ndarray, given: Sequence["Given"], rule: "Rule") -> np.ndarray:
    """Each region compared with the place of each hint, (R, n, `PAIRS`)."""
    regions = _regions(given)
    kinds = sight.kinds[regions]
    apart = (sight.kinds**2).sum(-1)[:, None] + (kinds**2).sum(-1) - 2 * sight.kinds @ kinds.T
    kind = np.clip(rule.kind * apart, 0, FARTHEST_KIND)
    ways = sight.ways(regions.tolist())
    far = np.linalg.norm(sight.places[:, None] - sight.places[regions], axis=-1)
    colors = np.stack([each.uv for each in given])
    return np.stack(
        [
            kind / 5,
            np.sqrt(kind),
            10 * np.abs(sight.tones[:, None] - sight.tones[regions]),
            10 * np.abs(sight.textures[:, None] - sight.textures[regions]),
            2 * ways,
            2 * np.sqrt(ways),
            3 * far,
            np.sqrt(far),
            10 * np.linalg.norm(own[:, None] - own[regions], axis=-1),
            10 * np.linalg.norm(own[:, None] - colors, axis=-1),
            np.broadcast_to(10 * np.linalg.norm(own[regions] - colors, axis=-1), far.shape),
        ],
        axis=-1,
        dtype=np.float32,
    )


def _regions(given: Sequence["Given"]) -> np.ndarray:
    return np.array([each.region for each in given], int)


def weigh(
    weights: Mapping[str, np.ndarray], pairs: np.ndarray, regions: np.ndarray, hints: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network makes of them.

    Args:
        weights: its arrays by name.
        pairs: (R, n, `PAIRS`).
        regions: (R, `OF_REGION`).
        hints: (n, `OF_HINT`).

    Returns:
        Scores of the hints, (R, n), and of the model's own answer, (R,); and scales of the hints, (R, n).
    """
    count = np.full((len(regions), 1), np.log(len(hints)), np.float32)
    of_region = np.concatenate([regions, count], axis=-1) @ weights["region"] + weights["bias"]
    of_hint = hints @ weights["hint"]
    found = []
    step = max(1, BAND // len(hints))
    for first in range(0, len(regions), step):
        rows = slice(first, first + step)
        x = np.maximum(pairs[rows] @ weights["pair"] + of_region[rows, None] + of_hint, 0)
        x = np.maximum(x @ weights["second"] + weights["second_bias"], 0)
        found.append(x @ weights["last"] + weights["last_bias"])
    last = np.concatenate(found)
    scores = last[..., 0]
    top = scores.max(axis=1, keepdims=True)
    together = top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    nearest = pairs[..., 6].min(axis=1, keepdims=True)
    x = np.concatenate([regions, count, np.maximum(top, -20) / 5, np.maximum(together, -20) / 5, nearest], axis=-1)
    x = np.maximum(x @ weights["own"] + weights["own_bias"], 0)
    return scores, (x @ weights["own_last"])[:, 0] + weights["own_last_bias"], np.exp(STEEP * np.tanh(last[..., 1]))


@cache
def learnt() -> dict[str, np.ndarray]:
    """The arrays of the network by name."""
    with np.load(WEIGHTS, allow_pickle=False) as held:
        return {name: held[name].astype(np.float32) for name in held.files}


def shares(
    sight: "Sight", own: np.ndarray, given: Sequence["Given"], rule: "Rule", of_page: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """How much of each region's colour is each hint's: the rest is the model's own answer.

    A region that a hint lies in has nothing of that.

    Args:
        sight: the picture.
        own: U and V of the model's own answer, (R, 2).
        given: hints in the picture.
        rule: the units of what the model says.
        of_page: how many hints the page has that the picture is a panel of; 0 for those that are given.

    Returns:
        The shares, (R, n), and what the chroma of each hint is multiplied by there, (R, n).
    """
    from scipy.special import softmax

    scores, alone, scales = weigh(
        learnt(), of_pairs(sight, own, given, rule), of_regions(sight, own), of_hints(sight, own, given)
    )
    every = np.concatenate([scores, alone[:, None] + ALONE / max(of_page, len(given)) ** 1.5], axis=1)
    found = softmax(SHARPNESS * every, axis=1)[:, :-1]
    regions = _regions(given)
    for region in np.unique(regions):
        here = regions == region
        found[region] = here / here.sum()
        scales[region] = 1
    return found, scales
