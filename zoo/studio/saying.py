"""What a person says of pages: what is asked of a click, and what becomes of an answer."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from zoo.chroma.evidence import Rule
from zoo.chroma.yuv import compose, to_uint8
from zoo.data.decode import read_header
from zoo.errors import ImageError, UsageError
from zoo.pages.asking import Question, questions
from zoo.pages.guide import becomes_there, check_hints, takes_color
from zoo.pages.hint import color_of, hex_of
from zoo.pages.scan import read_scan
from zoo.pages.sheet import ALIKE, EXAMPLE, SheetEntry, example_of
from zoo.studio.bounded import Bounded
from zoo.studio.desk import Desk, Place
from zoo.studio.marks import Mark, Marks, Point, along
from zoo.studio.seen import ALIKE_COLORS, apart, faint, told_apart
from zoo.studio.uv_plane import POSSIBLE, possible
from zoo.support.names import printable

OUTLINE_SIDE = 900
"""Pixels of the longer side of a region's outline, at most."""

MOST_ASKED = 16
"""Regions that are looked at for one in which a colour shows."""

MOST_CORNERS = 5000
"""Of a stroke."""

MOST_SHEETS = 16 << 20
"""Bytes of colour sheets that can be brought back."""


class GoneError(UsageError):
    """What was to be brought back is not known any more, and never will be."""


@dataclass(frozen=True)
class Gathered:
    """What is alike on all pages, as a model sees it.

    Attributes:
        model: the model.
        rule: how its regions are compared.
        entries: of a colour sheet, the largest first.
        examples: a picture of each, uint8 RGB (H, W, 3).
    """

    model: str
    rule: Rule
    entries: Sequence[SheetEntry]
    examples: Sequence[np.ndarray]


@dataclass(frozen=True)
class Added:
    """What was added to a colour sheet.

    Attributes:
        count: entries.
        before: the name of the sheet before, by which it is brought back.
        after: the name of the sheet since.
    """

    count: int
    before: str
    after: str


class Saying:
    """Answers clicks. To be used by one thread.

    Args:
        desk: of the pages.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._keep = desk, desk.keep
        self._sheets: Bounded[tuple[str, tuple[SheetEntry, ...]]] = Bounded(MOST_SHEETS)
        self._highest: dict[int, int] = {}

    def place(self, index: int, x: int, y: int) -> dict[str, Any]:
        """The region of a place: its most probable colours, its outline, and whether it takes a colour at all.

        Raises:
            UsageError: it is outside of the page.
        """
        place = self._desk.place(self._desk.own.model, index, x, y)
        colors = _offered(place)
        page = self._desk.shelf.open(index).paper
        hint = Mark(1, colors[0]["color"], ((x, y),)).hints[0]
        refusal = ""
        if not takes_color(page, hint, self._desk.shelf.look.headroom):
            strong = replace(hint, rgb=(255, 0, 0), name="it")
            try:
                check_hints(page, [strong], self._desk.shelf.look.headroom)
            except UsageError as error:
                refusal = str(error)
        note = "" if refusal else faint(page, x, y, self._desk.shelf.look.headroom)
        return {
            "x": x,
            "y": y,
            "tone": round(place.tone, 4),
            "possible": colors,
            "refusal": refusal,
            "note": note,
            "outline": _outline(place),
        }

    def next_place(self, index: int) -> dict[str, Any] | None:
        """The region whose colour is worth most, of those that nothing was said of and a colour shows in; None if
        nothing is left to ask."""
        desk = self._desk
        looked = desk.looked(desk.own.model, index)
        for count in (1, MOST_ASKED):  # nearly always, the first will do
            with looked.lock:
                asked = questions(looked.examined, count, hints=desk.hints(index))
            for each in asked:
                if self._shows(index, each):
                    return self.place(index, each.x, each.y)
        return None

    def _shows(self, index: int, question: Question) -> bool:
        """Whether an answer to a question is to be seen on the page."""
        page, headroom = self._desk.shelf.open(index).paper, self._desk.shelf.look.headroom
        first, *others = (color for color, _ in question.possible)
        if others and max(apart(first, each) for each in others) < ALIKE_COLORS:
            return False
        return not faint(page, question.x, question.y, headroom)

    def becomes(self, index: int, mark: Mark) -> str | None:
        """What a mark's colour is on the page, whose luma stays, as #rrggbb; None where it looks the same. Of a stroke,
        it is told at the place of median luma."""
        page = self._desk.shelf.open(index).paper
        hints = sorted(mark.hints, key=lambda hint: float(page.luma(slice(hint.y, hint.y + 1))[0, hint.x]))
        found = hex_of(becomes_there(page, hints[len(hints) // 2], self._desk.shelf.look.headroom))
        return found if apart(found, mark.color) >= ALIKE_COLORS else None

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
        mark = Mark(number or self._unused(index), hex_of(color_of(color)), tuple(along(path, page.size)))
        if not mark.points:
            raise UsageError("that is outside of the page")
        if len(path) == 1:
            check_hints(page, mark.hints, headroom)
        else:  # a stroke crosses lines, which keep their ink
            takes = [(hint.x, hint.y) for hint in mark.hints if takes_color(page, hint, headroom)]
            if not takes:
                raise UsageError("the stroke is on black ink or white paper alone, where no colour fits")
            mark = replace(mark, points=tuple(takes))
        self._write(index, marks.with_mark(mark))
        return mark

    def again(self, index: int, color: str, points: Sequence[Point], number: int | None) -> Mark:
        """Puts a mark back as it was: see `put`.

        Raises:
            UsageError: no colour fits at one of the points, or it is outside of the page.
        """
        page = self._desk.shelf.open(index).paper
        mark = Mark(number or self._unused(index), color, tuple(points))
        height, width = page.size
        if not all(0 <= x < width and 0 <= y < height for x, y in mark.points) or not mark.points:
            raise UsageError("that is outside of the page")
        check_hints(page, mark.hints, self._desk.shelf.look.headroom)
        self._write(index, self.marks(index).with_mark(mark))
        return mark

    def drop(self, index: int, number: int) -> None:
        """Takes a mark away."""
        self._write(index, self.marks(index).without(number))

    def _unused(self, index: int) -> int:
        """A number that no mark of a page has, or had since the studio was opened: a tab may yet undo by that one."""
        return 1 + max(self._highest.get(index, 0), self.marks(index).highest)

    def _write(self, index: int, marks: Marks) -> None:
        self._highest[index] = max(self._highest.get(index, 0), self.marks(index).highest, marks.highest)
        self._keep.mark(self._desk.name(index), marks)

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

    def entries(self, model: str) -> list[SheetEntry]:
        """The colour sheet of a model."""
        return self._keep.entries(model, self._desk.digest(model))

    def _change(self, model: str, before: list[SheetEntry], after: list[SheetEntry]) -> dict[str, Any]:
        """Keeps a colour sheet; answers with it, and with the names of what was before and is now."""
        self._keep.write_entries(model, self._desk.digest(model), after)
        names = {"before": self._remembered(model, before), "after": self._remembered(model, after)}
        return self._shown(model, after) | names

    def gathered(self, found: Gathered) -> Added:
        """Adds what was gathered to the colour sheet of its model, but for what is like an entry that is there."""
        there, rule = self.entries(found.model), found.rule
        added: list[SheetEntry] = []
        for entry, example in zip(found.entries, found.examples, strict=True):
            distances = [
                rule.kind * float(((np.array(entry.kind) - np.array(each.kind)) ** 2).sum())
                + rule.tone * abs(entry.tone - each.tone)
                for each in there
            ]
            if min(distances, default=ALIKE) >= ALIKE:
                name = _unused([*there, *added])
                self._keep.write_example(found.model, name, example)
                added.append(replace(entry, name=name))
        changed = self._change(found.model, there, [*there, *added])
        return Added(len(added), changed["before"], changed["after"])

    def recolor(self, name: str, color: Any) -> dict[str, Any]:
        """Gives an entry of the colour sheet another colour; None takes the entry away.

        Raises:
            UsageError: there is no such entry, or it is no colour.
        """
        model = self._desk.own.model
        entries = self.entries(model)
        if name not in {entry.name for entry in entries}:
            raise UsageError(f"the colour sheet has no entry {name!r:.40}")
        if color is None:
            return self._change(model, entries, [entry for entry in entries if entry.name != name])
        word = hex_of(color_of(color))
        after = [replace(entry, color=word) if entry.name == name else entry for entry in entries]
        return self._change(model, entries, after)

    def restore(self, name: str) -> dict[str, Any]:
        """Brings back a colour sheet by its name.

        Raises:
            GoneError: nothing is known by that name.
            UsageError: it is of a model that does not colour the book now.
        """
        found, own = self._sheets.get(name), self._desk.own.model
        if found is None:
            raise GoneError("that colour sheet is not known any more: the studio was started anew since")
        model, entries = found
        if model != own:
            raise UsageError(f"that colour sheet is of the model {model}: choose it first")
        return self._change(model, self.entries(model), list(entries))

    def sheet(self) -> dict[str, Any]:
        """The colour sheet of the book's model, as the page shows it."""
        model = self._desk.own.model
        return self._shown(model, self.entries(model))

    def _shown(self, model: str, entries: Sequence[SheetEntry]) -> dict[str, Any]:
        return {
            "entries": [
                {
                    "name": entry.name,
                    "color": entry.color,
                    "pages": list(entry.pages),
                    "pictured": self._keep.example(model, entry.name).exists(),
                }
                for entry in entries
            ]
        }

    def _remembered(self, model: str, entries: Sequence[SheetEntry]) -> str:
        """The name of a colour sheet, by which it is brought back: a digest of what it holds."""
        text = json.dumps([model, [vars(entry) for entry in entries]])
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        self._sheets.put(name, (model, tuple(entries)), 4 * len(text))
        return name

    def promote(self, index: int, x: int, y: int, color: str) -> dict[str, Any]:
        """Has what is like a region take a colour on all pages: an entry of the colour sheet."""
        desk, own = self._desk, self._desk.own
        place = desk.place(own.model, index, x, y)
        entries = self.entries(own.model)
        kind = tuple(round(float(value), 4) for value in place.sight.kinds[place.region])
        tone = round(place.tone, 4)
        same = next((each for each in entries if each.kind == kind and each.tone == tone), None)
        if same:
            changed = replace(same, color=hex_of(color_of(color)))
            return self._change(own.model, entries, [changed if each is same else each for each in entries])
        panel, (height, width) = place.frame.panel, desk.shelf.open(index).paper.size
        share = place.inside.mean() * panel.height * panel.width / (height * width) / len(desk.shelf.pages)
        entry = SheetEntry(
            name=_unused(entries),
            color=hex_of(color_of(color)),
            tone=tone,
            kind=kind,
            sure=1.0,
            share=round(float(share), 4),
            pages=(desk.shelf.pages[index].label,),
        )
        frame = place.frame
        uv = frame.decoded(desk.colorizer(own.model).with_decoder(own.decode).decode, 0)
        rgb = to_uint8(compose(frame.luma[..., None], uv)[0])
        self._keep.write_example(own.model, entry.name, example_of(rgb, place.inside, EXAMPLE // 2))
        return self._change(own.model, entries, [*entries, entry])


def _offered(place: Place) -> list[dict[str, Any]]:
    """The most probable colours of a region that look different, at most `POSSIBLE`."""
    first = possible(place)
    found = told_apart(first)
    if len(found) == len(first):
        return found
    return told_apart(possible(place, 2 * POSSIBLE))[:POSSIBLE]


def _unused(entries: Sequence[SheetEntry]) -> str:
    """A number that no entry of a colour sheet has for a name."""
    return str(1 + max((int(each.name) for each in entries if each.name.isdecimal()), default=0))


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
