"""Colouring a whole book: the job of `zoo colorize`, in a thread, with the model that is loaded already."""

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo import colorize
from zoo.data.pdf import Renderers
from zoo.errors import InterruptError, UsageError, ZooError
from zoo.pages.defaults import BATCH
from zoo.pages.output import FORMATS, Output, bind
from zoo.pages.sheet import ALIKE, SheetEntry, grouped
from zoo.studio.desk import Desk
from zoo.support.command import program
from zoo.support.names import printable

RUNNING, STOPPED, DONE, FAILED, IDLE = "running", "stopped", "done", "failed", "idle"


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
    """

    number: int = 0
    state: str = IDLE
    what: str = ""
    done: int = 0
    total: int = 0
    message: str = ""


class Printing:
    """Long works, one at a time.

    Args:
        desk: of the pages.
        inputs: the pages, as the command line names them.
        renderers: of PDF files.
        flags: what `zoo colorize` is to be told besides.

    Attributes:
        progress: of the last work.
    """

    def __init__(self, desk: Desk, inputs: list[str], renderers: Renderers, flags: list[str]) -> None:
        self._desk, self._inputs, self._renderers, self._flags = desk, inputs, renderers, flags
        self.progress = Progress()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def words(self, form: str) -> list[str]:
        """The command line of `zoo colorize` that makes the same pages.

        Args:
            form: of the images.
        """
        keep, own = self._desk.keep, self._desk.own
        words = [own.model, *self._inputs, "-o", str(keep.coloured), *self._flags]
        words += ["--format", form] * (form != FORMATS[0])
        words += ["--decode", own.decode] if own.decode else []
        words += ["--hints", str(keep.hints)] * bool(keep.marked())
        words += ["--sheet", str(keep.sheet(own.model))] * keep.sheet(own.model).exists()
        words += ["--palette", str(keep.palette)] * keep.choices.limited
        if keep.choices.references:
            words += ["--reference", *(str(keep.reference(name)) for name in keep.choices.references)]
        return words

    def command(self, form: str = FORMATS[0]) -> str:
        """The same, to be pasted into a terminal."""
        return f"{program('colorize')} {shlex.join(self.words(form))}"

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
        self._begin("colouring", lambda: self._color(form, only))

    def gather(self, then: Callable[[list[SheetEntry]], None]) -> None:
        """Begins to gather what is alike on all pages.

        Args:
            then: takes the colour sheet: the entries that are there, and those that were found.

        Raises:
            UsageError: another work is going on.
        """
        self._begin("gathering what is alike", lambda: self._gather(then))

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
            if self._thread and self._thread.is_alive():
                raise UsageError(f"the studio is {self.progress.what} already: wait, or stop it")
            self._stop.clear()
            self.progress = Progress(self.progress.number + 1, RUNNING, what)
            self._thread = threading.Thread(target=self._run, args=(work,), name="printing", daemon=True)
            self._thread.start()

    def _run(self, work: Callable[[], str]) -> None:
        try:
            message, state = work(), DONE
        except InterruptError:
            message, state = "stopped: the same again goes on there", STOPPED
        except (ZooError, OSError, ValueError, MemoryError) as error:
            message, state = printable(str(error)) or type(error).__name__, FAILED
        self.progress = replace(self.progress, state=state, message=message)

    @contextmanager
    def _scanning(self, what: str) -> Iterator[Callable[[int, int], None]]:
        def progress(done: int, total: int) -> None:
            if self._stop.is_set():
                raise InterruptError("stopped")
            self.progress = replace(self.progress, what=what, done=done, total=total)

        yield progress

    def _color(self, form: str, only: int | None) -> str:
        arguments = colorize.parser().parse_args(self.words(form))
        colorize.checked(arguments)
        own = self._desk.own
        loaded = self._desk.colorizer(own.model).with_decoder(own.decode)
        shard = slice(None) if only is None else slice(only, only + 1)
        report = colorize.color_pages(
            arguments, self._renderers, shard, loaded=loaded, scanning=self._scanning, renew=True
        )
        failed = [f"{name}: {reason}" for name, reason in report["failed"].items()]
        if failed and len(failed) == report["pages"]:
            raise UsageError("; ".join(failed[:3]))
        missing = f"; {len(failed)} could not be coloured: {'; '.join(failed[:3])}" if failed else ""
        return f"{report['coloured']} of {report['pages']} pages coloured{missing}"

    def _gather(self, then: Callable[[list[SheetEntry]], None]) -> str:
        from zoo.pages.job import Job

        desk, own = self._desk, self._desk.own
        colorizer, pages = desk.colorizer(own.model).with_decoder(own.decode), desk.shelf.pages
        output = Output(desk.keep.coloured, FORMATS[0], overwrite=True, single=False)
        job = Job(colorizer, output, self._renderers, desk.shelf.look, batch_size=BATCH)
        with self._scanning("gathering what is alike") as progress:
            parts = job.sheet(pages, progress)
        there = desk.keep.entries(own.model, desk.digest(own.model))
        rule = colorizer.rule
        found = []
        for entry, example in zip(*grouped(parts, rule, len(pages)), strict=True):
            # What the person said already covers what is like it.
            apart = [
                rule.kind * float(((np.array(entry.kind) - np.array(each.kind)) ** 2).sum())
                + rule.tone * abs(entry.tone - each.tone)
                for each in there
            ]
            if min(apart, default=ALIKE) >= ALIKE:
                found.append((entry, example))
        numbers = [int(each.name) for each in there if each.name.isdecimal()]
        named = []
        for number, (entry, example) in enumerate(found, max(numbers, default=0) + 1):
            desk.keep.write_example(own.model, str(number), example)
            named.append(replace(entry, name=str(number)))
        then([*there, *named])
        return f"{len(named)} things that are alike on these pages"
