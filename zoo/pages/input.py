"""Where pages come from: files, folders, archives, PDF files."""

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from zoo.data.decode import read_header
from zoo.data.image_files import (
    READABLE,
    ImageFile,
    files_below,
    inner_path,
    is_archive,
    is_image,
    list_images,
    why_unreadable,
)
from zoo.data.pdf import OVERSAMPLING, Renderers
from zoo.errors import ImageError, UsageError
from zoo.pages.look import Look
from zoo.pages.scan import Scan, read_scan, scan_of
from zoo.support.files import user_path
from zoo.support.names import printable

PDF = ".pdf"
BOOKS = (".cbz", ".zip", PDF)

PDF_SIDE = 4096
"""The longer side of a page of a PDF, pixels, at most: of a scan, its own; of what is drawn, this."""


class LargeError(Exception):
    """A page that is to be read while no other is."""


@dataclass(frozen=True)
class Page:
    """A page to colour.

    Attributes:
        source: where its bytes are; of a PDF's page, the file.
        name: its path in the output, without a suffix.
        index: the page of a PDF, counted from 0.
        fault: why a book in a folder cannot be opened; it stands for its pages then.
    """

    source: ImageFile
    name: PurePosixPath
    index: int | None = None
    fault: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.source.name if self.index is None else f"{self.source.name}#{self.index + 1}"

    def read(self, renderers: Renderers, most: int | None = None) -> Scan:
        """The page's pixels.

        Args:
            renderers: of PDF files, whose pages are never large.
            most: bytes that they may take; None for any number.

        Raises:
            ImageError: it is damaged or no image; the message says why.
            LargeError: it takes more than `most`.
            OSError: it cannot be read.
        """
        if self.fault:
            raise ImageError(self.fault)
        if self.index is None:
            data = self.source.read()
            if most is not None and read_header(data).sample_bytes > most:
                raise LargeError
            return read_scan(data)
        return scan_of(renderers.mine().render(self.source.path, self.index, PDF_SIDE // OVERSAMPLING))


class ColoredError(ValueError):
    """A page has colours, of which nothing was said."""


UNUSABLE = (ValueError, OSError, MemoryError)
"""What reading a page raises."""


def usable(page: Page, renderers: Renderers, look: Look, most: int | None = None) -> Scan:
    """A page's pixels: see `Page.read`.

    Raises:
        ColoredError: it has colours.
        ValueError: it is damaged or no image; the message says why.
        LargeError: it takes more than `most` bytes.
        OSError: it cannot be read.
    """
    scan = page.read(renderers, most)
    if scan.colored and not (look.desaturate or look.white_paper):
        raise ColoredError("it has colours: --desaturate colours it anew, --white-paper takes stains for paper")
    return scan


def reason(error: BaseException) -> str:
    """Why a page failed, for a message."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def find_pages(inputs: Sequence[str], renderers: Renderers) -> list[Page]:
    """The pages of the inputs, in order: files as given, folders with their sub-folders and archives by name.

    Args:
        inputs: paths, or patterns such as `scans/*.png` (`**` for sub-folders).
        renderers: count the pages of PDF files.

    Raises:
        UsageError: an input that is not there or holds no image, or two pages that would have one name.
    """
    pages: list[Page] = []
    for text in inputs:
        path = user_path(text)
        paths = [path] if path.exists() else [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]
        if not paths:
            raise UsageError(f"{text}: no such file, folder or pattern with a match")
        for each in paths:
            pages += _pages_of(each, len(inputs) + len(paths) > 2, renderers)
    shared = Counter(page.name for page in pages)
    # Pages that differ in the kind of file alone keep it in their names.
    pages = [
        replace(page, name=page.name.with_name(page.name.name + PurePosixPath(page.source.name).suffix))
        if shared[page.name] > 1
        else page
        for page in pages
    ]
    names: dict[PurePosixPath, Page] = {}
    for page in pages:
        if page.name in names:
            apart = f"in {page.source.path}, unpack it and rename one" if page.source.archive else "colour them apart"
            raise UsageError(f"{page.label} and {names[page.name].label} would both become {page.name}: {apart}")
        names[page.name] = page
    return pages


def _pages_of(path: Path, many: bool, renderers: Renderers) -> Iterator[Page]:
    """The pages of an input. If there are `many`, those of a folder or book go to a folder of its name."""
    top = PurePosixPath(path.stem) if many else PurePosixPath()
    if path.is_dir():
        files = sorted(files_below(path), key=lambda file: printable(file.relative_to(path).as_posix()))
        pages = [page for file in files for page in _pages_in(file, path, top, renderers)]
    elif is_archive(path) or path.suffix.lower() == PDF:
        pages = list(_pages_of_book(path, str(path), top, renderers))
    elif fault := why_unreadable(path):
        raise UsageError(f"{path}: {fault}")
    else:
        pages = [Page(ImageFile(str(path), path), PurePosixPath(path.stem))]
    if not pages:
        raise UsageError(f"{path}: no images in it (looked for {', '.join(sorted(READABLE))})")
    yield from pages


def _pages_in(file: Path, root: Path, top: PurePosixPath, renderers: Renderers) -> Iterator[Page]:
    """The page or pages of a file in a folder; none of what is neither image nor book."""
    name = printable(file.relative_to(root).as_posix())
    stem = top / PurePosixPath(name).with_suffix("")
    if is_archive(file) or file.suffix.lower() == PDF:
        try:
            yield from _pages_of_book(file, name, stem, renderers)
        except UsageError as error:
            yield Page(ImageFile(name, file), stem, fault=str(error).removeprefix(f"{file}: "))
    elif is_image(file):
        yield Page(ImageFile(name, file), stem)


def _pages_of_book(path: Path, name: str, top: PurePosixPath, renderers: Renderers) -> Iterator[Page]:
    if path.suffix.lower() == PDF:
        try:
            count = renderers.count(path)
        except ImageError as error:
            raise UsageError(f"{path}: {error}") from None
        for index in range(count):
            yield Page(ImageFile(name, path), top / f"{index + 1:04}", index)
        return
    for source in list_images(path):
        yield Page(source, top / inner_path(source.name).with_suffix(""))
