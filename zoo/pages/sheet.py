"""The colour sheet of a book: what is alike on all its pages has one entry, whose colour a user can change."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from zoo.chroma.evidence import Given, Rule
from zoo.chroma.yuv import compose, rgb_to_yuv, to_uint8
from zoo.errors import UsageError
from zoo.pages.asking import ROOM, uncertainty
from zoo.pages.hint import color_of, hex_of
from zoo.support.files import atomic_path, regular, write_text

if TYPE_CHECKING:
    from zoo.pages.colorizer import Examined

LEAST_AREA = 0.004
"""Regions that are a smaller share of their frame have no entry."""

MOST_REGIONS = 3000
"""Of a book, the largest; the time to group them grows with the square."""

MOST_ENTRIES = 60

ALIKE = 1.0
"""Regions are one entry if their scores, by the model's rule, differ by less in the mean."""

STRENGTH = 20.0
"""What an entry counts, where a hint elsewhere counts 1: a region like it takes its colour."""

MOST_BITS = 6.0  # of a distribution of 64 bins
MOST_BYTES = 64 << 20
LARGEST_KIND = 1e6
EXAMPLE = 96  # pixels: the side of the picture of an example


@dataclass(frozen=True)
class SheetEntry:
    """Regions of a book that are alike.

    Attributes:
        name: a number, or what the user makes of it.
        color: as #rrggbb: at first what the model chose.
        tone: the mean luma.
        kind: the mean of what the model says of them.
        sure: how sure the model is of their colour, 0 to 1.
        share: of the pages' area.
        pages: where they are.
    """

    name: str
    color: str
    tone: float
    kind: tuple[float, ...]
    sure: float
    share: float
    pages: tuple[str, ...]

    @property
    def given(self) -> Given:
        """The entry as evidence."""
        uv = rgb_to_yuv(np.array(color_of(self.color)) / 255)[1:]
        return Given(uv, self.tone, np.array(self.kind), None, STRENGTH)


@dataclass(frozen=True)
class Part:
    """A region of a page, before regions are grouped.

    Attributes:
        page: its label.
        uv: its mean U and V.
        tone: its mean luma.
        kind: what the model says of it.
        bits: how unsure the model is.
        area: its share of the page.
        example: it and what is around it in colour, uint8 RGB (`EXAMPLE`, `EXAMPLE`, 3).
    """

    page: str
    uv: np.ndarray
    tone: float
    kind: np.ndarray
    bits: float
    area: float
    example: np.ndarray


def parts_of(label: str, examined: "Examined", decode: str | None, truth: np.ndarray | None = None) -> list[Part]:
    """The larger regions of a page.

    Args:
        label: of the page.
        examined: what the network says of it.
        decode: how that becomes a colour.
        truth: in place of the model's, the colours of the page, U and V (H, W, 2).
    """
    found = []
    height, width = examined.page.size
    for frame in examined.frames[1:] or examined.frames:
        sight = frame.sight()
        uv = frame.prediction.decode(decode)[frame.image] if truth is None else frame.reduced(truth)
        means = sight.means(uv)
        bits = uncertainty(frame, sight)
        rgb = to_uint8(compose(frame.luma[..., None], uv)[0])
        of_page = frame.panel.height * frame.panel.width / (height * width)
        for region in np.flatnonzero(sight.sizes >= LEAST_AREA * sight.regions.size):
            tone = float(sight.tones[region])
            if ROOM <= tone <= 1 - ROOM:
                area = float(sight.sizes[region] / sight.regions.size * of_page)
                example = example_of(rgb, sight.regions == region)
                found.append(Part(label, means[region], tone, sight.kinds[region], float(bits[region]), area, example))
    return found


def example_of(rgb: np.ndarray, inside: np.ndarray, least: int = 24) -> np.ndarray:
    """A square around a region, with the region's edge marked, uint8 RGB (`EXAMPLE`, `EXAMPLE`, 3).

    Args:
        rgb: what the region is in, uint8 (h, w, 3).
        inside: whether a pixel is in the region, (h, w).
        least: pixels that the square has at least to a side, before it is enlarged.
    """
    rows, columns = np.nonzero(inside)
    side = max(int(np.ptp(rows)) + 9, int(np.ptp(columns)) + 9, least)
    top = int(np.clip((rows.min() + rows.max() - side) // 2, 0, max(0, len(rgb) - side)))
    left = int(np.clip((columns.min() + columns.max() - side) // 2, 0, max(0, rgb.shape[1] - side)))
    picture = rgb[top : top + side, left : left + side].copy()
    mask = inside[top : top + side, left : left + side]
    edge = mask & ~(np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1))
    picture[edge] = (255, 0, 255)
    image = ImageOps.contain(Image.fromarray(picture), (EXAMPLE, EXAMPLE))
    square = Image.new("RGB", (EXAMPLE, EXAMPLE), "white")
    square.paste(image, ((EXAMPLE - image.width) // 2, (EXAMPLE - image.height) // 2))
    return np.asarray(square)


def groups_of(parts: Sequence[Part], rule: Rule) -> np.ndarray:
    """The number of each region's group, from 1.

    Average linkage (R. Sokal and C. Michener, 1958; SciPy) by the differences that count against a hint.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if len(parts) < 2:
        return np.ones(len(parts), int)
    apart = rule.kind * pdist(np.stack([part.kind for part in parts]), "sqeuclidean")
    apart += rule.tone * pdist(np.array([[part.tone] for part in parts]), "cityblock")
    return np.asarray(fcluster(linkage(apart, "average"), ALIKE, "distance"))


def grouped(parts: Sequence[Part], rule: Rule, pages: int) -> tuple[list[SheetEntry], list[np.ndarray]]:
    """Entries of the regions of all pages, the largest first, and an example of each.

    Args:
        parts: the regions.
        rule: how the model's regions are compared.
        pages: how many pages there are.
    """
    chosen = sorted(parts, key=lambda part: -part.area)[:MOST_REGIONS]
    groups = groups_of(chosen, rule)
    found = []
    for group in np.unique(groups):
        members = [part for part, own in zip(chosen, groups, strict=True) if own == group]
        area = np.array([part.area for part in members])

        def mean(values: Iterable[Any], area: np.ndarray = area) -> np.ndarray:
            return np.average(np.stack(list(values)), axis=0, weights=area)

        tone = float(mean(part.tone for part in members))
        rgb = to_uint8(compose(np.array([tone]), mean(part.uv for part in members))[0])
        entry = SheetEntry(
            name="",
            color=hex_of(rgb),
            tone=round(tone, 4),
            kind=tuple(round(float(value), 4) for value in mean(part.kind for part in members)),
            sure=round(float(np.clip(1 - mean(part.bits for part in members) / MOST_BITS, 0, 1)), 3),
            share=round(float(area.sum() / pages), 4),
            pages=tuple(dict.fromkeys(part.page for part in members)),
        )
        found.append((entry, members[0].example))
    found.sort(key=lambda each: -each[0].share)
    named = [
        SheetEntry(**{**vars(entry), "name": str(number)}) for number, (entry, _) in enumerate(found[:MOST_ENTRIES], 1)
    ]
    return named, [example for _, example in found[:MOST_ENTRIES]]


def write_entries(path: Path, entries: Sequence[SheetEntry], weights: str | None) -> None:
    """Writes a sheet alone: see `write_sheet`."""
    lines = ",\n  ".join(json.dumps(vars(entry)) for entry in entries)
    write_text(path, f'{{"weights": {json.dumps(weights)},\n "entries": [\n  {lines}\n]}}\n')


def write_sheet(path: Path, entries: Sequence[SheetEntry], examples: Sequence[np.ndarray], weights: str | None) -> Path:
    """Writes a sheet, and a picture beside it, whose path is the answer.

    Args:
        path: of the JSON file.
        entries: of `grouped`.
        examples: likewise.
        weights: the digest of the model's weights.
    """
    write_entries(path, entries, weights)
    drawn = path.with_name(f"{path.stem}-colours.jpg")
    with atomic_path(drawn) as temporary:
        _picture(entries, examples).save(temporary, "JPEG", quality=92)
    return drawn


def _picture(entries: Sequence[SheetEntry], examples: Sequence[np.ndarray], columns: int = 6) -> Image.Image:
    """A tile an entry: its number, its colour, how sure the model is, and an example."""
    font = ImageFont.load_default(14)
    high, wide = EXAMPLE + 48, EXAMPLE + 12
    rows = max(1, -(-len(entries) // columns))
    image = Image.new("RGB", (columns * wide, rows * high), "white")
    draw = ImageDraw.Draw(image)
    for index, (entry, example) in enumerate(zip(entries, examples, strict=True)):
        left, top = index % columns * wide + 6, index // columns * high + 4
        image.paste(Image.fromarray(example), (left, top))
        draw.rectangle((left, top + EXAMPLE + 2, left + EXAMPLE - 1, top + EXAMPLE + 18), fill=entry.color)
        text = f"{entry.name}  {entry.color}"
        draw.text((left, top + EXAMPLE + 21), text, fill="black", font=font)
    return image


def read_sheet(path: Path, weights: str | None) -> list[SheetEntry]:
    """The entries of a sheet.

    Args:
        path: the JSON file.
        weights: the digest of the model's weights that is to use it.

    Raises:
        UsageError: it cannot be read, is no sheet, is of another model, or an entry's colour is none.
    """
    try:
        held = json.loads(regular(path, MOST_BYTES).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--sheet {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--sheet {path}: it is no JSON: {error}") from None
    if not isinstance(held, dict) or not isinstance(held.get("entries"), list):
        raise UsageError(f"--sheet {path}: it is no colour sheet: it has no list of entries")
    if held.get("weights") != weights:
        raise UsageError(f"--sheet {path}: it was made with another model: move it away, and it is made anew")
    found = [_entry(path, number, each) for number, each in enumerate(held["entries"], 1)]
    for number, each in enumerate(found, 1):
        if len(each.kind) != len(found[0].kind) or not each.kind:
            raise UsageError(f"--sheet {path}: entry {number} has a kind of {len(each.kind)} numbers, not of as many")
    return found


def _entry(path: Path, number: int, held: Any) -> SheetEntry:
    try:
        found = SheetEntry(
            name=str(held["name"]),
            color=hex_of(color_of(held["color"])),
            tone=float(held["tone"]),
            kind=tuple(float(value) for value in held["kind"]),
            sure=float(held["sure"]),
            share=float(held["share"]),
            pages=tuple(str(page) for page in held["pages"]),
        )
    except UsageError as error:
        raise UsageError(f"--sheet {path}: entry {number}: {error}") from None
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"--sheet {path}: entry {number} is not as it was written: {error!r}") from None
    if not (0 <= found.tone <= 1 and all(abs(value) < LARGEST_KIND for value in found.kind)):
        raise UsageError(f"--sheet {path}: entry {number} has a tone or a kind that no region has")
    return found
