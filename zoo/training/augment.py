"""Training crops made lighter, darker, or to look like scans: pure line art, halftone, faded ink on grey paper.

Only the luma that the network sees is changed; the chroma it is to find stays the crop's. What becomes of a crop
depends on the seed, the step and its place in the batch alone, so that runs resume exactly and devices share a batch
alike.
"""

import math
from typing import Any

import tensorflow as tf

KINDS = 3
CONTRAST_SEED = 5_000_011  # keeps these numbers apart from those of scans under one seed
THRESHOLD = (0.3, 0.7)  # of line art: darker is ink
PERIOD = (3.0, 6.0)  # of a halftone's screen, pixels
BLACK, WHITE = (0.0, 0.25), (0.65, 1.0)  # what is left of black and white on faded pages


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
    numbers = tf.random.stateless_uniform([batch_size, 2], [seed + CONTRAST_SEED, tf.cast(step, tf.int32)], -1.0, 1.0)
    numbers = tf.slice(numbers, [first, 0], [tf.shape(luma)[0], 2]) * amount
    contrast, brightness = (each[:, None, None, None] for each in tf.unstack(numbers, axis=1))
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
    numbers = tf.random.stateless_uniform([batch_size, 6], [seed, tf.cast(step, tf.int32)])
    numbers = tf.slice(numbers, [first, 0], [tf.shape(luma)[0], 6])
    chosen, kind, *rest = [each[:, None, None, None] for each in tf.unstack(numbers, axis=1)]

    def between(low_high: tuple[float, float], number: Any) -> Any:
        return low_high[0] + (low_high[1] - low_high[0]) * number

    lines = tf.cast(luma > between(THRESHOLD, rest[0]), luma.dtype)
    height, width = tf.shape(luma)[1], tf.shape(luma)[2]
    y = tf.cast(tf.range(height), luma.dtype)[None, :, None, None]
    x = tf.cast(tf.range(width), luma.dtype)[None, None, :, None]
    angle, turn = rest[1] * (math.pi / 2), 2 * math.pi / between(PERIOD, rest[2])
    u, v = (x * tf.cos(angle) + y * tf.sin(angle)) * turn, (y * tf.cos(angle) - x * tf.sin(angle)) * turn
    # A product of cosines has more middle than ends: the arc sine evens its distribution out.
    screen = 0.5 + tf.asin(tf.clip_by_value((tf.cos(u) + tf.cos(v)) / 2, -1.0, 1.0)) / math.pi
    halftone = tf.cast(luma > screen * 0.98 + 0.01, luma.dtype)
    black, white = between(BLACK, rest[3]), between(WHITE, rest[0])
    faded = black + (white - black) * luma
    scan = tf.where(kind < 1 / KINDS, lines, tf.where(kind < 2 / KINDS, halftone, faded))
    return tf.where(chosen < share, scan, luma)
