"""Hints: colours that a user gives at places of a page, from a file or from Python."""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import ImageColor

from zoo.chroma.yuv import compose, rgb_to_yuv, to_uint8
from zoo.data.decode import decode_samples
from zoo.errors import ImageError, UsageError
from zoo.support.files import real

SUFFIXES = (".json", ".csv", ".png")
"""Kinds of hint files, in the order in which they are looked for."""

PNG = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 64 << 20
MOST_HINTS = 10_000

STROKE_STEP = 1 / 64
"""Of a picture of hints, a place is taken every so often, in parts of the page's longer side."""

LEAST_ROOM = 0.1
"""A hint of which no more than this share is left at its luma is refused: black ink and white paper take no colour."""


@dataclass(frozen=True)
class Hint:
    """A colour at a place.

    Attributes:
        x: pixels from the left of the page.
        y: pixels from its top.
        rgb: red, green and blue, 0 to 255.
        name: what messages call it.
    """

    x: int
    y: int
    rgb: tuple[int, int, int]
    name: str

    @property
    def uv(self) -> np.ndarray:
        """Its U and V, (2,): what the page takes of it, whose luma stays."""
        return rgb_to_yuv(np.array(self.rgb) / 255)[1:]

    @property
    def text(self) -> str:
        """Place and colour, for a message."""
        return f"{self.name} ({hex_of(self.rgb)} at {self.x}, {self.y})"


@dataclass(frozen=True)
class Hints:
    """All hints of a page.

    Attributes:
        hints: places and colours.
        size: height and width of the picture they were painted on; None where they are points.
        digest: of the file.
    """

    hints: tuple[Hint, ...]
    size: tuple[int, int] | None = None
    digest: str = ""

    def on(self, size: tuple[int, int]) -> tuple[Hint, ...]:
        """The hints, of a page of this height and width.

        Raises:
            UsageError: one is outside of it, two contradict each other, or the picture is of another size.
        """
        height, width = size
        if self.size is not None and self.size != size:
            raise UsageError(
                f"the picture of hints is {self.size[1]} × {self.size[0]} pixels, and the page {width} × {height}"
            )
        there: dict[tuple[int, int], Hint] = {}
        for hint in self.hints:
            if not (0 <= hint.x < width and 0 <= hint.y < height):
                raise UsageError(f"{hint.text} is outside of the page, which is {width} × {height} pixels")
            other = there.setdefault((hint.x, hint.y), hint)
            if other.rgb != hint.rgb:
                raise UsageError(f"{other.text} and {hint.text} contradict each other: leave one out")
        return tuple(there.values())


def hex_of(rgb: Iterable[int]) -> str:
    """A colour as #rrggbb."""
    return "#" + "".join(f"{int(value):02x}" for value in rgb)


def color_of(text: Any) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of `#c33`, `#cc3333`, or a name that CSS knows.

    Raises:
        UsageError: it is no colour.
    """
    try:
        if not isinstance(text, str):
            raise ValueError
        word = text.strip()
        if re.fullmatch(r"[0-9a-fA-F]{6}|[0-9a-fA-F]{3}", word):
            word = f"#{word}"
        found = ImageColor.getrgb(word)
        if not all(0 <= value <= 255 for value in found):
            raise ValueError
    except ValueError:
        raise UsageError(f"{text!r} is no colour: write it as #c33, #cc3333, or by a name of CSS, as darkred") from None
    return found[0], found[1], found[2]


def hints_of(items: Iterable[Any]) -> Hints:
    """Hints from Python: (x, y, colour) each, the colour as `color_of` takes it.

    Raises:
        UsageError: one of them is something else.
    """
    found = []
    for number, item in enumerate(items, 1):
        if isinstance(item, Hint):
            found.append(item)
            continue
        try:
            x, y, color = item
        except (TypeError, ValueError):
            raise UsageError(f"hint {number} is {item!r}: give (x, y, colour), as (120, 48, '#c33')") from None
        found.append(_hint(f"hint {number}", x, y, color))
    return Hints(tuple(found))


def _hint(name: str, x: Any, y: Any, color: Any) -> Hint:
    places = []
    for axis, value in (("x", x), ("y", y)):
        try:
            number = float(value)
            if isinstance(value, bool) or not abs(number) < 1e9:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{name}: {axis} is {value!r:.40}, which is no number of pixels") from None
        places.append(int(number // 1))
    try:
        rgb = color_of(color)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    return Hint(places[0], places[1], rgb, name)


def read_hints(path: Path) -> Hints:
    """The hints of a file: CSV or JSON of x, y and colour, or a PNG with transparency where nothing is given.

    Raises:
        UsageError: it cannot be read, or holds something else; the message says what, and where.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"hints {path}: give a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
    try:
        if not real(path).is_file():
            raise UsageError(f"hints {path}: " + ("it is no file" if path.exists() else "there is no such file"))
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"hints {path}: it is larger than {MOST_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"hints {path}: {error.strerror or error}") from None
    try:
        if suffix == ".png":
            found, size = _painted(data)
        else:
            text = data.decode("utf-8-sig")
            found, size = (_of_json(text) if suffix == ".json" else _of_csv(text)), None
    except UnicodeDecodeError:
        raise UsageError(f"hints {path}: it is not text in UTF-8") from None
    except UsageError as error:
        raise UsageError(f"hints {path}: {error}") from None
    if len(found) > MOST_HINTS:
        raise UsageError(f"hints {path}: it has {len(found)} hints, and {MOST_HINTS} are the most")
    return Hints(tuple(found), size, hashlib.sha256(data).hexdigest())


def _of_csv(text: str) -> list[Hint]:
    """Rows of x, y, colour; a first row of names, empty rows, and rows without a colour are passed over."""
    found = []
    try:
        reader = csv.reader(io.StringIO(text))
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise UsageError(f"it is no CSV: {error}") from None
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[:2] == ["x", "y"]):
            continue
        if len(cells) < 3:
            raise UsageError(f"line {number} has {len(cells)} columns: x,y,colour are wanted")
        if cells[2]:
            found.append(_hint(f"line {number}", *cells[:3]))
    return found


def _of_json(text: str) -> list[Hint]:
    """A list of {"x", "y", "color"}, or an object that holds it as "hints"; those without a colour are passed over."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is no JSON: {error}") from None
    items = held.get("hints") if isinstance(held, dict) else held
    if not isinstance(items, list):
        raise UsageError('it has no list of hints: write [{"x": 120, "y": 48, "color": "#c33"}]')
    found = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, dict) or not {"x", "y"} <= set(item):
            raise UsageError(f'hint {number} is {item!r}: write {{"x": 120, "y": 48, "color": "#c33"}}')
        if "color" not in item and "colour" in item:
            raise UsageError(f'hint {number} has a "colour": write "color"')
        if item.get("color") is not None:
            found.append(_hint(f"hint {number}", item["x"], item["y"], item["color"]))
    return found


def _painted(data: bytes) -> tuple[list[Hint], tuple[int, int]]:
    """A place every so often of what is opaque, and where each patch of a colour has its middle."""
    from scipy import ndimage
    from skimage.measure import label

    if not data.startswith(PNG):
        raise UsageError("it is no PNG that can be read")
    try:
        samples = decode_samples(data)
    except ImageError as error:
        raise UsageError(f"it is no PNG that can be read: {error}") from None
    eight = samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)
    channels = eight.shape[-1] if eight.ndim == 3 else 1
    if channels not in (2, 4):
        raise UsageError("all of it is opaque: leave transparent where no colour is given")
    rgba = eight if channels == 4 else np.concatenate([eight[..., :1].repeat(3, axis=-1), eight[..., 1:]], axis=-1)
    opaque = rgba[..., 3] > 127
    height, width = opaque.shape
    if opaque.all():
        raise UsageError("all of it is opaque: leave transparent where no colour is given")
    step = max(1, round(max(height, width) * STROKE_STEP))
    codes = np.where(opaque, rgba[..., :3].astype(np.int64) @ [1 << 16, 1 << 8, 1], -1)
    patches = label(codes, background=-1, connectivity=2)
    count = int(patches.max())
    if count > MOST_HINTS:
        raise UsageError(f"it has {count} patches of colour, and {MOST_HINTS} are the most: paint without soft edges")
    places = np.zeros_like(opaque)
    places[step // 2 :: step, step // 2 :: step] = True
    if count:
        # The pixel of each patch that is farthest from its edge.
        edge = np.zeros_like(opaque)
        for axis in (0, 1):
            for shift in (1, -1):
                edge |= np.roll(patches, shift, axis) != patches
        depth = ndimage.distance_transform_edt(~edge) + 1
        middles = ndimage.maximum_position(depth, patches, np.arange(1, count + 1))
        places[tuple(np.array(middles).T)] = True
    rows, columns = np.nonzero(places & opaque)
    found = [
        Hint(int(x), int(y), tuple(int(value) for value in rgba[y, x, :3]), "a stroke")  # type: ignore[arg-type]
        for y, x in zip(rows, columns, strict=True)
    ]
    return found, (height, width)


def hint_files(path: Path, pages: Sequence[PurePosixPath]) -> dict[PurePosixPath, Path]:
    """Which file has the hints of which page.

    Args:
        path: a file, of one page; or a folder, which holds NAME.json, NAME.csv or NAME.png for the page NAME.
        pages: their names, as they are in the output, without a suffix.

    Raises:
        UsageError: there is no such path, a file for more than one page, a file in the folder for a page that is not
            there, or two files for one page.
    """
    if not path.exists():
        raise UsageError(f"--hints {path}: there is no such file or folder")
    if not path.is_dir():
        if len(pages) > 1:
            raise UsageError(
                f"--hints {path}: a file is of one page, and there are {len(pages)}: give a folder that holds"
                " NAME.json, NAME.csv or NAME.png for the page NAME"
            )
        return dict.fromkeys(pages, path)
    found: dict[PurePosixPath, Path] = {}
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() not in SUFFIXES or not file.is_file():
            continue
        name = PurePosixPath(file.relative_to(path).with_suffix("").as_posix())
        if name not in pages:
            known = ", ".join(str(page) for page in pages[:3]) + ", …" * (len(pages) > 3)
            raise UsageError(f"--hints {path}: {file.name} is for a page {name}, which is not there; pages are {known}")
        if name in found:
            raise UsageError(f"--hints {path}: {found[name].name} and {file.name} are for one page: leave one out")
        found[name] = file
    return found


def becomes(hint: Hint, luma: float) -> tuple[tuple[int, int, int], float]:
    """What a hint's colour is at a luma, and how much of its chroma is left, a share: of grey, all of it."""
    rgb, scale = compose(np.array([luma]), hint.uv)
    red, green, blue = (int(value) for value in to_uint8(rgb))
    return (red, green, blue), 1.0 if len(set(hint.rgb)) == 1 else float(scale[0])
