"""Metrics of a coloured image against its truth.

Each metric is a few sums a pixel or an image, and a formula over them: a data set's value is the formula over the sums
of all its images, so that nothing but those sums is kept, and a bootstrap only weighs them anew. Images are what a user
sees, uint8 RGB. Accuracy metrics reward averaging, and colourfulness can be faked by a gain: show both kinds together.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

AB_CELL, AB_CELLS = 10, 26  # a*b* cells of the balanced area under the curve: −130 … 130 in steps of 10
LARGEST_THRESHOLD = 150
ENERGY_PIXELS = 256
POOLED_PIXELS, MOST_POOLED = 32, 1000  # of an image, and images: distances between all pairs of pixels are taken


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (…, 3), uint8 or float in [0, 1], to CIELAB (…, 3), D65, 2° observer: scikit-image's `rgb2lab`."""
    from skimage.color import rgb2lab

    return rgb2lab(rgb)


def chroma(image: np.ndarray) -> np.ndarray:
    """C* = √(a*² + b*²): Lab (…, 3) to (…)."""
    return np.hypot(image[..., 1], image[..., 2])


def squared_error_ab(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared error a pixel, mean of a* and b*: two Lab images (…, 3) to (…)."""
    return np.mean(np.square(predicted[..., 1:] - truth[..., 1:]), axis=-1)


def colorfulness(rgb: np.ndarray, *, absolute: bool = False) -> float:
    """Hasler and Süsstrunk's M3 (Measuring colourfulness in natural images, 2003, equation 3) of uint8 RGB (H, W, 3).

    With rg = R − G and yb = (R + G)/2 − B: √(σ²rg + σ²yb) + 0.3 √(μ²rg + μ²yb). With `absolute`, of |rg| and |yb|, as
    the code of DDColor and CT2 has it: another quantity, comparable to those papers' numbers only.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    if absolute:
        rg, yb = np.abs(rg), np.abs(yb)
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ of the empirical distributions of two sets of points (n, d) and (m, d).

    Székely and Rizzo, Energy statistics, 2013; not rooted. Zero when the sets are the same, never below.
    """
    from scipy.spatial.distance import cdist

    return float(2 * cdist(a, b).mean() - cdist(a, a).mean() - cdist(b, b).mean())


@dataclass(frozen=True)
class Pair:
    """A coloured image and its truth, both uint8 RGB (H, W, 3); `name` seeds what is drawn at random."""

    name: str
    predicted: np.ndarray
    truth: np.ndarray

    @cached_property
    def predicted_lab(self) -> np.ndarray:
        """CIELAB of the prediction."""
        return lab(self.predicted)

    @cached_property
    def truth_lab(self) -> np.ndarray:
        """CIELAB of the truth."""
        return lab(self.truth)

    @cached_property
    def area_scores(self) -> np.ndarray:
        """Share of the thresholds t = 0, 1, … 150 with ‖Δab‖ ≤ t, a pixel (H, W)."""
        distance = np.linalg.norm(self.predicted_lab[..., 1:] - self.truth_lab[..., 1:], axis=-1)
        return np.clip(LARGEST_THRESHOLD + 1 - np.ceil(distance), 0, None) / (LARGEST_THRESHOLD + 1)


Sums = np.ndarray


@dataclass(frozen=True)
class ImageMetric:
    """A metric over images.

    Attributes:
        unit: of the value.
        better: `higher`, `lower`, or `truth`: nearest to the truth's own value.
        version: counted up when the definition changes; values of two versions are not comparable.
        meaning: formula and source in a line.
        sums: of a pair, a vector (k,).
        value: of summed vectors (…, k), the metric (…); NaN where it is not defined.
    """

    unit: str
    better: str
    version: int
    meaning: str
    sums: Callable[[Pair], Sums]
    value: Callable[[Sums], np.ndarray]


def _ratio(sums: Sums) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def _rmse(sums: Sums) -> np.ndarray:
    return np.sqrt(_ratio(sums))


def _psnr(sums: Sums) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 20 * np.log10(255 / _rmse(sums))


def _of_image(value: Callable[[Pair], float]) -> Callable[[Pair], Sums]:
    """Sums for the mean over images of a value an image."""
    return lambda pair: np.array([value(pair), 1.0])


def _over_pixels(values: Callable[[Pair], np.ndarray]) -> Callable[[Pair], Sums]:
    """Sums for the mean over the pixels of all images."""

    def sums(pair: Pair) -> Sums:
        found = values(pair)
        return np.array([found.sum(), found.size])

    return sums


def _delta_e00(pair: Pair) -> np.ndarray:
    from skimage.color import deltaE_ciede2000

    return deltaE_ciede2000(pair.truth_lab, pair.predicted_lab)


def _balanced_sums(pair: Pair) -> Sums:
    cell = np.floor((pair.truth_lab[..., 1:] + AB_CELL * AB_CELLS / 2) / AB_CELL).astype(int)
    cell = np.clip(cell, 0, AB_CELLS - 1)
    index = (cell[..., 0] * AB_CELLS + cell[..., 1]).ravel()
    scores = np.bincount(index, pair.area_scores.ravel(), minlength=AB_CELLS**2)
    return np.concatenate([scores, np.bincount(index, minlength=AB_CELLS**2)])


def _balanced(sums: Sums) -> np.ndarray:
    scores, counts = np.split(sums, 2, axis=-1)
    cells = scores / np.maximum(counts, 1)
    return cells.sum(axis=-1) / np.maximum((counts > 0).sum(axis=-1), 1)


def _energy(pair: Pair) -> float:
    return energy_distance(*_sampled(pair, min(ENERGY_PIXELS, pair.truth[..., 0].size), replace=False))


def _sampled(pair: Pair, count: int, *, replace: bool) -> Iterator[np.ndarray]:
    """Predicted, then true a*b* (count, 2) of the same pixels, drawn with the image's name."""
    rng = np.random.default_rng(zlib.crc32(pair.name.encode()))
    chosen = rng.choice(pair.truth[..., 0].size, count, replace=replace)
    return (image[..., 1:].reshape(-1, 2)[chosen] for image in (pair.predicted_lab, pair.truth_lab))


IMAGE_METRICS = {
    "cf": ImageMetric(
        "1",
        "truth",
        1,
        "colourfulness M3 (Hasler and Süsstrunk, 2003) on 0–255, signed; mean over images",
        _of_image(lambda pair: colorfulness(pair.predicted)),
        _ratio,
    ),
    "cf_abs": ImageMetric(
        "1",
        "truth",
        1,
        "colourfulness of |R−G| and |yb|, as in the code of DDColor and CT2; mean over images",
        _of_image(lambda pair: colorfulness(pair.predicted, absolute=True)),
        _ratio,
    ),
    "delta_cf_set": ImageMetric(
        "1",
        "lower",
        1,
        "|mean colourfulness − mean colourfulness of the truth|",
        _of_image(lambda pair: colorfulness(pair.predicted) - colorfulness(pair.truth)),
        lambda sums: np.abs(_ratio(sums)),
    ),
    "delta_cf_image": ImageMetric(
        "1",
        "lower",
        1,
        "mean over images of |colourfulness − colourfulness of the truth|",
        _of_image(lambda pair: abs(colorfulness(pair.predicted) - colorfulness(pair.truth))),
        _ratio,
    ),
    "chroma_ratio": ImageMetric(
        "1",
        "truth",
        1,
        "ΣC* over ΣC* of the truth; 1 is the truth's, undefined when the truth is grey",
        lambda pair: np.array([chroma(pair.predicted_lab).sum(), chroma(pair.truth_lab).sum()]),
        _ratio,
    ),
    "delta_e00": ImageMetric(
        "ΔE00", "lower", 1, "mean CIEDE2000 over pixels (scikit-image)", _over_pixels(_delta_e00), _ratio
    ),
    "rmse_ab": ImageMetric(
        "a*b*",
        "lower",
        1,
        "root of the mean squared error over pixels and a*, b*",
        _over_pixels(lambda pair: squared_error_ab(pair.predicted_lab, pair.truth_lab)),
        _rmse,
    ),
    "psnr_ab": ImageMetric(
        "dB",
        "higher",
        1,
        "20 log10(255 / rmse_ab): on a* and b* alone, since RGB flatters with the copied luma",
        _over_pixels(lambda pair: squared_error_ab(pair.predicted_lab, pair.truth_lab)),
        _psnr,
    ),
    "auc": ImageMetric(
        "1",
        "higher",
        1,
        "share of pixels with ‖Δab‖ ≤ t, mean over t = 0 … 150 (Zhang et al., 2016)",
        _over_pixels(lambda pair: pair.area_scores),
        _ratio,
    ),
    "auc_balanced": ImageMetric(
        "1",
        "higher",
        1,
        "the same weighted by 1/p of the true colour's cell of 10 × 10 a*b*: the mean over cells that occur",
        _balanced_sums,
        _balanced,
    ),
    "ab_energy": ImageMetric(
        "a*b*",
        "lower",
        1,
        f"energy distance of predicted and true a*b* on {ENERGY_PIXELS} pixels of an image; mean over images",
        _of_image(_energy),
        _ratio,
    ),
}


class PooledEnergy:
    """The energy distance of predicted and true a*b* over the pixels of all images together.

    Per image, `ab_energy` asks for the right amount of each colour in every image; pooled, a colour that is too rare
    in one may make up for another. It is no sum over images: `POOLED_PIXELS` of each are kept, of the first
    `MOST_POOLED` images.
    """

    def __init__(self) -> None:
        self._points: list[list[np.ndarray]] = []

    def add(self, pair: Pair) -> None:
        """Keeps pixels of an image."""
        if len(self._points) < MOST_POOLED:
            self._points.append(list(_sampled(pair, POOLED_PIXELS, replace=True)))

    def statistic(self) -> Callable[[np.ndarray], np.ndarray]:
        """The distance (…) as a function of weights of the images (…, n)."""
        from scipy.spatial.distance import cdist

        count = len(self._points)
        predicted, truth = (np.concatenate(points) for points in zip(*self._points, strict=True))

        def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            """Mean distance between the pixels of each two images, (n, n)."""
            rows = (cdist(row, b).reshape(POOLED_PIXELS, count, POOLED_PIXELS) for row in np.split(a, count))
            return np.stack([row.mean(axis=(0, 2)) for row in rows])

        distance = 2 * between(predicted, truth) - between(predicted, predicted) - between(truth, truth)

        def value(weights: np.ndarray) -> np.ndarray:
            share = weights[..., :count]
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.einsum("...i,ij,...j->...", share, distance, share) / share.sum(axis=-1) ** 2

        return value


def image_sums(pair: Pair) -> dict[str, Sums]:
    """The sums of every metric for one image."""
    return {name: metric.sums(pair) for name, metric in IMAGE_METRICS.items()}
