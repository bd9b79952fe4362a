"""Predictors that know the truth, or only a part of it: what a metric must say of them is known beforehand.

They need the maps of drawn pages (see `zoo.data.drawn`): at objects of a class with several possible colours they
answer by their rule, elsewhere with the truth, which the grey image tells.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zoo.chroma.yuv import split_luma
from zoo.data.dataset import Maps
from zoo.data.drawn.procedural import CLASSES, mode_uv
from zoo.metrics import chroma
from zoo.metrics.averaging import PIXELS, AveragingIndices, Region, lab_of

PALETTES = {each.label: mode_uv(each) for each in CLASSES}
_LUMA = {each.label: split_luma(np.array(each.palette) / 255)[0].mean() for each in CLASSES}


@dataclass(frozen=True)
class Oracle:
    """A rule that colours the objects of a class when its palette is known.

    Attributes:
        answers: of a palette's U and V (K, 2) and the index of the true colour, the equally likely answers (n, 2).
        gain: a* and b* of the whole answer are multiplied by it.
        meaning: one line.
    """

    answers: Callable[[np.ndarray, int], np.ndarray]
    gain: float
    meaning: str

    def __call__(self, name: str, rgb: np.ndarray, maps: Maps, seed: int = 0) -> np.ndarray:
        """CIELAB (H, W, 3) for an image.

        Args:
            name: of the image; what is drawn at random depends on it.
            rgb: the truth, uint8 (H, W, 3).
            maps: of the page.
            seed: of what is drawn at random.
        """
        classes, objects, modes = maps
        luma, uv = split_luma(rgb / 255)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        for identity in np.unique(objects[objects > 0]):
            inside = objects == identity
            palette = PALETTES[int(classes[inside][0])]
            if len(palette) > 1:
                answers = self.answers(palette, int(modes[inside][0]) - 1)
                uv[inside] = answers[rng.integers(len(answers))]
        return lab_of(luma, uv) * (1, self.gain, self.gain)


def _truth(palette: np.ndarray, true: int) -> np.ndarray:
    return palette[true : true + 1]


def _mean(palette: np.ndarray, true: int) -> np.ndarray:
    return palette.mean(axis=0, keepdims=True)


ORACLES = {
    "truth": Oracle(_truth, 1, "the true colours"),
    "grey": Oracle(_truth, 0, "no colour"),
    "conditional mean": Oracle(_mean, 1, "the palette's mean in UV: what a perfect regression on it answers with"),
    "mode": Oracle(lambda palette, true: palette[:1], 1, "the first of the equally likely colours, always"),
    "sampler": Oracle(lambda palette, true: palette, 1, "one of the colours for each object, drawn"),
    "faded truth": Oracle(_truth, 0.6, "0.6 times the truth's a*b*: dull everywhere, and yet not averaging"),
    "saturated mean": Oracle(_mean, 1.6, "1.6 times the mean's a*b*: colourful, and averaging all the same"),
}


def ideal_indices(oracle: Oracle) -> dict[str, float]:
    """What an oracle scores where every class occurs as often, each colour of a class too, and nothing is noisy.

    Several of these values depend on the palettes. They come from one region for each class, true colour and answer,
    weighted by how likely it is, through the code that judges models.
    """
    found, weights = [], []
    for label, palette in PALETTES.items():
        for true, uv in enumerate(palette):
            answers = oracle.answers(palette, true)
            for number, answer in enumerate(answers):
                name = f"{label} {true} {number}"
                weights.append(1 / len(palette) / len(answers))
                found.append(_flat_region(name, label, answer, uv, oracle.gain))
    return AveragingIndices(found, PALETTES, [region.image for region in found])(np.array(weights))


def _flat_region(name: str, label: int, answer: np.ndarray, truth: np.ndarray, gain: float) -> Region:
    luma = np.full((PIXELS, 1), _LUMA[label])
    predicted = lab_of(luma, np.tile(answer, (PIXELS, 1))) * (1, gain, gain)
    true = lab_of(luma, np.tile(truth, (PIXELS, 1)))
    return Region(
        image=name,
        label=label,
        luma=luma[:, 0],
        predicted=predicted,
        truth=true,
        predicted_mean=predicted[0, 1:],
        truth_mean=true[0, 1:],
        predicted_variance=0.0,
        truth_variance=0.0,
        predicted_chroma=float(chroma(predicted[0])),
        truth_chroma=float(chroma(true[0])),
        pixels=1,
    )
