"""The averaging indices: how far an answer is from the possible colours and towards their mean.

They need to know what was possible: objects of classes with a palette of equal luma, of which the grey image does not
tell which was drawn, beside controls of one colour. Everything is in CIELAB; the modes and the mean of a palette are
taken at each pixel's own luma, and the mean is that of UV, which a perfect regression on UV would answer with.

Predictions are compared as predicted, before the gamut map: what leaves RGB was meant to.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.chroma.yuv import split_luma, yuv_to_rgb
from zoo.metrics.cielab import chroma, lab
from zoo.metrics.metric import Metric

PIXELS = 64  # a pixel sample of each object, for what is judged a pixel
ENERGY_PIXELS = 16  # of those, for distances between all pairs
FEWEST_PIXELS = 32  # smaller objects are left out, after erosion
LARGEST_RADIUS = 10.0  # ΔE00 within which a colour counts as a mode or as the mean
GREY = 0.01  # an answer with a smaller share of the controls' chroma is grey

INDICES = {
    "a_star": Metric("1", None, 1, "averaging A*: 1 at the mean of the possible colours, 0 at one of them", 0.0),
    "a_star_noisy_mean": Metric(
        "1", None, 1, "A* of the mean of the possible colours with the answer's own noise within objects"
    ),
    "bvr": Metric(
        "1", None, 1, "variance between the objects of a class over the truth's: 1 is the truth's diversity", 1.0
    ),
    "ned": Metric("1", False, 1, "energy distance to the true colours over that of the conditional mean"),
    "did": Metric(
        "1", None, 1, "excess fading: 1 less the chroma ratio of ambiguous objects over that of controls", 0.0
    ),
    "mode_rate": Metric("1", True, 1, "share of pixels at a possible colour"),
    "mean_rate": Metric("1", False, 1, "share of pixels at the mean of the possible colours"),
    "false_rate": Metric("1", False, 1, "share of pixels at neither"),
    "speckle": Metric("1", False, 1, "variance within objects beyond the truth's, over the variance between them"),
    "mse_over_var": Metric("1", None, 1, "squared error of a*b* over the variance between objects: 2 of a sampler"),
}
"""The averaging indices by name, in the order of the tables."""


@dataclass(frozen=True)
class Region:
    """What one object was coloured.

    Attributes:
        image: the name of the image it is in.
        label: of its class.
        luma: Y of the sampled pixels, (PIXELS,).
        predicted: Lab of the sampled pixels, (PIXELS, 3).
        truth: likewise.
        predicted_mean: a*b* over all pixels of the object, (2,).
        truth_mean: likewise.
        predicted_variance: E‖p − p̄‖² over all of them.
        truth_variance: likewise.
        predicted_chroma: mean C* over all of them.
        truth_chroma: likewise.
        pixels: how many there are.
    """

    image: str
    label: int
    luma: np.ndarray
    predicted: np.ndarray
    truth: np.ndarray
    predicted_mean: np.ndarray
    truth_mean: np.ndarray
    predicted_variance: float
    truth_variance: float
    predicted_chroma: float
    truth_chroma: float
    pixels: int


def regions(
    image: str, predicted: np.ndarray, rgb: np.ndarray, classes: np.ndarray, objects: np.ndarray, *, seed: int = 0
) -> list[Region]:
    """The objects of an image, each eroded by a pixel; those that are then too small are left out.

    Args:
        image: its name.
        predicted: the answer in CIELAB, (H, W, 3); see `lab_of`.
        rgb: the truth, uint8 (H, W, 3).
        classes: labels (H, W); 0 for none.
        objects: ids (H, W); 0 for none.
        seed: of the pixels that are sampled.
    """
    from scipy.ndimage import binary_erosion, find_objects

    luma = split_luma(rgb / 255)[0]
    rng = np.random.default_rng(seed)
    found = []
    for identity, box in enumerate(find_objects(objects), start=1):
        if box is None:
            continue
        inside = binary_erosion(objects[box] == identity)
        count = int(inside.sum())
        if count < FEWEST_PIXELS:
            continue
        answer, truth = predicted[box][inside], lab(rgb[box][inside])
        chosen = rng.choice(count, PIXELS, replace=count < PIXELS)
        found.append(
            Region(
                image=image,
                label=int(classes[box][inside][0]),
                luma=luma[box][inside][chosen, 0],
                predicted=answer[chosen],
                truth=truth[chosen],
                predicted_mean=answer[:, 1:].mean(axis=0),
                truth_mean=truth[:, 1:].mean(axis=0),
                predicted_variance=float(answer[:, 1:].var(axis=0).sum()),
                truth_variance=float(truth[:, 1:].var(axis=0).sum()),
                predicted_chroma=float(chroma(answer).mean()),
                truth_chroma=float(chroma(truth).mean()),
                pixels=count,
            )
        )
    return found


def lab_of(luma: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """CIELAB (…, 3) of luma (…, 1) with U and V (…, 2), inside RGB or not."""
    return lab(yuv_to_rgb(np.concatenate([np.broadcast_to(luma, (*uv.shape[:-1], 1)), uv], axis=-1)))


class _Class:
    """The regions of an ambiguous class, as arrays, and what does not depend on how they are weighted."""

    def __init__(self, members: Sequence[Region], palette: np.ndarray) -> None:
        from scipy.spatial.distance import cdist
        from skimage.color import deltaE_ciede2000

        luma = np.stack([region.luma for region in members])[..., None]  # (n, k, 1)
        predicted = np.stack([region.predicted for region in members])
        truth = np.stack([region.truth for region in members])
        modes = np.stack([lab_of(luma, np.broadcast_to(uv, (*luma.shape[:2], 2))) for uv in palette], axis=2)
        mean = lab_of(luma, np.broadcast_to(palette.mean(axis=0), (*luma.shape[:2], 2)))
        self.predicted, self.mean, self.modes = predicted[..., 1:], mean[..., 1:], modes[..., 1:]
        self.predicted_mean = np.stack([region.predicted_mean for region in members])
        self.truth_mean = np.stack([region.truth_mean for region in members])
        self.excess = np.array([region.predicted_variance - region.truth_variance for region in members])
        self.squared_error = np.square(predicted - truth)[..., 1:].sum(axis=-1).mean(axis=1)

        radius = np.minimum(LARGEST_RADIUS, deltaE_ciede2000(mean[:, :, None], modes).min(axis=2) / 2)
        at_mode = deltaE_ciede2000(predicted[:, :, None], modes).min(axis=2) <= radius
        at_mean = ~at_mode & (deltaE_ciede2000(predicted, mean) <= radius)
        self.mode_rate, self.mean_rate = at_mode.mean(axis=1), at_mean.mean(axis=1)

        def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            """Mean distance between the sampled pixels of each two regions, (n, n)."""
            flat = (points[:, :ENERGY_PIXELS].reshape(-1, 2) for points in (a, b))
            n = len(members)
            return cdist(*flat).reshape(n, ENERGY_PIXELS, n, ENERGY_PIXELS).mean(axis=(1, 3))

        p, t, m = self.predicted, truth[..., 1:], self.mean
        within = distances(t, t)
        self.energy = 2 * distances(p, t) - distances(p, p) - within
        self.energy_of_mean = 2 * distances(m, t) - distances(m, m) - within

    def noisy_mean(self, gain: float) -> np.ndarray:
        """The mean of the possible colours with the answer's own noise within each object."""
        return self.mean + (self.predicted - self.predicted.mean(axis=1, keepdims=True)) / gain

    def along(self, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """⟨p − μ, v⟩ and ‖v‖² a region, v from the mean to the mode nearest to p."""
        nearest = np.linalg.norm(predicted[:, :, None] - self.modes, axis=-1).argmin(axis=2)
        v = np.take_along_axis(self.modes, nearest[..., None, None], axis=2)[:, :, 0] - self.mean
        return ((predicted - self.mean) * v).sum(axis=-1).mean(axis=1), np.square(v).sum(axis=-1).mean(axis=1)


class AveragingIndices:
    """The indices of a set of regions, for any weights of the images they are from.

    Args:
        found: the regions of all images.
        palettes: U and V of each mode, (K, 2), by class label; a control has K = 1. Modes are equally likely.
        images: the names of all images, in the order of the weights.
    """

    def __init__(self, found: Sequence[Region], palettes: dict[int, np.ndarray], images: Sequence[str]) -> None:
        place = {name: index for index, name in enumerate(images)}
        self._controls = [region for region in found if len(palettes[region.label]) == 1]
        labels = sorted({region.label for region in found if len(palettes[region.label]) > 1})
        members = [[region for region in found if region.label == label] for label in labels]
        self._classes = [_Class(each, palettes[label]) for label, each in zip(labels, members, strict=True)]
        self._image_of = [np.array([place[region.image] for region in each]) for each in members]
        self._ambiguous = [region for each in members for region in each]
        self._images = {
            "controls": np.array([place[region.image] for region in self._controls], dtype=int),
            "ambiguous": np.array([place[region.image] for region in self._ambiguous], dtype=int),
        }
        self._count = len(images)

    def __call__(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Every index by name; NaN where it is not defined, as A* of a grey answer is.

        Args:
            weights: of the images, (n,); None for one each.
        """
        weights = np.ones(self._count) if weights is None else weights
        gain = self._chroma_ratio("controls", self._controls, weights)
        sums: defaultdict[str, float] = defaultdict(float)
        squared_error, total = 0.0, 0.0
        for each, images in zip(self._classes, self._image_of, strict=True):
            w = weights[images]
            if not w.sum():
                continue
            share = w / w.sum()
            if gain > GREY:
                for kind, answer in (("", each.predicted / gain), ("_noisy", each.noisy_mean(gain))):
                    along, squared = each.along(answer)
                    sums[f"along{kind}"] += w @ along
                    sums[f"squared{kind}"] += w @ squared
            for key, means in (("between", each.predicted_mean), ("between_truth", each.truth_mean)):
                sums[key] += w @ np.square(means - share @ means).sum(axis=1)
            sums["energy"] += share @ each.energy @ share
            sums["energy_of_mean"] += share @ each.energy_of_mean @ share
            sums["modes"] += w @ each.mode_rate
            sums["means"] += w @ each.mean_rate
            sums["excess"] += w @ each.excess
            squared_error += float(w @ each.squared_error)
            total += float(w.sum())

        def over(value: float, base: float) -> float:
            return float(value / base) if base > 0 else float("nan")

        mode_rate, mean_rate = over(sums["modes"], total), over(sums["means"], total)
        ambiguous = self._chroma_ratio("ambiguous", self._ambiguous, weights)
        return {
            "a_star": 1 - over(sums["along"], sums["squared"]),
            # The nearest mode is taken a pixel, so noise alone brings a mean's A* below 1: this is what it would be.
            "a_star_noisy_mean": 1 - over(sums["along_noisy"], sums["squared_noisy"]),
            "bvr": over(sums["between"], sums["between_truth"]),
            "ned": over(sums["energy"], sums["energy_of_mean"]),
            "did": 1 - over(ambiguous, gain) if gain > GREY else float("nan"),
            "mode_rate": mode_rate,
            "mean_rate": mean_rate,
            "false_rate": 1 - mode_rate - mean_rate,
            "speckle": over(sums["excess"], sums["between_truth"]),
            "mse_over_var": over(squared_error, sums["between_truth"]),
        }

    def _chroma_ratio(self, kind: str, found: Sequence[Region], weights: np.ndarray) -> float:
        """ΣC* over ΣC* of the truth, over all pixels of the regions."""
        if not found:
            return float("nan")
        w = weights[self._images[kind]] * [region.pixels for region in found]
        truth = w @ np.array([region.truth_chroma for region in found])
        return float(w @ np.array([region.predicted_chroma for region in found]) / truth) if truth > 0 else float("nan")
