"""Models in memory, what they said of pages, and the pictures that come of it: a network sees a page once."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from zoo.chroma.decoders import Decoder
from zoo.chroma.evidence import Given, Sight
from zoo.chroma.upsampling import Inked, bring_up, inked
from zoo.errors import UsageError
from zoo.models.kinds import answers_with, weights_digest
from zoo.pages.guide import Frame, Guide, check_hints
from zoo.pages.hint import Hint, Hints
from zoo.pages.palette import palette_of
from zoo.pages.scan import encode, read_scan
from zoo.studio.bounded import Bounded
from zoo.studio.keep import Keep
from zoo.studio.marks import Marks
from zoo.studio.shelf import THUMBNAIL, Opened, PageError, Shelf
from zoo.support.command import import_tensorflow

if TYPE_CHECKING:
    from zoo.pages.colorizer import Examined
    from zoo.studio.one_at_a_time import OneAtATime

MOST_LOOKED = 384 << 20
"""Bytes of what networks said of pages that are kept."""

MOST_INKED = 64 << 20
"""Bytes of what is known of pages' strokes, that is kept."""

MOST_THUMBNAILS = 32 << 20
"""Bytes of small pictures that are kept: of some thousands of pages."""

MOST_MODELS = 4
"""How many networks are in memory, besides the book's own."""

QUALITY = 90
"""Of the JPEGs that the screen shows."""

GREY, TRUTH = "grey", "truth"


@dataclass
class Looked:
    """What a network said of a page.

    Attributes:
        examined: that.
        lock: of whoever computes with it.
    """

    examined: "Examined"
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def nbytes(self) -> int:
        """What it takes in memory, about, bytes: its answers, and what is kept of each pixel on the way."""
        total = 0
        for prediction, shape in {id(f.prediction): (f.prediction, f.luma.size) for f in self.examined.frames}.values():
            features = getattr(prediction, "_features", None)
            total += 2 * prediction.output.nbytes + shape * 40
            total += 0 if features is None else 2 * 4 * int(np.prod(features.shape))
        return total


@dataclass(frozen=True)
class Place:
    """A place of a page, and the region that it is in.

    Attributes:
        frame: what the network saw of it.
        sight: that as regions.
        region: its label.
    """

    frame: Frame
    sight: Sight
    region: int

    @property
    def inside(self) -> np.ndarray:
        """Which pixels of the frame are in the region, (h, w)."""
        return np.asarray(self.sight.regions == self.region)

    @property
    def tone(self) -> float:
        """The region's mean luma."""
        return float(self.sight.tones[self.region])


@dataclass(frozen=True)
class Layer:
    """A way to see a page: `grey`, `truth`, or a model and its decoder.

    Attributes:
        model: as the command line names it; empty for the other two.
        decode: of a classifier.
        text: how it is written: `MODEL|DECODER`.
    """

    model: str
    decode: str | None
    text: str


class Desk:
    """Colours pages for the screen. What networks say is kept; several threads may ask.

    Args:
        shelf: the pages.
        keep: what was decided.
        models: the models that may be asked for.
    """

    def __init__(self, shelf: Shelf, keep: Keep, models: Sequence[str]) -> None:
        self.shelf, self.keep, self.models = shelf, keep, models
        self._colorizers: OrderedDict[str, OneAtATime] = OrderedDict()
        self._loading, self._looking = threading.Lock(), threading.Lock()
        self.looked_at: Bounded[Looked] = Bounded(MOST_LOOKED)
        self._references: Bounded[tuple[Given, ...]] = Bounded(64 << 20)
        self._inked: Bounded[Inked] = Bounded(MOST_INKED)
        self._checked: Bounded[tuple[Marks, tuple[Hint, ...]]] = Bounded(16 << 20)
        self._thumbnails: Bounded[bytes] = Bounded(MOST_THUMBNAILS)
        self.digest, self._answers_with = lru_cache(maxsize=None)(weights_digest), lru_cache(maxsize=None)(answers_with)

    def layer(self, text: str) -> Layer:
        """A layer by how it is written.

        Raises:
            UsageError: there is none of that name.
        """
        if text in (GREY, TRUTH):
            return Layer("", None, text)
        model, _, decode = text.partition("|")
        if model not in self.models:
            raise UsageError(f"the studio was not started with a model {model!r}")
        if decode:
            Decoder.parse(decode)
            if self._answers_with(model) == "uv":
                raise UsageError(f"the model {model} answers with one colour: it takes no decoder {decode}")
        return Layer(model, decode or None, text)

    @property
    def own(self) -> Layer:
        """What colours the book."""
        choices = self.keep.choices
        return Layer(choices.model, choices.decode, f"{choices.model}|{choices.decode or ''}")

    def name(self, index: int) -> PurePosixPath:
        """The name of a page, by which its hints are kept."""
        return self.shelf.pages[index].name

    def colorizer(self, model: str) -> "OneAtATime":
        """A model, loaded once while there is room."""
        with self._loading:
            if model not in self._colorizers:
                import_tensorflow()
                from zoo.models.loading import load
                from zoo.studio.one_at_a_time import OneAtATime

                self._colorizers[model] = OneAtATime(load(model))
            self._colorizers.move_to_end(model)
            others = [name for name in self._colorizers if name not in (model, self.keep.choices.model)]
            for name in others[: max(0, len(others) - MOST_MODELS)]:
                del self._colorizers[name]
            return self._colorizers[model]

    def looked(self, model: str, index: int) -> Looked:
        """What a model says of a page; its network runs if it has not seen the page yet, or too long ago."""
        colorizer, opened = self.colorizer(model), self.shelf.open(index)
        key = model, index
        found = self.looked_at.get(key)
        if found is None:
            with self._looking:
                found = self.looked_at.get(key)
                if found is None:
                    (examined,) = colorizer.examined([colorizer.pictures(opened.seen)])
                    found = Looked(examined)
                    self.looked_at.put(key, found, found.nbytes)
        return found

    def hints(self, index: int) -> tuple[Hint, ...]:
        """The hints of a page.

        Raises:
            UsageError: they cannot be followed on this page.
        """
        marks = self.keep.marks(self.name(index))
        found = self._checked.get(index)
        if found is None or found[0] is not marks:
            paper = self.shelf.open(index).paper
            there = Hints(marks.hints).on(paper.size)
            check_hints(paper, there, self.shelf.look.headroom)
            found = marks, there
            self._checked.put(index, found, 500 * (1 + len(there)))
        return found[1]

    def guide(self, model: str, index: int) -> Guide:
        """What was said of a page, as `zoo colorize` takes it."""
        choices = self.keep.choices
        palette = palette_of(list(choices.palette)) if choices.limited else None
        given = [each for name in choices.references for each in self._referred(model, name)]
        given += [entry.given for entry in self.keep.entries(model, self.digest(model))]
        return Guide(self.hints(index), palette, tuple(given))

    def _referred(self, model: str, name: str) -> tuple[Given, ...]:
        found = self._references.get((model, name))
        if found is None:
            scan = read_scan(self.keep.reference(name).read_bytes())
            found = self.colorizer(model).references(scan)
            self._references.put((model, name), found, sum(each.kind.nbytes + 200 for each in found))
        return found

    def chroma(self, layer: Layer, index: int) -> np.ndarray:
        """UV (h, w, 2) of a page at a size of its own, as was said."""
        looked, guide = self.looked(layer.model, index), self.guide(layer.model, index)
        colorizer = self.colorizer(layer.model).with_decoder(layer.decode)
        with looked.lock:
            return looked.examined.chroma(colorizer.decode, self.shelf.look.seed, guide)

    def colors(self, layer: Layer, index: int) -> np.ndarray:
        """A page as the screen shows it, uint8 RGB (H, W, 3).

        Raises:
            UsageError: a truth that the page does not have, or hints that cannot be followed.
        """
        opened = self.shelf.open(index)
        if layer.text == GREY:
            return np.repeat(opened.shown.samples[..., None], 3, axis=-1)
        if layer.text == TRUTH:
            if opened.truth is None:
                raise UsageError("this page is grey: nobody knows its colours")
            return opened.truth
        from zoo.pages.colorizer import paint

        uv = self.chroma(layer, index)
        hints = [_shown_hint(hint, opened) for hint in self.hints(index)]
        cell = max(shown / small for shown, small in zip(opened.shown.size, uv.shape[:2], strict=True))
        # Brought up at once, not a row for each hint; what the strokes are is known from the last time.
        whole = self._brought_up(index, uv)
        return paint(opened.shown, whole, headroom=self.shelf.look.headroom, hints=hints, cell=cell)

    def _brought_up(self, index: int, uv: np.ndarray) -> np.ndarray:
        """UV (h, w, 2) of a page at the size that is shown, along its ink lines."""
        shown, size = self.shelf.open(index).shown, uv.shape[:2]
        if size == shown.size:
            return uv
        page = self._inked.get((index, size))
        if page is None:
            page = inked(shown, size)
            self._inked.put((index, size), page, sum(each.nbytes for each in vars(page).values()))
        return bring_up(shown.luma(), uv, page)

    def picture(self, layer: Layer, index: int) -> bytes:
        """A page as the screen shows it, JPEG."""
        rgb = self.colors(layer, index)
        if layer.text == self.own.text:
            small = _small(Image.fromarray(rgb))
            self._thumbnails.put(index, small, len(small))
        return encode(rgb, self.shelf.open(index).shown, "jpg", QUALITY)

    def thumbnail(self, index: int) -> bytes:
        """A small picture of a page, JPEG: in colour once it was coloured."""
        found = self._thumbnails.get(index)
        if found is None:
            grey = _small(self.shelf.thumbnail(index))
            found = self._thumbnails.get(index) or grey  # the page may have been coloured meanwhile
            self._thumbnails.put(index, found, len(found))
        return found

    def place(self, model: str, index: int, x: int, y: int) -> Place:
        """The region of a place, x and y in pixels of the page.

        Raises:
            UsageError: it is outside of the page.
        """
        looked, hints = self.looked(model, index), self.hints(index)
        with looked.lock:
            frames = looked.examined.frames
            at = Hint(x, y, (0, 0, 0), "")
            for frame in [*frames[1:], frames[0]]:
                cell = frame.place(at)
                if cell is not None:
                    sight = frame.sight(hints)
                    return Place(frame, sight, int(sight.regions[cell]))
        raise UsageError(f"{x}, {y} is outside of the page")

    def warm(self, index: int) -> None:
        """Makes ready what a click on a page, and a look at it, will want."""
        try:
            layer = self.own
            self.chroma(layer, index)
            looked = self.looked(layer.model, index)
            for frame in looked.examined.frames:
                with looked.lock:
                    frame.sight()
            self.looked_at.put((layer.model, index), looked, looked.nbytes)
        except (PageError, UsageError):
            pass  # said to whoever looks at the page


def _shown_hint(hint: Hint, opened: Opened) -> Hint:
    """A hint of a page, on what the screen shows of it."""
    down, across = opened.scale
    return replace(hint, x=int((hint.x + 0.5) * across), y=int((hint.y + 0.5) * down))


def _small(image: Image.Image) -> bytes:
    stream = BytesIO()
    image = image.convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS, reducing_gap=2)
    image.save(stream, "JPEG", quality=82)
    return stream.getvalue()
