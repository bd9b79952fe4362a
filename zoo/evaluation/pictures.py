"""The coloured images of an evaluation: a sheet to look at, and small files for a report's gallery."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.data.decode import decode_rgb, read_header
from zoo.errors import ImageError
from zoo.support.files import atomic_path, regular

TILE = 192  # pixels a side of the sheet's pictures
GAP = 4
GALLERY_IMAGES, GALLERY_SIDE = 4, 320


_PICTURE = re.compile(r"(\d+)-(\d+)\.webp")


def save_gallery(folder: Path, pictures: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Writes the first pictures of every candidate as small WebP files, `IMAGE-CANDIDATE.webp`, both by number.

    Such files of an earlier evaluation are removed.

    Args:
        folder: where to.
        pictures: uint8 RGB (H, W, 3) by candidate, in the order of the results.
    """
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        if _PICTURE.fullmatch(old.name):
            old.unlink()
    for column, each in enumerate(pictures.values()):
        for row, picture in enumerate(each[:GALLERY_IMAGES]):
            image = Image.fromarray(picture)
            image.thumbnail((GALLERY_SIDE, GALLERY_SIDE), Image.Resampling.LANCZOS)
            with atomic_path(folder / f"{row:02}-{column:02}.webp") as temporary:
                image.save(temporary, format="WEBP", quality=80, method=6)


def read_gallery(folder: Path, images: int, candidates: int) -> tuple[list[tuple[int, list[bytes]]], list[str]]:
    """What `save_gallery` wrote.

    Args:
        folder: where to.
        images: how many the evaluation has.
        candidates: how many it has.

    Returns:
        Of each image its number and the WebP file of every candidate; images that lack one are left out. And what is
        wrong in the folder, a sentence for a file; hidden files are nobody's business.
    """
    found: dict[int, dict[int, bytes]] = {}
    wrong = []
    for path in sorted(folder.iterdir()):
        name = _PICTURE.fullmatch(path.name)
        row, column = (int(name[1]), int(name[2])) if name else (images, candidates)
        if path.name.startswith("."):
            continue
        if row >= images or column >= candidates:
            wrong.append(f"{path}: no picture of this evaluation; move it away")
            continue
        try:
            data = regular(path).read_bytes()
            if read_header(data).format != "WEBP":
                raise ImageError("no WebP image")
            decode_rgb(data)
            found.setdefault(row, {})[column] = data
        except (ImageError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            wrong.append(f"{path}: {reason}; evaluate again")
    whole = [row for row, pictures in found.items() if len(pictures) == candidates]
    return [(row, [found[row][column] for column in range(candidates)]) for row in whole], wrong


def save_sheet(
    path: Path, rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], *, tile_side: int = TILE
) -> None:
    """Writes the picture sheet, as PNG or WebP: a row an image, a column a candidate, titles above.

    Args:
        path: where to; its suffix says which of the two.
        rows: uint8 RGB (H, W, 3); of one size within a row.
        titles: one a column.
        tile_side: of the pictures, pixels.
    """
    font = ImageFont.truetype(matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", 11)  # Pillow's own has no ×
    lines = [_wrapped(title, font, tile_side) for title in titles]
    top = 14 * max(len(each) for each in lines) + 6
    tiles = [[_tile(picture, tile_side) for picture in row] for row in rows]
    heights = [row[0].height for row in tiles]
    step = tile_side + GAP
    sheet = Image.new("RGB", (len(titles) * step + GAP, top + sum(heights) + GAP * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, each in enumerate(lines):
        for number, line in enumerate(each):
            draw.text((GAP + column * step, 3 + 14 * number), line, fill="black", font=font)
    y = top
    for row, height in zip(tiles, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (GAP + column * step, y))
        y += height + GAP
    options: dict[str, Any] = {"quality": 85, "method": 6} if path.suffix == ".webp" else {"compress_level": 6}
    with atomic_path(path) as temporary:
        sheet.save(temporary, **options)


def _tile(picture: np.ndarray, side: int) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((side, max(1, round(image.height * side / image.width))), Image.Resampling.LANCZOS)


def _wrapped(title: str, font: Any, width: int) -> list[str]:
    lines = [""]
    for word in title.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
