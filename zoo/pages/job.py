"""Colouring many pages: decoded ahead, computed in batches and encoded behind, all at the same time."""

import errno
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from zoo.chroma.evidence import Given
from zoo.data.pdf import Renderers
from zoo.pages.cleaning import prepared
from zoo.pages.colorizer import Colorizer, Pictures
from zoo.pages.guide import Guide
from zoo.pages.hint import Hint
from zoo.pages.input import UNUSABLE, LargeError, Page, reason, usable
from zoo.pages.look import Look
from zoo.pages.output import Output
from zoo.pages.said import Said
from zoo.pages.scan import Scan, encode
from zoo.pages.sheet import Part, parts_of
from zoo.pages.side_by_side import summary

GREY_SHARE = 0.2
"""A page of less grey than this is as good as black and white alone."""

_BAD_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
"""Of a page's name that the disk does not take, or where another page's file or folder is."""

AHEAD = 2
"""How many batches are decoded, or encoded, while one is computed."""

AHEAD_BYTES = 256 << 20
"""Of decoded pages that wait, at most, before and after they are computed each."""

LARGE = 36 << 20
"""A page of more bytes, such as more than A4 at 600 dots an inch, is coloured while no other is being written."""


@dataclass(frozen=True)
class Ready:
    """A page that has been read.

    Attributes:
        page: where it is from.
        scan: what is painted on.
        seen: what the network is to see.
        guide: what the user says of it.
    """

    page: Page
    scan: Scan
    seen: Pictures
    guide: Guide


class Job:
    """Colours pages.

    Args:
        colorizer: computes colours.
        output: where pages go.
        renderers: of PDF files.
        look: how pages are to look.
        batch_size: pages computed at a time, if they are of one size.
        said: what the user says of pages; None for nothing.

    Attributes:
        failed: by a page's label, why it could not be coloured.
        there: how many pages were there already.
        bilevel: the labels of pages that are black and white but for `GREY_SHARE` of them, which take little colour.
        notes: what became of hints that the luma of their places did not let be what they are.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        output: Output,
        renderers: Renderers,
        look: Look,
        *,
        batch_size: int,
        said: Said | None = None,
    ) -> None:
        self._colorizer, self._output, self._renderers, self._look = colorizer, output, renderers, look
        self._size, self._said = batch_size, said or Said()
        self.failed: dict[str, str] = {}
        self.there = 0
        self.bilevel: list[str] = []
        self.notes: list[str] = []
        self._writing: deque[tuple[Page, Future[None]]] = deque()
        self._done = 0
        self._progress: Callable[[], None] = lambda: None
        self._largest = 0  # bytes of a page so far

    @property
    def _ahead(self) -> int:
        """How many pages may wait; one until the first is read, as those of a book are alike."""
        return min(AHEAD * self._size, AHEAD_BYTES // self._largest) if self._largest else 1

    def run(self, pages: Sequence[Page], progress: Callable[[int, int], None]) -> int:
        """Colours what is not there yet; how many pages that were."""
        todo = self._output.missing(pages, self._look.extras)
        self.there = len(pages) - len(todo)
        progress(0, len(todo))
        self._done, self._progress = 0, lambda: progress(self._done + len(self.failed), len(todo))
        with ThreadPoolExecutor(2, thread_name_prefix="pages") as pool:
            try:
                for batch in self._batches(todo, pool):
                    large = any(ready.scan.samples.nbytes > LARGE for ready in batch)
                    for colored in self._colored(batch):
                        self._writing.append((colored[0], pool.submit(self._write, *colored)))
                    del batch, colored  # of a large page, one is all that there is room for
                    self._finish(0 if large else self._ahead)
                self._finish(0)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return self._done

    def _finish(self, left: int) -> None:
        """Waits until no more than so many pages are being written."""
        while len(self._writing) > left:
            self._done += self._written(*self._writing.popleft())
            self._progress()

    def carry(self, pages: Sequence[Page]) -> None:
        """Has alike places of all pages take the hints of each."""
        for _, _, seen, guide in self._readable(pages, self._said.files):
            (examined,) = self._colorizer.examined([seen])
            self._said = self._said.and_of(examined.given(guide.hints))

    def sheet(self, pages: Sequence[Page], progress: Callable[[int, int], None]) -> list[Part]:
        """The regions of all pages, for a colour sheet."""
        found: list[Part] = []
        for done, (page, _, seen, _) in enumerate(self._readable(pages, None), 1):
            (examined,) = self._colorizer.examined([seen])
            found += parts_of(page.label, examined, self._colorizer.decode)
            progress(done, len(pages))
        return found

    def follow(self, references: tuple[Given, ...]) -> None:
        """Has all pages take further references."""
        self._said = self._said.and_of(references)

    def _readable(
        self, pages: Sequence[Page], wanted: Container[PurePosixPath] | None
    ) -> Iterator[tuple[Page, Scan, Pictures, Guide]]:
        """The pages that can be read, of those wanted; why another cannot is said when it is coloured."""
        for page in pages:
            if wanted is None or page.name in wanted:
                try:
                    ready = self._read(page)
                except UNUSABLE:
                    continue
                yield page, ready.scan, ready.seen, ready.guide
        self.notes.clear()
        self.bilevel.clear()

    def _batches(self, pages: Sequence[Page], pool: ThreadPoolExecutor) -> Iterator[list[Ready]]:
        """Pages of one size at a time, decoded ahead."""
        reading: deque[tuple[Page, Future[Ready]]] = deque()
        waiting = deque(pages)
        batch: list[Ready] = []
        while waiting or reading:
            while waiting and len(reading) < max(1, self._ahead):
                page = waiting.popleft()
                reading.append((page, pool.submit(self._read, page, LARGE)))
            page, future = reading.popleft()
            try:
                ready = future.result()
            except UNUSABLE as error:
                self._fail(page, error)
                continue
            except LargeError:
                if batch:
                    yield batch
                batch = []
                self._finish(0)
                try:
                    yield [self._read(page)]
                except UNUSABLE as error:
                    self._fail(page, error)
                continue
            self._largest = max(self._largest, ready.scan.samples.nbytes)
            shape = ready.seen.whole.shape
            if batch and (len(batch) >= min(self._size, self._ahead) or batch[0].seen.whole.shape != shape):
                yield batch
                batch = []
            batch.append(ready)
        if batch:
            yield batch

    def _read(self, page: Page, most: int | None = None) -> Ready:
        scan, seen = prepared(usable(page, self._renderers, self._look, most), self._look)
        guide, notes = self._said.of(page.name, scan, self._look.headroom)
        self.notes += [f"{page.label}: {note}" for note in notes]
        if not self._look.headroom and _is_bilevel(scan):
            self.bilevel.append(page.label)
        return Ready(page, scan, self._colorizer.pictures(seen), guide)

    def _colored(self, batch: list[Ready]) -> Iterator[tuple[Page, Scan, Sequence[Hint], list[np.ndarray]]]:
        examined = self._colorizer.examined([each.seen for each in batch])
        seeds = range(self._look.seed, self._look.seed + self._look.samples)
        for ready, each in zip(batch, examined, strict=True):
            uvs = [each.chroma(self._colorizer.decode, seed, ready.guide) for seed in seeds]
            yield ready.page, ready.scan, ready.guide.hints, uvs

    def _write(self, page: Page, scan: Scan, hints: Sequence[Hint], uvs: list[np.ndarray]) -> None:
        for extra, uv in zip(self._look.extras, uvs, strict=True):
            if self._output.has(page.name, extra):  # of several samples, one may be there
                continue
            rgb = self._colorizer.paint(scan, uv, headroom=self._look.headroom, hints=hints)
            if rgb.dtype == np.uint16 and self._output.kind != "png":
                rgb = (rgb >> 8).astype(np.uint8)
            self._output.write(page.name, encode(rgb, scan, self._output.kind, self._look.quality), extra)
            if self._look.summary:
                data = encode(*summary(scan, rgb), self._output.kind, self._look.quality)
                self._output.write(page.name, data, f"{extra}-summary")

    def _written(self, page: Page, future: Future[None]) -> int:
        try:
            future.result()
        except (ValueError, MemoryError) as error:
            self._fail(page, error)
            return 0
        except OSError as error:
            if error.errno not in _BAD_NAME:  # the disk: no page would fare better
                raise
            self._fail(page, error)
            return 0
        return 1

    def _fail(self, page: Page, error: BaseException) -> None:
        self.failed[page.label] = reason(error)


def _is_bilevel(scan: Scan) -> bool:
    """Whether a page is black and white but for `GREY_SHARE` of it: no colour fits at these lumas."""
    step = max(1, int(np.sqrt(scan.samples.size / 1e6)))
    luma = Scan(scan.samples[::step, ::step]).luma()
    return bool(((luma > 0.02) & (luma < 0.98)).mean() < GREY_SHARE)
