"""The pictures of docs/guiding.md: `python tools/guiding.py docs/guiding.webp docs/guiding-flat.webp`.

Two pages of one story that no weights were trained on. The first, without a word, with the places that `zoo hints`
asks about, and with the first of them filled in; then the second, alone and with the first as reference. And a flat
drawing with five clicks, by the default decoder and by one that chooses.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo.chroma.yuv import split_luma
from zoo.data.dataset import open_dataset
from zoo.evaluation.hinted import hint_of
from zoo.support.command import import_tensorflow, run
from zoo.support.files import atomic_path

PAGES = "asp_0336_01", "asp_0336_02"
ASKED = 3
CLICKED = ((129, 82), (250, 235))  # rows and columns of two places more: a face, and the child
SECOND = ((30, 320), (285, 180), (325, 40))  # of the next page: sky, bush and path
FLAT, ON_FLAT = "freegophers_0009_4b97e3d0", ((80, 70), (80, 190), (170, 40), (290, 220), (410, 250))
SIDE, GAP, LINE = 250, 8, 24


def draw(arguments: argparse.Namespace) -> None:
    """Runs the command."""
    images = {
        Path(image.name).stem: image for image in open_dataset("illustrations-open", crop=64).splits["test"].images
    }
    import_tensorflow()
    from zoo.pages.asking import picture, questions
    from zoo.pages.colorizer import Colorizer

    colorizer = Colorizer("guided")
    first, second = (images[name].decode() for name in PAGES)
    one, two = (colorizer.draft(split_luma(rgb / np.float32(255))[0][..., 0]) for rgb in (first, second))
    asked = questions(one.examined, ASKED)
    hints = [hint_of(first, each.y, each.x) for each in asked]
    more = [*hints, *(hint_of(first, *place) for place in CLICKED)]
    for hint in more:
        print(hint.x, hint.y, "#{:02x}{:02x}{:02x}".format(*hint.rgb))
    rows = [
        {
            "the first answer": one(),
            "zoo hints asks": np.asarray(picture(one(), asked)),
            "its three filled in": one(hints=hints),
            "two clicks more": one(hints=more),
            "the page as it is": first,
        },
        {
            "the next page, in grey": np.repeat(two.scan.samples[..., None] >> 8, 3, axis=-1).astype(np.uint8),
            "without a word": two(),
            "the first as reference": two(reference=first),
            "and three hints": two(reference=first, hints=[hint_of(second, *place) for place in SECOND]),
            "the page as it is": second,
        },
    ]
    _save(arguments.out, rows)
    flat = next(each for each in open_dataset("comics-open", crop=64).splits["test"].images if FLAT in each.name)
    rgb = flat.decode()
    luma = split_luma(rgb / np.float32(255))[0][..., 0]
    clicks = [hint_of(rgb, *place) for place in ON_FLAT]
    default, choosing = (Colorizer("guided", decode=each).draft(luma) for each in (None, "mode+coherent"))
    row = {
        "the first answer": default(),
        "five clicks": default(hints=clicks),
        "by mode+coherent": choosing(),
        "the same clicks": choosing(hints=clicks),
        "the page as it is": rgb,
    }
    _save(arguments.flat, [row])


def _save(path: Path, rows: list[dict[str, np.ndarray]]) -> None:
    """Writes a sheet of pictures with their titles."""
    sheet = Image.new("RGB", (len(rows[0]) * (SIDE + GAP) - GAP, len(rows) * (SIDE + LINE)), "white")
    font, canvas = ImageFont.load_default(14), ImageDraw.Draw(sheet)
    top = 0
    for row in rows:
        tall = 0
        for index, (title, rgb) in enumerate(row.items()):
            tile = Image.fromarray(rgb)
            tile.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            left = index * (SIDE + GAP)
            canvas.text((left, top + 2), title, fill="black", font=font)
            sheet.paste(tile, (left, top + LINE))
            tall = max(tall, tile.height)
        top += tall + LINE
    with atomic_path(path) as temporary:
        sheet.crop((0, 0, sheet.width, top)).save(temporary, "WEBP", quality=86)


def main() -> int:
    """Entry point; returns the exit code."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("out", type=Path)
    p.add_argument("flat", type=Path)
    arguments = p.parse_args()
    return run(lambda: draw(arguments))


if __name__ == "__main__":
    sys.exit(main())
