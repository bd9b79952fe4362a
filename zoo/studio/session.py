"""A studio: a book, what was decided of it, the models, and the threads that compute."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo.chroma.decoders import page_decoder
from zoo.data.pdf import Renderers
from zoo.errors import UsageError
from zoo.models.kinds import answers_with, trained_side
from zoo.models.releases import default_weights, list_releases
from zoo.pages.input import BOOKS, Page
from zoo.pages.look import Look
from zoo.studio.desk import Desk
from zoo.studio.keep import Choices, Keep
from zoo.studio.printing import Printing
from zoo.studio.queue_of_work import QueueOfWork
from zoo.studio.saying import Saying
from zoo.studio.shelf import Shelf
from zoo.support.names import printable

OFFERED = ("annealed", "annealed+flat", "annealed+coherent", "mode", "mode+coherent", "mean", "median")
"""Decoders that the page offers, after a model's usual one."""


@dataclass(frozen=True)
class Book:
    """What a studio is opened with.

    Attributes:
        inputs: the pages, as a command line in any folder names them.
        pages: the pages.
        model: that colours them.
        insisted: whether the model was asked for, so that it counts whatever was chosen before.
        decode: its decoder, likewise; None for the usual one, or that of before.
        others: further models to compare with.
        look: how pages are to look.
        flags: that, for `zoo colorize`.
        folder: where what is decided is kept.
    """

    inputs: list[str]
    pages: list[Page]
    model: str
    insisted: bool
    decode: str | None
    others: Sequence[str]
    look: Look
    flags: list[str]
    folder: Path


def usual_decoder(model: str) -> str | None:
    """What a model's pages are coloured by unless told otherwise; None of a regression."""
    return None if answers_with(model) == "uv" else page_decoder(trained_side(model) > 0)


def released() -> list[str]:
    """The models with released weights, as the command line names them, each with its usual ones."""
    weights: dict[str, list[str]] = {}
    for card in list_releases():
        weights.setdefault(card.model, []).append(card.name)
    return [model if default_weights(model) in names else f"{model}:{names[0]}" for model, names in weights.items()]


@dataclass
class Versions:
    """Counts changes, so that a tab learns of those that another one made."""

    book: int = 0
    pages: dict[int, int] = field(default_factory=dict)

    def changed(self, page: int | None = None) -> None:
        """Counts a change of a page, or of what is said of all."""
        if page is None:
            self.book += 1
        else:
            self.pages[page] = self.pages.get(page, 0) + 1


class Studio:
    """Everything behind the page.

    Of its threads one answers clicks and colours pages, one makes ready what may be wanted soon, and one reads pages:
    what needs no network waits for none.

    Args:
        book: what it is opened with.
        renderers: of PDF files.

    Raises:
        UsageError: what was kept of the book cannot be read.
    """

    def __init__(self, book: Book, renderers: Renderers) -> None:
        names = {page.name: page.label for page in book.pages}
        usual = Choices(book.model, book.decode or usual_decoder(book.model))
        models = list(dict.fromkeys([book.model, *book.others, *released()]))
        self.book, self.versions = book, Versions()
        self.keep = Keep(book.folder, names, usual, insisted=book.insisted, models=models)
        if book.decode:
            model = self.keep.choices.model
            if usual_decoder(model) is None:
                raise UsageError(
                    f"--decode {book.decode}: the model {model}, which was chosen before, answers with one colour;"
                    " leave --decode out, or give a MODEL"
                )
            self.keep.choices = replace(self.keep.choices, decode=book.decode)
        self.desk = Desk(Shelf(book.pages, renderers, book.look), self.keep, models)
        self.saying = Saying(self.desk)
        self.printing = Printing(self.desk, book.inputs, book.flags)
        self.front, self.back, self.reader = QueueOfWork("front"), QueueOfWork("back"), QueueOfWork("reader")

    def close(self) -> None:
        """Ends all threads."""
        self.printing.close()
        for queue in (self.front, self.back, self.reader):
            queue.close()

    @property
    def title(self) -> str:
        """What the book is called."""
        name = Path(self.book.inputs[0]).absolute().name
        more = f" and {len(self.book.inputs) - 1} more" if len(self.book.inputs) > 1 else ""
        return printable(name + more)

    @property
    def stem(self) -> str:
        """A name for a file of it, of plain characters."""
        name = Path(self.book.inputs[0]).absolute()
        stem = name.stem if name.suffix.lower() in BOOKS else name.name
        return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem)[:80].strip("-") or "book"

    def about(self) -> dict[str, Any]:
        """What the page has to know of the book."""
        keep, desk, version = self.keep, self.desk, self.versions.book  # a change meanwhile is newer than what is told
        marked, choices = set(keep.marked()), keep.choices
        models = [{"name": name, "decoders": _decoders(name)} for name in desk.models]
        return {
            "title": self.title,
            "pages": [{"label": page.label, "marked": page.name in marked} for page in desk.shelf.pages],
            "models": models,
            "own": desk.own.text,
            "palette": list(choices.palette),
            "limited": choices.limited,
            "references": [{"name": name, "title": (choices.titles or {})[name]} for name in choices.references],
            "keep": str(keep.folder),
            "coloured": f"{keep.folder.name}/{keep.coloured.name}",
            "command": self.printing.command(),
            "version": version,
        }

    def page(self, index: int) -> dict[str, Any]:
        """What the page has to know of one of the book.

        Raises:
            PageError: it cannot be coloured.
            UsageError: its hints cannot be read.
        """
        version = self.versions.pages.get(index, 0)  # likewise
        opened, marks = self.desk.shelf.open(index), self.saying.marks(index)
        height, width = opened.paper.size
        return {
            "width": width,
            "height": height,
            "truth": opened.truth is not None,
            "marks": [mark.as_json() for mark in marks.marks],
            "version": version,
        }


def _decoders(model: str) -> list[str]:
    usual = usual_decoder(model)
    return [] if usual is None else list(dict.fromkeys([usual, *OFFERED]))
