"""Predictors that know the truth, or only a part of it: what a metric must say of them is known beforehand.

They need the maps of drawn pages (`zoo.data.procedural`): at objects of a class with several possible colours they
answer by their rule, elsewhere with the truth, which the grey image tells.
"""

import zlib
from collections.abc import Callable

import numpy as np

from zoo.color import split_luma
from zoo.data.procedural import CLASSES, mode_uv
from zoo.data.sources import Maps
from zoo.metrics.averaging import lab_of
from zoo.metrics.image import lab

PALETTES = {each.label: mode_uv(each) for each in CLASSES}

# Of the palette's U and V (K, 2) and of random numbers: what an object is coloured with.
Rule = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def truth(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """The true colours."""
    return lab(rgb)


def grey(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """No colour."""
    luma = split_luma(rgb / 255)[0]
    return lab_of(luma, np.zeros((*rgb.shape[:2], 2)))


def conditional_mean(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """The mean of the palette in UV: what a perfect regression on it answers with."""
    return _ruled(lambda palette, rng: palette.mean(axis=0), name, rgb, maps, seed)


def mode(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """The first of the equally likely colours, always."""
    return _ruled(lambda palette, rng: palette[0], name, rgb, maps, seed)


def sampler(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """One of the colours for each object, drawn with `seed` and the image's name."""
    return _ruled(lambda palette, rng: palette[rng.integers(len(palette))], name, rgb, maps, seed)


def faded_truth(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """0.6 times the truth's a*b*: dull everywhere, and yet not averaging."""
    return truth(name, rgb, maps) * (1, 0.6, 0.6)


def saturated_mean(name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
    """1.6 times the a*b* of the conditional mean: colourful, and averaging all the same."""
    return conditional_mean(name, rgb, maps) * (1, 1.6, 1.6)


ORACLES = {
    "truth": truth,
    "grey": grey,
    "conditional mean": conditional_mean,
    "mode": mode,
    "sampler": sampler,
    "faded truth": faded_truth,
    "saturated mean": saturated_mean,
}
"""By name: of an image's name, its uint8 RGB (H, W, 3), its maps and a seed, to CIELAB (H, W, 3)."""


def _ruled(rule: Rule, name: str, rgb: np.ndarray, maps: Maps, seed: int) -> np.ndarray:
    """The truth, but at ambiguous objects what the rule says, at the truth's luma."""
    classes, objects, _ = maps
    luma, uv = split_luma(rgb / 255)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    for identity in np.unique(objects[objects > 0]):
        inside = objects == identity
        palette = PALETTES[int(classes[inside][0])]
        if len(palette) > 1:
            uv[inside] = rule(palette, rng)
    return lab_of(luma, uv)
