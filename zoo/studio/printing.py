"""Colouring a whole book: the job of `zoo colorize`, in a thread, with the model that is loaded already."""

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from zoo import colorize
from zoo.data.pdf import Renderers
from zoo.errors import InterruptError, UsageError, ZooError
from zoo.models.loading import model_file
from zoo.pages.defaults import BATCH
from zoo.pages.output import FORMATS, Output, bind
from zoo.pages.sheet import grouped
from zoo.studio.desk import Desk
from zoo.studio.keep import Choices
from zoo.studio.saying import Added, Gathered
from zoo.support.command import program
from zoo.support.names import printable

RUNNING, STOPPED, DONE, FAILED, IDLE = "running", "stopped", "done", "failed", "idle"


@dataclass(frozen=True)
class Step:
    """A change of the colour sheet by a long work: what the tab that began the work undoes.

    Attributes:
        number: of the work.
        tab: that began it.
        before: the name of the sheet before.
        after: the name of the sheet since.
    """

    number: int
    tab: str
    before: str
    after: str


@dataclass(frozen=True)
class Progress:
    """How far a long work is.

    Attributes:
        number: of the work, from 1.
        state: `running`, `stopped`, `done`, `failed`, or `idle` before the first.
        what: that is done.
        done: pages.
        total: pages.
        message: what there is to say at its end.
        step: the last change of the colour sheet by a work, this one or one before it.
    """

    number: int = 0
    state: str = IDLE
    what: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    step: Step | None = None


class Printing:
    """Long works, one at a time.

    Args:
        desk: of the pages.
        inputs: the pages, as a command line in any folder names them.
        flags: what `zoo colorize` is to be told besides.

    Attributes:
        progress: of the last work.
    """

    def __init__(self, desk: Desk, inputs: list[str], flags: list[str]) -> None:
        self._desk, self._inputs, self._flags = desk, inputs, flags
        self._here = Path.cwd()
        self.progress = Progress()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def words(self, form: str, choices: Choices) -> list[str]:
        """The command line of `zoo colorize` that makes the same pages, from any folder.

        It names TensorFlow, which computes here: ONNX Runtime, which may be a model's usual one, differs in the last
        bits.

        Args:
            form: of the images.
            choices: of the book.
        """
        keep, sheet = self._desk.keep, self._desk.keep.sheet(choices.model)
        model = choices.model if model_file(choices.model) is None else str(self._here / choices.model)
        words = [model, *self._inputs, "-o", str(keep.coloured), "--runtime", "tensorflow", *self._flags]
        words += ["--format", form] * (form != FORMATS[0])
        words += ["--decode", choices.decode] if choices.decode else []
        words += ["--hints", str(keep.hints)] * keep.is_marked
        words += ["--sheet", str(sheet)] * sheet.exists()
        words += ["--palette", str(keep.palette)] * choices.limited
        if choices.references:
            words += ["--reference", *(str(keep.reference(name)) for name in choices.references)]
        return words

    def command(self) -> str:
        """The same, to be pasted into a terminal."""
        return f"{program('colorize')} {shlex.join(self.words(FORMATS[0], self._desk.keep.choices))}"

    def color(self, form: str, only: int | None = None) -> None:
        """Begins to colour the book, or one page of it.

        Args:
            form: of the images, of `FORMATS`.
            only: the page; None for all.

        Raises:
            UsageError: an unknown format, or another work is going on.
        """
        if form not in FORMATS:
            raise UsageError(f"pages are written as {', '.join(FORMATS)}, not {form!r:.40}")
        choices = self._desk.keep.choices
        self._begin("colouring", lambda: self._color(form, only, choices))

    def gather(self, then: Callable[[Gathered], Added], tab: str) -> None:
        """Begins to gather what is alike on all pages.

        Args:
            then: takes what was found; what of it is new is its answer.
            tab: that wants it.

        Raises:
            UsageError: another work is going on.
        """
        choices = self._desk.keep.choices
        self._begin("gathering what is alike", lambda: self._gather(then, tab, choices))

    def stop(self) -> None:
        """Ends what is going on, after the page that it is at; the same again goes on there."""
        self._stop.set()

    def close(self) -> None:
        """Ends what is going on, and waits for it."""
        self.stop()
        if self._thread:
            self._thread.join()

    def bound(self, kind: str, form: str) -> Path:
        """A book of the coloured pages that are there.

        Args:
            kind: cbz, zip or pdf.
            form: of the images.

        Raises:
            UsageError: no page is coloured yet.
        """
        keep = self._desk.keep
        files = [self.page(index, form) for index in range(len(self._desk.shelf.pages))]
        files = [file for file in files if file.is_file()]
        if not files:
            raise UsageError("no page is coloured yet: colour the book first")
        path = keep.folder / f"coloured.{kind}"
        bind(path, files, keep.coloured)
        return path

    def page(self, index: int, form: str) -> Path:
        """The file of a coloured page."""
        return self._desk.keep.coloured / f"{self._desk.name(index)}.{form}"

    def _begin(self, what: str, work: Callable[[], str]) -> None:
        with self._starting:
            if self.progress.state == RUNNING:
                raise UsageError(f"the studio is {self.progress.what} already: wait, or stop it")
            self._stop.clear()
            self.progress = Progress(self.progress.number + 1, RUNNING, what, step=self.progress.step)
            self._thread = threading.Thread(target=self._run, args=(work,), name="printing", daemon=True)
            self._thread.start()

    def _run(self, work: Callable[[], str]) -> None:
        try:
            message, state = work(), DONE
        except InterruptError:
            message, state = "stopped; Colour the book goes on from here", STOPPED
        except (ZooError, OSError, ValueError, MemoryError) as error:
            message, state = printable(str(error)) or type(error).__name__, FAILED
        except BaseException as error:  # nothing else would say that the work has ended
            message, state = printable(f"{type(error).__name__}: {error}"), FAILED
        self.progress = replace(self.progress, state=state, message=message)

    @contextmanager
    def _scanning(self, what: str) -> Iterator[Callable[[int, int], None]]:
        def progress(done: int, total: int) -> None:
            if self._stop.is_set():
                raise InterruptError("stopped")
            self.progress = replace(self.progress, what=what, done=done, total=total)

        yield progress

    def _color(self, form: str, only: int | None, choices: Choices) -> str:
        desk = self._desk
        arguments = colorize.parser().parse_args(self.words(form, choices))
        colorize.checked(arguments)
        loaded = desk.colorizer(choices.model).with_decoder(choices.decode)
        shard = slice(None) if only is None else slice(only, only + 1)
        with Renderers() as renderers:  # their processes end with the work
            report = colorize.color_pages(
                arguments,
                renderers,
                shard,
                pages=desk.shelf.pages,
                loaded=loaded,
                scanning=self._scanning,
                renew=True,
                notes=False,  # the page has said so of each mark
            )
        failed = [f"{name}: {reason}" for name, reason in report["failed"].items()]
        if failed and len(failed) == report["pages"]:
            raise UsageError("; ".join(failed[:3]))
        if report["already there"] == report["pages"]:
            return f"nothing had changed: {_all(report['pages'])} there"
        missing = f"; {len(failed)} could not be coloured: {'; '.join(failed[:3])}" if failed else ""
        return f"{report['coloured']} of {report['pages']} pages coloured{missing}"

    def _gather(self, then: Callable[[Gathered], Added], tab: str, choices: Choices) -> str:
        from zoo.pages.job import Job

        desk, model = self._desk, choices.model
        colorizer, pages = desk.colorizer(model).with_decoder(choices.decode), desk.shelf.pages
        output = Output(desk.keep.coloured, FORMATS[0], overwrite=True, single=False)
        with Renderers() as renderers, self._scanning("gathering what is alike") as progress:
            parts = Job(colorizer, output, renderers, desk.shelf.look, batch_size=BATCH).sheet(pages, progress)
        added = then(Gathered(model, colorizer.rule, *grouped(parts, colorizer.rule, len(pages))))
        self.progress = replace(
            self.progress, step=Step(self.progress.number, tab, before=added.before, after=added.after)
        )
        return f"{added.count} {'entry' if added.count == 1 else 'entries'} added"


def _all(count: int) -> str:
    return "the page is" if count == 1 else f"all {count} pages are"
