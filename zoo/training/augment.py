"""Training crops made lighter, darker, line art, or to look like scans: ink by a threshold, halftone, faded paper.

Only the luma that the network sees is changed; the chroma it is to find stays the crop's. What becomes of a crop
depends on the seed, the step and its place in the batch alone, so that runs resume exactly and devices share a batch
alike.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.training.config import RunConfig
from zoo.training.step import Augmentation, short_seed

KINDS = 3
CONTRAST_SEED = 5_000_011  # keeps these numbers apart from those of scans under one seed
GAMMA_SEED = 8_000_009
LINE_ART_SEED = 9_000_011
THRESHOLD = (0.3, 0.7)  # of scans in ink and paper alone: darker is ink
PERIOD = (3.0, 6.0)  # of a halftone's screen, pixels
BLACK, WHITE = (0.0, 0.25), (0.65, 1.0)  # what is left of black and white on faded pages
LINE_SIGMA = 0.7  # of line art: pixels, half a stroke
LINE_RATIO = 1.6  # of the wider Gaussian to the narrower: Winnemöller 2012
LINE_GAIN = (8.0, 24.0)  # how dark a stroke gets that is darker than its surroundings by 1
LINE_FLOOR = (0.005, 0.03)  # what is darker than its surroundings by less is no stroke


def augmentation(config: RunConfig) -> Augmentation | None:
    """What a run does to luma, in this order: gamma, contrast, line art, scans; None if nothing.

    Line art that is then made a scan is faded or screened line art, as there is.
    """
    steps = [
        (with_gamma, config.gamma),
        (with_contrast, config.contrast),
        (as_line_art, config.line_art),
        (as_scans, config.scans),
    ]
    asked = [(step, amount) for step, amount in steps if amount]

    def augment(luma: Any, *place: Any) -> Any:
        for step, amount in asked:
            luma = step(luma, amount, config.seed, *place)
        return luma

    return augment if asked else None


def with_gamma(luma: Any, amount: float, seed: int, step: Any, first: Any, batch_size: int) -> Any:
    """Luma (B, H, W, 1) in [0, 1] to a power of e to the −amount … amount, another for each crop.

    Args:
        luma: of crops `first` … `first` + B − 1 of the batch.
        amount: in [0, 1).
        seed: of the run.
        step: the step's number, an integer tensor.
        first: the place of the first crop in the global batch.
        batch_size: of the global batch.
    """
    (power,) = _numbers(1, luma, seed + GAMMA_SEED, step, first, batch_size)
    return luma ** tf.exp(_between((-amount, amount), power))


def as_line_art(luma: Any, share: float, seed: int, step: Any, first: Any, batch_size: int) -> Any:
    """Luma (B, H, W, 1) in [0, 1] with a share of the crops turned into line art: what is filled becomes white.

    A stroke is where a pixel is darker than its surroundings: a difference of two Gaussians, as in Winnemöller,
    Kyprianidis and Olsen, XDoG, Computers & Graphics 2012, without the luma itself, so that a dark fill leaves its
    outline only. Half of the line art has its strokes widened by a pixel all around.

    Args:
        luma: of crops `first` … `first` + B − 1 of the batch.
        share: in [0, 1].
        seed: of the run.
        step: the step's number, an integer tensor.
        first: the place of the first crop in the global batch.
        batch_size: of the global batch.
    """
    chosen, gain, floor, wide = _numbers(4, luma, seed + LINE_ART_SEED, step, first, batch_size)
    darker = _blurred(luma, LINE_SIGMA * LINE_RATIO) - _blurred(luma, LINE_SIGMA)
    strokes = _between(LINE_GAIN, gain) * (darker - _between(LINE_FLOOR, floor))
    strokes = tf.where(wide < 0.5, strokes, tf.nn.max_pool2d(strokes, 3, 1, "SAME"))
    return tf.where(chosen < share, 1 - tf.clip_by_value(strokes, 0.0, 1.0), luma)


def _blurred(luma: Any, sigma: float) -> Any:
    reach = math.ceil(3 * sigma)
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    line /= line.sum()
    padded = tf.pad(luma, [[0, 0], [reach, reach], [reach, reach], [0, 0]], "SYMMETRIC")
    return tf.nn.conv2d(
        tf.nn.conv2d(padded, line[:, None, None, None], 1, "VALID"), line[None, :, None, None], 1, "VALID"
    )


def _numbers(count: int, luma: Any, seed: int, step: Any, first: Any, batch_size: int) -> list[Any]:
    """So many numbers in [0, 1) for each crop, each (B, 1, 1, 1): those of its place in the global batch."""
    numbers = tf.random.stateless_uniform([batch_size, count], [short_seed(seed), tf.cast(step, tf.int32)])
    numbers = tf.slice(numbers, [first, 0], [tf.shape(luma)[0], count])
    return [each[:, None, None, None] for each in tf.unstack(numbers, axis=1)]


def _between(low_high: tuple[float, float], number: Any) -> Any:
    return low_high[0] + (low_high[1] - low_high[0]) * number


def with_contrast(luma: Any, amount: float, seed: int, step: Any, first: Any, batch_size: int) -> Any:
    """Luma (B, H, W, 1) in [0, 1] with the contrast and the brightness of each crop changed at random.

    Contrast is multiplied by 1 − amount … 1 + amount about the crop's mean, then as much as half of the amount is added
    or taken away; what leaves [0, 1] is clipped.

    Args:
        luma: of crops `first` … `first` + B − 1 of the batch.
        amount: in [0, 1).
        seed: of the run.
        step: the step's number, an integer tensor.
        first: the place of the first crop in the global batch.
        batch_size: of the global batch.
    """
    numbers = _numbers(2, luma, seed + CONTRAST_SEED, step, first, batch_size)
    contrast, brightness = (_between((-amount, amount), number) for number in numbers)
    mean = tf.reduce_mean(luma, axis=(1, 2, 3), keepdims=True)
    return tf.clip_by_value(mean + (1 + contrast) * (luma - mean) + brightness / 2, 0.0, 1.0)


def as_scans(luma: Any, share: float, seed: int, step: Any, first: Any, batch_size: int) -> Any:
    """Luma (B, H, W, 1) in [0, 1] with a share of the crops turned into scans.

    A third of those each: ink and paper by a threshold; a halftone of round dots at a random angle; faded.

    Args:
        luma: of crops `first` … `first` + B − 1 of the batch.
        share: in [0, 1].
        seed: of the run.
        step: the step's number, an integer tensor.
        first: the place of the first crop in the global batch.
        batch_size: of the global batch.
    """
    chosen, kind, *rest = _numbers(6, luma, seed, step, first, batch_size)

    lines = tf.cast(luma > _between(THRESHOLD, rest[0]), luma.dtype)
    height, width = tf.shape(luma)[1], tf.shape(luma)[2]
    y = tf.cast(tf.range(height), luma.dtype)[None, :, None, None]
    x = tf.cast(tf.range(width), luma.dtype)[None, None, :, None]
    angle, turn = rest[1] * (math.pi / 2), 2 * math.pi / _between(PERIOD, rest[2])
    u, v = (x * tf.cos(angle) + y * tf.sin(angle)) * turn, (y * tf.cos(angle) - x * tf.sin(angle)) * turn
    # A product of cosines has more middle than ends: the arc sine evens its distribution out.
    screen = 0.5 + tf.asin(tf.clip_by_value((tf.cos(u) + tf.cos(v)) / 2, -1.0, 1.0)) / math.pi
    halftone = tf.cast(luma > screen * 0.98 + 0.01, luma.dtype)
    black, white = _between(BLACK, rest[3]), _between(WHITE, rest[0])
    faded = black + (white - black) * luma
    scan = tf.where(kind < 1 / KINDS, lines, tf.where(kind < 2 / KINDS, halftone, faded))
    return tf.where(chosen < share, scan, luma)
