"""Palettes: the colours that a user wants a page to have, and no others."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.yuv import rgb_to_yuv
from zoo.data.decode import decode_samples
from zoo.errors import ImageError, UsageError
from zoo.pages.hint import color_of
from zoo.support.command import naming
from zoo.support.files import real

MOST_COLORS = 256
TAKEN = 16
"""How many colours are taken from a page."""

APART = 0.03
"""Of U and V: colours that are nearer than this are one."""

LEAST_CHROMA = 0.02
"""Of U and V: what has less is grey."""

MOST_BYTES = 64 << 20


def palette_of(colors: Any) -> np.ndarray:
    """U and V of a palette's colours, (n, 2).

    Args:
        colors: a list of colours, or one text that names them with commas between, each as `color_of` takes it.

    Raises:
        UsageError: one of them is no colour, there is none, or all are grey.
    """
    if not isinstance(colors, (str, list, tuple)):
        raise UsageError(f"palette is a {type(colors).__name__}; give a list of colours, or a text as '#c33,#2a6'")
    words = colors.split(",") if isinstance(colors, str) else list(colors)
    return _checked([color_of(word) for word in words if not isinstance(word, str) or word.strip()])


def read_palette(text: str) -> np.ndarray:
    """U and V of the colours that `--palette` names: colours themselves, a GIMP palette, or a coloured page.

    Raises:
        UsageError: it is none of these, or has no colour.
    """
    path = Path(text)
    if not path.suffix or not re.fullmatch(r"\.[A-Za-z]\w*", path.suffix):
        with naming("--palette"):
            return palette_of(text)
    try:
        if not real(path).is_file():
            raise UsageError("there is no such file")
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"it is larger than {MOST_BYTES >> 20} MiB")
        data = path.read_bytes()
        return _checked(_of_gimp(data) if path.suffix.lower() == ".gpl" else _of_page(data))
    except OSError as error:
        raise UsageError(f"--palette {path}: {error.strerror or error}") from None
    except (UsageError, ImageError) as error:
        raise UsageError(f"--palette {path}: {error}") from None


def _checked(colors: Sequence[Sequence[int]]) -> np.ndarray:
    if not colors:
        raise UsageError("the palette has no colour: write colours with commas between, as '#c33,#2a6'")
    if len(colors) > MOST_COLORS:
        raise UsageError(f"the palette has {len(colors)} colours, and {MOST_COLORS} are the most")
    found: list[np.ndarray] = []
    for color in colors:
        uv = rgb_to_yuv(np.array(color) / 255)[1:]
        if all(np.linalg.norm(uv - other) >= APART for other in found):
            found.append(uv)
    palette = np.stack(found)
    if np.linalg.norm(palette, axis=-1).max() < LEAST_CHROMA:
        raise UsageError("the palette is grey: give at least one colour")
    return palette


def _of_gimp(data: bytes) -> list[tuple[int, int, int]]:
    """The colours of a GIMP palette: a line each, red, green and blue, and a name that does not matter."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError("it is not text in UTF-8") from None
    if not lines or lines[0].strip() != "GIMP Palette":
        raise UsageError("it is no GIMP palette: its first line has to be 'GIMP Palette'")
    found = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip() or line.lstrip().startswith("#") or re.match(r"\s*(Name|Columns)\s*:", line):
            continue
        match = re.match(r"\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(\s|$)", line)
        if not match or max(map(int, match.groups()[:3])) > 255:
            raise UsageError(f"line {number} is no colour: {line.strip()[:40]!r}")
        red, green, blue = (int(value) for value in match.groups()[:3])
        found.append((red, green, blue))
    return found


def _of_page(data: bytes) -> list[tuple[int, int, int]]:
    """The colours that most of a page has, by median cut (P. Heckbert, 1982; Pillow)."""
    samples = decode_samples(data)
    rgb = samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)
    if rgb.ndim != 3 or rgb.shape[-1] < 3:
        raise UsageError("the page has no colours to take")
    if rgb.shape[-1] == 4:  # nobody sees what is wholly transparent
        rgb = np.where(rgb[..., 3:] == 0, np.uint8(255), rgb)
    image = Image.fromarray(np.ascontiguousarray(rgb[..., :3]))
    image.thumbnail((256, 256))
    flat = image.quantize(TAKEN, method=Image.Quantize.MEDIANCUT).getpalette()
    assert flat is not None
    return [(flat[i], flat[i + 1], flat[i + 2]) for i in range(0, len(flat) - 2, 3)]
