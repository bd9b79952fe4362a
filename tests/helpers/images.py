"""Small images made up for tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def make_images(folder: Path, *, train: int, val: int) -> Path:
    """A data set of coloured patches, 40 × 48, PNG and JPEG in turn."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8))
            suffix = "jpg" if index % 2 else "png"
            coarse.resize((40, 48), Image.Resampling.BICUBIC).save(folder / split / f"{index}.{suffix}")
    return folder


def make_books(folder: Path, **pages: int) -> Path:
    """Pages of coloured blocks, 72 × 96, so many a split, two to a book, and a manifest that says so."""
    rng = np.random.default_rng(0)
    lines = ["file,source,group,licence"]
    for split, count in pages.items():
        (folder / split).mkdir()
        for index in range(count):
            blocks = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(folder / split / f"{index}.png")
            lines.append(f"{split}/{index}.png,a painter,book {index // 2},CC0-1.0")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder
