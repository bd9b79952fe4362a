"""A folder of grey pages, and the loop that one would write to colour them: no TensorFlow and no PyTorch in here."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.chroma.yuv import compose, split_luma, to_uint8


def pages(count: int, height: int, width: int) -> Path:
    """A new folder whose `in` has grey pages of flat areas and ink lines."""
    folder = Path(tempfile.mkdtemp())
    (folder / "in").mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        coarse = Image.fromarray(rng.integers(60, 256, (12, 8), dtype=np.uint8))
        page = np.asarray(coarse.resize((width, height), Image.Resampling.NEAREST)).copy()
        page[:: height // 12 or 1] = 10
        page[:, :: width // 8 or 1] = 10
        Image.fromarray(page).save(folder / "in" / f"{index}.jpg", quality=90)
    return folder


def plain_loop(folder: Path, chroma: Callable[[np.ndarray, tuple[int, int]], np.ndarray], side: int) -> None:
    """Colours `in` to PNG files in `out`, one page after another.

    Args:
        folder: of `pages`.
        chroma: from luma (H, W, 1), float32, and the size that the network is to see, to UV (H, W, 2).
        side: the longer side of that size, pixels.
    """
    (folder / "out").mkdir(exist_ok=True)
    for path in sorted((folder / "in").iterdir()):
        rgb = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        luma, _ = split_luma(rgb)
        height, width = luma.shape[:2]
        scale = min(1.0, side / max(height, width))
        uv = chroma(luma, (round(height * scale), round(width * scale)))
        Image.fromarray(to_uint8(compose(luma, uv)[0])).save(folder / "out" / f"{path.stem}.png")
