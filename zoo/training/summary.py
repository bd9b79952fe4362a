"""Summary images, as in Figure 1 of Meda 2016: grey | answer | truth, under these titles; or before and after."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.chroma.yuv import compose, to_uint8
from zoo.support.files import atomic_path

GUTTER = 4
TITLES = ("grey", "answer", "truth")
COMPARED = ("grey", "before", "after", "truth")
TITLE_HEIGHT = 16


def summary_image(
    luma: np.ndarray, uv: np.ndarray, truth: np.ndarray, columns: int = 2, *, before: np.ndarray | None = None
) -> np.ndarray:
    """Tiles grey | answer | truth, titles above; or grey | before | after | truth.

    Args:
        luma: (N, H, W, 1) in [0, 1].
        uv: predicted chroma, (N, H, W, 2).
        truth: uint8 RGB, (N, H, W, 3).
        columns: of such groups, N in all.
        before: chroma to compare with, (N, H, W, 2).

    Returns:
        uint8 RGB, white gutters.
    """
    answers = [uv] if before is None else [before, uv]
    groups = []
    for index, (y, t) in enumerate(zip(luma, truth, strict=True)):
        coloured = [to_uint8(compose(y, each[index])[0]) for each in answers]
        groups.append(_join([to_uint8(np.repeat(y, 3, axis=-1)), *coloured, t], axis=1, gutter=GUTTER))
    blank = np.full_like(groups[0], 255)
    rows = [
        _join([*groups[i : i + columns], *[blank] * (columns - len(groups[i : i + columns]))], 1, 4 * GUTTER)
        for i in range(0, len(groups), columns)
    ]
    titles = TITLES if before is None else COMPARED
    return np.concatenate(
        [_titles(titles, rows[0].shape[1], luma.shape[2], min(columns, len(groups))), _join(rows, 0, GUTTER)]
    )


def below_each_other(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of any sizes, uint8 RGB, as one; narrower ones are filled up with white."""
    width = max(picture.shape[1] for picture in pictures)
    filled = [
        np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255) for picture in pictures
    ]
    return _join(filled, axis=0, gutter=GUTTER)


def _titles(titles: Sequence[str], width: int, tile: int, groups: int) -> np.ndarray:
    """A strip of that width with the titles of tiles, which are as wide as `tile`."""
    strip = Image.new("RGB", (width, TITLE_HEIGHT), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(11)
    for group in range(groups):
        for index, title in enumerate(titles):
            left = group * (len(titles) * tile + (len(titles) + 3) * GUTTER) + index * (tile + GUTTER)
            if font.getlength(title) <= tile:
                draw.text((left, 1), title, fill="black", font=font)
    return np.asarray(strip)


def _join(tiles: Sequence[np.ndarray], axis: int, gutter: int) -> np.ndarray:
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
