"""Where pages come from (files, folders, archives, PDF files) and where they go (a folder, an archive, a PDF)."""

import glob
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from zoo.coloring.scan import Scan, read_scan, scan_of
from zoo.data.decode import ImageError
from zoo.data.pdf import OVERSAMPLING, Renderers
from zoo.data.sources import READABLE, UNREADABLE, Source, files_below, is_image, list_sources, printable
from zoo.errors import UsageError
from zoo.paths import atomic_path, write_text

FORMATS = ("png", "jpg", "webp")
ARCHIVES = (".cbz", ".zip")
PDF = ".pdf"
BOOKS = (*ARCHIVES, PDF)

NO_FOLDER = {".7z", ".cb7", ".cbr", ".cbt", ".djvu", ".epub", ".html", ".psd", ".rar", ".svg", ".tar", ".tga", ".txt"}
"""Extensions of files that cannot be written, and that nobody means a folder by."""

PDF_SIDE = 4096
"""The longer side of a page of a PDF, pixels, at most: of a scan, its own; of what is drawn, this."""


@dataclass(frozen=True)
class Page:
    """A page to colour.

    Attributes:
        source: where its bytes are; of a PDF's page, the file.
        name: its path in the output, without a suffix.
        index: the page of a PDF, counted from 0.
        fault: why a book in a folder cannot be opened; it stands for its pages then.
    """

    source: Source
    name: PurePosixPath
    index: int | None = None
    fault: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.source.name if self.index is None else f"{self.source.name}#{self.index + 1}"

    def read(self, renderers: Renderers) -> Scan:
        """The page's pixels.

        Raises:
            ImageError: it is damaged or no image; the message says why.
            OSError: it cannot be read.
        """
        if self.fault:
            raise ImageError(self.fault)
        if self.index is None:
            return read_scan(self.source.read())
        return scan_of(renderers.mine().render(self.source.path, self.index, PDF_SIDE // OVERSAMPLING))


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
        path = Path(text).expanduser()
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
            raise UsageError(
                f"{page.label} and {names[page.name].label} would both become {page.name}: colour them apart"
            )
        names[page.name] = page
    return pages


def _pages_of(path: Path, many: bool, renderers: Renderers) -> Iterator[Page]:
    """The pages of an input. If there are `many`, those of a folder or book go to a folder of its name."""
    top = PurePosixPath(path.stem) if many else PurePosixPath()
    if path.is_dir():
        files = sorted(files_below(path), key=lambda file: printable(file.relative_to(path).as_posix()))
        pages = [page for file in files for page in _pages_in(file, path, top, renderers)]
    elif path.suffix.lower() in (*ARCHIVES, PDF):
        pages = list(_pages_of_book(path, str(path), top, renderers))
    elif path.suffix.lower() in UNREADABLE:
        raise UsageError(f"{path}: {path.suffix} files cannot be read: save the pages as PNG or JPEG first")
    else:
        pages = [Page(Source(str(path), path), PurePosixPath(path.stem))]
    if not pages:
        raise UsageError(f"{path}: no images in it (looked for {', '.join(sorted(READABLE))})")
    yield from pages


def _pages_in(file: Path, root: Path, top: PurePosixPath, renderers: Renderers) -> Iterator[Page]:
    """The page or pages of a file in a folder; none of what is neither image nor book."""
    name = printable(file.relative_to(root).as_posix())
    stem = top / PurePosixPath(name).with_suffix("")
    if file.suffix.lower() in (*ARCHIVES, PDF):
        try:
            yield from _pages_of_book(file, name, stem, renderers)
        except UsageError as error:
            yield Page(Source(name, file), stem, fault=str(error).removeprefix(f"{file}: "))
    elif is_image(file):
        yield Page(Source(name, file), stem)


def _pages_of_book(path: Path, name: str, top: PurePosixPath, renderers: Renderers) -> Iterator[Page]:
    if path.suffix.lower() == PDF:
        try:
            count = renderers.count(path)
        except ImageError as error:
            raise UsageError(f"{path}: {error}") from None
        for index in range(count):
            yield Page(Source(name, path), top / f"{index + 1:04}", index)
        return
    for source in list_sources(path):
        # Names of archives lead nowhere: of every part, only what is a plain name is kept.
        parts = [part for part in PurePosixPath(source.name).parts if part not in ("..", ".", "/")]
        yield Page(source, top / PurePosixPath(*parts).with_suffix(""))


class Output:
    """Where coloured pages go. A page is written whole or not at all, and what is there already stays.

    Args:
        path: a folder; a file ending in .cbz, .zip or .pdf; or, of a single page, an image file.
        kind: of images: see `FORMATS`.
        overwrite: make what is there already anew.
        single: whether there is only one page.

    Raises:
        UsageError: the file is there already, or what is there is of another kind.
    """

    def __init__(self, path: Path, kind: str, *, overwrite: bool, single: bool) -> None:
        self.path, self.kind = path, kind
        self._file = path if single and path.suffix.lower().lstrip(".") in (*FORMATS, "jpeg") else None
        self.is_book = path.suffix.lower() in BOOKS
        self._overwrite = overwrite
        if not self._file and (is_image(path) or path.suffix.lower() in NO_FOLDER) and not path.is_dir():
            known = ", ".join(f".{each}" for each in FORMATS)
            raise UsageError(
                f"-o {path}: an image is written as {known}, of one page; give a folder or a book for more"
                if path.suffix.lower().lstrip(".") in (*FORMATS, "jpeg")
                else f"-o {path}: {path.suffix} files cannot be written; give {known}, {', '.join(BOOKS)} or a folder"
            )
        if (self._file or self.is_book) and path.exists() and not overwrite:
            raise UsageError(f"{path} is there already: --overwrite replaces it")
        if not self._file and not self.is_book and path.is_file():
            raise UsageError(f"-o {path} is a file: give a folder, or a name that ends in {', '.join(BOOKS)}")
        self.folder = path.with_name(path.name + ".parts") if self.is_book else path

    def check_apart(self, pages: Sequence[Page], extras: Sequence[str]) -> None:
        """Raises UsageError if a page would be written over one of the inputs."""
        inputs = {page.source.path.resolve() for page in pages}
        written = [self.path] if self.is_book else [self.page(page.name, extra) for page in pages for extra in extras]
        for path in written:
            if path.resolve() in inputs:
                raise UsageError(f"-o {self.path}: {path} is one of the inputs; give another place")

    def begin(self, settings: dict[str, Any]) -> None:
        """Makes ready for the pages of a book, or for more of them.

        Args:
            settings: what decides how pages look.

        Raises:
            UsageError: the book was begun with other settings, and is not to be overwritten.
        """
        if not self.is_book:
            return
        file = self.folder / "settings.json"
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        if file.exists() and file.read_text(encoding="utf-8") != text:
            if not self._overwrite:
                raise UsageError(
                    f"{self.folder} holds pages that were made with other settings: --overwrite begins anew"
                )
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(file, text)

    def page(self, name: PurePosixPath, extra: str = "") -> Path:
        """The file of a page."""
        if self._file and not extra:
            return self._file
        if self._file:
            return self._file.with_name(f"{self._file.stem}{extra}.{self.kind}")
        return self.folder / f"{name}{extra}.{self.kind}"

    def has(self, name: PurePosixPath, extra: str = "") -> bool:
        """Whether a page is there and is to stay."""
        # What a book's folder holds was made by this very command.
        return (self.is_book or not self._overwrite) and self.page(name, extra).exists()

    def write(self, name: PurePosixPath, data: bytes, extra: str = "") -> None:
        """Writes a page."""
        path = self.page(name, extra)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)

    def finish(self, names: Sequence[tuple[PurePosixPath, str]]) -> None:
        """Binds the pages of a book, in this order, if there are any, and removes its folder."""
        if not self.is_book:
            return
        files = [self.page(name, extra) for name, extra in names if self.page(name, extra).exists()]
        if files:
            self._bind(files)
        shutil.rmtree(self.folder)

    def _bind(self, files: Sequence[Path]) -> None:
        with atomic_path(self.path) as temporary:
            if self.path.suffix.lower() == ".pdf":
                _bind_pdf(files, temporary)
            else:
                with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as book:
                    for file in files:
                        book.write(file, file.relative_to(self.folder).as_posix())


def _bind_pdf(files: Sequence[Path], path: Path) -> None:
    def pages() -> Iterator[Image.Image]:
        for file in files[1:]:
            with Image.open(file) as image:
                yield image.convert("RGB")

    with Image.open(files[0]) as first:
        first.convert("RGB").save(path, "PDF", save_all=True, append_images=pages(), resolution=150, quality=92)
