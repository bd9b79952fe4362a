"""What a person says of pages: what is asked of a click, and what becomes of an answer."""

import base64
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.yuv import compose, to_uint8
from zoo.data.decode import read_header
from zoo.errors import ImageError, UsageError
from zoo.pages.asking import questions
from zoo.pages.guide import check_hints, takes_color
from zoo.pages.hint import color_of, hex_of
from zoo.pages.scan import read_scan
from zoo.pages.sheet import SheetEntry, example_of
from zoo.studio.desk import Desk, Place
from zoo.studio.marks import Mark, Marks, along
from zoo.studio.uv_plane import possible
from zoo.support.names import printable

OUTLINE_SIDE = 900
"""Pixels of the longer side of a region's outline, at most."""

MOST_CORNERS = 5000
"""Of a stroke."""


class Saying:
    """Answers clicks. To be used by one thread.

    Args:
        desk: of the pages.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._keep = desk, desk.keep
        self._sheets: list[tuple[SheetEntry, ...]] = []

    def place(self, index: int, x: int, y: int) -> dict[str, Any]:
        """The region of a place: its most probable colours, its outline, and whether it takes a colour at all."""
        place = self._desk.place(self._desk.own.model, index, x, y)
        colors = possible(place)
        page = self._desk.shelf.open(index).paper
        hint = Mark(1, colors[0]["color"], ((x, y),)).hints[0]
        refusal = ""
        if not takes_color(page, hint, self._desk.shelf.look.headroom):
            strong = replace(hint, rgb=(255, 0, 0), name="it")
            try:
                check_hints(page, [strong], self._desk.shelf.look.headroom)
            except UsageError as error:
                refusal = str(error)
        return {
            "x": x,
            "y": y,
            "tone": round(place.tone, 4),
            "possible": colors,
            "refusal": refusal,
            "outline": _outline(place),
        }

    def next_place(self, index: int) -> dict[str, Any] | None:
        """The region whose colour is worth most, of those that nothing was said of; None if nothing is left to ask."""
        desk = self._desk
        looked = desk.looked(desk.own.model, index)
        with looked.lock:
            asked = questions(looked.examined, 1, hints=desk.hints(index))
        return self.place(index, asked[0].x, asked[0].y) if asked else None

    def marks(self, index: int) -> Marks:
        """The marks of a page."""
        return self._keep.marks(self._desk.name(index))

    def put(self, index: int, color: str, path: list[list[float]], number: int | None) -> Mark:
        """Puts a mark on a page, or in the place of another one.

        Args:
            index: of the page.
            color: as `color_of` takes it.
            path: a place, or the corners of a stroke: x and y each.
            number: of the mark that it takes the place of, or is again; None for a new one.

        Raises:
            UsageError: no colour fits there, or it is outside of the page.
        """
        page, headroom, marks = self._desk.shelf.open(index).paper, self._desk.shelf.look.headroom, self.marks(index)
        if not 1 <= len(path) <= MOST_CORNERS:
            raise UsageError(f"a stroke has 1 … {MOST_CORNERS} corners, not {len(path)}")
        mark = Mark(number or marks.next_id, hex_of(color_of(color)), tuple(along(path, page.size)))
        if not mark.points:
            raise UsageError("that is outside of the page")
        if len(path) == 1:
            check_hints(page, mark.hints, headroom)
        else:  # a stroke crosses lines, which keep their ink
            takes = [(hint.x, hint.y) for hint in mark.hints if takes_color(page, hint, headroom)]
            if not takes:
                raise UsageError("the stroke is on black ink or white paper alone, where no colour fits")
            mark = replace(mark, points=tuple(takes))
        self._keep.mark(self._desk.name(index), marks.with_mark(mark))
        return mark

    def again(self, index: int, mark: Mark) -> None:
        """Puts a mark back as it was."""
        page = self._desk.shelf.open(index).paper
        height, width = page.size
        if not all(0 <= x < width and 0 <= y < height for x, y in mark.points) or not mark.points:
            raise UsageError("that is outside of the page")
        check_hints(page, mark.hints, self._desk.shelf.look.headroom)
        self._keep.mark(self._desk.name(index), self.marks(index).with_mark(mark))

    def drop(self, index: int, number: int) -> None:
        """Takes a mark away."""
        self._keep.mark(self._desk.name(index), self.marks(index).without(number))

    def add_reference(self, data: bytes, title: str) -> str:
        """Takes a coloured page as a reference for all pages; its name here is the answer.

        Raises:
            UsageError: it is no image, or has no colours.
        """
        title = printable(title)[:200] or "a page"
        try:
            kind = read_header(data).format
            scan = read_scan(data)
        except ImageError as error:
            raise UsageError(f"{title}: {error}") from None
        if not scan.colored:
            raise UsageError(f"{title}: it has no colours: a reference is a coloured page of the same work")
        return self._keep.add_reference(data, kind, title)

    def entries(self) -> list[SheetEntry]:
        """The colour sheet of the book's model."""
        model = self._desk.own.model
        return self._keep.entries(model, self._desk.digest(model))

    def write(self, entries: list[SheetEntry]) -> dict[str, Any]:
        """Keeps a colour sheet; answers with it, and with the numbers of what was before and is now."""
        model = self._desk.own.model
        before = self._remembered(tuple(self.entries()))
        self._keep.write_entries(model, self._desk.digest(model), entries)
        return self.sheet() | {"before": before, "after": self._remembered(tuple(entries))}

    def recolor(self, name: str, color: Any) -> dict[str, Any]:
        """Gives an entry of the colour sheet another colour; None takes the entry away.

        Raises:
            UsageError: there is no such entry, or it is no colour.
        """
        entries = self.entries()
        if name not in {entry.name for entry in entries}:
            raise UsageError(f"the colour sheet has no entry {name!r:.40}")
        if color is None:
            return self.write([entry for entry in entries if entry.name != name])
        word = hex_of(color_of(color))
        return self.write([replace(entry, color=word) if entry.name == name else entry for entry in entries])

    def restore(self, number: int) -> dict[str, Any]:
        """Brings back a colour sheet by its number."""
        if not 0 <= number < len(self._sheets):
            raise UsageError("that colour sheet is not known any more")
        return self.write(list(self._sheets[number]))

    def sheet(self) -> dict[str, Any]:
        """The colour sheet, as the page shows it."""
        return {
            "entries": [
                {
                    "name": entry.name,
                    "color": entry.color,
                    "sure": entry.sure,
                    "share": entry.share,
                    "pages": list(entry.pages),
                    "pictured": self._keep.example(self._desk.own.model, entry.name).exists(),
                }
                for entry in self.entries()
            ]
        }

    def _remembered(self, entries: tuple[SheetEntry, ...]) -> int:
        """The number of a colour sheet, by which it is brought back."""
        if entries not in self._sheets:
            self._sheets.append(entries)
        return self._sheets.index(entries)

    def promote(self, index: int, x: int, y: int, color: str) -> dict[str, Any]:
        """Has what is like a region take a colour on all pages: an entry of the colour sheet."""
        desk = self._desk
        place = desk.place(desk.own.model, index, x, y)
        entries = self.entries()
        kind = tuple(round(float(value), 4) for value in place.sight.kinds[place.region])
        tone = round(place.tone, 4)
        same = next((each for each in entries if each.kind == kind and each.tone == tone), None)
        if same:
            changed = replace(same, color=hex_of(color_of(color)))
            return self.write([changed if each is same else each for each in entries])
        numbers = [int(each.name) for each in entries if each.name.isdecimal()]
        panel, (height, width) = place.frame.panel, desk.shelf.open(index).paper.size
        share = place.inside.mean() * panel.height * panel.width / (height * width) / len(desk.shelf.pages)
        entry = SheetEntry(
            name=str(max(numbers, default=0) + 1),
            color=hex_of(color_of(color)),
            tone=tone,
            kind=kind,
            sure=1.0,
            share=round(float(share), 4),
            pages=(desk.shelf.pages[index].label,),
        )
        frame = place.frame
        uv = frame.decoded(desk.colorizer(desk.own.model).with_decoder(desk.own.decode).decode, 0)
        rgb = to_uint8(compose(frame.luma[..., None], uv)[0])
        self._keep.write_example(desk.own.model, entry.name, example_of(rgb, place.inside))
        return self.write([*entries, entry])


def _outline(place: Place) -> dict[str, Any]:
    """Where a region is: a box in pixels of the page, and a picture of its edge as a data URL (PNG)."""
    rows, columns = (np.flatnonzero(place.inside.any(axis=axis)) for axis in (1, 0))
    top, bottom = max(0, rows[0] - 1), min(place.inside.shape[0], rows[-1] + 2)
    left, right = max(0, columns[0] - 1), min(place.inside.shape[1], columns[-1] + 2)
    part = Image.fromarray(place.inside[top:bottom, left:right].astype(np.uint8) * 255)
    panel, (height, width) = place.frame.panel, place.inside.shape
    down, across = panel.height / height, panel.width / width
    share = min(3.0, OUTLINE_SIDE / max(part.height * down, part.width * across))
    size = max(1, round(part.width * across * share)), max(1, round(part.height * down * share))
    mask = np.asarray(part.resize(size, Image.Resampling.BICUBIC)) > 127
    inner = mask.copy()
    for axis in (0, 1):
        for shift in (1, 2):
            inner &= np.roll(mask, shift, axis) & np.roll(mask, -shift, axis)
    stream = BytesIO()
    alpha = np.where(mask & ~inner, 255, np.where(mask, 40, 0)).astype(np.uint8)
    Image.fromarray(np.stack([np.full_like(alpha, 255), alpha], axis=-1)).save(stream, "PNG")
    return {
        "left": panel.left + left * across,
        "top": panel.top + top * down,
        "width": part.width * across,
        "height": part.height * down,
        "picture": "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode(),
    }
