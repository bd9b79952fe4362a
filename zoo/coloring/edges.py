"""Chroma of a small image brought to the size of the page, along its ink lines instead of over them.

Where a page has no thin dark strokes this is bilinear interpolation. Near strokes it is joint bilateral upsampling
(Kopf, Cohen, Lischinski, Uyttendaele: Joint Bilateral Upsampling, 2007) of *unmixed* cells: a cell of the small image
that a stroke covers by a share α has the average of the stroke's chroma and of what is beside it, so the latter is
that average less α times the ink's, over 1 − α. A cell counts for a pixel by how near it is, how alike their lumas are,
how even the cell is, and whether a stroke lies between the two.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from scipy import ndimage

DARK = (0.1, 0.25)
"""Luma: all ink below the first, none above the second."""

CONTRAST = (0.15, 0.4)
"""How much a stroke is darker than what is around it: no stroke below the first, a stroke above the second."""

LUMA_SIGMA, SPACE_SIGMA = 0.05, 0.75  # of the weights: luma in [0, 1], distance in cells
EVEN_SIGMA = 0.05  # standard deviation of luma at which a cell counts half
THROUGH = 0.01  # what a cell on the other side of a stroke counts still
INK_PRIOR = 0.05  # how much ink, in cells, it takes to believe its local colour rather than the page's
STEPS = 3  # looks between a pixel and a cell
STRIP_PIXELS = 2_000_000


def strokes(luma: np.ndarray, scale: float) -> np.ndarray:
    """How much of each pixel is a thin dark stroke: luma (H, W) in [0, 1] to float32 (H, W) in [0, 1].

    Dark by itself, and darker than its surroundings: black top-hat by a square of three cells.

    Args:
        luma: of the page.
        scale: pixels a cell.
    """
    size = 2 * int(np.ceil(1.5 * scale)) + 3
    around = ndimage.grey_closing(luma, size=(size, size), mode="nearest")
    return (_falling(luma, *DARK) * (1 - _falling(around - luma, *CONTRAST))).astype(np.float32)


def _falling(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 below `low`, 0 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return 1 - t * t * (3 - 2 * t)


class EdgeUpsampler:
    """Brings UV of a small image to a page, strip by strip.

    Args:
        stroke: of `strokes`, (H, W).
        luma_means: mean luma of each cell's part that is no stroke, (h, w).
        luma_variance: the variance of that, (h, w).
        cover: the share of each cell that is stroke, (h, w).
        uv: chroma of the small image, (h, w, 2).
    """

    def __init__(
        self,
        stroke: np.ndarray,
        luma_means: np.ndarray,
        luma_variance: np.ndarray,
        cover: np.ndarray,
        uv: np.ndarray,
    ) -> None:
        self._stroke = stroke
        ink = ink_chroma(uv, cover)
        share = cover[..., None]
        beside = (uv - share * ink) / np.maximum(1 - share, 0.25)
        trust = (1 - cover) / (1 + luma_variance / EVEN_SIGMA**2)
        near = np.clip(4 * ndimage.maximum_filter(cover, 3), 0, 1)
        self._cells = tf.constant(np.dstack([beside, luma_means, trust]).astype(np.float32))
        self._smooth = tf.constant(np.dstack([uv, ink, near]).astype(np.float32))

    def rows(self, luma: np.ndarray, first: int) -> np.ndarray:
        """UV (rows, W, 2), float32, of the page's rows from `first` on, whose luma is (rows, W)."""
        height = self._stroke.shape[0]
        reach = int(np.ceil(2 * height / self._cells.shape[0])) + 1
        above = max(0, first - reach)
        stroke = self._stroke[above : first + len(luma) + reach].astype(np.float32)
        return _rows(
            tf.constant(luma), tf.constant(stroke), self._cells, self._smooth, first, first - above, height
        ).numpy()


def bilinear_rows(uv: np.ndarray, height: int, width: int, first: int, count: int) -> np.ndarray:
    """UV (h, w, 2) at a page's size by bilinear interpolation: `count` rows from `first` on, (count, width, 2)."""
    fy, fx = _positions(count, first, height, len(uv)), _positions(width, 0, width, uv.shape[1])
    return _bilinear(tf.constant(uv, tf.float32), fy, fx).numpy()


def ink_chroma(uv: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """The chroma of ink (h, w, 2): local where it covers cells, else the page's, else none."""
    weight = np.maximum(cover - 0.5, 0)
    page = (uv * weight[..., None]).sum(axis=(0, 1)) / (weight.sum() + 1)
    local = ndimage.uniform_filter(weight, 5)
    colored = np.dstack([ndimage.uniform_filter(uv[..., c] * weight, 5) for c in (0, 1)])
    return (colored + INK_PRIOR * page) / (local + INK_PRIOR)[..., None]


def _positions(count: Any, first: Any, size: Any, cells: Any) -> Any:
    """Where pixels first … first + count − 1 of `size` lie on a grid of `cells`, cell centres at whole numbers."""
    pixel = tf.cast(tf.range(count) + first, tf.float32)
    return (pixel + 0.5) * (tf.cast(cells, tf.float32) / tf.cast(size, tf.float32)) - 0.5


def _bilinear(cells: Any, fy: Any, fx: Any) -> Any:
    def along(x: Any, position: Any, axis: int) -> Any:
        low = tf.floor(position)
        t = position - low
        last = tf.shape(x)[axis] - 1
        low = tf.cast(low, tf.int32)
        a = tf.gather(x, tf.clip_by_value(low, 0, last), axis=axis)
        b = tf.gather(x, tf.clip_by_value(low + 1, 0, last), axis=axis)
        t = t[:, None, None] if axis == 0 else t[None, :, None]
        return a + t * (b - a)

    return along(along(cells, fy, 0), fx, 1)


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([None, None, 4], tf.float32),
        tf.TensorSpec([None, None, 5], tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([], tf.int32),
    ]
)
def _rows(luma: Any, stroke: Any, cells: Any, smooth: Any, first: Any, halo: Any, page_height: Any) -> Any:
    count, width = tf.shape(luma)[0], tf.shape(luma)[1]
    rows, columns = tf.shape(cells)[0], tf.shape(cells)[1]
    fy, fx = _positions(count, first, page_height, rows), _positions(width, 0, width, columns)
    plain = _bilinear(smooth, fy, fx)
    # Most pixels of most pages have no stroke near: the others are computed by themselves.
    where = tf.cast(tf.where(plain[..., 4] > 0), tf.int32)
    y, x = where[:, 0], where[:, 1]
    fy, fx = tf.gather(fy, y), tf.gather(fx, x)
    cy, cx = tf.round(fy), tf.round(fx)
    tall = tf.cast(page_height, tf.float32) / tf.cast(rows, tf.float32)
    wide = tf.cast(width, tf.float32) / tf.cast(columns, tf.float32)
    py, px = tf.cast(y + halo, tf.float32), tf.cast(x, tf.float32)
    last_row, last_column = tf.shape(stroke)[0] - 1, width - 1
    strokes_by_pixel, cells_by_number = tf.reshape(stroke, [-1]), tf.reshape(cells, [-1, 4])
    own_luma = tf.gather_nd(luma, where)
    total, weights = tf.zeros_like(own_luma)[:, None] * tf.zeros(2), tf.zeros_like(own_luma)

    def looks(pixels: Any, offset: Any, last: Any) -> list[Any]:
        steps = [(step + 1) / STEPS for step in range(STEPS)]
        return [tf.clip_by_value(tf.cast(tf.round(pixels + t * offset), tf.int32), 0, last) for t in steps]

    def neighbours(position: Any, centre: Any, cell_count: Any, pixels: Any, size: Any, last: Any) -> list[Any]:
        found = []
        for step in (-1.0, 0.0, 1.0):
            index = tf.clip_by_value(tf.cast(centre + step, tf.int32), 0, cell_count - 1)
            weight = tf.exp(-0.5 * ((centre + step - position) / SPACE_SIGMA) ** 2)
            found.append((index, weight, looks(pixels, (tf.cast(index, tf.float32) - position) * size, last)))
        return found

    for iy, wy, ways_y in neighbours(fy, cy, rows, py, tall, last_row):
        for ix, wx, ways_x in neighbours(fx, cx, columns, px, wide, last_column):
            cell = tf.gather(cells_by_number, iy * columns + ix)
            between = [
                tf.gather(strokes_by_pixel, row * width + column) for row, column in zip(ways_y, ways_x, strict=True)
            ]
            through = (1 - tf.maximum(tf.maximum(between[0], between[1]), between[2])) + THROUGH
            alike = tf.exp(-0.5 * ((own_luma - cell[:, 2]) / LUMA_SIGMA) ** 2)
            weight = wy * wx * (cell[:, 3] * alike * through + 1e-6)
            total += weight[:, None] * cell[:, :2]
            weights += weight
    own = tf.gather(strokes_by_pixel, (y + halo) * width + x)[:, None]
    around = tf.gather_nd(plain, where)
    sharp = total / weights[:, None] * (1 - own) + around[:, 2:4] * own
    near = around[:, 4:]
    return tf.tensor_scatter_nd_update(plain[..., :2], where, around[:, :2] * (1 - near) + sharp * near)
