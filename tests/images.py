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
