"""Summary images, as in Figure 1 of Meda 2016: grey | answer | truth, under these titles."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.chroma.yuv import compose, to_uint8
from zoo.support.files import atomic_path

GUTTER = 4
TITLES = ("grey", "answer", "truth")
TITLE_HEIGHT = 16


def summary_image(luma: np.ndarray, uv: np.ndarray, truth: np.ndarray, columns: int = 2) -> np.ndarray:
    """Tiles grey | answer | truth, titles above.

    Args:
        luma: (N, H, W, 1) in [0, 1].
        uv: predicted chroma, (N, H, W, 2).
        truth: uint8 RGB, (N, H, W, 3).
        columns: triples a row.

    Returns:
        uint8 RGB, white gutters.
    """
    triples = []
    for y, c, t in zip(luma, uv, truth, strict=True):
        grey = to_uint8(np.repeat(y, 3, axis=-1))
        triples.append(_join([grey, to_uint8(compose(y, c)[0]), t], axis=1, gutter=GUTTER))
    blank = np.full_like(triples[0], 255)
    rows = [
        _join([*triples[i : i + columns], *[blank] * (columns - len(triples[i : i + columns]))], 1, 4 * GUTTER)
        for i in range(0, len(triples), columns)
    ]
    return np.concatenate(
        [_titles(rows[0].shape[1], luma.shape[2], min(columns, len(triples))), _join(rows, 0, GUTTER)]
    )


def _titles(width: int, tile: int, triples: int) -> np.ndarray:
    """A strip of that width with the titles of tiles, which are as wide as `tile`."""
    strip = Image.new("RGB", (width, TITLE_HEIGHT), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(11)
    for triple in range(triples):
        for index, title in enumerate(TITLES):
            left = triple * (3 * tile + 6 * GUTTER) + index * (tile + GUTTER)
            if font.getlength(title) <= tile:
                draw.text((left, 1), title, fill="black", font=font)
    return np.asarray(strip)


def _join(tiles: list[np.ndarray], axis: int, gutter: int) -> np.ndarray:
    shape = list(tiles[0].shape)
    shape[axis] = gutter
    gap = np.full(shape, 255, np.uint8)
    parts = [tiles[0]]
    for tile in tiles[1:]:
        parts += [gap, tile]
    return np.concatenate(parts, axis=axis)


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 RGB as PNG, atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG", compress_level=6)
