"""The averaging, seen: what a model finds possible in a region, as points of the plane of U and V."""

from typing import Any

import numpy as np

from zoo.chroma.bins import CENTERS
from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.pages.hint import hex_of
from zoo.studio.desk import Desk, Layer, Place

MOST_POINTS = 400
LEAST_SHARE = 0.002
"""Of the most probable point: a point of less is not shown."""

LEAST_MODE = 0.02
"""Probability of a colour that is shown by a number."""

POSSIBLE = 5
"""How many of the most probable colours of a region are offered."""


def hex_at(tone: float, uv: Any) -> str:
    """U and V as #rrggbb at a luma, as far as they fit there."""
    return hex_of(to_uint8(compose(np.array([tone]), np.asarray(uv, float))[0]))


def possible(place: Place, count: int = POSSIBLE) -> list[dict[str, Any]]:
    """The most probable colours of a region, so many at most, the first the most."""
    found = place.frame.prediction.possible(place.frame.image, place.inside, count, least=0.0)
    return [
        {"color": hex_at(place.tone, uv), "share": round(float(share), 4), "uv": _rounded(uv)} for uv, share in found
    ]


def plane(desk: Desk, index: int, x: int, y: int, own: Layer, layers: list[Layer]) -> dict[str, Any]:
    """What layers find possible in the region of a place, and what they chose.

    Args:
        desk: of the pages.
        index: of the page.
        x: pixels from its left.
        y: pixels from its top.
        own: the layer by whose sight the region is found.
        layers: models and decoders.

    Returns:
        The region's luma as `tone`; U and V of the page's own colours as `truth`, or None; and of each layer its
        `points` (U, V and probability), the `mean` of them, the `modes`, the `bits` of the distribution, and what was
        `chosen`, the mean of the region's colours on the page.
    """
    place = desk.place(own.model, index, x, y)
    found = []
    for layer in layers:
        looked = desk.looked(layer.model, index)
        with looked.lock:
            there = place if layer.model == own.model else _same_region(desk, layer.model, index, x, y, place)
            prediction, image = there.frame.prediction, there.frame.image
            joint = prediction.joint(image, there.inside)
            about = _of_answers(there) if joint is None else _of_bins(joint)
            modes = [] if joint is None else [each for each in possible(there) if each["share"] >= LEAST_MODE]
        chosen = _mean_inside(desk.chroma(layer, index), desk, index, place)
        found.append(
            {
                "layer": layer.text,
                "regression": joint is None,
                **about,
                "modes": [each | {"color": hex_at(place.tone, each["uv"])} for each in modes],
                "chosen": chosen,
                "mean_color": hex_at(place.tone, about["mean"]),
                "chosen_color": hex_at(place.tone, chosen),
            }
        )
    truth = desk.shelf.open(index).truth
    of_truth = None
    if truth is not None:
        of_truth = _mean_inside(split_luma(truth / np.float32(255))[1], desk, index, place)
    return {
        "tone": round(place.tone, 4),
        "truth": of_truth,
        "truth_color": None if of_truth is None else hex_at(place.tone, of_truth),
        "layers": found,
    }


def _of_bins(joint: np.ndarray) -> dict[str, Any]:
    u, v = np.meshgrid(*CENTERS, indexing="ij")
    order = np.argsort(-joint, axis=None)[:MOST_POINTS]
    order = order[joint.flat[order] >= LEAST_SHARE * joint.max()]
    points = [[round(float(each), 4) for each in (u.flat[at], v.flat[at], joint.flat[at])] for at in order]
    mean = _rounded([(joint * u).sum(), (joint * v).sum()])
    bits = float(-(joint * np.log2(np.maximum(joint, 1e-12))).sum())
    return {"points": points, "mean": mean, "bits": round(bits, 2)}


def _of_answers(place: Place) -> dict[str, Any]:
    """Of a regression: an answer a cell, each as probable as the next, and their mean."""
    _, answers = place.frame.prediction.answers(place.frame.image, place.inside)
    some = answers[np.unique(np.linspace(0, len(answers) - 1, MOST_POINTS // 4).astype(int))]
    points = [[*_rounded(uv), round(1 / len(some), 4)] for uv in some]
    return {"points": points, "mean": _rounded(answers.mean(axis=0)), "bits": 0.0}


def _same_region(desk: Desk, model: str, index: int, x: int, y: int, place: Place) -> Place:
    """The same part of the page in what another model saw of it; the region of the place there if nothing is left."""
    there = desk.place(model, index, x, y)
    rows, columns = _cells(there.frame.panel, there.frame.luma.shape)
    inside = _inside(place, rows[:, None], columns)
    if not inside.any():
        return there
    sight = type(there.sight).of_regions(
        there.frame.luma, inside.astype(int), there.frame.prediction.kinds(there.frame.image)
    )
    return Place(there.frame, sight, int(inside.max()))


def _cells(panel: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where the rows and columns of a picture of a panel lie on the page, in pixels."""
    rows = panel.top + (np.arange(shape[0]) + 0.5) * panel.height / shape[0]
    columns = panel.left + (np.arange(shape[1]) + 0.5) * panel.width / shape[1]
    return rows, columns


def _inside(place: Place, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Whether places of the page are in a region."""
    panel, (height, width) = place.frame.panel, place.frame.luma.shape
    row = np.floor((rows - panel.top) * height / panel.height).astype(int)
    column = np.floor((columns - panel.left) * width / panel.width).astype(int)
    there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return there & place.inside[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]


def _mean_inside(uv: np.ndarray, desk: Desk, index: int, place: Place) -> list[float]:
    """The mean of U and V (h, w, 2) of a page inside of a region."""
    height, width = desk.shelf.open(index).paper.size
    rows = (np.arange(len(uv)) + 0.5) * height / len(uv)
    columns = (np.arange(uv.shape[1]) + 0.5) * width / uv.shape[1]
    inside = _inside(place, rows[:, None], columns)
    return _rounded(uv[inside].mean(axis=0) if inside.any() else uv.mean(axis=(0, 1)))


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]
